/*
 * Tiles of a Gram matrix among ranks. A rank makes some rows of every product, for which it needs the rows and columns
 * of tiles that these are in: it keeps those and no others. A tile that several ranks keep is made by one of them.
 */
#ifndef RHM_LINEAR_GRAM_TILES_H
#define RHM_LINEAR_GRAM_TILES_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"

/* Of one block; all blocks are alike. Tiles (row, column), row <= column, are numbered (0, 0), (0, 1), (1, 1), ... */
typedef struct rhm_gram_tiles {
    const rhm_engine *engine;
    size_t side;          /* rows of tiles */
    size_t slice, slices; /* groups of a slice of a product, and slices: ranks share these */
    size_t kept, made;    /* by this rank */
    uint32_t *place;      /* (tiles): among the kept ones, or UINT32_MAX; NULL: all are kept, and made */
    uint32_t *made_tile;  /* (made); or NULL */
} rhm_gram_tiles;

/* For `groups` of features in slices of `slice`. */
rhm_status rhm_gram_tiles_init(rhm_gram_tiles *out, const rhm_engine *engine, size_t groups, size_t slice,
                               rhm_error *error);
void rhm_gram_tiles_clear(rhm_gram_tiles *tiles); /* accepts zeroed ones */

static inline size_t rhm_gram_tiles_of(size_t side) {
    return side * (side + 1) / 2;
}

static inline size_t rhm_gram_tile_number(size_t row, size_t column) {
    return column * (column + 1) / 2 + row;
}

/* Of a tile that is kept, where it is. */
static inline size_t rhm_gram_tile_place(const rhm_gram_tiles *tiles, size_t number) {
    return tiles->place ? tiles->place[number] : number;
}

/* The index-th tile that this rank makes. */
static inline size_t rhm_gram_tile_made(const rhm_gram_tiles *tiles, size_t index) {
    return tiles->made_tile ? tiles->made_tile[index] : index;
}

/* Made tiles to all ranks that keep them: matrix (blocks, kept, RHM_GRAM_TILE). All ranks must call. */
rhm_status rhm_gram_tiles_exchange(const rhm_gram_tiles *tiles, double *matrix, size_t blocks, rhm_error *error);

#endif
