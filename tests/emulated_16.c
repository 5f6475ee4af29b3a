/* The table of AVX-512 in portable C. */
enum { WIDTH = 16, DWIDTH = 8 };
#include "emulated_vector.h"
#include "kernels/vector/tiles_16.h"

#define RHM_TABLE      rhm_kernels_emulated_16
#define RHM_TABLE_NAME "emulated, 16 lanes"
#define RHM_TABLE_ISA  RHM_ISA_SCALAR
#include "kernels/lanes/table.h"
