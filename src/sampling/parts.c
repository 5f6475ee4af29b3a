/*
 * Parts of samples: down from the labels to a symbol, then everything below it, stratum by stratum. The subtrees of a
 * stratum are taken a few dozen at a time, of one sample or of neighbouring ones, and what is below these follows
 * before the next few: memory grows with the number of strata only.
 */
#include <string.h>

#include "sampling/subtrees.h"

enum {
    CHILDREN = 4096,  /* roots of the next stratum that are kept at a time */
    FEW = 4,          /* subtrees that are not worth a tile */
    CACHED = 1 << 23, /* bytes of leaves that caches may hold until they are read */
};

typedef struct descent {
    const rhm_sampler *sampler;
    const rhm_part *part;
    const rhm_part_out *out;
    rhm_path path;                    /* to the part's node */
    size_t width[RHM_MAX_LEVELS + 1]; /* level-l symbols below it, l = part->level..L */
    rhm_subtrees subtrees;            /* at work */
} descent;

/* Consecutive level-`level` symbols `root`..root+roots-1, counted below the part's node, of consecutive rows. More than
 * one row: all symbols of the rows. */
typedef struct span {
    size_t row, rows, root, roots;
} span;

static size_t most_subtrees(const rhm_sampler *sampler, const rhm_stratum *stratum) {
    const size_t most = stratum->end < sampler->tree.levels ? CHILDREN / stratum->leaves : RHM_TILE;
    return most < RHM_TILE ? most : RHM_TILE;
}

static void begin(rhm_subtrees *t, uint32_t k, size_t count) {
    t->stratum = &t->sampler->layout.stratum[k];
    t->count = count;
    t->ready = 0;
    t->tile = t->sampler->tiles && t->sampler->small[k] && count >= FEW;
}

/* Block `block` + i % each of index `index` + i / each to subtree i. */
static void draw_blocks(rhm_subtrees *t, uint32_t stream, uint64_t index, size_t block, size_t each) {
    const rhm_blocks blocks = {&t->sampler->keys, stream, index, t->stratum->block + (uint32_t)block, (uint32_t)each};
    t->sampler->ops.words(&blocks, t->count, t->word[0]);
}

/* The words of samples from those of the blocks that they share. Inlined with a constant `sharing`. */
static inline __attribute__((always_inline)) void share(uint32_t (*block)[RHM_TILE], size_t sharing, size_t before,
                                                        size_t count, uint32_t (*word)[RHM_TILE]) {
    const size_t words = RHM_BLOCK_WORDS / sharing;
    if (before > 0) {
        for (size_t i = 0; i < count; i++)
            for (size_t w = 0; w < words; w++)
                word[w][i] = block[(before + i) % sharing * words + w][(before + i) / sharing];
        return;
    }
    for (size_t b = 0; b * sharing < count; b++)
        for (size_t i = 0; i < sharing; i++)
            for (size_t w = 0; w < words; w++)
                word[w][b * sharing + i] = block[i * words + w][b];
}

static void draw_first_blocks(rhm_subtrees *t, uint32_t stream, uint64_t first) {
    const uint32_t sharing = t->sampler->layout.sharing;
    const size_t before = first % sharing, count = (before + t->count + sharing - 1) / sharing;
    const rhm_blocks blocks = {&t->sampler->keys, stream, first / sharing, 0, 1};
    if (sharing == 1) {
        t->sampler->ops.words(&blocks, t->count, t->word[0]);
        return;
    }
    _Alignas(64) uint32_t block[RHM_BLOCK_WORDS][RHM_TILE];
    t->sampler->ops.words(&blocks, count, block[0]);
    if (sharing == 2)
        share(block, 2, before, t->count, t->word);
    else
        share(block, 4, before, t->count, t->word);
}

static void draw_span(descent *d, uint32_t k, const span *s, const uint16_t *symbols);

