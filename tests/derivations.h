/*
 * The oracle of the grammar and sampling tests: small grammars of every kind, and all their derivations, one by one,
 * straight from the tables.
 */
#ifndef RHM_TESTS_DERIVATIONS_H
#define RHM_TESTS_DERIVATIONS_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rhm/grammar.h"

enum { MAX_TOKENS = 32, MAX_TABLE = 256 };

/* A grammar as tables, before the library has seen it. */
typedef struct tables {
    rhm_shape shape;
    uint32_t patch[RHM_MAX_LEVELS][MAX_TABLE];
    double probability[RHM_MAX_LEVELS][MAX_TABLE];
    double label_probability[MAX_TABLE];
} tables;

/* symbols[l] are the symbols of level l, l = 0..L. */
typedef struct derivation {
    uint32_t symbols[RHM_MAX_LEVELS + 1][MAX_TOKENS];
    double probability;
} derivation;

typedef void derivation_visitor(void *context, const derivation *d);

static inline uint32_t test_random(uint64_t *state, uint32_t bound) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % bound;
}

static inline size_t power(size_t base, size_t exponent) {
    size_t result = 1;
    while (exponent-- > 0)
        result *= base;
    return result;
}

/* Level-`to` symbols below one of level `from`. */
static inline size_t nodes_between(const rhm_shape *shape, uint32_t from, uint32_t to) {
    size_t nodes = 1;
    for (uint32_t level = from + 1; level <= to; level++)
        nodes *= shape->branching[level];
    return nodes;
}

/* Level-`level` symbols of a sequence. */
static inline size_t nodes_of(const rhm_shape *shape, uint32_t level) {
    return nodes_between(shape, 0, level);
}

/* A tuple as a number in base `base`. */
static inline size_t tuple_index(const uint32_t *tuple, size_t length, size_t base) {
    size_t index = 0;
    for (size_t i = 0; i < length; i++)
        index = index * base + tuple[i];
    return index;
}

static inline rhm_status create_from_tables(rhm_grammar **out, const tables *t, rhm_error *error) {
    const uint32_t *patches[RHM_MAX_LEVELS];
    const double *probability[RHM_MAX_LEVELS];
    for (uint32_t l = 0; l < t->shape.levels; l++) {
        patches[l] = t->patch[l];
        probability[l] = t->probability[l];
    }
    return rhm_grammar_create(out, &t->shape, patches, probability, t->label_probability, error);
}

static inline void random_distribution(double *p, uint32_t count, uint64_t *state, bool uneven) {
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        p[i] = !uneven ? 1 : test_random(state, 4) == 0 ? 0 : 1 + test_random(state, 1000);
        sum += p[i];
    }
    if (sum == 0)
        p[test_random(state, count)] = sum = 1;
    for (uint32_t i = 0; i < count; i++)
        p[i] /= sum;
}

/* Distinct random patches for the rules of positive probability; any patch for the others. */
static inline void random_rules(tables *t, uint32_t level, uint64_t *state) {
    const uint32_t s = t->shape.branching[level];
    const size_t tuples = power(t->shape.vocab[level], s);
    bool *used = calloc(tuples, sizeof *used);
    for (size_t row = 0; row < (size_t)t->shape.vocab[level - 1] * t->shape.rules[level]; row++) {
        uint32_t *patch = t->patch[level - 1] + row * s;
        const bool absent = t->probability[level - 1][row] == 0;
        do {
            for (uint32_t i = 0; i < s; i++)
                patch[i] = test_random(state, t->shape.vocab[level]);
        } while (!absent && used[tuple_index(patch, s, t->shape.vocab[level])]);
        if (!absent)
            used[tuple_index(patch, s, t->shape.vocab[level])] = true;
    }
    free(used);
}

/* Let rules of some symbols have the patches of others' rules. Returns how many do. */
static inline size_t share_patches(tables *t, uint64_t seed) {
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 7;
    size_t shared = 0;
    for (uint32_t level = 1; level <= t->shape.levels; level++) {
        const size_t s = t->shape.branching[level], rules = t->shape.rules[level];
        const size_t rows = t->shape.vocab[level - 1] * rules;
        uint32_t *patch = t->patch[level - 1];
        for (size_t row = 0; row < rows; row++) {
            const size_t from = test_random(&state, (uint32_t)rows);
            bool has = from / rules == row / rules || test_random(&state, 2);
            for (size_t own = row / rules * rules; own < (row / rules + 1) * rules; own++)
                has = has || memcmp(patch + own * s, patch + from * s, s * sizeof *patch) == 0;
            if (!has) {
                memcpy(patch + row * s, patch + from * s, s * sizeof *patch);
                shared += t->probability[level - 1][row] > 0 && t->probability[level - 1][from] > 0;
            }
        }
    }
    return shared;
}

