/*
 * The operations in registers, a header for each, written once for every vector width. What includes them has included
 * a header of its instruction set, as in kernels/vector/, with
 *   WIDTH, vec, vec_*      the register type and its operations: 16 floats, or a half, a quarter, ... of that
 *   lane_sum               the fixed tree over RHM_LANES partial sums: WIDTH of them, then `part` floats further on the
 *                          next WIDTH, and so on
 *   lane_sums_of_4         the same of four classes, WIDTH apart
 *   vec_add_to             add a register of floats to as many doubles
 *   DWIDTH, dvec, dvec_*   the same of doubles
 * and named register tiles, as large as the accumulators allow:
 *   PHASE_*, PRODUCT_*, PANELS, PANEL_PATCHES, GRADIENT_*, ROTATED_PAIRS, GRAM_*, WIDE_*
 *   SLICE                  frequencies whose features, of BLOCK_PATCHES patches, stay in the first-level cache
 *   PRODUCT_BLOCK          patches of which it holds a slice of kept features beside the weights
 * Only what the included operations use is needed: table.h includes all of them, an instruction set that has a few may
 * include those and name them in a table of its own.
 *
 * Tile functions take their extents as constants and are inlined, so that the accumulators live in registers; the
 * dispatch on partial extents at an edge is `switch` over the few smaller tiles.
 *
 * What bounds them, measured on Zen 3 (two multiply-adds a cycle): a register that is stored costs one or two
 * multiply-adds, so that partial sums should not go to memory more often than once per 32 steps; the cosine and sine of
 * a register cost as much as 13 multiply-adds, ten of which they are.
 */
#ifndef RHM_KERNELS_LANES_LANES_H
#define RHM_KERNELS_LANES_LANES_H

#include <stdbool.h>
#include <string.h>

#include "kernels/kernels.h"

#define INLINE static inline __attribute__((always_inline))

enum { PARTS = RHM_LANES / WIDTH }; /* registers to a group of lanes */
_Static_assert(PARTS *WIDTH == RHM_LANES, "a group is whole registers");

enum {
    BLOCK_PATCHES = 12, /* whose features are made at a time */
    GROUP_PATCHES = 24, /* that meet a slice of weights one after the other, while it is in the next cache */
    TILE_CLASSES = 4,   /* of a register tile, at most */
};

INLINE size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Classes of the next tile when `left` are left: four, or three where a smaller tile would else come at the end. */
INLINE size_t tile_classes(size_t left) {
    _Static_assert(TILE_CLASSES == 4, "what is dealt out here");
    return left <= 4 ? left : left == 5 || left == 6 || left == 9 ? 3 : 4;
}

/* Where features go, in floats: from row to row, from one group of lanes to the next, and from part to part of it. */
typedef struct layout {
    size_t row, step, part;
} layout;

#endif
