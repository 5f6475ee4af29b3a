/* Sizes of tiles for thirty-two registers of sixteen floats: AVX-512, and its emulation in tests. */
#ifndef RHM_KERNELS_TILES_16_H
#define RHM_KERNELS_TILES_16_H

/* 24 accumulators. */
enum {
    PHASE_PATCHES = 6,
    PHASE_VECTORS = 4,
    PRODUCT_CLASSES = 4,
    PRODUCT_PATCHES = 6,
    PRODUCT_BLOCK = 12,
    SLICE = 256,
    PANELS = 2,
    PANEL_PATCHES = 12,
    GRADIENT_CLASSES = 4,
    GRADIENT_VECTORS = 4,
    ROTATED_PAIRS = 2,
    GRAM_ROWS = 8,
    GRAM_VECTORS = 3,
    WIDE_ROWS = 8,
    WIDE_VECTORS = 3
};

#endif
