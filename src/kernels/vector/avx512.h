/* AVX-512 F, BW, DQ, VL: a register holds a whole group of RHM_LANES. */
#ifndef RHM_KERNELS_VECTOR_AVX512_H
#define RHM_KERNELS_VECTOR_AVX512_H

#include <immintrin.h>

enum { WIDTH = 16 };
typedef __m512 vec;

static inline vec vec_zero(void) {
    return _mm512_setzero_ps();
}
static inline vec vec_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void vec_store(float *p, vec v) {
    _mm512_storeu_ps(p, v);
}
/* As vec_load, but read once, however often it is used: gcc would fold the load into every use. */
static inline vec vec_load_once(const float *p) {
    vec v = vec_load(p);
    __asm__("" : "+v"(v));
    return v;
}
static inline vec vec_set(float v) {
    return _mm512_set1_ps(v);
}
static inline vec vec_broadcast(const float *p) {
    return _mm512_set1_ps(*p);
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec vec_fnma(vec a, vec b, vec c) {
    return _mm512_fnmadd_ps(a, b, c);
}
static inline vec vec_mul(vec a, vec b) {
    return _mm512_mul_ps(a, b);
}
static inline vec vec_add(vec a, vec b) {
    return _mm512_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b) {
    return _mm512_sub_ps(a, b);
}
static inline vec vec_round(vec a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* The sign bit of (-1)^n. Out of range the conversion yields 0x80000000, whose parity is even, as such floats are. */
static inline vec vec_parity_sign(vec n) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtps_epi32(n), 31));
}
static inline vec vec_xor(vec a, vec b) {
    return _mm512_xor_ps(a, b);
}

/* v where it is above 0 or not a number, else 0; v where m is not 0, else 0; the larger, x where it is not a number. */
static inline vec vec_relu(vec v) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NLE_UQ), v);
}
static inline vec vec_keep(vec v, vec m) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(m, _mm512_setzero_ps(), _CMP_NEQ_UQ), v);
}
static inline vec vec_at_least(vec least, vec x) {
    return _mm512_max_ps(least, x);
}
/* 2^n of whole numbers -126 <= n <= 127. */
static inline vec vec_power_of_2(vec n) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}

/* to (16, 16) = from transposed: pairs of rows, pairs of pairs, then quarters of registers change places. */
static inline void tile_transpose(const float *from, float *to) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_loadu_ps(from + 16 * i);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            const __m512d low = _mm512_castps_pd(b[i + j]), high = _mm512_castps_pd(b[i + 2 + j]);
            a[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            a[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    for (int i = 0; i < 4; i++) {
        const __m512 ab = _mm512_shuffle_f32x4(a[i], a[4 + i], 0x88),
                     cd = _mm512_shuffle_f32x4(a[8 + i], a[12 + i], 0x88);
        const __m512 ef = _mm512_shuffle_f32x4(a[i], a[4 + i], 0xdd),
                     gh = _mm512_shuffle_f32x4(a[8 + i], a[12 + i], 0xdd);
        _mm512_storeu_ps(to + 16 * i, _mm512_shuffle_f32x4(ab, cd, 0x88));
        _mm512_storeu_ps(to + 16 * (i + 4), _mm512_shuffle_f32x4(ef, gh, 0x88));
        _mm512_storeu_ps(to + 16 * (i + 8), _mm512_shuffle_f32x4(ab, cd, 0xdd));
        _mm512_storeu_ps(to + 16 * (i + 12), _mm512_shuffle_f32x4(ef, gh, 0xdd));
    }
}

#include "kernels/vector/sums_x86.h"

static inline void vec_add_to(double *p, vec v) {
    const __m256 high = _mm512_extractf32x8_ps(v, 1);
    _mm512_storeu_pd(p, _mm512_add_pd(_mm512_loadu_pd(p), _mm512_cvtps_pd(_mm512_castps512_ps256(v))));
    _mm512_storeu_pd(p + 8, _mm512_add_pd(_mm512_loadu_pd(p + 8), _mm512_cvtps_pd(high)));
}

enum { DWIDTH = 8 };
typedef __m512d dvec;

static inline dvec dvec_load(const double *p) {
    return _mm512_loadu_pd(p);
}
static inline void dvec_store(double *p, dvec v) {
    _mm512_storeu_pd(p, v);
}
static inline dvec dvec_broadcast(const double *p) {
    return _mm512_set1_pd(*p);
}
static inline dvec dvec_fma(dvec a, dvec b, dvec c) {
    return _mm512_fmadd_pd(a, b, c);
}

#endif
