/*
 * Outputs of a few classes, less than a panel (panel.h): features times weights, in RHM_LANES partial sums each.
 *
 * Weights are packed in the order in which they are used: (slices, parts, class tiles, steps, classes of the tile,
 * WIDTH). A slice of features at a time; of the lanes of each group first the first register's, then
 * the next one's (parts). So what a slice meets is one stream, and what is in the first-level cache together does
 * not compete for the same sets.
 */
#ifndef RHM_KERNELS_LANES_FEW_H
#define RHM_KERNELS_LANES_FEW_H

#include "kernels/lanes/lanes.h"

enum { FEW_LANES = (RHM_PANEL_CLASSES - 1) * RHM_LANES }; /* partial sums of a patch, at most */
_Static_assert((int)PRODUCT_CLASSES == (int)TILE_CLASSES, "classes are dealt out in tiles");
_Static_assert(BLOCK_PATCHES % PRODUCT_PATCHES == 0 && (int)PRODUCT_BLOCK <= (int)BLOCK_PATCHES &&
                   PRODUCT_BLOCK % PRODUCT_PATCHES == 0,
               "blocks hold whole tiles");

static void pack_few(size_t classes, size_t padded, size_t slice, const float *w, float *packed) {
    const size_t stride = rhm_feature_stride(padded);
    for (size_t k = 0; k < padded; k += slice) {
        const size_t features = 2 * least(slice, padded - k);
        for (size_t part = 0; part < PARTS; part++)
            for (size_t first = 0, n; first < classes; first += n) {
                n = tile_classes(classes - first);
                for (size_t f = 0; f < features; f += RHM_LANES)
                    for (size_t c = first; c < first + n; c++, packed += WIDTH)
                        memcpy(packed, w + c * stride + 2 * k + f + part * WIDTH, sizeof *w * WIDTH);
            }
    }
}

/* Features of some patches: from `at` on in each of the rows, `step` floats from one group of lanes to the next and
 * `part` from one part to the other. */
typedef struct feature_rows {
    const float *const *row;
    size_t at, step, part;
} feature_rows;

/* lane (patches, classes, WIDTH) += w x over `steps` groups of features; = where it has nothing yet. */
INLINE void product_tile(const float *w, feature_rows x, size_t steps, float *lane, bool fresh, size_t patches,
                         size_t classes) {
    vec sum[PRODUCT_PATCHES][PRODUCT_CLASSES];
    const float *row[PRODUCT_PATCHES];
    for (size_t p = 0; p < patches; p++)
        row[p] = x.row[p] + x.at;
    for (size_t p = 0; p < patches; p++)
        for (size_t c = 0; c < classes; c++)
            sum[p][c] = fresh ? vec_zero() : vec_load(lane + (p * classes + c) * WIDTH);
    for (size_t i = 0; i < steps; i++, w += classes * WIDTH) {
        vec xf[PRODUCT_PATCHES];
        for (size_t p = 0; p < patches; p++)
            xf[p] = vec_load(row[p] + i * x.step);
        for (size_t c = 0; c < classes; c++) {
            const vec wf = vec_load(w + c * WIDTH);
            for (size_t p = 0; p < patches; p++)
                sum[p][c] = vec_fma(wf, xf[p], sum[p][c]);
        }
    }
    for (size_t p = 0; p < patches; p++)
        for (size_t c = 0; c < classes; c++)
            vec_store(lane + (p * classes + c) * WIDTH, sum[p][c]);
}

/* All patches against one tile of classes, whose weights meanwhile stay in the first-level cache. */
INLINE void product_column(const float *w, feature_rows x, size_t steps, float *lane, bool fresh, size_t count,
                           size_t classes) {
    size_t i = 0;
    for (; i + PRODUCT_PATCHES <= count; i += PRODUCT_PATCHES, x.row += PRODUCT_PATCHES)
        product_tile(w, x, steps, lane + i * classes * WIDTH, fresh, PRODUCT_PATCHES, classes);
    for (; i < count; i++, x.row++)
        product_tile(w, x, steps, lane + i * classes * WIDTH, fresh, 1, classes);
}

/* Partial sums of `count` patches, (parts, class tiles, count, classes of the tile, WIDTH). */
typedef struct sums {
    float *lane;
    size_t classes, count;
} sums;

/* Add one slice, the first of them `fresh`; w and x are where it begins. */
INLINE void product_slice(const sums *s, bool fresh, const float *w, size_t steps, feature_rows x) {
    float *lane = s->lane;
    for (size_t part = 0; part < PARTS; part++, x.at += x.part)
        for (size_t c = 0, n; c < s->classes; c += n, lane += n * s->count * WIDTH, w += n * steps * WIDTH) {
            n = tile_classes(s->classes - c);
            switch (n) {
            case 4: product_column(w, x, steps, lane, fresh, s->count, 4); break;
            case 3: product_column(w, x, steps, lane, fresh, s->count, 3); break;
            case 2: product_column(w, x, steps, lane, fresh, s->count, 2); break;
            default: product_column(w, x, steps, lane, fresh, s->count, 1); break;
            }
        }
}

/* The sums of all lanes into y, whose rows are y_stride apart. */
static void sums_end(const sums *s, float *y, size_t y_stride) {
    const float *lane = s->lane;
    const size_t part = s->classes * s->count * WIDTH;
    for (size_t first = 0, n; first < s->classes; first += n) {
        n = tile_classes(s->classes - first);
        for (size_t p = 0; p < s->count; p++, lane += n * WIDTH) {
            float *to = y + p * y_stride + first;
            if (n == 4)
                lane_sums_of_4(lane, part, to);
            for (size_t c = 0; c < n && n < 4; c++)
                to[c] = lane_sum(lane + c * WIDTH, part);
        }
    }
}

#endif
