/* Sixteen floats or eight doubles a register. */
#include "ceilings/loops.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f")))

TARGET static void fma_f32(float *values, float x, float y, uint64_t steps) {
    __m512 v[CEILINGS_CHAINS];
    const __m512 vx = _mm512_set1_ps(x), vy = _mm512_set1_ps(y);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        v[chain] = _mm512_loadu_ps(values + 16 * chain);
    for (uint64_t step = 0; step < steps; step++)
#pragma GCC unroll 12
        for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
            v[chain] = _mm512_fmadd_ps(v[chain], vx, vy);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        _mm512_storeu_ps(values + 16 * chain, v[chain]);
}

TARGET static void fma_f64(double *values, double x, double y, uint64_t steps) {
    __m512d v[CEILINGS_CHAINS];
    const __m512d vx = _mm512_set1_pd(x), vy = _mm512_set1_pd(y);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        v[chain] = _mm512_loadu_pd(values + 8 * chain);
    for (uint64_t step = 0; step < steps; step++)
#pragma GCC unroll 12
        for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
            v[chain] = _mm512_fmadd_pd(v[chain], vx, vy);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        _mm512_storeu_pd(values + 8 * chain, v[chain]);
}

TARGET static uint64_t load(const void *data, size_t nbytes) {
    const char *bytes = data;
    __m512i sum[8];
#pragma GCC unroll 8
    for (size_t k = 0; k < 8; k++)
        sum[k] = _mm512_setzero_si512();
    for (size_t i = 0; i < nbytes; i += 8 * sizeof *sum)
#pragma GCC unroll 8
        for (size_t k = 0; k < 8; k++)
            sum[k] = _mm512_xor_si512(sum[k], _mm512_load_si512((const void *)(bytes + i + k * sizeof *sum)));
    uint64_t words[8 * sizeof *sum / sizeof(uint64_t)], all = 0;
    for (size_t k = 0; k < 8; k++)
        _mm512_storeu_si512((void *)(words + k * sizeof *sum / sizeof *words), sum[k]);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        all ^= words[i];
    return all;
}

TARGET static void triad(float *a, const float *b, const float *c, float x, size_t nbytes) {
    const __m512 vx = _mm512_set1_ps(x);
    for (size_t i = 0; i < nbytes / sizeof *a; i += 4 * 16)
#pragma GCC unroll 4
        for (size_t k = i; k < i + 4 * 16; k += 16)
            _mm512_store_ps(a + k, _mm512_fmadd_ps(vx, _mm512_load_ps(c + k), _mm512_load_ps(b + k)));
}

const rhm_ceilings_kernels rhm_ceilings_kernels_avx512 = {
    .lanes_f32 = 16, .lanes_f64 = 8, .fma_f32 = fma_f32, .fma_f64 = fma_f64, .load = load, .triad = triad};
#endif
