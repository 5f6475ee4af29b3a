/* The table of AVX-512 in portable C. */
enum { WIDTH = 64 };
#include "emulated_bytes.h"

#define RHM_TABLE      rhm_tile_ops_emulated_64
#define RHM_TABLE_NAME "emulated, 64 bytes"
#define RHM_TABLE_ISA  RHM_ISA_SCALAR
#include "sampling/lanes/table.h"
