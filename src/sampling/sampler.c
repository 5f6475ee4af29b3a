/* The tables of a sampler: rules in 16 bits, choices as alias columns. */
#include "sampling/sampler.h"

#include "core/fail.h"
#include "core/memory.h"

static bool equally_likely(const double *probability, size_t rows, size_t columns) {
    for (size_t i = 0; i < rows * columns; i++)
        if (probability[i] != probability[i / columns * columns])
            return false;
    return true;
}

/* Alias columns for `rows` distributions over `count` entries each, or NULL with `error` filled. */
static rhm_alias *build_columns(const double *probability, size_t rows, size_t count, rhm_error *error) {
    rhm_alias *columns = RHM_NEW(rhm_alias, rows, count, 1, "alias tables", error);
    double *scratch = columns ? RHM_NEW(double, count, 1, 1, "alias tables", error) : NULL;
    uint32_t *work = scratch ? RHM_NEW(uint32_t, count, 1, 1, "alias tables", error) : NULL;
    for (size_t row = 0; work && row < rows; row++)
        rhm_alias_build(columns + row * count, probability + row * count, count, scratch, work);
    if (!work) {
        rhm_free(columns);
        columns = NULL;
    }
    rhm_free(scratch);
    rhm_free(work);
    return columns;
}

static rhm_status fill_rewriting(rhm_rewriting *rewriting, const rhm_grammar *grammar, uint32_t level,
                                 rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t parents = shape->vocab[level - 1];
    const uint32_t *patches = rhm_grammar_patches(grammar, level);
    const double *probability = rhm_grammar_probability(grammar, level);
    rewriting->rules = shape->rules[level];
    rewriting->patches = RHM_NEW(uint16_t, parents, rewriting->rules, shape->branching, "rules of a sampler", error);
    if (!rewriting->patches)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < parents * rewriting->rules * shape->branching; i++)
        rewriting->patches[i] = (uint16_t)patches[i];
    if (!equally_likely(probability, parents, rewriting->rules)) {
        rewriting->columns = build_columns(probability, parents, rewriting->rules, error);
        if (!rewriting->columns)
            return RHM_NO_MEMORY;
    }
    return RHM_OK;
}

rhm_status rhm_sampler_create(rhm_sampler **out, const rhm_grammar *grammar, uint64_t seed, rhm_error *error) {
    *out = NULL;
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_sampler *sampler = RHM_NEW(rhm_sampler, 1, 1, 1, "sampler", error);
    if (!sampler)
        return RHM_NO_MEMORY;
    sampler->grammar = grammar;
    sampler->seed = seed;
    sampler->levels = shape->levels;
    sampler->branching = shape->branching;
    sampler->label_count = shape->vocab[0];
    uint64_t word = shape->levels + 1;
    uint64_t width = 1;
    for (uint32_t level = 1; level < shape->levels; level++) {
        width *= shape->branching;
        sampler->first_word[level] = word;
        word += width - 1;
    }
    rhm_status status = RHM_NO_MEMORY;
    sampler->labels = build_columns(rhm_grammar_label_probability(grammar), 1, shape->vocab[0], error);
    if (!sampler->labels)
        goto fail;
    for (uint32_t level = 1; level <= shape->levels; level++) {
        status = fill_rewriting(&sampler->rewriting[level], grammar, level, error);
        if (status != RHM_OK)
            goto fail;
    }
    *out = sampler;
    return RHM_OK;
fail:
    rhm_sampler_destroy(sampler);
    return status;
}

void rhm_sampler_destroy(rhm_sampler *sampler) {
    if (!sampler)
        return;
    for (uint32_t level = 1; level <= RHM_MAX_LEVELS; level++) {
        rhm_free(sampler->rewriting[level].patches);
        rhm_free(sampler->rewriting[level].columns);
    }
    rhm_free(sampler->labels);
    rhm_free(sampler);
}