/* Everything below the symbols of a span, which are at level `from` of the subtrees at work. */
static void finish(descent *d, uint32_t k, uint32_t from, size_t position, const span *s, const uint16_t *symbols) {
    const rhm_tree *tree = &d->sampler->tree;
    rhm_subtrees *t = &d->subtrees;
    const uint32_t end = t->stratum->end;
    uint16_t *rows[RHM_MAX_LEVELS + 1], children[CHILDREN];
    for (uint32_t l = from + 1; l <= end; l++) {
        uint16_t *out = l == tree->levels ? d->out->leaves : d->out->latents ? d->out->latents[l] : NULL;
        rows[l] = out ? out + s->row * d->width[l] + s->root * (d->width[l] / d->width[from]) : NULL;
    }
    uint16_t *copy = rows[end];
    if (end < tree->levels)
        rows[end] = children;
    (t->tile ? rhm_expand_tile : rhm_expand)(t, from, position, symbols, rows);
    if (end == tree->levels)
        return;
    const size_t each = d->width[end] / d->width[from];
    if (copy)
        memcpy(copy, children, sizeof *children * s->rows * s->roots * each);
    const span below = {s->row, s->rows, s->root * each, s->roots * each};
    draw_span(d, k + 1, &below, children);
}

/* Subtrees of a span that fit the width of a tile. */
static void draw_tile(descent *d, uint32_t k, const span *s, const uint16_t *symbols) {
    rhm_subtrees *t = &d->subtrees;
    begin(t, k, s->rows * s->roots);
    const size_t root = d->part->node * d->width[t->stratum->top] + s->root;
    draw_blocks(t, d->part->stream, d->part->first + s->row, root, s->roots);
    finish(d, k, t->stratum->top, 0, s, symbols);
}

static void draw_span(descent *d, uint32_t k, const span *s, const uint16_t *symbols) {
    const size_t most = most_subtrees(d->sampler, &d->sampler->layout.stratum[k]);
    const size_t pieces = (s->roots + most - 1) / most, roots = (s->roots + pieces - 1) / pieces;
    const size_t rows = pieces == 1 ? most / roots : 1;
    for (size_t i = 0; i < s->rows; i += rows)
        for (size_t r = 0; r < s->roots; r += roots) {
            const span piece = {s->row + i, s->rows - i < rows ? s->rows - i : rows, s->root + r,
                                s->roots - r < roots ? s->roots - r : roots};
            draw_tile(d, k, &piece, symbols + i * s->roots + r);
        }
}

/* Down to the part's node, of `count` samples, and then all below. */
static void draw_rows(descent *d, size_t row, size_t count) {
    const rhm_part *part = d->part;
    rhm_subtrees *t = &d->subtrees;
    uint16_t symbols[RHM_TILE];
    uint32_t k = 0;
    begin(t, 0, count);
    draw_first_blocks(t, part->stream, part->first + row);
    if (d->out->given)
        memcpy(symbols, d->out->given + row, sizeof *symbols * count);
    else
        (t->tile && rhm_has_planes(&d->sampler->layout.label) ? rhm_draw_labels_tile : rhm_draw_labels)(t, symbols);
    if (d->out->labels)
        memcpy(d->out->labels + row, symbols, sizeof *symbols * count);
    while (t->stratum->end <= part->level) {
        const uint32_t end = t->stratum->end;
        (t->tile ? rhm_descend_tile : rhm_descend)(t, end, &d->path, symbols);
        begin(t, ++k, count);
        draw_blocks(t, part->stream, part->first + row,
                    part->node / rhm_tree_below(&d->sampler->tree, end, part->level), 1);
    }
    (t->tile ? rhm_descend_tile : rhm_descend)(t, part->level, &d->path, symbols);
    if (d->out->roots)
        memcpy(d->out->roots + row, symbols, sizeof *symbols * count);
    const span all = {row, count, 0, 1};
    if (d->out->leaves)
        finish(d, k, part->level, d->path.position[part->level], &all, symbols);
}

