/* The way from an instruction set to the operations of dense.h. */
#include "kernels/dense.h"

extern const rhm_dense_ops rhm_dense_reference, rhm_dense_reference_fma;
#if defined(__x86_64__)
extern const rhm_dense_ops rhm_dense_avx2, rhm_dense_avx512;
#endif

rhm_dense_ops rhm_dense_ops_at(rhm_isa isa) {
    rhm_tables tables = {
        .nbytes = sizeof(rhm_dense_ops),
        .first = offsetof(rhm_dense_ops, product),
        .of = {[RHM_ISA_SCALAR] = &rhm_dense_reference,
#if defined(__x86_64__)
               [RHM_ISA_AVX2] = &rhm_dense_avx2,
               [RHM_ISA_AVX512] = &rhm_dense_avx512
#endif
        },
    };
#if defined(__x86_64__)
    if (rhm_cpu_fuses())
        tables.of[RHM_ISA_SCALAR] = &rhm_dense_reference_fma;
#endif
    rhm_dense_ops out;
    rhm_tables_resolve(&out, &tables, isa);
    return out;
}
