/* The operations in AVX2 registers. */
#include "sampling/vector/avx2.h"

#define RHM_TABLE      rhm_tile_ops_avx2
#define RHM_TABLE_NAME "avx2"
#define RHM_TABLE_ISA  RHM_ISA_AVX2
#include "sampling/lanes/table.h"
