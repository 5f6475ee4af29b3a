/* Every (first patch, label) of a small grammar with its probability, and what a collection has counted of each. */
#ifndef RHM_TESTS_PAIR_ORACLE_H
#define RHM_TESTS_PAIR_ORACLE_H

#include "draws.h"

#include "derivations.h"

static inline uint32_t leaves_of(const rhm_shape *shape, uint32_t level) {
    return (uint32_t)nodes_between(shape, level - 1, shape->levels);
}

/* The grammar of random tables, and its sampler; `sampler` may be NULL. */
static inline rhm_grammar *random_grammar(tables *t, uint64_t seed, double most_derivations, rhm_sampler **sampler) {
    rhm_grammar *grammar;
    rhm_error error = {0};
    random_tables(t, seed, most_derivations);
    assert_ok(create_from_tables(&grammar, t, &error), &error);
    if (sampler)
        assert_ok(rhm_sampler_create(sampler, grammar, seed, &error), &error);
    return grammar;
}

/* Every (leaves of the first level-`level` patch, label) with its probability. */
typedef struct oracle {
    const tables *t;
    uint32_t level, width;
    rhm_intern pair; /* leaves, then the label */
    double *probability;
} oracle;

static inline void note(void *context, const derivation *d) {
    oracle *o = context;
    uint32_t pair[MAX_TOKENS + 1], id;
    memcpy(pair, d->symbols[o->t->shape.levels], sizeof *pair * o->width);
    pair[o->width] = d->symbols[0][0];
    assert_int_equal(rhm_intern_add(&o->pair, pair, &id, NULL, NULL), RHM_OK);
    o->probability[id] += d->probability;
}

static inline oracle make_oracle(const tables *t, uint32_t level) {
    oracle o = {.t = t, .level = level, .width = leaves_of(&t->shape, level)};
    assert_int_equal(rhm_intern_init(&o.pair, o.width + 1, 0, NULL), RHM_OK);
    o.probability = calloc((size_t)derivation_bound(&t->shape) + 1, sizeof *o.probability);
    assert_non_null(o.probability);
    visit_derivations(t, note, &o);
    return o;
}

static inline void free_oracle(oracle *o) {
    rhm_intern_destroy(&o->pair);
    free(o->probability);
}

static inline void expand(const rhm_patches *patches, uint32_t level, size_t id, uint32_t *leaves, size_t width) {
    const size_t s = patches->tree.branching[level];
    const uint32_t *tuple = rhm_intern_tuple(&patches->subtree[level], id);
    for (size_t t = 0; t < s; t++)
        if (level == patches->tree.levels) {
            leaves[t] = tuple[t];
        } else {
            assert_true(tuple[t] < patches->subtree[level + 1].count);
            expand(patches, level + 1, tuple[t], leaves + t * (width / s), width / s);
        }
}

/* Counts in the oracle's order. */
static inline size_t *observe(const oracle *o, const rhm_patches *patches) {
    size_t *observed = calloc(o->pair.count, sizeof *observed);
    assert_non_null(observed);
    for (size_t i = 0; i < patches->cell.count; i++) {
        uint32_t pair[MAX_TOKENS + 1];
        const uint32_t *cell = rhm_intern_tuple(&patches->cell, i);
        expand(patches, patches->level, cell[0], pair, o->width);
        pair[o->width] = cell[1];
        const uint32_t id = rhm_intern_find(&o->pair, pair);
        assert_true(id != UINT32_MAX);
        observed[id] += patches->count[i];
    }
    return observed;
}

static inline double two_sample_ratio(const size_t *a, const size_t *b, size_t cells) {
    double sum = 0, degrees = -1, pooled_a = 0, pooled_b = 0;
    for (size_t i = 0; i < cells; i++) {
        const double x = (double)a[i], y = (double)b[i];
        if (x + y < 20) {
            pooled_a += x;
            pooled_b += y;
            continue;
        }
        sum += (x - y) * (x - y) / (x + y);
        degrees++;
    }
    if (pooled_a + pooled_b >= 20) {
        sum += (pooled_a - pooled_b) * (pooled_a - pooled_b) / (pooled_a + pooled_b);
        degrees++;
    }
    return degrees < 1 ? 0 : sum / chi_square_limit(degrees);
}

#endif
