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

/*
 * Sixteen columns, transposed, on their way through the first-level cache, where loads take the place of shuffles
 * between quarters: transposed[j] + q has the symbols of sample q + j.
 */
INLINE void transpose_sixteen(const uint8_t *symbols, uint8_t transposed[QUARTER][WIDTH]) {
    vec row[QUARTER];
    transpose(symbols, QUARTER, row);
#pragma GCC unroll 16
    for (size_t j = 0; j < QUARTER; j++)
        vec_store(transposed[j], row[j]);
}

INLINE void sixteen_columns(const uint8_t *symbols, size_t count, uint16_t *out, size_t stride) {
    _Alignas(64) uint8_t transposed[QUARTER][WIDTH];
    for (size_t i = 0; i < count; i += WIDTH) {
        transpose_sixteen(symbols + i, transposed);
        for (size_t q = 0; q < WIDTH && i + q < count; q += QUARTER)
            for (size_t j = 0; j < QUARTER && i + q + j < count; j++)
                vec_store_widened(out + (i + q + j) * stride, transposed[j] + q);
    }
}

/* Inlined with a constant `past` and, for whole tiles, a constant `count`. */
INLINE void thirty_two_columns(const uint8_t *symbols, size_t count, uint16_t *out, size_t stride, bool past) {
    _Alignas(64) uint8_t left[QUARTER][WIDTH], right[QUARTER][WIDTH];
    for (size_t i = 0; i < count; i += WIDTH) {
        transpose_sixteen(symbols + i, left);
        transpose_sixteen(symbols + QUARTER * RHM_TILE + i, right);
        for (size_t q = 0; q < WIDTH && i + q < count; q += QUARTER)
            for (size_t j = 0; j < QUARTER && i + q + j < count; j++)
                if (past)
                    vec_stream_widened2(out + (i + q + j) * stride, left[j] + q, right[j] + q);
                else
                    vec_store_widened2(out + (i + q + j) * stride, left[j] + q, right[j] + q);
    }
}

/* Whole tiles of rows without gaps: two rows are as good as thirty-two columns. */
INLINE void pack_sixteen(const uint8_t *symbols, uint16_t *out, bool past) {
    _Alignas(64) uint8_t transposed[QUARTER][WIDTH];
    for (size_t i = 0; i < RHM_TILE; i += WIDTH) {
        transpose_sixteen(symbols + i, transposed);
        for (size_t q = 0; q < WIDTH; q += QUARTER)
            for (size_t j = 0; j < QUARTER; j += 2)
                if (past)
                    vec_stream_widened2(out + (i + q + j) * QUARTER, transposed[j] + q, transposed[j + 1] + q);
                else
                    vec_store_widened2(out + (i + q + j) * QUARTER, transposed[j] + q, transposed[j + 1] + q);
    }
}

static void wide_rows(const uint8_t *symbols, size_t nodes, size_t count, uint16_t *out, size_t stride, bool past) {
    const bool lines = past && (uintptr_t)out % 64 == 0 && stride % (2 * QUARTER) == 0;
    size_t p = 0;
    for (; p + 2 * QUARTER <= nodes; p += 2 * QUARTER)
        if (lines)
            thirty_two_columns(symbols + p * RHM_TILE, count, out + p, stride, true);
        else if (count == RHM_TILE)
            thirty_two_columns(symbols + p * RHM_TILE, RHM_TILE, out + p, stride, false);
        else
            thirty_two_columns(symbols + p * RHM_TILE, count, out + p, stride, false);
    /* The last sixteen columns may overlap those before: they write the same. */
    for (; p < nodes; p += QUARTER) {
        const size_t column = p + QUARTER <= nodes ? p : nodes - QUARTER;
        sixteen_columns(symbols + column * RHM_TILE, count, out + column, stride);
    }
}

static void rows(const uint8_t *symbols, size_t nodes, size_t count, uint16_t *out, size_t stride, bool past) {
    const bool whole = count == RHM_TILE && stride == nodes;
    if (whole && nodes == 2)
        pack_rows(symbols, 2, out);
    else if (whole && nodes == 4)
        pack_rows(symbols, 4, out);
    else if (whole && nodes == 8)
        pack_rows(symbols, 8, out);
    else if (whole && nodes == QUARTER && past && (uintptr_t)out % 64 == 0)
        pack_sixteen(symbols, out, true);
    else if (whole && nodes == QUARTER)
        pack_sixteen(symbols, out, false);
    else if (nodes < QUARTER)
        for (size_t i = 0; i < count; i++)
            for (size_t p = 0; p < nodes; p++)
                out[i * stride + p] = symbols[p * RHM_TILE + i];
    else
        wide_rows(symbols, nodes, count, out, stride, past);
}

static void settle(void) {
    vec_settle();
}

#endif
