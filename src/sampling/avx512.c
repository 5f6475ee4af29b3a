/* The operations in AVX-512 registers. */
#include "sampling/vector/avx512.h"

#define RHM_TABLE      rhm_tile_ops_avx512
#define RHM_TABLE_NAME "avx512"
#define RHM_TABLE_ISA  RHM_ISA_AVX512
#include "sampling/lanes/table.h"
