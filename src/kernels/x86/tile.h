/*
 * The operations in registers, written once for every vector width. The including file provides
 *   WIDTH, vec, vec_*      the register type and its operations (WIDTH divides RHM_LANES)
 *   lane_sum               the fixed tree over RHM_LANES partial sums
 *   PHASE_*, PRODUCT_*, GRADIENT_*   the register tiles, as large as the accumulators allow
 *   RHM_TABLE, RHM_TABLE_NAME, RHM_TABLE_ISA
 * and what gram.h, the second part, asks for.
 * Instances: avx2.c (8), avx512.c (16), and the portable 16-lane one of tests/test_kernels.c.
 *
 * Tile functions take their extents as constants and are inlined, so that the accumulators live in registers; the
 * dispatch on partial extents at an edge is `switch` over the few smaller tiles.
 */
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    BLOCK_PATCHES = 12,   /* patches whose features share a visit to the weights; whole PHASE and PRODUCT tiles */
    BLOCK_CLASSES = 64,   /* classes whose partial sums fit on the stack */
    BLOCK_FEATURES = 256, /* frequencies whose features stay in the first-level cache, BLOCK_PATCHES at a time */
};
_Static_assert(BLOCK_PATCHES % PHASE_PATCHES == 0 && BLOCK_PATCHES % PRODUCT_PATCHES == 0, "blocks hold whole tiles");
_Static_assert(RHM_LANES % WIDTH == 0 && BLOCK_FEATURES % (PHASE_VECTORS * WIDTH) == 0, "tiles hold whole lane groups");
_Static_assert((PHASE_VECTORS * WIDTH) % RHM_LANES == 0, "a phase tile starts at a lane group");

INLINE void cos_sin(vec z, vec *cosine, vec *sine) {
    const vec n = vec_round(z);
    const vec r = vec_sub(z, n);
    const vec u = vec_mul(r, r);
    const vec sign = vec_parity_sign(n);
    vec s = vec_fma(vec_set(RHM_SIN4), u, vec_set(RHM_SIN3));
    s = vec_fma(s, u, vec_set(RHM_SIN2));
    s = vec_fma(s, u, vec_set(RHM_SIN1));
    s = vec_fma(s, u, vec_set(RHM_SIN0));
    s = vec_mul(s, r);
    vec c = vec_fma(vec_set(RHM_COS4), u, vec_set(RHM_COS3));
    c = vec_fma(c, u, vec_set(RHM_COS2));
    c = vec_fma(c, u, vec_set(RHM_COS1));
    c = vec_fma(c, u, vec_set(1.0f));
    *cosine = vec_xor(c, sign);
    *sine = vec_xor(s, sign);
}

/* Features k..k+vectors*WIDTH-1 of `patches` patches, into rows of x that start at feature group k. */
INLINE void phase_tile(const rhm_phase_map *map, const float *table, const uint32_t *ids, size_t k, float *x,
                       size_t stride, size_t patches, size_t vectors) {
    vec z[PHASE_PATCHES][PHASE_VECTORS];
    for (size_t p = 0; p < patches; p++)
        for (size_t v = 0; v < vectors; v++)
            z[p][v] = vec_load(map->offset + k + v * WIDTH);
    const size_t panel = RHM_LANES * map->tokens * map->embedding;
    const float *row = map->half_turns + k / RHM_LANES * panel;
    for (size_t t = 0; t < map->tokens; t++) {
        const float *h[PHASE_PATCHES];
        for (size_t p = 0; p < patches; p++)
            h[p] = table + ids[p * map->tokens + t] * map->embedding;
        for (size_t j = 0; j < map->embedding; j++, row += RHM_LANES) {
            vec w[PHASE_VECTORS];
            for (size_t v = 0; v < vectors; v++)
                w[v] = vec_load(row + v * WIDTH / RHM_LANES * panel + v * WIDTH % RHM_LANES);
            for (size_t p = 0; p < patches; p++) {
                const vec hj = vec_broadcast(h[p] + j);
                for (size_t v = 0; v < vectors; v++)
                    z[p][v] = vec_fma(w[v], hj, z[p][v]);
            }
        }
    }
    for (size_t p = 0; p < patches; p++)
        for (size_t v = 0; v < vectors; v++) {
            float *group = x + p * stride + v * WIDTH / RHM_LANES * 2 * RHM_LANES + v * WIDTH % RHM_LANES;
            vec cosine, sine;
            cos_sin(z[p][v], &cosine, &sine);
            vec_store(group, cosine);
            vec_store(group + RHM_LANES, sine);
        }
}

