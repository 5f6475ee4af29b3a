/* Belief propagation in registers of 32 bytes. */
#define VECTOR_NBYTES 32
#define RHM_TABLE     rhm_bp_ops_avx2
#define RHM_TABLE_ISA RHM_ISA_AVX2
#include "hierarchy/bp_table.h"
