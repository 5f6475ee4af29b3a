/* Outputs of features that are made on the way, a block of patches and a slice of frequencies at a time. */
#ifndef RHM_KERNELS_LANES_FORWARD_H
#define RHM_KERNELS_LANES_FORWARD_H

#include "kernels/lanes/features.h"
#include "kernels/lanes/outputs.h"

/* `at` and `slice` are constants: how the features of a block lie while they are multiplied. */
INLINE void forward_slices(const rhm_phase_map *map, size_t classes, const float *w, const rhm_patch_rows *rows,
                           float *y, layout at, size_t slice) {
    enum { BLOCKS = GROUP_PATCHES / BLOCK_PATCHES };
    float x[BLOCK_PATCHES * 2 * SLICE] __attribute__((aligned(64)));
    float h[BLOCKS][BLOCK_PATCHES * MOST_INPUTS] __attribute__((aligned(64)));
    float lane[BLOCKS][BLOCK_PATCHES * FEW_LANES] __attribute__((aligned(64)));
    const float *row[BLOCK_PATCHES];
    for (size_t p = 0; p < BLOCK_PATCHES; p++)
        row[p] = x + p * at.row;
    for (size_t i = 0; i < rows->count; i += GROUP_PATCHES) {
        gathered g[BLOCKS];
        outputs o[BLOCKS];
        size_t blocks = 0;
        for (size_t j = i; j < rows->count && blocks < BLOCKS; j += BLOCK_PATCHES, blocks++) {
            g[blocks] = gathered_patches(map, rows, j, least(BLOCK_PATCHES, rows->count - j), h[blocks]);
            o[blocks] = outputs_begin(classes, map->padded, w, y + j * classes, g[blocks].count, lane[blocks]);
        }
        for (size_t k = 0; k < map->padded; k += slice)
            for (size_t b = 0; b < blocks; b++) {
                feature_slice(&g[b], k, least(slice, map->padded - k), x, at);
                outputs_slice(&o[b], k, (feature_rows){row, 0, at.step, at.part});
            }
        for (size_t b = 0; b < blocks; b++)
            outputs_end(&o[b]);
    }
}

static void forward(const rhm_phase_map *map, size_t classes, const float *w, const rhm_patch_rows *rows, float *y) {
    enum { ROW = 2 * SLICE / PARTS, PANEL_ROW = 2 * RHM_PANEL_FREQUENCIES };
    _Static_assert((int)RHM_PANEL_FREQUENCIES <= (int)SLICE, "either row fits");
    /* For a few classes each part is by itself: what is used together lies together. */
    if (classes < RHM_PANEL_CLASSES)
        forward_slices(map, classes, w, rows, y, (layout){.row = ROW, .step = WIDTH, .part = BLOCK_PATCHES * ROW},
                       SLICE);
    else
        forward_slices(map, classes, w, rows, y, (layout){.row = PANEL_ROW, .step = RHM_LANES, .part = WIDTH},
                       RHM_PANEL_FREQUENCIES);
}

#endif
