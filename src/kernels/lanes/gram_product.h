/*
 * Products with the Gram matrix, in double precision: WIDE_ROWS rows of a block by WIDE_VECTORS registers of classes.
 */
#ifndef RHM_KERNELS_LANES_GRAM_PRODUCT_H
#define RHM_KERNELS_LANES_GRAM_PRODUCT_H

#include "kernels/lanes/lanes.h"

enum {
    LINE_DOUBLES = 8, /* of a cache line */
    WIDE_BLOCKS = 2,  /* of which one sum after another is made while they are in the first-level cache */
};
_Static_assert(RHM_GRAM_CLASSES % DWIDTH == 0, "rows of doubles are whole registers");

/* `rows` rows from `first` on of y, `vectors` registers of classes wide. Element (i, j) of a block is c[i * row + j *
 * column]. */
INLINE void wide_tile(size_t classes, size_t blocks, const double *c, size_t c_stride, size_t row, size_t column,
                      const double *d, double *y, size_t first, size_t rows, size_t vectors) {
    dvec sum[WIDE_ROWS][WIDE_VECTORS];
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = dvec_load(y + (first + r) * classes + v * DWIDTH);
    for (size_t block = 0; block < blocks; block++, c += c_stride)
        for (size_t j = 0; j < RHM_LANES; j++, d += classes) {
            dvec dj[WIDE_VECTORS];
            for (size_t v = 0; v < vectors; v++)
                dj[v] = dvec_load(d + v * DWIDTH);
            for (size_t r = 0; r < rows; r++) {
                const dvec cr = dvec_broadcast(c + (first + r) * row + j * column);
                for (size_t v = 0; v < vectors; v++)
                    sum[r][v] = dvec_fma(cr, dj[v], sum[r][v]);
            }
        }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            dvec_store(y + (first + r) * classes + v * DWIDTH, sum[r][v]);
}

INLINE void wide_rows(size_t classes, size_t blocks, const double *c, size_t c_stride, size_t row, size_t column,
                      const double *d, double *y, size_t vectors) {
    size_t r = 0;
    for (; r + WIDE_ROWS <= RHM_LANES; r += WIDE_ROWS)
        wide_tile(classes, blocks, c, c_stride, row, column, d, y, r, WIDE_ROWS, vectors);
    if (RHM_LANES % WIDE_ROWS)
        wide_tile(classes, blocks, c, c_stride, row, column, d, y, r, RHM_LANES % WIDE_ROWS, vectors);
}

INLINE void wide_columns(size_t classes, size_t blocks, const double *c, size_t c_stride, bool transposed,
                         const double *d, double *y, size_t vectors) {
    if (transposed)
        wide_rows(classes, blocks, c, c_stride, 1, RHM_LANES, d, y, vectors);
    else
        wide_rows(classes, blocks, c, c_stride, RHM_LANES, 1, d, y, vectors);
}

/* The matrix is far larger than any cache of a core: a few blocks at a time, each fetched once, ahead of its use. */
static void gram_product(size_t classes, size_t blocks, const double *c, size_t c_stride, bool transposed,
                         const double *d, double *y) {
    for (size_t block = 0; block < blocks; block += WIDE_BLOCKS) {
        const size_t count = blocks - block < WIDE_BLOCKS ? blocks - block : WIDE_BLOCKS;
        const double *cb = c + block * c_stride, *db = d + block * RHM_LANES * classes;
        for (size_t next = block + count; next < blocks && next < block + count + WIDE_BLOCKS; next++)
            for (size_t i = 0; i < RHM_GRAM_BLOCK; i += LINE_DOUBLES)
                __builtin_prefetch(c + next * c_stride + i);
        size_t v = 0;
        for (; v + WIDE_VECTORS * DWIDTH <= classes; v += WIDE_VECTORS * DWIDTH)
            wide_columns(classes, count, cb, c_stride, transposed, db + v, y + v, WIDE_VECTORS);
        for (; v < classes; v += RHM_GRAM_CLASSES)
            wide_columns(classes, count, cb, c_stride, transposed, db + v, y + v, RHM_GRAM_CLASSES / DWIDTH);
    }
}

#endif
