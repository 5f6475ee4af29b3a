/* A table for registers of sixteen bytes, as NEON has. */
enum { WIDTH = 16 };
#include "emulated_bytes.h"

#define RHM_TABLE      rhm_tile_ops_emulated_16
#define RHM_TABLE_NAME "emulated, 16 bytes"
#define RHM_TABLE_ISA  RHM_ISA_SCALAR
#include "sampling/lanes/table.h"
