/* What the tests of tiles share: every table that can run here. */
#ifndef RHM_TESTS_TILE_TABLES_H
#define RHM_TESTS_TILE_TABLES_H

#include "derivations.h"
#include "guarded.h"
#include "sampling/sampler.h"

extern const rhm_tile_ops rhm_tile_ops_emulated_16, rhm_tile_ops_emulated_64, rhm_tile_ops_emulated_permute;
#if defined(__x86_64__)
extern const rhm_tile_ops rhm_tile_ops_avx512; /* which rhm_tile_ops_at passes over where there is VBMI */
#endif

enum { TABLES = RHM_ISA_COUNT + 4 };

/* Every table that this machine can run. */
static inline size_t tables_here(rhm_tile_ops table[TABLES]) {
    size_t count = 0;
    table[count++] = rhm_tile_ops_emulated_16;
    table[count++] = rhm_tile_ops_emulated_64;
    table[count++] = rhm_tile_ops_emulated_permute;
#if defined(__x86_64__)
    if (rhm_isa_includes(rhm_isa_here(), RHM_ISA_AVX512))
        table[count++] = rhm_tile_ops_avx512;
#endif
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        if (rhm_isa_includes(rhm_isa_here(), (rhm_isa)isa))
            table[count++] = rhm_tile_ops_at((rhm_isa)isa);
    return count;
}

#endif
