/* A table for registers of four floats, as NEON has thirty-two of. */
enum { WIDTH = 4, DWIDTH = 2 };
#include "emulated_vector.h"

enum {
    PHASE_PATCHES = 4,
    PHASE_VECTORS = 4,
    PRODUCT_CLASSES = 4,
    PRODUCT_PATCHES = 6,
    PRODUCT_BLOCK = 12,
    SLICE = 256,
    PANELS = 1,
    PANEL_PATCHES = 6,
    GRADIENT_CLASSES = 4,
    GRADIENT_VECTORS = 6,
    ROTATED_PAIRS = 2,
    GRAM_ROWS = 6,
    GRAM_VECTORS = 4,
    WIDE_ROWS = 6,
    WIDE_VECTORS = 4
};

#define RHM_TABLE      rhm_kernels_emulated_4
#define RHM_TABLE_NAME "emulated, 4 lanes"
#define RHM_TABLE_ISA  RHM_ISA_SCALAR
#include "kernels/lanes/table.h"
