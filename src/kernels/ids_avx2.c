/* Ids in AVX2 registers. */
#include <immintrin.h>
#include <stdint.h>

enum { WIDTH = 32 };
typedef __m256i vec;

static inline vec vec_zero(void) {
    return _mm256_setzero_si256();
}
static inline vec vec_load(const void *p) {
    return _mm256_loadu_si256(p);
}
static inline void vec_store(void *p, vec v) {
    _mm256_storeu_si256(p, v);
}
static inline vec vec_set8(uint8_t v) {
    return _mm256_set1_epi8((char)v);
}
static inline vec vec_set32(uint32_t v) {
    return _mm256_set1_epi32((int)v);
}
static inline vec vec_xor(vec a, vec b) {
    return _mm256_xor_si256(a, b);
}
static inline vec vec_subtract_saturated(vec a, vec b) {
    return _mm256_subs_epi8(a, b);
}
static inline vec vec_multiply_add(vec a, vec b) {
    return _mm256_madd_epi16(a, b);
}
static inline vec vec_shuffle(vec table, vec index) {
    return _mm256_shuffle_epi8(table, index);
}
static inline vec vec_table(const uint8_t *p) {
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)p));
}

/* The low bytes of four registers of 32-bit lanes, in order. */
static inline vec vec_pack(vec a, vec b, vec c, vec d) {
    const vec bytes = _mm256_packus_epi16(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d));
    return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* Bytes as 16-bit numbers. */
static inline void vec_store_wide(uint16_t *out, vec v) {
    vec_store(out, _mm256_cvtepu8_epi16(_mm256_castsi256_si128(v)));
    vec_store(out + WIDTH / 2, _mm256_cvtepu8_epi16(_mm256_extracti128_si256(v, 1)));
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
    count_quarter(copy, _mm256_castsi256_si128(v));
    count_quarter(copy, _mm256_extracti128_si256(v, 1));
}

#define RHM_TABLE      rhm_id_ops_avx2
#define RHM_TABLE_NAME "avx2"
#define RHM_TABLE_ISA  RHM_ISA_AVX2
#include "kernels/lanes/ids.h"
