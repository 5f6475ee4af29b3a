#include "sampling/tile_ops.h"

const rhm_tile_ops *rhm_tile_ops_at(rhm_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case RHM_ISA_AVX512: return &rhm_tile_ops_avx512;
    case RHM_ISA_AVX2: return &rhm_tile_ops_avx2;
#endif
    default: return 0;
    }
}
