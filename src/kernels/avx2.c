/* The operations in AVX2 registers. */
#include "kernels/vector/avx2.h"

/* Sixteen registers: 12 accumulators leave room for a column of operands. */
enum {
    PHASE_PATCHES = 6,
    PHASE_VECTORS = 2,
    PRODUCT_CLASSES = 4,
    PRODUCT_PATCHES = 3,
    PRODUCT_BLOCK = 6,
    SLICE = 320,
    PANELS = 1,
    PANEL_PATCHES = 6,
    GRADIENT_CLASSES = 4,
    GRADIENT_VECTORS = 3,
    ROTATED_PAIRS = 1,
    GRAM_ROWS = 6,
    GRAM_VECTORS = 2,
    WIDE_ROWS = 6,
    WIDE_VECTORS = 2
};

#define RHM_TABLE      rhm_kernels_avx2
#define RHM_TABLE_NAME "avx2"
#define RHM_TABLE_ISA  RHM_ISA_AVX2
#include "kernels/lanes/table.h"
