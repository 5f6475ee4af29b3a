/*
 * Subtrees in tiles of RHM_TILE, a byte for each symbol: the symbols of one position of all subtrees lie side by side,
 * and a level is rewritten in place from the last position to the first, each into places that no unread symbol
 * occupies any more (p s > p for p >= 1). A tile stays in the first-level cache; only leaves and latents, on their way
 * out, are turned into rows.
 */
#include <string.h>

#include "sampling/subtrees.h"

/* What the word holds, as planes: bytes and digits, whichever the stratum uses. */
static void make_planes(rhm_subtrees *t, uint32_t w) {
    const rhm_tile_ops *ops = &t->sampler->ops;
    const rhm_choice *number = &t->stratum->number[w];
    t->ready |= 1u << w;
    if (number->count == 0)
        ops->bytes(t->word[w], t->plane[4 * w]);
    else if (rhm_has_planes(number))
        ops->digits(t->word[w], number->count, number->bound, number->digits,
                    t->plane[RHM_BLOCK_BYTES + RHM_NUMBER_DIGITS * w]);
}

static void choose(rhm_subtrees *t, const rhm_choice *choice, const rhm_place *place, size_t count, uint8_t *out) {
    const uint8_t mask = choice->kind == RHM_BY_BITS ? (uint8_t)(choice->count - 1) : UINT8_MAX;
    for (uint32_t w = rhm_word_of(place[0]); w <= rhm_word_of(place[count - 1]); w++)
        if (!(t->ready & 1u << w))
            make_planes(t, w);
    t->sampler->ops.choices(t->plane[0], place, count, mask, out);
}

static void choose_rules(rhm_subtrees *t, uint32_t level, size_t first, size_t count) {
    const rhm_place *place = t->stratum->place + t->stratum->offset[level - t->stratum->top] + first;
    choose(t, &t->sampler->layout.rule[level + 1], place, count, t->choice[0]);
}

static void widen(uint16_t *out, const uint8_t *symbols, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = symbols[i];
}

void rhm_draw_labels_tile(rhm_subtrees *t, uint16_t *labels) {
    choose(t, &t->sampler->layout.label, &t->stratum->label, 1, t->symbol[0]);
    widen(labels, t->symbol[0], t->count);
}

/* Those of lanes that are not in use must be symbols too. */
static void narrow(rhm_subtrees *t, const uint16_t *symbols) {
    uint8_t *out = t->symbol[0];
    if (t->count == RHM_TILE) { /* one vectorised loop of known length */
        for (size_t i = 0; i < RHM_TILE; i++)
            out[i] = (uint8_t)symbols[i];
        return;
    }
    for (size_t i = 0; i < RHM_TILE; i++)
        out[i] = i < t->count ? (uint8_t)symbols[i] : 0;
}

void rhm_descend_tile(rhm_subtrees *t, uint32_t to, const rhm_path *path, uint16_t *symbols) {
    const rhm_sampler *sampler = t->sampler;
    if (to == t->stratum->top)
        return;
    narrow(t, symbols);
    for (uint32_t level = t->stratum->top; level < to; level++) {
        const uint32_t child = path->child[level + 1];
        choose_rules(t, level, path->position[level], 1);
        sampler->ops.rewrite(&sampler->rewriting[level + 1].small, sampler->tree.branching[level + 1], child + 1, 0, 1,
                             t->choice[0], t->symbol[0]);
        if (child > 0)
            memcpy(t->symbol[0], t->symbol[child], RHM_TILE);
    }
    widen(symbols, t->symbol[0], t->count);
}

void rhm_expand_tile(rhm_subtrees *t, uint32_t from, size_t position, const uint16_t *symbols, uint16_t *const *rows) {
    const rhm_sampler *sampler = t->sampler;
    size_t nodes = 1;
    narrow(t, symbols);
    for (uint32_t level = from; level < t->stratum->end; level++) {
        const uint32_t s = sampler->tree.branching[level + 1];
        choose_rules(t, level, position, nodes);
        sampler->ops.rewrite(&sampler->rewriting[level + 1].small, s, s, 0, nodes, t->choice[0], t->symbol[0]);
        nodes *= s;
        position *= s;
        if (rows[level + 1])
            sampler->ops.rows(t->symbol[0], nodes, t->count, rows[level + 1], nodes,
                              t->past && level + 1 == sampler->tree.levels);
    }
}
