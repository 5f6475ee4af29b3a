/*
 * Samples row by row, for rules of any size: one random word of TILE samples at a time, so that the Philox rounds run
 * in vector lanes and the look-ups of different samples overlap. A row of leaves is its own workspace: the symbols of a
 * level sit at its start and are rewritten from the last to the second, each into a place that no unread symbol
 * occupies any more (p s > p for p >= 1); the first follows last.
 */
#include <string.h>

#include "core/philox.h"
#include "sampling/sampler.h"

/* 16 lanes fill one AVX-512 register and keep 16 rows in the cache; CACHED blocks cover whole samples of d <= 64. */
enum { TILE = RHM_WORD_TILE, CACHED = 16 };

/* The random words of a tile, block by block as they are asked for. */
typedef struct tile {
    const rhm_tile_ops *ops;
    uint64_t seed;
    uint64_t first;
    uint32_t stream;
    rhm_tile_stream words;  /* of the same, where there are `ops` */
    size_t count;           /* samples in use, 1..TILE */
    uint32_t block[CACHED]; /* block held by a slot, plus 1; 0 where empty */
    uint32_t word[CACHED][4][TILE];
} tile;

/* Kept out of line: it is asked for from many loops and is large once vectorised. */
static __attribute__((noinline)) void fill_block(tile *t, uint32_t block) {
    uint32_t(*word)[TILE] = t->word[block % CACHED];
    t->block[block % CACHED] = block + 1;
    if (t->ops) {
        t->ops->words(&t->words, block, word[0]);
        return;
    }
    for (uint32_t i = 0; i < TILE; i++) {
        const rhm_philox_block b = rhm_philox(t->seed, t->first + i, t->stream, block);
        word[0][i] = b.word[0];
        word[1][i] = b.word[1];
        word[2][i] = b.word[2];
        word[3][i] = b.word[3];
    }
}

/* Word `w` of the TILE samples. It stays valid until CACHED other blocks were asked for. */
static inline const uint32_t *tile_word(tile *t, uint64_t w) {
    const uint32_t block = (uint32_t)(w / 4);
    if (t->block[block % CACHED] != block + 1)
        fill_block(t, block);
    return t->word[block % CACHED][w % 4];
}

/* The patch that `word` chooses for `symbol`. */
static inline const uint16_t *choose(const rhm_rewriting *rewriting, uint32_t branching, uint32_t symbol,
                                     uint32_t word) {
    const size_t row = (size_t)symbol * rewriting->rules;
    const uint32_t rule = rewriting->columns ? rhm_alias_choice(rewriting->columns + row, rewriting->rules, word)
                                             : rhm_uniform_choice(rewriting->rules, word);
    return rewriting->patches + (row + rule) * branching;
}

/*
 * Rewrite the symbols at position p of all rows. Inlined with a constant `branching`, the copy is a single move; the
 * local copy of the tables' addresses tells the compiler that no such move can change them.
 */
static inline __attribute__((always_inline)) void rewrite(const rhm_rewriting *rewriting, uint32_t branching, size_t p,
                                                          const uint32_t *word, uint16_t *rows, size_t width,
                                                          size_t count) {
    const rhm_rewriting local = *rewriting;
    for (size_t i = 0; i < count; i++) {
        uint16_t *row = rows + i * width;
        memcpy(row + p * branching, choose(&local, branching, row[p], word[i]), sizeof *row * branching);
    }
}

static inline __attribute__((always_inline)) void rewrite_level(const rhm_sampler *sampler, tile *t, uint32_t level,
                                                                uint32_t branching, size_t symbols, uint16_t *rows,
                                                                size_t width) {
    const uint64_t first_word = sampler->first_word[level];
    for (size_t p = symbols - 1; p > 0; p--)
        rewrite(&sampler->rewriting[level + 1], branching, p, tile_word(t, first_word + p - 1), rows, width, t->count);
    rewrite(&sampler->rewriting[level + 1], branching, 0, tile_word(t, level + 1), rows, width, t->count);
}

