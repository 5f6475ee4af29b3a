/* Subtrees of one stratum side by side: what the descent of parts.c hands to those that rewrite symbols. */
#ifndef RHM_SAMPLING_SUBTREES_H
#define RHM_SAMPLING_SUBTREES_H

#include "sampling/sampler.h"

enum { RHM_SUBTREE_NODES = RHM_SUBTREE_LEAVES / 2 }; /* symbols of a level that is rewritten, at most */

typedef struct rhm_subtrees {
    const rhm_sampler *sampler;
    const rhm_stratum *stratum;
    size_t count;                                          /* 1..RHM_TILE */
    bool tile;                                             /* rewrite in bytes, side by side */
    bool past;                                             /* tokens are written past the caches */
    _Alignas(64) uint32_t word[RHM_BLOCK_WORDS][RHM_TILE]; /* their blocks' */
    /* Of a tile only. */
    uint32_t ready; /* words whose planes are there: a bit each */
    _Alignas(64) uint8_t plane[RHM_PLANES][RHM_TILE];
    _Alignas(64) uint8_t choice[RHM_SUBTREE_NODES][RHM_TILE];
    _Alignas(64) uint8_t symbol[RHM_SUBTREE_LEAVES][RHM_TILE];
} rhm_subtrees;

/* Labels of the top stratum. */
void rhm_draw_labels(rhm_subtrees *t, uint16_t *labels);

/* The way down to a symbol. */
typedef struct rhm_path {
    uint32_t position[RHM_MAX_LEVELS + 1]; /* [l], l = 0..level: within the stratum's subtree */
    uint32_t child[RHM_MAX_LEVELS + 1];    /* [l], l = 1..level: among its parent's */
} rhm_path;

/* Symbols of the stratum's top into those of level `to` that are on the path, in place. */
void rhm_descend(rhm_subtrees *t, uint32_t to, const rhm_path *path, uint16_t *symbols);

/*
 * Rewrite symbols, at `position` of level `from` of each subtree, down to the stratum's end. rows[l], from < l <= end,
 * is NULL or (count, level-l symbols below one) and receives them; rows[end] is not NULL.
 */
void rhm_expand(rhm_subtrees *t, uint32_t from, size_t position, const uint16_t *symbols, uint16_t *const *rows);

/* The same for tiles; labels that planes hold. */
void rhm_draw_labels_tile(rhm_subtrees *t, uint16_t *labels);
void rhm_descend_tile(rhm_subtrees *t, uint32_t to, const rhm_path *path, uint16_t *symbols);
void rhm_expand_tile(rhm_subtrees *t, uint32_t from, size_t position, const uint16_t *symbols, uint16_t *const *rows);

#endif
