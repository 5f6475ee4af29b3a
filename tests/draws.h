/* Collections of drawn counts, for the tests of their law and of what they refuse. */
#ifndef RHM_TESTS_DRAWS_H
#define RHM_TESTS_DRAWS_H

#include "files.h"

#include "core/intern.h"
#include "patches/draw.h"
#include "patches/patches.h"

enum { SEED = 20260119 };

static inline rhm_engine *must_engine(rhm_engine_options options) {
    rhm_engine *engine;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &options, &error), &error);
    return engine;
}

static inline rhm_patches must_init(const rhm_shape *shape, uint32_t level) {
    rhm_patches patches;
    rhm_error error = {0};
    rhm_tree tree;
    assert_ok(rhm_tree_make(&tree, shape->levels, shape->branching, &error), &error);
    assert_ok(rhm_patches_init(&patches, level, &tree, shape->vocab[0], &error), &error);
    return patches;
}

static inline void must_draw(rhm_patches *patches, const rhm_engine *engine, const rhm_grammar *grammar, uint64_t round,
                             uint64_t count) {
    rhm_error error = {0};
    assert_ok(rhm_patches_draw(patches, engine, grammar, SEED, rhm_stream(RHM_TRAINING, patches->level), round, count,
                               &error),
              &error);
}

/* Infinite where they overflow. */
static inline double table_cells(const rhm_grammar *grammar, uint32_t level) {
    rhm_law_size table;
    rhm_error error = {0};
    assert_ok(rhm_law_measure(&table, grammar, level, 1, &error), &error);
    return table.cells;
}

static inline bool same_patches(const rhm_patches *a, const rhm_patches *b) {
    bool same = a->samples == b->samples;
    for (uint32_t j = a->level - 1; j <= a->tree.levels; j++) {
        const rhm_intern *x = rhm_patches_tuples(a, j), *y = rhm_patches_tuples(b, j);
        same =
            same && x->count == y->count && memcmp(x->tuples, y->tuples, sizeof *x->tuples * x->words * x->count) == 0;
    }
    return same && memcmp(a->count, b->count, sizeof *a->count * a->cell.count) == 0;
}

/* Rounds, one after the other, in one collection. */
static inline rhm_patches draw_rounds(const rhm_engine *engine, const rhm_grammar *grammar, uint32_t level,
                                      const uint64_t *counts, size_t rounds) {
    rhm_patches patches = must_init(rhm_grammar_shape(grammar), level);
    for (size_t round = 0; round < rounds; round++)
        must_draw(&patches, engine, grammar, round, counts[round]);
    return patches;
}

static inline uint64_t digest_of(const rhm_patches *patches) {
    uint64_t digest = patches->samples;
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++) {
        const rhm_intern *set = rhm_patches_tuples(patches, j);
        for (size_t i = 0; i < set->count * set->words; i++)
            digest = digest * UINT64_C(0x9e3779b97f4a7c15) + set->tuples[i];
    }
    for (size_t i = 0; i < patches->cell.count; i++)
        digest = digest * UINT64_C(0x9e3779b97f4a7c15) + patches->count[i];
    return digest;
}

#endif