/* The number of ways to choose one rule for every symbol, absent ones included. */
static inline double derivation_bound(const rhm_shape *shape) {
    double bound = shape->vocab[0];
    for (uint32_t level = 1; level <= shape->levels; level++)
        for (size_t node = 0; node < nodes_of(shape, level - 1); node++)
            bound *= shape->rules[level];
    return bound;
}

/* A random grammar with at most `most` derivations: vocabularies of 1..5, up to 3 levels with s = 2 or 3 each, uneven
 * or uniform distributions, absent rules and labels. */
static inline void random_tables(tables *t, uint64_t seed, double most) {
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    memset(t, 0, sizeof *t);
    do {
        t->shape = (rhm_shape){.levels = 1 + test_random(&state, 3)};
        for (uint32_t level = 0; level <= t->shape.levels; level++) {
            t->shape.vocab[level] = 1 + test_random(&state, 5);
            t->shape.rules[level] = level > 0 ? 1 + test_random(&state, 4) : 0;
            t->shape.branching[level] = level > 0 ? 2 + test_random(&state, 2) : 0;
        }
    } while (rhm_shape_check(&t->shape, NULL) != RHM_OK || derivation_bound(&t->shape) > most);
    const bool uneven = test_random(&state, 3) > 0;
    random_distribution(t->label_probability, t->shape.vocab[0], &state, test_random(&state, 2) > 0);
    for (uint32_t level = 1; level <= t->shape.levels; level++) {
        const uint32_t rules = t->shape.rules[level];
        for (uint32_t parent = 0; parent < t->shape.vocab[level - 1]; parent++)
            random_distribution(t->probability[level - 1] + parent * rules, rules, &state, uneven);
        random_rules(t, level, &state);
    }
}

/* Rewrite node `position` of level `level` in all ways, and everything after it. */
static inline void visit_from(const tables *t, derivation *d, uint32_t level, size_t position,
                              derivation_visitor *visit, void *context) {
    if (position == nodes_of(&t->shape, level)) {
        position = 0;
        level++;
    }
    if (level == t->shape.levels) {
        visit(context, d);
        return;
    }
    const uint32_t symbol = d->symbols[level][position];
    const uint32_t s = t->shape.branching[level + 1];
    const double before = d->probability;
    for (uint32_t rule = 0; rule < t->shape.rules[level + 1]; rule++) {
        const size_t row = (size_t)symbol * t->shape.rules[level + 1] + rule;
        if (t->probability[level][row] == 0)
            continue;
        memcpy(&d->symbols[level + 1][position * s], &t->patch[level][row * s], s * sizeof(uint32_t));
        d->probability = before * t->probability[level][row];
        visit_from(t, d, level, position + 1, visit, context);
    }
    d->probability = before;
}

/* Every derivation of positive probability. */
static inline void visit_derivations(const tables *t, derivation_visitor *visit, void *context) {
    derivation d;
    for (uint32_t label = 0; label < t->shape.vocab[0]; label++) {
        d.symbols[0][0] = label;
        d.probability = t->label_probability[label];
        if (d.probability > 0)
            visit_from(t, &d, 0, 0, visit, context);
    }
}

/* Upper 1e-6 quantile of chi-square with k degrees of freedom (Wilson and Hilferty's approximation). */
static inline double chi_square_limit(double k) {
    const double c = 2 / (9 * k);
    const double root = 1 - c + 4.7534 * sqrt(c);
    return k * root * root * root;
}

/*
 * Chi-square of `observed` against probabilities that sum to 1, as a fraction of its critical value: at most 1 is a
 * pass. Cells expecting fewer than 10 are pooled. An observation of something impossible is infinite.
 */
static inline double chi_square_ratio(const size_t *observed, const double *probability, size_t cells, size_t total) {
    double sum = 0, pooled_expected = 0, pooled_observed = 0, degrees = -1;
    for (size_t i = 0; i < cells; i++) {
        const double expected = probability[i] * (double)total;
        if (expected == 0 && observed[i] > 0)
            return (double)INFINITY;
        if (expected < 10) {
            pooled_expected += expected;
            pooled_observed += (double)observed[i];
            continue;
        }
        sum += ((double)observed[i] - expected) * ((double)observed[i] - expected) / expected;
        degrees++;
    }
    if (pooled_expected >= 10) {
        sum += (pooled_observed - pooled_expected) * (pooled_observed - pooled_expected) / pooled_expected;
        degrees++;
    }
    return degrees < 1 ? 0 : sum / chi_square_limit(degrees);
}

#endif
