/* The operations in AVX-512 registers. */
#include "kernels/vector/avx512.h"

/* Thirty-two registers: 24 accumulators. */
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

#define RHM_TABLE      rhm_kernels_avx512
#define RHM_TABLE_NAME "avx512"
#define RHM_TABLE_ISA  RHM_ISA_AVX512
#include "kernels/lanes/table.h"
