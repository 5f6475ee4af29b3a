/*
 * Drawing the rules of a grammar. Patches are drawn digit by digit and drawn again when seen before, so V^s is neither
 * enumerated nor even formed. At worst, when all V^s patches are wanted, that is a coupon collector: log(V^s) draws
 * each.
 */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"
#include "hierarchy/grammar.h"
#include "hierarchy/rule_law.h"

enum {
    AMBIGUITY_STREAM = 128, /* and the level; rules and laws have those below (core/philox.h) */
    MOST_ATTEMPTS = 1000,   /* at a patch that a symbol does not have */
};

/* Draw digits from..s-1 of `patch` until the whole is new to `seen`. */
static rhm_status draw_new(rhm_random *random, uint32_t *patch, uint32_t from, uint32_t vocab, rhm_intern *seen,
                           rhm_error *error) {
    for (bool is_new = false; !is_new;) {
        for (uint32_t i = from; i < seen->words; i++)
            patch[i] = rhm_random_below(random, vocab);
        uint32_t id;
        RHM_TRY(rhm_intern_add(seen, patch, &id, &is_new, error));
    }
    return RHM_OK;
}

static void swap_patches(uint32_t *a, uint32_t *b, uint32_t branching) {
    for (uint32_t i = 0; i < branching; i++) {
        const uint32_t kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

/* Fill `patches` (V_{l-1} m_l, s), dealt to the parents m_l at a time in the order of the rows. */
static rhm_status draw_level(uint32_t *patches, const rhm_shape *shape, uint32_t level, rhm_rule_sampling sampling,
                             uint64_t seed, rhm_error *error) {
    const uint32_t branching = shape->branching[level];
    const uint32_t vocab = shape->vocab[level];
    const size_t rows = rhm_shape_rules(shape, level);
    rhm_random random = {.seed = seed, .stream = level};
    rhm_intern seen;
    rhm_status status = rhm_intern_init(&seen, branching, rows, error);
    if (sampling == RHM_UNIFORM) {
        /* Independent draws without repetition are exchangeable: dealing them in the order drawn is already random. */
        for (size_t row = 0; status == RHM_OK && row < rows; row++)
            status = draw_new(&random, patches + row * branching, 0, vocab, &seen, error);
    } else if (sampling == RHM_INDEPENDENT) {
        for (size_t row = 0; status == RHM_OK && row < rows; row++) {
            if (row % shape->rules[level] == 0)
                rhm_intern_clear(&seen);
            status = draw_new(&random, patches + row * branching, 0, vocab, &seen, error);
        }
    } else {
        const size_t suffixes = rows / vocab;
        for (size_t row = 0; status == RHM_OK && row < rows; row++) {
            patches[row * branching] = (uint32_t)(row / suffixes);
            status = draw_new(&random, patches + row * branching, 1, vocab, &seen, error);
        }
        for (size_t row = rows; status == RHM_OK && row-- > 1;)
            swap_patches(patches + row * branching,
                         patches + rhm_random_below(&random, (uint32_t)row + 1) * (size_t)branching, branching);
    }
    rhm_intern_destroy(&seen);
    return status;
}

static bool has_patch(const uint32_t *patches, size_t rows, const uint32_t *patch, size_t branching) {
    for (size_t row = 0; row < rows; row++)
        if (memcmp(patches + row * branching, patch, sizeof *patch * branching) == 0)
            return true;
    return false;
}

/* Of a share of the rules, chosen at random, the patch becomes that of a random rule of another symbol, unless the
 * symbol has it already: then another one is tried. */
static rhm_status make_ambiguous(uint32_t *patches, const rhm_shape *shape, uint32_t level, double share, uint64_t seed,
                                 rhm_error *error) {
    const size_t rows = rhm_shape_rules(shape, level), rules = shape->rules[level], s = shape->branching[level];
    const size_t count = (size_t)(share * (double)rows + 0.5);
    rhm_random random = {.seed = seed, .stream = AMBIGUITY_STREAM + level};
    if (count == 0 || rows == rules)
        return RHM_OK;
    uint32_t *order = RHM_NEW(uint32_t, rows, 1, 1, "order of rules", error);
    if (!order)
        return RHM_NO_MEMORY;
    for (size_t row = 0; row < rows; row++)
        order[row] = (uint32_t)row;
    for (size_t i = 0; i < count; i++) {
        const size_t j = i + rhm_random_below(&random, (uint32_t)(rows - i)), row = order[j], parent = row / rules;
        order[j] = order[i];
        for (int attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
            size_t from = rhm_random_below(&random, (uint32_t)(rows - rules));
            from += from >= parent * rules ? rules : 0;
            if (has_patch(patches + parent * rules * s, rules, patches + from * s, s))
                continue;
            memcpy(patches + row * s, patches + from * s, sizeof *patches * s);
            break;
        }
    }
    rhm_free(order);
    return RHM_OK;
}

static rhm_status check_sampling(const rhm_shape *shape, rhm_rule_sampling sampling, rhm_error *error) {
    if (sampling == RHM_UNIFORM || sampling == RHM_INDEPENDENT)
        return RHM_OK;
    if (sampling != RHM_FIRST_TOKEN_UNIFORM)
        return rhm_fail(error, RHM_INVALID, "rules cannot be drawn by the method '%s': use '%s', '%s' or '%s'",
                        rhm_rule_sampling_name(sampling), rhm_rule_sampling_name(RHM_FIRST_TOKEN_UNIFORM),
                        rhm_rule_sampling_name(RHM_UNIFORM), rhm_rule_sampling_name(RHM_INDEPENDENT));
    for (uint32_t level = 1; level <= shape->levels; level++)
        if (rhm_shape_rules(shape, level) % shape->vocab[level] != 0)
            return rhm_fail(error, RHM_INVALID,
                            "level %u has %zu rules, which cannot be shared equally among %u first tokens: "
                            "first-token-uniform needs a multiple of %u",
                            level, rhm_shape_rules(shape, level), shape->vocab[level], shape->vocab[level]);
    return RHM_OK;
}

static rhm_status draw_laws(double **probability, const rhm_shape *shape, const rhm_grammar_options *options,
                            rhm_error *error) {
    for (uint32_t level = 0; level <= shape->levels; level++) {
        const rhm_rule_law *law = level ? &options->rule_law[level] : &options->label_law;
        const size_t rows = level ? shape->vocab[level - 1] : 1, count = level ? shape->rules[level] : shape->vocab[0];
        if (law->kind == RHM_LAW_UNIFORM)
            continue; /* rhm_grammar_create_with fills it in */
        RHM_TRY(rhm_rule_law_check(law, error));
        if (!(probability[level] = RHM_NEW(double, rows, count, 1, "probabilities of rules", error)))
            return RHM_NO_MEMORY;
        rhm_rule_law_draw(probability[level], rows, count, law, options->seed, level);
    }
    return RHM_OK;
}

rhm_status rhm_grammar_draw_with(rhm_grammar **out, const rhm_shape *shape, const rhm_grammar_options *options,
                                 rhm_error *error) {
    *out = NULL;
    RHM_TRY(rhm_shape_check_with(shape, options->sampling == RHM_INDEPENDENT, error));
    RHM_TRY(check_sampling(shape, options->sampling, error));
    if (!(options->ambiguity >= 0 && options->ambiguity <= 1))
        return rhm_fail(error, RHM_INVALID, "the ambiguity is %g: it must be 0 to 1", options->ambiguity);
    uint32_t *patches[RHM_MAX_LEVELS] = {0};
    double *probability[RHM_MAX_LEVELS + 1] = {0}; /* [0]: of the labels */
    rhm_status status = draw_laws(probability, shape, options, error);
    for (uint32_t level = 1; status == RHM_OK && level <= shape->levels; level++) {
        patches[level - 1] =
            RHM_NEW(uint32_t, shape->vocab[level - 1], shape->rules[level], shape->branching[level], "rules", error);
        status = patches[level - 1]
                     ? draw_level(patches[level - 1], shape, level, options->sampling, options->seed, error)
                     : RHM_NO_MEMORY;
        if (status == RHM_OK)
            status = make_ambiguous(patches[level - 1], shape, level, options->ambiguity, options->seed, error);
    }
    if (status == RHM_OK)
        status = rhm_grammar_create_with(out, shape, (const uint32_t *const *)patches,
                                         (const double *const *)(probability + 1), probability[0], options, error);
    for (uint32_t level = 0; level < RHM_MAX_LEVELS; level++)
        rhm_free(patches[level]);
    for (uint32_t level = 0; level <= RHM_MAX_LEVELS; level++)
        rhm_free(probability[level]);
    return status;
}

rhm_status rhm_grammar_draw(rhm_grammar **out, const rhm_shape *shape, rhm_rule_sampling sampling, uint64_t seed,
                            rhm_error *error) {
    const rhm_grammar_options options = {.sampling = sampling, .seed = seed};
    return rhm_grammar_draw_with(out, shape, &options, error);
}
