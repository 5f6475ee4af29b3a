/* Shapes: which sizes make a Random Hierarchy Model at all, and what follows from them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "hierarchy/grammar.h"

#define MOST_TOKENS (UINT64_C(1) << 32)

/* base^exponent for base >= 1, or `ceiling` where it is at least that. */
static uint64_t bounded_power(uint64_t base, uint32_t exponent, uint64_t ceiling) {
    uint64_t power = 1;
    for (uint32_t i = 0; i < exponent; i++)
        if (__builtin_mul_overflow(power, base, &power) || power >= ceiling)
            return ceiling;
    return power;
}

rhm_shape rhm_shape_uniform(uint32_t vocab, uint32_t rules, uint32_t branching, uint32_t levels) {
    rhm_shape shape = {.levels = levels};
    for (uint32_t level = 0; level <= levels && level <= RHM_MAX_LEVELS; level++) {
        shape.vocab[level] = vocab;
        shape.rules[level] = level > 0 ? rules : 0;
        shape.branching[level] = level > 0 ? branching : 0;
    }
    return shape;
}

static rhm_status refuse_tokens(uint32_t levels, const uint32_t *branching, rhm_error *error) {
    char list[RHM_MAX_LEVELS * 4];
    size_t used = 0;
    bool same = true;
    for (uint32_t level = 1; level <= levels; level++) {
        same = same && branching[level] == branching[1];
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%" PRIu32, level == 1 ? "" : ",", branching[level]);
    }
    if (same)
        return rhm_fail(error, RHM_INVALID,
                        "branching %u and levels %u make sequences of %u^%u tokens: at most 2^32 are allowed",
                        branching[1], levels, branching[1], levels);
    return rhm_fail(error, RHM_INVALID,
                    "branching %s makes sequences of more than 2^32 tokens: at most 2^32 are allowed", list);
}

rhm_status rhm_tree_make(rhm_tree *out, uint32_t levels, const uint32_t *branching, rhm_error *error) {
    if (levels < 1 || levels > RHM_MAX_LEVELS)
        return rhm_fail(error, RHM_INVALID, "levels is %u: it must be 1 to %d", levels, RHM_MAX_LEVELS);
    for (uint32_t level = 1; level <= levels; level++)
        if (branching[level] < 2 || branching[level] > RHM_MAX_BRANCHING)
            return rhm_fail(error, RHM_INVALID, "branching is %u: it must be 2 to %d", branching[level],
                            RHM_MAX_BRANCHING);
    rhm_tree tree = {.levels = levels};
    uint64_t tokens = tree.nodes[0] = 1;
    for (uint32_t level = 1; level <= levels; level++) {
        tokens *= branching[level];
        if (tokens > MOST_TOKENS)
            return refuse_tokens(levels, branching, error);
        tree.branching[level] = branching[level];
        tree.nodes[level] = (size_t)tokens;
    }
    for (uint32_t level = 0; level <= levels; level++)
        tree.leaves[level] = tree.nodes[levels] / tree.nodes[level];
    *out = tree;
    return RHM_OK;
}

rhm_status rhm_tree_uniform(rhm_tree *out, uint32_t levels, uint32_t branching, rhm_error *error) {
    uint32_t list[RHM_MAX_LEVELS + 1];
    for (uint32_t level = 0; level <= RHM_MAX_LEVELS; level++)
        list[level] = branching;
    return rhm_tree_make(out, levels, list, error);
}

bool rhm_tree_same(const rhm_tree *a, const rhm_tree *b) {
    return a->levels == b->levels && memcmp(a->branching, b->branching, sizeof a->branching) == 0;
}

uint32_t rhm_tree_common_branching(const rhm_tree *tree) {
    for (uint32_t level = 2; level <= tree->levels; level++)
        if (tree->branching[level] != tree->branching[1])
            return 0;
    return tree->branching[1];
}

rhm_status rhm_shape_check(const rhm_shape *shape, rhm_error *error) {
    return rhm_shape_check_with(shape, false, error);
}

rhm_status rhm_shape_check_with(const rhm_shape *shape, bool ambiguous, rhm_error *error) {
    const uint32_t levels = shape->levels;
    rhm_tree tree;
    RHM_TRY(rhm_tree_make(&tree, levels, shape->branching, error));
    for (uint32_t level = 0; level <= levels; level++)
        if (shape->vocab[level] < 1 || shape->vocab[level] > RHM_MAX_VOCAB)
            return rhm_fail(error, RHM_INVALID, "the vocabulary of level %u has %u symbols: it must have 1 to %d",
                            level, shape->vocab[level], RHM_MAX_VOCAB);
    for (uint32_t level = 1; level <= levels; level++) {
        const uint64_t parents = shape->vocab[level - 1];
        const uint64_t wanted = parents * shape->rules[level];
        if (wanted == 0)
            return rhm_fail(error, RHM_INVALID, "level %u has 0 rules for each symbol: it must have at least 1", level);
        const uint64_t tuples = bounded_power(shape->vocab[level], shape->branching[level], UINT64_MAX);
        if (ambiguous && shape->rules[level] > tuples)
            return rhm_fail(error, RHM_INVALID,
                            "level %u needs %u distinct patches for each symbol, but there are only %llu: use fewer "
                            "rules or a larger vocabulary",
                            level, shape->rules[level], (unsigned long long)tuples);
        if (!ambiguous && wanted > tuples)
            return rhm_fail(
                error, RHM_INVALID,
                "level %u needs %llu distinct patches (%llu symbols with %u rules each), but %u symbols make only "
                "%u^%u = %llu patches of %u: use fewer rules or a larger vocabulary",
                level, (unsigned long long)wanted, (unsigned long long)parents, shape->rules[level],
                shape->vocab[level], shape->vocab[level], shape->branching[level], (unsigned long long)tuples,
                shape->branching[level]);
        if (wanted > RHM_MAX_LEVEL_RULES)
            return rhm_fail(error, RHM_INVALID, "level %u has %llu rules in all: at most %d are allowed", level,
                            (unsigned long long)wanted, RHM_MAX_LEVEL_RULES);
    }
    return RHM_OK;
}
