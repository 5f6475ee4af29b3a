/*
 * Subtrees in rows, for rules of any size and distribution. A row of the stratum's last level is its own workspace: the
 * symbols of a level sit at its start and are rewritten from the last to the first, each into places that no unread
 * symbol occupies any more (p s > p for p >= 1). One position of all rows goes first, so that the look-ups of different
 * subtrees overlap.
 */
#include "sampling/subtrees.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

void rhm_draw_labels(rhm_subtrees *t, uint16_t *labels) {
    const rhm_place place = t->stratum->label;
    const uint32_t *word = t->word[rhm_word_of(place)];
    for (size_t i = 0; i < t->count; i++)
        labels[i] = (uint16_t)rhm_choose(&t->sampler->layout.label, t->sampler->labels, place, word[i]);
}

/* Where the rules of the symbols at `position` of a level are chosen. */
typedef struct site {
    rhm_rewriting rewriting; /* a copy: no symbol that is written can change it */
    rhm_choice choice;
    rhm_place place;
    const uint32_t *word; /* (count) */
} site;

static site site_of(const rhm_subtrees *t, uint32_t level, size_t position) {
    const rhm_place place = t->stratum->place[t->stratum->offset[level - t->stratum->top] + position];
    return (site){t->sampler->rewriting[level + 1], t->sampler->layout.rule[level + 1], place,
                  t->word[rhm_word_of(place)]};
}

/* The patch for `symbol` of subtree i. */
INLINE const uint16_t *patch_of(const site *at, uint32_t branching, uint32_t symbol, size_t i) {
    const size_t row = (size_t)symbol * at->rewriting.rules;
    const rhm_alias *columns = at->rewriting.columns ? at->rewriting.columns + row : NULL;
    return at->rewriting.patches + (row + rhm_choose(&at->choice, columns, at->place, at->word[i])) * branching;
}

void rhm_descend(rhm_subtrees *t, uint32_t to, const rhm_path *path, uint16_t *symbols) {
    for (uint32_t level = t->stratum->top; level < to; level++) {
        const uint32_t s = t->sampler->tree.branching[level + 1];
        const site at = site_of(t, level, path->position[level]);
        for (size_t i = 0; i < t->count; i++)
            symbols[i] = patch_of(&at, s, symbols[i], i)[path->child[level + 1]];
    }
}

/* Inlined with constants, the copy is a single move and there is one kind of choice. */
INLINE void rewrite(const site *from, rhm_choice_kind kind, uint32_t branching, size_t p, size_t count, uint16_t *rows,
                    size_t width) {
    site at = *from;
    at.choice.kind = kind;
    for (size_t i = 0; i < count; i++) {
        uint16_t *row = rows + i * width;
        memcpy(row + p * branching, patch_of(&at, branching, row[p], i), sizeof *row * branching);
    }
}

INLINE void rewrite_kinds(const site *at, uint32_t branching, size_t p, size_t count, uint16_t *rows, size_t width) {
    if (at->choice.kind == RHM_BY_ALIAS)
        rewrite(at, RHM_BY_ALIAS, branching, p, count, rows, width);
    else if (at->choice.kind == RHM_BY_BITS)
        rewrite(at, RHM_BY_BITS, branching, p, count, rows, width);
    else
        rewrite(at, RHM_BY_DIGITS, branching, p, count, rows, width);
}

static void rewrite_position(const site *at, uint32_t branching, size_t p, size_t count, uint16_t *rows, size_t width) {
    switch (branching) {
    case 2: rewrite_kinds(at, 2, p, count, rows, width); break;
    case 3: rewrite_kinds(at, 3, p, count, rows, width); break;
    case 4: rewrite_kinds(at, 4, p, count, rows, width); break;
    default: rewrite_kinds(at, branching, p, count, rows, width);
    }
}

void rhm_expand(rhm_subtrees *t, uint32_t from, size_t position, const uint16_t *symbols, uint16_t *const *rows) {
    const rhm_tree *tree = &t->sampler->tree;
    const uint32_t end = t->stratum->end;
    const size_t width = rhm_tree_below(tree, from, end);
    uint16_t *work = rows[end];
    for (size_t i = 0; i < t->count; i++)
        work[i * width] = symbols[i];
    size_t nodes = 1;
    for (uint32_t level = from; level < end; level++) {
        const uint32_t s = tree->branching[level + 1];
        for (size_t p = nodes; p-- > 0;) {
            const site at = site_of(t, level, position + p);
            rewrite_position(&at, s, p, t->count, work, width);
        }
        nodes *= s;
        position *= s;
        if (level + 1 < end && rows[level + 1])
            for (size_t i = 0; i < t->count; i++)
                memcpy(rows[level + 1] + i * nodes, work + i * width, sizeof *work * nodes);
    }
}
