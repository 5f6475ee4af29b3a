/* Eight floats or four doubles a register; target attributes, so that no flag of this file leaks into others. */
#include "ceilings/loops.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma")))

TARGET static void fma_f32(float *values, float x, float y, uint64_t steps) {
    __m256 v[CEILINGS_CHAINS];
    const __m256 vx = _mm256_set1_ps(x), vy = _mm256_set1_ps(y);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        v[chain] = _mm256_loadu_ps(values + 8 * chain);
    for (uint64_t step = 0; step < steps; step++)
#pragma GCC unroll 12
        for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
            v[chain] = _mm256_fmadd_ps(v[chain], vx, vy);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        _mm256_storeu_ps(values + 8 * chain, v[chain]);
}

TARGET static void fma_f64(double *values, double x, double y, uint64_t steps) {
    __m256d v[CEILINGS_CHAINS];
    const __m256d vx = _mm256_set1_pd(x), vy = _mm256_set1_pd(y);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        v[chain] = _mm256_loadu_pd(values + 4 * chain);
    for (uint64_t step = 0; step < steps; step++)
#pragma GCC unroll 12
        for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
            v[chain] = _mm256_fmadd_pd(v[chain], vx, vy);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        _mm256_storeu_pd(values + 4 * chain, v[chain]);
}

TARGET static uint64_t load(const void *data, size_t nbytes) {
    const char *bytes = data;
    __m256i sum[8];
#pragma GCC unroll 8
    for (size_t k = 0; k < 8; k++)
        sum[k] = _mm256_setzero_si256();
    for (size_t i = 0; i < nbytes; i += 8 * sizeof *sum)
#pragma GCC unroll 8
        for (size_t k = 0; k < 8; k++)
            sum[k] = _mm256_xor_si256(sum[k], _mm256_load_si256((const void *)(bytes + i + k * sizeof *sum)));
    uint64_t words[8 * sizeof *sum / sizeof(uint64_t)], all = 0;
    for (size_t k = 0; k < 8; k++)
        _mm256_storeu_si256((void *)(words + k * sizeof *sum / sizeof *words), sum[k]);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        all ^= words[i];
    return all;
}

TARGET static void triad(float *a, const float *b, const float *c, float x, size_t nbytes) {
    const __m256 vx = _mm256_set1_ps(x);
    for (size_t i = 0; i < nbytes / sizeof *a; i += 4 * 8)
#pragma GCC unroll 4
        for (size_t k = i; k < i + 4 * 8; k += 8)
            _mm256_store_ps(a + k, _mm256_fmadd_ps(vx, _mm256_load_ps(c + k), _mm256_load_ps(b + k)));
}

const rhm_ceilings_kernels rhm_ceilings_kernels_avx2 = {
    .lanes_f32 = 8, .lanes_f64 = 4, .fma_f32 = fma_f32, .fma_f64 = fma_f64, .load = load, .triad = triad};
#endif
