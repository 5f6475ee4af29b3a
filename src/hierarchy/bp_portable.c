/* Vectors of 16 bytes, which every 64-bit machine has. */
#define VECTOR_NBYTES 16
#define RHM_TABLE     rhm_bp_ops_portable
#define RHM_TABLE_ISA RHM_ISA_SCALAR
#include "hierarchy/bp_table.h"
