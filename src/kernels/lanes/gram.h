/*
 * Blocks of the Gram matrix in registers, GRAM_ROWS rows of a block by GRAM_VECTORS registers of its columns.
 */
#ifndef RHM_KERNELS_LANES_GRAM_H
#define RHM_KERNELS_LANES_GRAM_H

#include "kernels/lanes/lanes.h"

_Static_assert((GRAM_VECTORS * WIDTH) % RHM_LANES == 0, "a register tile covers whole blocks");

/* `rows` rows from `first` on of `blocks` neighbouring blocks c: sums over the patches in float, then to double. */
INLINE void gram_tile(size_t count, const float *a, const float *b, size_t b_stride, double *c, size_t first,
                      size_t rows, size_t blocks) {
    const size_t vectors = blocks * RHM_LANES / WIDTH;
    vec sum[GRAM_ROWS][GRAM_VECTORS];
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = vec_zero();
    for (size_t p = 0; p < count; p++) {
        vec bp[GRAM_VECTORS];
        for (size_t v = 0; v < vectors; v++)
            bp[v] = vec_load(b + v * WIDTH / RHM_LANES * b_stride + p * RHM_LANES + v * WIDTH % RHM_LANES);
        for (size_t r = 0; r < rows; r++) {
            const vec ar = vec_broadcast(a + p * RHM_LANES + first + r);
            for (size_t v = 0; v < vectors; v++)
                sum[r][v] = vec_fma(ar, bp[v], sum[r][v]);
        }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            vec_add_to(c + v * WIDTH / RHM_LANES * RHM_GRAM_BLOCK + (first + r) * RHM_LANES + v * WIDTH % RHM_LANES,
                       sum[r][v]);
}

INLINE void gram_rows(size_t count, const float *a, const float *b, size_t b_stride, double *c, size_t blocks) {
    size_t r = 0;
    for (; r + GRAM_ROWS <= RHM_LANES; r += GRAM_ROWS)
        gram_tile(count, a, b, b_stride, c, r, GRAM_ROWS, blocks);
    if (RHM_LANES % GRAM_ROWS)
        gram_tile(count, a, b, b_stride, c, r, RHM_LANES % GRAM_ROWS, blocks);
}

static void gram(size_t blocks, size_t count, const float *a, const float *b, size_t b_stride, double *c) {
    enum { BLOCKS = GRAM_VECTORS * WIDTH / RHM_LANES };
    size_t i = 0;
    for (; i + BLOCKS <= blocks; i += BLOCKS)
        gram_rows(count, a, b + i * b_stride, b_stride, c + i * RHM_GRAM_BLOCK, BLOCKS);
    for (; i < blocks; i++)
        gram_rows(count, a, b + i * b_stride, b_stride, c + i * RHM_GRAM_BLOCK, 1);
}

#endif