static void find_path(rhm_path *path, const rhm_sampler *sampler, const rhm_part *part) {
    const rhm_tree *tree = &sampler->tree;
    const rhm_stratum *stratum = sampler->layout.stratum;
    for (uint32_t l = 0; l <= part->level; l++) {
        const size_t node = part->node / rhm_tree_below(tree, l, part->level);
        stratum += l == stratum->end;
        path->position[l] = (uint32_t)(node % rhm_tree_below(tree, stratum->top, l));
        path->child[l] = l > 0 ? (uint32_t)(node % tree->branching[l]) : 0;
    }
}

void rhm_sample_part(const rhm_sampler *sampler, const rhm_part *part, const rhm_part_out *out) {
    descent d; /* 30 KiB that need no clearing */
    d.sampler = d.subtrees.sampler = sampler;
    d.part = part;
    d.out = out;
    d.subtrees.past = out->past;
    find_path(&d.path, sampler, part);
    for (uint32_t l = part->level; l <= sampler->tree.levels; l++)
        d.width[l] = rhm_tree_below(&sampler->tree, part->level, l);
    uint32_t k = 0;
    while (sampler->layout.stratum[k].end <= part->level)
        k++;
    const size_t most = most_subtrees(sampler, &sampler->layout.stratum[k]);
    /* All but the first rows begin where a block does. */
    size_t now = most - part->first % sampler->layout.sharing;
    for (size_t row = 0; row < part->count; row += now) {
        now = row > 0 ? most : now;
        now = part->count - row < now ? part->count - row : now;
        draw_rows(&d, row, now);
    }
    if (out->past)
        sampler->ops.settle();
}

bool rhm_sample_past(const rhm_sampler *sampler, size_t count) {
    return rhm_grammar_origin(sampler->grammar)->token_noise == 0 &&
           count >= CACHED / sizeof(uint16_t) / sampler->tree.leaves[0];
}

void rhm_sample_tokens(const rhm_sampler *sampler, const rhm_part *part, uint16_t *tokens) {
    const size_t width = sampler->tree.leaves[part->level];
    rhm_sample_part(sampler, part, &(rhm_part_out){.leaves = tokens});
    rhm_sample_noise(sampler, part->stream, part->first, part->count, part->node * width, width, tokens, NULL);
}

void rhm_sample_labels(const rhm_sampler *sampler, uint32_t stream, uint64_t first, size_t count, uint16_t *labels) {
    const rhm_part whole = {stream, first, count, 0, 0};
    rhm_sample_part(sampler, &whole, &(rhm_part_out){.labels = labels});
    rhm_sample_noise(sampler, stream, first, count, 0, 0, NULL, labels);
}

void rhm_sample_sequences(const rhm_sampler *sampler, uint32_t stream, uint64_t first, size_t count, uint16_t *tokens,
                          uint16_t *labels, uint16_t *const *latents) {
    const rhm_part whole = {stream, first, count, 0, 0};
    const bool past = rhm_sample_past(sampler, count);
    rhm_sample_part(sampler, &whole,
                    &(rhm_part_out){.leaves = tokens, .labels = labels, .latents = latents, .past = past});
    rhm_sample_noise(sampler, stream, first, count, 0, sampler->tree.leaves[0], tokens, labels);
}

void rhm_sample_first_patches(const rhm_sampler *sampler, uint32_t stream, uint32_t level, uint64_t first, size_t count,
                              uint16_t *leaves, uint16_t *labels, uint16_t *parents) {
    const rhm_part part = {stream, first, count, level - 1, 0};
    rhm_sample_part(sampler, &part, &(rhm_part_out){.leaves = leaves, .labels = labels, .roots = parents});
    rhm_sample_noise(sampler, stream, first, count, 0, sampler->tree.leaves[level - 1], leaves, labels);
}
