/* What the CPU and the operating system say about themselves. */
#ifndef RHM_ENGINE_CPU_H
#define RHM_ENGINE_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* The registers that decide. Fields that the manual's order of questions did not reach are zero. */
typedef struct rhm_cpuid {
    uint32_t max_leaf;
    uint32_t leaf1_ecx;
    uint32_t leaf7_ebx;
    uint64_t xcr0; /* register state that the operating system saves; readable only with OSXSAVE */
} rhm_cpuid;

rhm_cpuid rhm_cpuid_read(void);

/* Whether these registers allow the instructions of an instruction set of engine/registry.h. */
bool rhm_cpuid_has_avx2(const rhm_cpuid *cpuid);   /* AVX2 and FMA */
bool rhm_cpuid_has_avx512(const rhm_cpuid *cpuid); /* AVX-512 F, BW, DQ and VL, and all of the above */

/* Whether this CPU has the FMA instructions of x86-64 that a build's portable code can be compiled with. */
bool rhm_cpu_fuses(void);

/* Whether a hypervisor says that it is there: neighbours that this system cannot see then share the processor. */
bool rhm_cpu_is_virtual(void);

enum { RHM_CPU_NAME_NBYTES = 64 };

/* The processor's brand string without padding, "unknown" where it has none. */
void rhm_cpu_name(char name[RHM_CPU_NAME_NBYTES]);

#endif
