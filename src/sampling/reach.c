#include "sampling/reach.h"

#include <stdbool.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

enum { WORD_BITS = 64 };

typedef struct reach {
    const rhm_grammar *grammar;
    uint32_t level;
    size_t words;                         /* of a set of labels */
    uint64_t *all;                        /* (words): the labels that can be recorded */
    uint64_t *labels[RHM_MAX_LEVELS + 1]; /* (vocab[j], words): those of each level-j symbol on the way to a position */
    bool *whole;                          /* (symbols of a level), scratch: all of them */
} reach;

static void clear(reach *r) {
    rhm_free(r->all);
    rhm_free(r->whole);
    for (uint32_t j = 0; j < r->level; j++)
        rhm_free(r->labels[j]);
}

/* A class is recorded as itself, or as any label where labels are noisy. */
static void begin_at_root(reach *r) {
    const uint32_t classes = rhm_grammar_shape(r->grammar)->vocab[0];
    const double noise = rhm_grammar_origin(r->grammar)->label_noise;
    for (size_t z = 0; z < classes; z++)
        for (size_t label = 0; label < classes && rhm_grammar_label_probability(r->grammar)[z] > 0; label++)
            if (noise > 0 || label == z) {
                const uint64_t bit = UINT64_C(1) << label % WORD_BITS;
                r->labels[0][z * r->words + label / WORD_BITS] |= bit;
                r->all[label / WORD_BITS] |= bit;
            }
}

/* Whether all labels are in the set now. */
static bool unite(uint64_t *into, const uint64_t *from, const reach *r) {
    bool whole = true;
    for (size_t w = 0; w < r->words; w++) {
        into[w] |= from[w];
        whole &= into[w] == r->all[w];
    }
    return whole;
}

/* A few levels below the root most symbols stand for all labels: no more rules are looked at then. */
static void go_down(reach *r, uint32_t j, size_t position) {
    const rhm_shape *shape = rhm_grammar_shape(r->grammar);
    const double *probability = rhm_grammar_probability(r->grammar, j);
    const size_t below = rhm_tree_below(rhm_grammar_tree(r->grammar), j, r->level - 1);
    const uint32_t *child = rhm_grammar_patches(r->grammar, j) + position / below % shape->branching[j];
    size_t left = shape->vocab[j];
    memset(r->labels[j], 0, sizeof *r->labels[j] * r->words * left);
    memset(r->whole, 0, sizeof *r->whole * left);
    for (size_t row = 0; row < (size_t)shape->vocab[j - 1] * shape->rules[j] && left > 0; row++) {
        const size_t symbol = child[row * shape->branching[j]];
        if (r->whole[symbol] || !(probability[row] > 0))
            continue;
        const uint64_t *from = r->labels[j - 1] + row / shape->rules[j] * r->words;
        r->whole[symbol] = unite(r->labels[j] + symbol * r->words, from, r);
        left -= r->whole[symbol];
    }
}

/* The first level at which the ways to two positions that follow each other part. */
static uint32_t parts_at(const reach *r, size_t position) {
    uint32_t j = 1;
    while (position > 0 && j + 1 < r->level &&
           position % rhm_tree_below(rhm_grammar_tree(r->grammar), j, r->level - 1) != 0)
        j++;
    return j;
}

static void count(uint64_t *pairs, const reach *r) {
    const uint64_t *set = r->labels[r->level - 1];
    for (size_t i = 0; i < rhm_grammar_shape(r->grammar)->vocab[r->level - 1] * r->words; i++)
        pairs[i / r->words] += (uint64_t)__builtin_popcountll(set[i]);
}

rhm_status rhm_reach_pairs(uint64_t *pairs, const rhm_grammar *grammar, uint32_t level, size_t positions,
                           rhm_error *error) {
    static const char what[] = "labels of symbols";
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    reach r = {.grammar = grammar, .level = level, .words = (shape->vocab[0] + WORD_BITS - 1) / WORD_BITS};
    memset(pairs, 0, sizeof *pairs * shape->vocab[level - 1]);
    size_t widest = 0;
    bool held = true;
    for (uint32_t j = 0; j < level; j++) {
        widest = shape->vocab[j] > widest ? shape->vocab[j] : widest;
        held = held && (r.labels[j] = RHM_NEW(uint64_t, shape->vocab[j], r.words, 1, what, error));
    }
    if (!held || !(r.all = RHM_NEW(uint64_t, r.words, 1, 1, what, error)) ||
        !(r.whole = RHM_NEW(bool, widest, 1, 1, what, error))) {
        clear(&r);
        return RHM_NO_MEMORY;
    }
    begin_at_root(&r);
    for (size_t position = 0; position < positions; position++) {
        for (uint32_t j = parts_at(&r, position); j < level; j++)
            go_down(&r, j, position);
        count(pairs, &r);
    }
    clear(&r);
    return RHM_OK;
}
