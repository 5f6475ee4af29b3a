#include "linear/gram_tiles.h"

#include <stdbool.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "kernels/operator.h"
#include "ranks/group.h"

/* Rows of tiles in which a rank's rows of a product lie; neighbours may have one in common. */
static rhm_spread_part rows_of(const rhm_gram_tiles *t, int rank) {
    const size_t first = rhm_spread_begin(t->engine, t->slices, rank) * t->slice;
    const size_t end = rhm_spread_begin(t->engine, t->slices, rank + 1) * t->slice;
    const size_t last = (end + RHM_GRAM_SIDE - 1) / RHM_GRAM_SIDE;
    if (end <= first)
        return (rhm_spread_part){0};
    return (rhm_spread_part){first / RHM_GRAM_SIDE, last < t->side ? last : t->side};
}

static bool has(rhm_spread_part rows, size_t row) {
    return rows.first <= row && row < rows.end;
}

static bool keeps(const rhm_gram_tiles *t, int rank, size_t row, size_t column) {
    const rhm_spread_part rows = rows_of(t, rank);
    return has(rows, row) || has(rows, column);
}

/* Of tiles off the diagonal, which two rows of tiles need, each makes every other one. */
static int maker_of(const rhm_gram_tiles *t, size_t row, size_t column) {
    const size_t whose = (row + column) % 2 ? row : column;
    int rank = 0;
    while (!has(rows_of(t, rank), whose))
        rank++;
    return rank;
}

rhm_status rhm_gram_tiles_init(rhm_gram_tiles *out, const rhm_engine *engine, size_t groups, size_t slice,
                               rhm_error *error) {
    rhm_gram_tiles *t = out;
    *t = (rhm_gram_tiles){
        .engine = engine,
        .side = (groups + RHM_GRAM_SIDE - 1) / RHM_GRAM_SIDE,
        .slice = slice,
        .slices = (groups + slice - 1) / slice,
    };
    const size_t all = rhm_gram_tiles_of(t->side);
    const int own = rhm_ranks_rank(rhm_engine_ranks(engine));
    t->kept = t->made = all;
    if (!rhm_engine_ranks(engine))
        return RHM_OK;
    if (!(t->place = RHM_NEW(uint32_t, all, 1, 1, "tiles of a Gram matrix", error)) ||
        !(t->made_tile = RHM_NEW(uint32_t, all, 1, 1, "tiles of a Gram matrix", error))) {
        rhm_gram_tiles_clear(t);
        return RHM_NO_MEMORY;
    }
    t->kept = t->made = 0;
    for (size_t column = 0; column < t->side; column++)
        for (size_t row = 0; row <= column; row++) {
            const size_t number = rhm_gram_tile_number(row, column);
            t->place[number] = keeps(t, own, row, column) ? (uint32_t)t->kept++ : UINT32_MAX;
            if (maker_of(t, row, column) == own)
                t->made_tile[t->made++] = (uint32_t)number;
        }
    return RHM_OK;
}

void rhm_gram_tiles_clear(rhm_gram_tiles *tiles) {
    rhm_free(tiles->place);
    rhm_free(tiles->made_tile);
    *tiles = (rhm_gram_tiles){0};
}

/* Going through the tiles that one rank has made and another keeps. */
typedef struct passing {
    int maker, keeper;
    size_t row, column;
} passing;

/* The number of the next, SIZE_MAX after the last. */
static size_t next_of(const rhm_gram_tiles *t, passing *at) {
    for (; at->column < t->side; at->column++, at->row = 0)
        while (at->row <= at->column) {
            const size_t row = at->row++;
            if (keeps(t, at->keeper, row, at->column) && maker_of(t, row, at->column) == at->maker)
                return rhm_gram_tile_number(row, at->column);
        }
    return SIZE_MAX;
}

static double *tile_of(const rhm_gram_tiles *t, double *block, size_t number) {
    return number == SIZE_MAX ? NULL : block + rhm_gram_tile_place(t, number) * RHM_GRAM_TILE;
}

rhm_status rhm_gram_tiles_exchange(const rhm_gram_tiles *tiles, double *matrix, size_t blocks, rhm_error *error) {
    enum { NBYTES = RHM_GRAM_TILE * sizeof(double) };
    rhm_ranks *ranks = rhm_engine_ranks(tiles->engine);
    const int own = rhm_ranks_rank(ranks), size = rhm_ranks_size(ranks);
    for (size_t b = 0; b < blocks; b++) {
        double *block = matrix + b * tiles->kept * RHM_GRAM_TILE;
        for (int step = 1; step < size; step++) {
            const int to = (own + step) % size, from = (own + size - step) % size;
            passing out = {own, to, 0, 0}, in = {from, own, 0, 0};
            for (;;) {
                const double *sent = tile_of(tiles, block, next_of(tiles, &out));
                double *got = tile_of(tiles, block, next_of(tiles, &in));
                if (!sent && !got)
                    break;
                RHM_TRY(rhm_ranks_exchange(ranks, sent ? to : -1, sent, NBYTES, got ? from : -1, got, NBYTES, error));
            }
        }
    }
    return RHM_OK;
}
