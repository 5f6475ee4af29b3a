/* Features of patches by their phases, or by the phasors of their tokens where the map has them. */
#ifndef RHM_KERNELS_LANES_FEATURES_H
#define RHM_KERNELS_LANES_FEATURES_H

#include "kernels/lanes/phase.h"
#include "kernels/lanes/phasor.h"

/* The features of a slice, whichever way the map says. */
INLINE void feature_slice(gathered *g, size_t k, size_t length, float *x, layout at) {
    if (g->map->phasors)
        phasor_slice(g, k, length, x, at);
    else
        phase_slice(g, k, length, x, at);
}

static void features(const rhm_phase_map *map, const rhm_patch_rows *rows, float *x) {
    const layout at = {.row = rhm_feature_stride(map->padded), .step = RHM_LANES, .part = WIDTH};
    float h[BLOCK_PATCHES * MOST_INPUTS] __attribute__((aligned(64)));
    for (size_t i = 0; i < rows->count; i += BLOCK_PATCHES) {
        gathered g = gathered_patches(map, rows, i, least(BLOCK_PATCHES, rows->count - i), h);
        feature_slice(&g, 0, map->padded, x + i * at.row, at);
    }
}

#endif
