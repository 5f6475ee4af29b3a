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

/* v where it is above 0 or not a number, else 0; v where m is not 0, else 0; the larger, x where it is not a number. */
static inline vec vec_relu(vec v) {
    return _mm256_and_ps(v, _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NLE_UQ));
}
static inline vec vec_keep(vec v, vec m) {
    return _mm256_and_ps(v, _mm256_cmp_ps(m, _mm256_setzero_ps(), _CMP_NEQ_UQ));
}
static inline vec vec_at_least(vec least, vec x) {
    return _mm256_max_ps(least, x);
}
/* 2^n of whole numbers -126 <= n <= 127. */
static inline vec vec_power_of_2(vec n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}

/* to (8, 8) = from transposed, rows 16 floats apart: pairs of rows, pairs of pairs, halves of registers. */
static inline void quarter_transpose(const float *from, float *to) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++)
        a[i] = _mm256_loadu_ps(from + 16 * i);
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            const __m256d low = _mm256_castps_pd(b[i + j]), high = _mm256_castps_pd(b[i + 2 + j]);
            a[i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
            a[i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
        }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + 16 * i, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(to + 16 * (i + 4), _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}
static inline void tile_transpose(const float *from, float *to) {
    for (int i = 0; i < 16; i += 8)
        for (int j = 0; j < 16; j += 8)
            quarter_transpose(from + 16 * i + j, to + 16 * j + i);
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
