/* Products of networks in AVX-512 registers. */
#include "kernels/vector/avx512.h"

enum { DENSE_ROWS = 12, DENSE_PANELS = 2, GRADIENT_DEPTH = 8 };

#define RHM_TABLE      rhm_dense_avx512
#define RHM_TABLE_NAME "avx512"
#define RHM_TABLE_ISA  RHM_ISA_AVX512
#include "kernels/lanes/dense.h"
