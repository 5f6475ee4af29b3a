/* Sums over the patches of a call of residuals times features. */
#ifndef RHM_KERNELS_LANES_GRADIENT_H
#define RHM_KERNELS_LANES_GRADIENT_H

#include "kernels/lanes/lanes.h"

_Static_assert((int)GRADIENT_CLASSES == (int)TILE_CLASSES, "classes are dealt out in tiles");

/*
 * g[c][f] += sum_p r[p][c] x[p][f] for one tile of classes and registers of features. Rows are too far apart for the
 * hardware to foresee which lines come next: each tile asks for its g, the first one of a column for the next x.
 */
INLINE void gradient_tile(const float *r, size_t r_stride, const float *x, size_t stride, size_t count, double *g,
                          bool ask, size_t classes, size_t vectors) {
    enum { LINE = 16 }; /* floats of a cache line */
    vec sum[GRADIENT_CLASSES][GRADIENT_VECTORS];
    for (size_t c = 0; c < classes; c++) {
        for (size_t f = 0; f < vectors * WIDTH; f += LINE / 2)
            __builtin_prefetch(g + c * stride + f, 1);
        for (size_t v = 0; v < vectors; v++)
            sum[c][v] = vec_zero();
    }
    for (size_t p = 0; p < count; p++, r += r_stride, x += stride) {
        if (ask)
            for (size_t f = 0; f < vectors * WIDTH; f += LINE)
                __builtin_prefetch(x + vectors * WIDTH + f);
        vec xf[GRADIENT_VECTORS];
        for (size_t v = 0; v < vectors; v++)
            xf[v] = vec_load(x + v * WIDTH);
        for (size_t c = 0; c < classes; c++) {
            const vec rc = vec_broadcast(r + c);
            for (size_t v = 0; v < vectors; v++)
                sum[c][v] = vec_fma(rc, xf[v], sum[c][v]);
        }
    }
    for (size_t c = 0; c < classes; c++)
        for (size_t v = 0; v < vectors; v++)
            vec_add_to(g + c * stride + v * WIDTH, sum[c][v]);
}

INLINE void gradient_column(const float *r, size_t classes, const float *x, size_t stride, size_t count, double *g,
                            size_t vectors) {
    for (size_t c = 0, n; c < classes; c += n) {
        const bool ask = c == 0;
        n = tile_classes(classes - c);
        switch (n) {
        case 4: gradient_tile(r + c, classes, x, stride, count, g + c * stride, ask, 4, vectors); break;
        case 3: gradient_tile(r + c, classes, x, stride, count, g + c * stride, ask, 3, vectors); break;
        case 2: gradient_tile(r + c, classes, x, stride, count, g + c * stride, ask, 2, vectors); break;
        default: gradient_tile(r + c, classes, x, stride, count, g + c * stride, ask, 1, vectors); break;
        }
    }
}

static void gradient(size_t classes, size_t padded, size_t count, const float *r, const float *x, double *g) {
    const size_t stride = rhm_feature_stride(padded);
    size_t f = 0;
    for (; f + GRADIENT_VECTORS * WIDTH <= 2 * padded; f += GRADIENT_VECTORS * WIDTH)
        gradient_column(r, classes, x + f, stride, count, g + f, GRADIENT_VECTORS);
    for (; f < 2 * padded; f += WIDTH)
        gradient_column(r, classes, x + f, stride, count, g + f, 1);
}

#endif
