/* Symbols side by side into rows, by interleaving bytes. */
#ifndef RHM_SAMPLING_LANES_ROWS_H
#define RHM_SAMPLING_LANES_ROWS_H

#include "sampling/lanes/lanes.h"

/*
 * `nodes` (a power of two up to 16) rows of symbols, transposed within quarters: quarter q of register j then has all
 * symbols of sample 16 q + 16 j / nodes, and of the samples after it as far as it reaches. One interleaving of the
 * first half of the registers with the second rotates the bits of a byte's address by one.
 */
INLINE void transpose(const uint8_t *symbols, size_t nodes, vec row[QUARTER]) {
    const size_t half = nodes / 2;
    vec next[QUARTER];
#pragma GCC unroll 16
    for (size_t j = 0; j < nodes; j++)
        row[j] = vec_load(symbols + j * RHM_TILE);
#pragma GCC unroll 4
    for (size_t stage = 1; stage < nodes; stage *= 2) {
#pragma GCC unroll 8
        for (size_t j = 0; j < half; j++) {
            next[2 * j] = vec_unpack_low8(row[j], row[j + half]);
            next[2 * j + 1] = vec_unpack_high8(row[j], row[j + half]);
        }
#pragma GCC unroll 16
        for (size_t j = 0; j < nodes; j++)
            row[j] = next[j];
    }
}

/* Whole tiles of rows without gaps, which several of fit a quarter. */
INLINE void pack_rows(const uint8_t *symbols, size_t nodes, uint16_t *out) {
    for (size_t i = 0; i < RHM_TILE; i += WIDTH) {
        vec row[QUARTER];
        transpose(symbols + i, nodes, row);
#pragma GCC unroll 8
        for (size_t j = 0; j < nodes; j++)
            vec_store_quarters(out + i * nodes + j * QUARTER, QUARTER * nodes, row[j], WIDTH / QUARTER);
    }
}

static void rows(const uint8_t *symbols, size_t nodes, size_t count, uint16_t *out, size_t stride) {
    const bool whole = count == RHM_TILE && stride == nodes;
    if (whole && nodes == 2)
        pack_rows(symbols, 2, out);
    else if (whole && nodes == 4)
        pack_rows(symbols, 4, out);
    else if (whole && nodes == 8)
        pack_rows(symbols, 8, out);
    else if (nodes < QUARTER)
        for (size_t i = 0; i < count; i++)
            for (size_t p = 0; p < nodes; p++)
                out[i * stride + p] = symbols[p * RHM_TILE + i];
    else
        /* The last sixteen nodes may overlap those before: they write the same. */
        for (size_t p = 0; p < nodes; p += QUARTER) {
            const size_t column = p + QUARTER <= nodes ? p : nodes - QUARTER;
            for (size_t i = 0; i < count; i += WIDTH) {
                vec row[QUARTER];
                transpose(symbols + column * RHM_TILE + i, QUARTER, row);
#pragma GCC unroll 16
                for (size_t j = 0; j < QUARTER; j++)
                    vec_store_quarters(out + (i + j) * stride + column, QUARTER * stride, row[j],
                                       (count + QUARTER - 1 - i - j) / QUARTER);
            }
        }
}

#endif
