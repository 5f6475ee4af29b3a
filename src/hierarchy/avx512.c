/* Belief propagation in registers of 64 bytes. */
#define VECTOR_NBYTES 64
#define RHM_TABLE     rhm_bp_ops_avx512
#define RHM_TABLE_ISA RHM_ISA_AVX512
#include "hierarchy/bp_table.h"
