/* The operations in AVX-512 registers. */
#include "kernels/vector/avx512.h"
#include "kernels/vector/tiles_16.h"

#define RHM_TABLE      rhm_kernels_avx512
#define RHM_TABLE_NAME "avx512"
#define RHM_TABLE_ISA  RHM_ISA_AVX512
#include "kernels/lanes/table.h"
