#include "kernels/tables.h"

#if defined(__x86_64__)
extern const rhm_kernels rhm_kernels_avx2, rhm_kernels_avx512;
#endif

rhm_kernels rhm_kernels_at(rhm_isa isa) {
    rhm_tables tables = {
        .nbytes = sizeof(rhm_kernels),
        .first = offsetof(rhm_kernels, features),
        .together = offsetof(rhm_kernels, pack),
        .apart = offsetof(rhm_kernels, rotated_gradient),
        .of = {[RHM_ISA_SCALAR] = &rhm_kernels_reference,
#if defined(__x86_64__)
               [RHM_ISA_AVX2] = &rhm_kernels_avx2,
               [RHM_ISA_AVX512] = &rhm_kernels_avx512
#endif
        },
    };
#if defined(__x86_64__)
    if (rhm_cpu_fuses())
        tables.of[RHM_ISA_SCALAR] = &rhm_kernels_reference_fma;
#endif
    rhm_kernels out;
    rhm_tables_resolve(&out, &tables, isa);
    return out;
}
