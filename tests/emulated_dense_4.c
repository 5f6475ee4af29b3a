/* Products of networks in registers of four floats. */
enum { WIDTH = 4, DWIDTH = 2 };
#include "emulated_vector.h"

enum { DENSE_ROWS = 4, DENSE_PANELS = 1, GRADIENT_DEPTH = 5 };

#define RHM_TABLE      rhm_dense_emulated_4
#define RHM_TABLE_NAME "emulated, 4 lanes"
#define RHM_TABLE_ISA  RHM_ISA_SCALAR
#include "kernels/lanes/dense.h"