/* Features k..k+length-1 of up to PHASE_PATCHES patches. */
INLINE void phase_rows(const rhm_phase_map *map, const float *table, const uint32_t *ids, size_t k, size_t length,
                       float *x, size_t stride, size_t patches) {
    size_t i = 0;
    for (; i + PHASE_VECTORS * WIDTH <= length; i += PHASE_VECTORS * WIDTH)
        phase_tile(map, table, ids, k + i, x + 2 * i, stride, patches, PHASE_VECTORS);
    for (; i < length; i += RHM_LANES)
        phase_tile(map, table, ids, k + i, x + 2 * i, stride, patches, RHM_LANES / WIDTH);
}

static void phase_block(const rhm_phase_map *map, const float *table, const uint32_t *ids, size_t count, size_t k,
                        size_t length, float *x, size_t stride) {
    size_t i = 0;
    for (; i + PHASE_PATCHES <= count; i += PHASE_PATCHES)
        phase_rows(map, table, ids + i * map->tokens, k, length, x + i * stride, stride, PHASE_PATCHES);
    for (; i < count; i++)
        phase_rows(map, table, ids + i * map->tokens, k, length, x + i * stride, stride, 1);
}

/* lane[p][c] (rows lane_stride groups apart) += w_c x_p over `length` features. */
INLINE void product_tile(const float *w, size_t w_stride, const float *x, size_t x_stride, size_t length, float *lane,
                         size_t lane_stride, size_t patches, size_t classes) {
    for (size_t part = 0; part < RHM_LANES; part += WIDTH) {
        vec sum[PRODUCT_PATCHES][PRODUCT_CLASSES];
        for (size_t p = 0; p < patches; p++)
            for (size_t c = 0; c < classes; c++)
                sum[p][c] = vec_load(lane + (p * lane_stride + c) * RHM_LANES + part);
        for (size_t f = part; f < length; f += RHM_LANES) {
            vec xf[PRODUCT_PATCHES];
            for (size_t p = 0; p < patches; p++)
                xf[p] = vec_load(x + p * x_stride + f);
            for (size_t c = 0; c < classes; c++) {
                const vec wf = vec_load(w + c * w_stride + f);
                for (size_t p = 0; p < patches; p++)
                    sum[p][c] = vec_fma(wf, xf[p], sum[p][c]);
            }
        }
        for (size_t p = 0; p < patches; p++)
            for (size_t c = 0; c < classes; c++)
                vec_store(lane + (p * lane_stride + c) * RHM_LANES + part, sum[p][c]);
    }
}

/* All patches against one tile of classes, whose weights meanwhile stay in the first-level cache. */
INLINE void product_columns(const float *w, size_t w_stride, const float *x, size_t x_stride, size_t length,
                            float *lane, size_t lane_stride, size_t count, size_t classes) {
    size_t i = 0;
    for (; i + PRODUCT_PATCHES <= count; i += PRODUCT_PATCHES)
        product_tile(w, w_stride, x + i * x_stride, x_stride, length, lane + i * lane_stride * RHM_LANES, lane_stride,
                     PRODUCT_PATCHES, classes);
    for (; i < count; i++)
        product_tile(w, w_stride, x + i * x_stride, x_stride, length, lane + i * lane_stride * RHM_LANES, lane_stride,
                     1, classes);
}

static void product_block(const float *w, size_t w_stride, const float *x, size_t x_stride, size_t length, float *lane,
                          size_t count, size_t classes) {
    size_t c = 0;
    for (; c + PRODUCT_CLASSES <= classes; c += PRODUCT_CLASSES)
        product_columns(w + c * w_stride, w_stride, x, x_stride, length, lane + c * RHM_LANES, classes, count,
                        PRODUCT_CLASSES);
    switch (classes - c) {
    case 3:
        product_columns(w + c * w_stride, w_stride, x, x_stride, length, lane + c * RHM_LANES, classes, count, 3);
        break;
    case 2:
        product_columns(w + c * w_stride, w_stride, x, x_stride, length, lane + c * RHM_LANES, classes, count, 2);
        break;
    case 1:
        product_columns(w + c * w_stride, w_stride, x, x_stride, length, lane + c * RHM_LANES, classes, count, 1);
        break;
    default: break;
    }
}

static void product(size_t classes, size_t padded, const float *w, size_t count, const float *x, float *y) {
    const size_t stride = rhm_feature_stride(padded);
    float lane[BLOCK_PATCHES * BLOCK_CLASSES * RHM_LANES] __attribute__((aligned(64)));
    for (size_t i = 0; i < count; i += BLOCK_PATCHES) {
        const size_t patches = count - i < BLOCK_PATCHES ? count - i : BLOCK_PATCHES;
        for (size_t first = 0; first < classes; first += BLOCK_CLASSES) {
            const size_t block = classes - first < BLOCK_CLASSES ? classes - first : BLOCK_CLASSES;
            memset(lane, 0, sizeof *lane * patches * block * RHM_LANES);
            for (size_t f = 0; f < 2 * padded; f += 2 * BLOCK_FEATURES) {
                const size_t length = 2 * padded - f < 2 * BLOCK_FEATURES ? 2 * padded - f : 2 * BLOCK_FEATURES;
                product_block(w + first * stride + f, stride, x + i * stride + f, stride, length, lane, patches, block);
            }
            for (size_t p = 0; p < patches; p++)
                for (size_t c = 0; c < block; c++)
                    y[(i + p) * classes + first + c] = lane_sum(lane + (p * block + c) * RHM_LANES);
        }
    }
}