/* Rewrite the `symbols` level-`level` symbols at the start of every row. */
static void expand(const rhm_sampler *sampler, tile *t, uint32_t level, size_t symbols, uint16_t *rows, size_t width) {
    const uint32_t branching = sampler->tree.branching[level + 1];
    switch (branching) {
    case 2: rewrite_level(sampler, t, level, 2, symbols, rows, width); break;
    case 3: rewrite_level(sampler, t, level, 3, symbols, rows, width); break;
    case 4: rewrite_level(sampler, t, level, 4, symbols, rows, width); break;
    default: rewrite_level(sampler, t, level, branching, symbols, rows, width);
    }
}

/* Labels, then down the leftmost symbols to level `top`. */
static void descend(const rhm_sampler *sampler, tile *t, uint32_t top, uint16_t labels[TILE], uint16_t symbols[TILE]) {
    const uint32_t *word = tile_word(t, 0);
    for (size_t i = 0; i < t->count; i++)
        symbols[i] = labels[i] = (uint16_t)rhm_alias_choice(sampler->labels, sampler->label_count, word[i]);
    for (uint32_t level = 0; level < top; level++) {
        word = tile_word(t, level + 1);
        for (size_t i = 0; i < t->count; i++)
            /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): as many symbols as above */
            symbols[i] =
                choose(&sampler->rewriting[level + 1], sampler->tree.branching[level + 1], symbols[i], word[i])[0];
    }
}

void rhm_sample_subtrees(const rhm_sampler *sampler, uint32_t stream, uint32_t level, uint64_t first, size_t count,
                         uint16_t *leaves, uint16_t *labels, uint16_t *parents, uint16_t *const *latents) {
    const rhm_tree *tree = &sampler->tree;
    const size_t width = tree->leaves[level - 1];
    if (rhm_sample_tiles(sampler, stream, level, first, count, leaves, labels, parents, latents))
        return;
    tile t = {.ops = sampler->tiles ? &sampler->ops : NULL, .seed = sampler->seed, .first = first, .stream = stream};
    for (size_t done = 0; done < count; done += t.count, t.first += t.count) {
        const uint64_t to_carry = (UINT64_C(1) << 32) - (uint32_t)t.first;
        t.count = count - done < TILE ? count - done : TILE;
        t.count = to_carry < t.count ? (size_t)to_carry : t.count;
        if (t.ops)
            t.words = rhm_tile_stream_of(t.seed, t.first, stream);
        memset(t.block, 0, sizeof t.block);
        uint16_t label[TILE], parent[TILE];
        descend(sampler, &t, level - 1, label, parent);
        if (labels)
            memcpy(labels + done, label, sizeof *label * t.count);
        if (parents)
            memcpy(parents + done, parent, sizeof *parent * t.count);
        uint16_t *rows = leaves + done * width;
        for (size_t i = 0; i < t.count; i++)
            rows[i * width] = parent[i];
        for (uint32_t l = level - 1; l < tree->levels; l++) {
            const size_t symbols = rhm_tree_below(tree, level - 1, l);
            if (l > 0 && latents && latents[l])
                for (size_t i = 0; i < t.count; i++)
                    memcpy(latents[l] + (done + i) * symbols, rows + i * width, sizeof *rows * symbols);
            expand(sampler, &t, l, symbols, rows, width);
        }
    }
}

static void sample(const rhm_sampler *sampler, uint32_t stream, uint32_t level, uint64_t first, size_t count,
                   uint16_t *leaves, uint16_t *labels, uint16_t *parents, uint16_t *const *latents) {
    rhm_sample_subtrees(sampler, stream, level, first, count, leaves, labels, parents, latents);
    rhm_sample_noise(sampler, stream, first, count, sampler->tree.leaves[level - 1], leaves, labels);
}

void rhm_sample_sequences(const rhm_sampler *sampler, uint32_t stream, uint64_t first, size_t count, uint16_t *tokens,
                          uint16_t *labels, uint16_t *const *latents) {
    sample(sampler, stream, 1, first, count, tokens, labels, NULL, latents);
}

void rhm_sample_first_patches(const rhm_sampler *sampler, uint32_t stream, uint32_t level, uint64_t first, size_t count,
                              uint16_t *leaves, uint16_t *labels, uint16_t *parents) {
    sample(sampler, stream, level, first, count, leaves, labels, parents, NULL);
}
