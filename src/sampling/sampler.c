/* The tables of a sampler: rules in 16 bits, choices as alias columns, and small rules for byte shuffles. */
#include "sampling/sampler.h"

#include <stdlib.h>

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

static uint32_t bits_below(uint32_t count) {
    uint32_t bits = 0;
    while (UINT32_C(1) << bits < count)
        bits++;
    return bits;
}

/* The chunks are written as they are, and then, from the last to the first, as differences. */
static rhm_status fill_small(rhm_small_rules *small, const rhm_rewriting *from, size_t parents, size_t branching,
                             rhm_error *error) {
    small->shift = bits_below(from->rules);
    small->chunks = 1;
    while (small->chunks * RHM_LOOKUP < parents << small->shift)
        small->chunks *= 2;
    small->lookup = RHM_NEW(uint8_t, small->chunks, branching, RHM_LOOKUP, "small rules of a sampler", error);
    small->plain = RHM_NEW(uint8_t, branching, RHM_SMALL_RULES, 1, "small rules of a sampler", error);
    if (!small->lookup || !small->plain)
        return RHM_NO_MEMORY;
    for (size_t row = 0; row < parents * from->rules; row++) {
        const size_t number = row / from->rules << small->shift | row % from->rules;
        for (size_t c = 0; c < branching; c++)
            small->plain[c * RHM_SMALL_RULES + number] =
                small->lookup[(number / RHM_LOOKUP * branching + c) * RHM_LOOKUP + number % RHM_LOOKUP] =
                    (uint8_t)from->patches[row * branching + c];
    }
    const size_t size = branching * RHM_LOOKUP;
    for (size_t k = small->chunks; k-- > 1;)
        for (size_t i = 0; k % RHM_LINKED_CHUNKS != 0 && i < size; i++)
            small->lookup[k * size + i] ^= small->lookup[(k - 1) * size + i];
    return RHM_OK;
}

static bool fits_small(const rhm_shape *shape, uint32_t level) {
    const uint32_t most = RHM_SMALL_RULES;
    return shape->rules[level] <= most && shape->vocab[level] <= most &&
           shape->vocab[level - 1] <= most >> bits_below(shape->rules[level]);
}

static rhm_status fill_rewriting(rhm_rewriting *rewriting, const rhm_grammar *grammar, uint32_t level, bool even,
                                 rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t parents = shape->vocab[level - 1];
    const uint32_t *patches = rhm_grammar_patches(grammar, level);
    const double *probability = rhm_grammar_probability(grammar, level);
    rewriting->rules = shape->rules[level];
    rewriting->patches =
        RHM_NEW(uint16_t, parents, rewriting->rules, shape->branching[level], "rules of a sampler", error);
    if (!rewriting->patches)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < parents * rewriting->rules * shape->branching[level]; i++)
        rewriting->patches[i] = (uint16_t)patches[i];
    if (!even) {
        rewriting->columns = build_columns(probability, parents, rewriting->rules, error);
        if (!rewriting->columns)
            return RHM_NO_MEMORY;
    } else if (fits_small(shape, level)) {
        return fill_small(&rewriting->small, rewriting, parents, shape->branching[level], error);
    }
    return RHM_OK;
}

static rhm_status fill(rhm_sampler *sampler, rhm_error *error) {
    const rhm_grammar *grammar = sampler->grammar;
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_layout *layout = &sampler->layout;
    bool even = equally_likely(rhm_grammar_label_probability(grammar), 1, shape->vocab[0]);
    layout->label = rhm_choice_of(shape->vocab[0], even);
    if (!even && !(sampler->labels = build_columns(rhm_grammar_label_probability(grammar), 1, shape->vocab[0], error)))
        return RHM_NO_MEMORY;
    for (uint32_t level = 1; level <= shape->levels; level++) {
        even = equally_likely(rhm_grammar_probability(grammar, level), shape->vocab[level - 1], shape->rules[level]);
        layout->rule[level] = rhm_choice_of(shape->rules[level], even);
        RHM_TRY(fill_rewriting(&sampler->rewriting[level], grammar, level, even, error));
    }
    rhm_layout_make(layout, &sampler->tree);
    for (uint32_t k = 0; k < layout->count; k++) {
        sampler->small[k] = true;
        for (uint32_t level = layout->stratum[k].top; level < layout->stratum[k].end; level++)
            sampler->small[k] = sampler->small[k] && sampler->rewriting[level + 1].small.lookup;
    }
    return RHM_OK;
}

rhm_status rhm_sampler_create(rhm_sampler **out, const rhm_grammar *grammar, uint64_t seed, rhm_error *error) {
    *out = NULL;
    rhm_isa isa;
    RHM_TRY(rhm_isa_choose(&isa, NULL, getenv("RHM_ISA"), rhm_isa_here(), error));
    rhm_sampler *sampler = RHM_NEW(rhm_sampler, 1, 1, 1, "sampler", error);
    if (!sampler)
        return RHM_NO_MEMORY;
    sampler->grammar = grammar;
    sampler->seed = seed;
    sampler->keys = rhm_round_keys_of(seed);
    sampler->tree = *rhm_grammar_tree(grammar);
    rhm_sampler_use(sampler, isa);
    const rhm_status status = fill(sampler, error);
    if (status == RHM_OK)
        *out = sampler;
    else
        rhm_sampler_destroy(sampler);
    return status;
}

void rhm_sampler_use(rhm_sampler *sampler, rhm_isa isa) {
    sampler->ops = rhm_tile_ops_at(isa);
    sampler->tiles = sampler->ops.isa != RHM_ISA_SCALAR;
}

void rhm_sampler_destroy(rhm_sampler *sampler) {
    if (!sampler)
        return;
    for (uint32_t level = 1; level <= RHM_MAX_LEVELS; level++) {
        rhm_free(sampler->rewriting[level].patches);
        rhm_free(sampler->rewriting[level].columns);
        rhm_free(sampler->rewriting[level].small.lookup);
        rhm_free(sampler->rewriting[level].small.plain);
    }
    rhm_free(sampler->labels);
    rhm_free(sampler);
}
