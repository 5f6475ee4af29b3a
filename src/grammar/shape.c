/* Shapes: which sizes make a Random Hierarchy Model at all. */
#include "core/fail.h"
#include "grammar/grammar.h"

/* base^exponent for base >= 1, or `ceiling` where it is at least that. */
static uint64_t bounded_power(uint64_t base, uint32_t exponent, uint64_t ceiling) {
    uint64_t power = 1;
    for (uint32_t i = 0; i < exponent; i++)
        if (__builtin_mul_overflow(power, base, &power) || power >= ceiling)
            return ceiling;
    return power;
}

rhm_shape rhm_shape_uniform(uint32_t vocab, uint32_t rules, uint32_t branching, uint32_t levels) {
    rhm_shape shape = {.levels = levels, .branching = branching};
    for (uint32_t level = 0; level <= levels && level <= RHM_MAX_LEVELS; level++) {
        shape.vocab[level] = vocab;
        shape.rules[level] = level > 0 ? rules : 0;
    }
    return shape;
}

rhm_status rhm_shape_check(const rhm_shape *shape, rhm_error *error) {
    const uint32_t levels = shape->levels;
    const uint32_t branching = shape->branching;
    if (levels < 1 || levels > RHM_MAX_LEVELS)
        return rhm_fail(error, RHM_INVALID, "levels is %u: it must be 1 to %d", levels, RHM_MAX_LEVELS);
    if (branching < 2 || branching > RHM_MAX_BRANCHING)
        return rhm_fail(error, RHM_INVALID, "branching is %u: it must be 2 to %d", branching, RHM_MAX_BRANCHING);
    const uint64_t most_tokens = (uint64_t)1 << 32;
    if (bounded_power(branching, levels, most_tokens + 1) > most_tokens)
        return rhm_fail(error, RHM_INVALID,
                        "branching %u and levels %u make sequences of %u^%u tokens: at most 2^32 are allowed",
                        branching, levels, branching, levels);
    for (uint32_t level = 0; level <= levels; level++)
        if (shape->vocab[level] < 1 || shape->vocab[level] > RHM_MAX_VOCAB)
            return rhm_fail(error, RHM_INVALID, "the vocabulary of level %u has %u symbols: it must have 1 to %d",
                            level, shape->vocab[level], RHM_MAX_VOCAB);
    for (uint32_t level = 1; level <= levels; level++) {
        const uint64_t parents = shape->vocab[level - 1];
        const uint64_t wanted = parents * shape->rules[level];
        if (wanted == 0)
            return rhm_fail(error, RHM_INVALID, "level %u has 0 rules for each symbol: it must have at least 1", level);
        const uint64_t tuples = bounded_power(shape->vocab[level], branching, UINT64_MAX);
        if (wanted > tuples)
            return rhm_fail(
                error, RHM_INVALID,
                "level %u needs %llu distinct patches (%llu symbols with %u rules each), but %u symbols make only "
                "%u^%u = %llu patches of %u: use fewer rules or a larger vocabulary",
                level, (unsigned long long)wanted, (unsigned long long)parents, shape->rules[level],
                shape->vocab[level], shape->vocab[level], branching, (unsigned long long)tuples, branching);
        if (wanted > RHM_MAX_LEVEL_RULES)
            return rhm_fail(error, RHM_INVALID, "level %u has %llu rules in all: at most %d are allowed", level,
                            (unsigned long long)wanted, RHM_MAX_LEVEL_RULES);
    }
    return RHM_OK;
}

size_t rhm_shape_tokens(const rhm_shape *shape) {
    size_t tokens = 1;
    for (uint32_t level = 0; level < shape->levels; level++)
        tokens *= shape->branching;
    return tokens;
}
