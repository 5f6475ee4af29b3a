/* Products of networks in registers of sixteen floats, as AVX-512 has them. */
enum { WIDTH = 16, DWIDTH = 8 };
#include "emulated_vector.h"

enum { DENSE_ROWS = 12, DENSE_PANELS = 2, GRADIENT_DEPTH = 8 };

#define RHM_TABLE      rhm_dense_emulated_16
#define RHM_TABLE_NAME "emulated, 16 lanes"
#define RHM_TABLE_ISA  RHM_ISA_SCALAR
#include "kernels/lanes/dense.h"
