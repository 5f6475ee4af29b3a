/*
 * Samples in tiles of RHM_TILE, a byte for each symbol: the symbols of one position of all samples lie side by side,
 * and a level is rewritten in place from the last position to the first, each into places that no unread symbol
 * occupies any more (p s > p for p >= 1). Only leaves and latents, on their way out, are turned into rows.
 *
 * A subtree of more than LEAVES leaves is cut: what lies above the cut is kept, and the part below each of its symbols
 * is drawn and written out by itself, so that it stays in the first-level cache.
 */
#include <string.h>

#include "sampling/sampler.h"

enum {
    LEAVES = 256, /* positions below the cut */
    TOPS = 1024,  /* positions at the cut */
    NODES = 128,  /* positions rewritten at a time */
    HEAD = (RHM_MAX_LEVELS + 1 + 3) / 4 * 4,
};

typedef struct tile {
    const rhm_sampler *sampler;
    rhm_tile_stream stream;
    size_t done;  /* samples before the tile */
    size_t count; /* samples in use, 1..RHM_TILE */
    uint16_t *leaves;
    uint16_t *const *latents;
    size_t stride[RHM_MAX_LEVELS + 1];         /* symbols of each level below the root of the subtrees */
    uint64_t begin, end;                       /* words whose choices are in `choice`; `end` starts a block */
    _Alignas(64) uint8_t head[HEAD][RHM_TILE]; /* choices of words 0..L */
    _Alignas(64) uint8_t choice[NODES + 8][RHM_TILE];
    _Alignas(64) uint8_t top[TOPS][RHM_TILE];
    _Alignas(64) uint8_t bottom[LEAVES][RHM_TILE];
} tile;

/* Among how many the word chooses. */
static uint32_t bound_of(const rhm_sampler *sampler, uint64_t word) {
    if (word == 0)
        return sampler->label_count;
    if (word <= sampler->tree.levels)
        return sampler->rewriting[word].rules;
    uint32_t level = 1;
    while (level + 1 < sampler->tree.levels && sampler->first_word[level + 1] <= word)
        level++;
    return sampler->rewriting[level + 1].rules;
}

/*
 * The choices of words word..word+count-1, at most NODES of them. Levels share blocks: what the calls before have
 * computed and not been asked for is taken over.
 */
static const uint8_t *choose(tile *t, uint64_t word, size_t count) {
    const uint64_t last = word + count;
    if (t->begin <= word && last <= t->end)
        return t->choice[word - t->begin];
    if (t->begin <= word && word < t->end) {
        memmove(t->choice, t->choice[word - t->begin], (t->end - word) * RHM_TILE);
        t->begin = word;
    } else {
        t->begin = t->end = word / 4 * 4;
    }
    uint32_t bound[NODES + 8];
    size_t words = 0;
    for (; t->end + words < last || words % 4 != 0; words++)
        bound[words] = bound_of(t->sampler, t->end + words);
    t->sampler->ops.choices(&t->stream, (uint32_t)(t->end / 4), words / 4, bound, t->choice[t->end - t->begin]);
    t->end += words;
    return t->choice[word - t->begin];
}

static void widen(uint16_t *out, const uint8_t *symbols, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = symbols[i];
}

/* Positions position..position+nodes-1 of a level are known. */
static void emit(const tile *t, uint32_t level, size_t position, size_t nodes, const uint8_t *symbols) {
    uint16_t *out = level == t->sampler->tree.levels ? t->leaves : t->latents ? t->latents[level] : NULL;
    if (out)
        t->sampler->ops.rows(symbols, nodes, t->count, out + t->done * t->stride[level] + position, t->stride[level]);
}

/* Rewrite the level-`from` symbols of positions position..position+nodes-1 down to level `to`. */
static void expand(tile *t, uint32_t from, uint32_t to, size_t position, size_t nodes, uint8_t *symbols) {
    const rhm_sampler *sampler = t->sampler;
    for (uint32_t level = from; level < to; level++) {
        const uint32_t s = sampler->tree.branching[level + 1];
        const rhm_small_rules *small = &sampler->rewriting[level + 1].small;
        const size_t leftmost = position == 0;
        for (size_t end = nodes; end > leftmost;) {
            const size_t count = end - leftmost < NODES ? end - leftmost : NODES;
            end -= count;
            const uint8_t *choice = choose(t, sampler->first_word[level] + position + end - 1, count);
            sampler->ops.rewrite(small, s, s, end, count, choice, symbols);
        }
        if (leftmost)
            sampler->ops.rewrite(small, s, s, 0, 1, t->head[level + 1], symbols);
        position *= s;
        nodes *= s;
        emit(t, level + 1, position, nodes, symbols);
    }
}

/*
 * Label and leftmost symbols down to level `level`, which t->top[0] then holds. The first `contiguous` words will all
 * be needed.
 */
static void descend(tile *t, uint32_t level, size_t contiguous, uint16_t *labels, uint16_t *symbols) {
    const rhm_sampler *sampler = t->sampler;
    memcpy(t->head, choose(t, 0, contiguous), (sampler->tree.levels + 1) * RHM_TILE);
    memcpy(t->top[0], t->head[0], RHM_TILE);
    if (labels)
        widen(labels + t->done, t->top[0], t->count);
    for (uint32_t l = 0; l < level; l++)
        sampler->ops.rewrite(&sampler->rewriting[l + 1].small, sampler->tree.branching[l + 1], 1, 0, 1, t->head[l + 1],
                             t->top[0]);
    if (symbols)
        widen(symbols + t->done, t->top[0], t->count);
}

bool rhm_sample_tiles(const rhm_sampler *sampler, uint32_t stream, uint32_t level, uint64_t first, size_t count,
                      uint16_t *leaves, uint16_t *labels, uint16_t *parents, uint16_t *const *latents) {
    const rhm_tree *tree = &sampler->tree;
    uint32_t cut = tree->levels - 1;
    while (cut >= level && tree->leaves[cut - 1] <= LEAVES)
        cut--;
    const size_t below = tree->leaves[cut], tops = rhm_tree_below(tree, level - 1, cut);
    if (!sampler->tiles || !sampler->small || tops > TOPS)
        return false;

    tile t; /* 90 KiB that need no clearing */
    t.sampler = sampler;
    t.done = 0;
    t.leaves = leaves;
    t.latents = latents;
    for (uint32_t l = level; l <= tree->levels; l++)
        t.stride[l] = rhm_tree_below(tree, level - 1, l);
    const size_t group = LEAVES / below;
    size_t contiguous = tree->levels + 1;
    for (uint32_t l = 1; level == 1 && l < tree->levels && contiguous + tree->nodes[l] - 1 <= NODES; l++)
        contiguous += tree->nodes[l] - 1;
    while (t.done < count) {
        const uint64_t to_carry = (UINT64_C(1) << 32) - (uint32_t)(first + t.done);
        t.count = count - t.done < RHM_TILE ? count - t.done : RHM_TILE;
        t.count = to_carry < t.count ? (size_t)to_carry : t.count;
        t.stream = rhm_tile_stream_of(sampler->seed, first + t.done, stream);
        t.begin = t.end = 0;
        descend(&t, level - 1, contiguous, labels, parents);
        expand(&t, level - 1, cut, 0, 1, t.top[0]);
        for (size_t g = 0; g < tops; g += group) {
            const size_t nodes = tops - g < group ? tops - g : group;
            memcpy(t.bottom, t.top[g], nodes * RHM_TILE);
            expand(&t, cut, tree->levels, g, nodes, t.bottom[0]);
        }
        t.done += t.count;
    }
    return true;
}
