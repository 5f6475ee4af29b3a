/*
 * The operations in registers, written once for every vector width. The including file provides
 *   WIDTH, vec, vec_*      the register type and its operations (a register holds RHM_LANES or half of them)
 *   lane_sum               the fixed tree over RHM_LANES partial sums, of which it is given two halves
 *   lane_sums_of_4         the same of four classes, whose halves are WIDTH apart
 *   vec_add_to             add a register of floats to as many doubles
 *   PHASE_*, PRODUCT_*, PANELS, PANEL_PATCHES, GRADIENT_*, TURNED_PAIRS   the register tiles, as large as the
 *                          accumulators allow
 *   SLICE                  frequencies whose features, of BLOCK_PATCHES patches, stay in the first-level cache
 *   PRODUCT_BLOCK          patches of which it holds a slice of kept features beside the weights
 *   RHM_TABLE, RHM_TABLE_NAME, RHM_TABLE_ISA
 * and what gram.h asks for. Instances: avx2.c (8), avx512.c (16), and the portable 16-lane one of tests/test_kernels.c.
 *
 * Tile functions take their extents as constants and are inlined, so that the accumulators live in registers; the
 * dispatch on partial extents at an edge is `switch` over the few smaller tiles.
 *
 * What bounds them, measured on Zen 3 (two multiply-adds a cycle): a register that is stored costs one or two
 * multiply-adds, so that partial sums should not go to memory more often than once per 32 steps; the cosine and sine of
 * a register cost as much as 13 multiply-adds, ten of which they are.
 */
#include <stdbool.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { PARTS = RHM_LANES / WIDTH }; /* registers to a group of lanes */
_Static_assert(PARTS *WIDTH == RHM_LANES && PARTS <= 2, "lane_sum adds halves");

/* One after the other, each built on those before it. */
#include "kernels/x86/phase.h"
#include "kernels/x86/phasor.h"

#include "kernels/x86/product.h"

#include "kernels/x86/panel.h"

#include "kernels/x86/outputs.h"

static void features(const rhm_phase_map *map, const rhm_patch_rows *rows, float *x) {
    const layout at = {.row = rhm_feature_stride(map->padded), .step = RHM_LANES, .part = WIDTH};
    float h[BLOCK_PATCHES * MOST_INPUTS] __attribute__((aligned(64)));
    for (size_t i = 0; i < rows->count; i += BLOCK_PATCHES) {
        gathered g = gathered_patches(map, rows, i, least(BLOCK_PATCHES, rows->count - i), h);
        feature_slice(&g, 0, map->padded, x + i * at.row, at);
    }
}

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

#include "kernels/x86/gram.h"
#include "kernels/x86/turned.h"

const rhm_kernels RHM_TABLE = {
    .name = RHM_TABLE_NAME,
    .isa = RHM_TABLE_ISA,
    .features = features,
    .pack = pack,
    .product = product,
    .gradient = gradient,
    .forward = forward,
    .turned_forward = turned_forward,
    .turned_gradient = turned_gradient,
    .gram = gram,
    .gram_product = gram_product,
};