static void features(const rhm_phase_map *map, const rhm_patch_rows *patches, float *x) {
    const size_t stride = rhm_feature_stride(map->padded);
    phase_block(map, patches->table, patches->ids, patches->count, 0, map->padded, x, stride);
}

static void forward(const rhm_phase_map *map, size_t classes, const float *w, const rhm_patch_rows *rows, float *y) {
    enum { X_STRIDE = 2 * BLOCK_FEATURES + RHM_LANES };
    const size_t stride = rhm_feature_stride(map->padded);
    float x[BLOCK_PATCHES * X_STRIDE] __attribute__((aligned(64)));
    float lane[BLOCK_PATCHES * BLOCK_CLASSES * RHM_LANES] __attribute__((aligned(64)));
    for (size_t i = 0; i < rows->count; i += BLOCK_PATCHES) {
        const size_t patches = rows->count - i < BLOCK_PATCHES ? rows->count - i : BLOCK_PATCHES;
        const uint32_t *ids = rows->ids + i * map->tokens;
        for (size_t first = 0; first < classes; first += BLOCK_CLASSES) {
            const size_t block = classes - first < BLOCK_CLASSES ? classes - first : BLOCK_CLASSES;
            memset(lane, 0, sizeof *lane * patches * block * RHM_LANES);
            for (size_t k = 0; k < map->padded; k += BLOCK_FEATURES) {
                const size_t length = map->padded - k < BLOCK_FEATURES ? map->padded - k : BLOCK_FEATURES;
                phase_block(map, rows->table, ids, patches, k, length, x, X_STRIDE);
                product_block(w + first * stride + 2 * k, stride, x, X_STRIDE, 2 * length, lane, patches, block);
            }
            for (size_t p = 0; p < patches; p++)
                for (size_t c = 0; c < block; c++)
                    y[(i + p) * classes + first + c] = lane_sum(lane + (p * block + c) * RHM_LANES);
        }
    }
}

/* g[c][f] += sum_p r[p][c] x[p][f] for one tile of classes and registers of features. */
INLINE void gradient_tile(const float *r, size_t r_stride, const float *x, size_t stride, size_t count, float *g,
                          size_t classes, size_t vectors) {
    vec sum[GRADIENT_CLASSES][GRADIENT_VECTORS];
    for (size_t c = 0; c < classes; c++)
        for (size_t v = 0; v < vectors; v++)
            sum[c][v] = vec_load(g + c * stride + v * WIDTH);
    for (size_t p = 0; p < count; p++) {
        vec xf[GRADIENT_VECTORS];
        for (size_t v = 0; v < vectors; v++)
            xf[v] = vec_load(x + p * stride + v * WIDTH);
        for (size_t c = 0; c < classes; c++) {
            const vec rc = vec_broadcast(r + p * r_stride + c);
            for (size_t v = 0; v < vectors; v++)
                sum[c][v] = vec_fma(rc, xf[v], sum[c][v]);
        }
    }
    for (size_t c = 0; c < classes; c++)
        for (size_t v = 0; v < vectors; v++)
            vec_store(g + c * stride + v * WIDTH, sum[c][v]);
}

INLINE void gradient_columns(const float *r, size_t classes, const float *x, size_t stride, size_t count, float *g,
                             size_t vectors) {
    size_t c = 0;
    for (; c + GRADIENT_CLASSES <= classes; c += GRADIENT_CLASSES)
        gradient_tile(r + c, classes, x, stride, count, g + c * stride, GRADIENT_CLASSES, vectors);
    for (; c < classes; c++)
        gradient_tile(r + c, classes, x, stride, count, g + c * stride, 1, vectors);
}

static void gradient(size_t classes, size_t padded, size_t count, const float *r, const float *x, float *g) {
    const size_t stride = rhm_feature_stride(padded);
    size_t f = 0;
    for (; f + GRADIENT_VECTORS * WIDTH <= 2 * padded; f += GRADIENT_VECTORS * WIDTH)
        gradient_columns(r, classes, x + f, stride, count, g + f, GRADIENT_VECTORS);
    for (; f < 2 * padded; f += WIDTH)
        gradient_columns(r, classes, x + f, stride, count, g + f, 1);
}

#include "kernels/x86/gram.h"

const rhm_kernels RHM_TABLE = {
    .name = RHM_TABLE_NAME,
    .isa = RHM_TABLE_ISA,
    .features = features,
    .product = product,
    .gradient = gradient,
    .forward = forward,
    .gram = gram,
    .gram_product = gram_product,
};
