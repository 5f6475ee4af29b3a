/* Products of networks in AVX2 registers: sixteen of them, twelve of which are sums. */
#include "kernels/vector/avx2.h"

enum { DENSE_ROWS = 6, DENSE_PANELS = 1, GRADIENT_DEPTH = 6 };

#define RHM_TABLE      rhm_dense_avx2
#define RHM_TABLE_NAME "avx2"
#define RHM_TABLE_ISA  RHM_ISA_AVX2
#include "kernels/lanes/dense.h"
