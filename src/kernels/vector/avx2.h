/* AVX2 + FMA: eight lanes a register, so a group of RHM_LANES takes two. */
#ifndef RHM_KERNELS_VECTOR_AVX2_H
#define RHM_KERNELS_VECTOR_AVX2_H

#include <immintrin.h>

enum { WIDTH = 8 };
typedef __m256 vec;

static inline vec vec_zero(void) {
    return _mm256_setzero_ps();
}
static inline vec vec_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void vec_store(float *p, vec v) {
    _mm256_storeu_ps(p, v);
}
/* As vec_load, but read once, however often it is used: gcc would fold the load into every use. */
static inline vec vec_load_once(const float *p) {
    vec v = vec_load(p);
    __asm__("" : "+x"(v));
    return v;
}
static inline vec vec_set(float v) {
    return _mm256_set1_ps(v);
}
static inline vec vec_broadcast(const float *p) {
    return _mm256_broadcast_ss(p);
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec vec_fnma(vec a, vec b, vec c) {
    return _mm256_fnmadd_ps(a, b, c);
}
static inline vec vec_mul(vec a, vec b) {
    return _mm256_mul_ps(a, b);
}
static inline vec vec_add(vec a, vec b) {
    return _mm256_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b) {
    return _mm256_sub_ps(a, b);
}
static inline vec vec_round(vec a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* The sign bit of (-1)^n. Out of range the conversion yields 0x80000000, whose parity is even, as such floats are. */
static inline vec vec_parity_sign(vec n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtps_epi32(n), 31));
}
static inline vec vec_xor(vec a, vec b) {
    return _mm256_xor_ps(a, b);
}

#include "kernels/vector/sums_x86.h"

static inline void vec_add_to(double *p, vec v) {
    _mm256_storeu_pd(p, _mm256_add_pd(_mm256_loadu_pd(p), _mm256_cvtps_pd(_mm256_castps256_ps128(v))));
    _mm256_storeu_pd(p + 4, _mm256_add_pd(_mm256_loadu_pd(p + 4), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))));
}

enum { DWIDTH = 4 };
typedef __m256d dvec;

static inline dvec dvec_load(const double *p) {
    return _mm256_loadu_pd(p);
}
static inline void dvec_store(double *p, dvec v) {
    _mm256_storeu_pd(p, v);
}
static inline dvec dvec_broadcast(const double *p) {
    return _mm256_broadcast_sd(p);
}
static inline dvec dvec_fma(dvec a, dvec b, dvec c) {
    return _mm256_fmadd_pd(a, b, c);
}

#endif
