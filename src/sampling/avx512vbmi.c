/* The operations in AVX-512 registers, with the byte permutations of AVX-512 VBMI (since Ice Lake and Zen 4). */
#include "sampling/vector/avx512.h"

static inline vec vec_permute(vec table, vec index) {
    return _mm512_permutexvar_epi8(index, table);
}
static inline vec vec_permute2(vec low, vec high, vec index) {
    return _mm512_permutex2var_epi8(low, index, high);
}

/* `high` where bit 7 of the index is set. */
static inline vec vec_select_high(vec index, vec low, vec high) {
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
}

#define RHM_TABLE_PERMUTES
#define RHM_TABLE      rhm_tile_ops_avx512vbmi
#define RHM_TABLE_NAME "avx512vbmi"
#define RHM_TABLE_ISA  RHM_ISA_AVX512
#include "sampling/lanes/table.h"
