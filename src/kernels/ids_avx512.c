/* Ids in AVX-512 registers. */
#include <immintrin.h>
#include <stdint.h>

enum { WIDTH = 64 };
typedef __m512i vec;

static inline vec vec_zero(void) {
    return _mm512_setzero_si512();
}
static inline vec vec_load(const void *p) {
    return _mm512_loadu_si512(p);
}
static inline void vec_store(void *p, vec v) {
    _mm512_storeu_si512(p, v);
}
static inline vec vec_set8(uint8_t v) {
    return _mm512_set1_epi8((char)v);
}
static inline vec vec_set32(uint32_t v) {
    return _mm512_set1_epi32((int)v);
}
static inline vec vec_xor(vec a, vec b) {
    return _mm512_xor_si512(a, b);
}
static inline vec vec_subtract_saturated(vec a, vec b) {
    return _mm512_subs_epi8(a, b);
}
static inline vec vec_multiply_add(vec a, vec b) {
    return _mm512_madd_epi16(a, b);
}
static inline vec vec_shuffle(vec table, vec index) {
    return _mm512_shuffle_epi8(table, index);
}
static inline vec vec_table(const uint8_t *p) {
    return _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)(const void *)p));
}

/* The low bytes of four registers of 32-bit lanes, in order. */
static inline vec vec_pack(vec a, vec b, vec c, vec d) {
    const vec bytes = _mm512_packus_epi16(_mm512_packus_epi32(a, b), _mm512_packus_epi32(c, d));
    const vec order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, bytes);
}

/* Bytes as 16-bit numbers. */
static inline void vec_store_wide(uint16_t *out, vec v) {
    vec_store(out, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(v)));
    vec_store(out + WIDTH / 2, _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(v, 1)));
}

/* One more in a cell of each copy. */
static inline void count_quarter(uint32_t *const copy[4], __m128i cell) {
    const uint64_t low = (uint64_t)_mm_cvtsi128_si64(cell), high = (uint64_t)_mm_extract_epi64(cell, 1);
    copy[0][(uint32_t)low]++;
    copy[1][low >> 32]++;
    copy[2][(uint32_t)high]++;
    copy[3][high >> 32]++;
}
static inline void vec_count(uint32_t *const copy[4], vec v) {
    count_quarter(copy, _mm512_castsi512_si128(v));
    count_quarter(copy, _mm512_extracti32x4_epi32(v, 1));
    count_quarter(copy, _mm512_extracti32x4_epi32(v, 2));
    count_quarter(copy, _mm512_extracti32x4_epi32(v, 3));
}

#define RHM_TABLE      rhm_id_ops_avx512
#define RHM_TABLE_NAME "avx512"
#define RHM_TABLE_ISA  RHM_ISA_AVX512
#include "kernels/lanes/ids.h"
