/* Instruction sets: what the CPU and the operating system allow, and which level a run uses. */
#ifndef RHM_ENGINE_CPU_H
#define RHM_ENGINE_CPU_H

#include <stdint.h>

#include "rhm/engine.h"

/* Levels for which kernels are written, each containing the one before. */
typedef enum rhm_isa {
    RHM_ISA_SCALAR, /* portable C */
    RHM_ISA_AVX2,   /* AVX2 and FMA */
    RHM_ISA_AVX512, /* AVX-512 F, BW, DQ and VL */
} rhm_isa;

/* "scalar", "avx2", "avx512". */
const char *rhm_isa_name(rhm_isa isa);

/* The registers that decide. Fields that the manual's order of questions did not reach are zero. */
typedef struct rhm_cpuid {
    uint32_t max_leaf;
    uint32_t leaf1_ecx;
    uint32_t leaf7_ebx;
    uint64_t xcr0; /* register state that the operating system saves; readable only with OSXSAVE */
} rhm_cpuid;

rhm_cpuid rhm_cpuid_read(void);

/* Highest level that these registers allow. */
rhm_isa rhm_isa_of(const rhm_cpuid *cpuid);

/*
 * The level a run uses on a CPU that has `has`. `asked` is "auto" (or NULL) or a level that must be available; `mask`
 * (NULL or empty: none; in practice the variable RHM_ISA) hides all levels above the one it names. RHM_INVALID for
 * names we do not know, RHM_UNSUPPORTED for a level that is lacking or hidden.
 */
rhm_status rhm_isa_choose(rhm_isa *out, const char *asked, const char *mask, rhm_isa has, rhm_error *error);

enum { RHM_CPU_NAME_NBYTES = 64 };

/* The processor's brand string without padding, "unknown" where it has none. */
void rhm_cpu_name(char name[RHM_CPU_NAME_NBYTES]);

/* The level chosen for this engine. */
rhm_isa rhm_engine_isa(const rhm_engine *engine);

#endif
