/* One lane, and a multiplication followed by an addition: what the baseline instruction set of every x86-64 has. */
#include <string.h>

#include "ceilings/loops.h"

static void fma_f32(float *values, float x, float y, uint64_t steps) {
    float v[CEILINGS_CHAINS];
    memcpy(v, values, sizeof v);
    for (uint64_t step = 0; step < steps; step++)
#pragma GCC unroll 12
        for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
            v[chain] = v[chain] * x + y;
    memcpy(values, v, sizeof v);
}

static void fma_f64(double *values, double x, double y, uint64_t steps) {
    double v[CEILINGS_CHAINS];
    memcpy(v, values, sizeof v);
    for (uint64_t step = 0; step < steps; step++)
#pragma GCC unroll 12
        for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
            v[chain] = v[chain] * x + y;
    memcpy(values, v, sizeof v);
}

static uint64_t load(const void *data, size_t nbytes) {
    const uint64_t *words = data;
    uint64_t sum[4] = {0};
    for (size_t i = 0; i < nbytes / sizeof *words; i += 4)
#pragma GCC unroll 4
        for (size_t k = 0; k < 4; k++)
            sum[k] ^= words[i + k];
    return sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
}

static void triad(float *restrict a, const float *restrict b, const float *restrict c, float x, size_t nbytes) {
    for (size_t i = 0; i < nbytes / sizeof *a; i++)
        a[i] = b[i] + x * c[i];
}

static void write_all(float *a, float x, size_t nbytes) {
    for (size_t i = 0; i < nbytes / sizeof *a; i++)
        a[i] = x;
}

const rhm_ceilings_kernels rhm_ceilings_kernels_scalar = {.lanes_f32 = 1,
                                                          .lanes_f64 = 1,
                                                          .fma_f32 = fma_f32,
                                                          .fma_f64 = fma_f64,
                                                          .load = load,
                                                          .triad = triad,
                                                          .write = write_all,
                                                          .write_past = write_all};
