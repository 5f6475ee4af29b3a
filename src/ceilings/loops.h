/* The loops that are timed, one set per instruction set. */
#ifndef RHM_CEILINGS_KERNELS_H
#define RHM_CEILINGS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/registry.h"

enum {
    /*
     * Independent chains: more than latency x throughput of the units (4 x 2 on Zen and Skylake, 5 x 2 on Haswell),
     * and with two constants no more than the 16 registers of AVX2.
     */
    CEILINGS_CHAINS = 12,
    CEILINGS_MAX_LANES = 16,
    /* Arrays of the bandwidth kernels are whole blocks of this many bytes, aligned to 64. */
    CEILINGS_BLOCK_NBYTES = 512,
};

typedef struct rhm_ceilings_kernels {
    size_t lanes_f32, lanes_f64; /* of a vector register */

    /* values[i] = values[i] * x + y, `steps` times, for chains x lanes values: fused where the ISA has it. */
    void (*fma_f32)(float *values, float x, float y, uint64_t steps);
    void (*fma_f64)(double *values, double x, double y, uint64_t steps);

    /* The exclusive or of all 64-bit words: an exact checksum that costs less than the loads. */
    uint64_t (*load)(const void *data, size_t nbytes);

    /* a[i] = b[i] + x * c[i] for nbytes / 4 floats, ordinary (allocating) stores. */
    void (*triad)(float *a, const float *b, const float *c, float x, size_t nbytes);

    /* a[i] = x for nbytes / 4 floats: ordinary stores, and those that go past the caches (where the ISA has them). */
    void (*write)(float *a, float x, size_t nbytes);
    void (*write_past)(float *a, float x, size_t nbytes);
} rhm_ceilings_kernels;

extern const rhm_ceilings_kernels rhm_ceilings_kernels_scalar;
#if defined(__x86_64__)
extern const rhm_ceilings_kernels rhm_ceilings_kernels_avx2;
extern const rhm_ceilings_kernels rhm_ceilings_kernels_avx512;
#endif
extern const rhm_tables rhm_ceilings_loops; /* all of them */

#endif
