/* AVX-512 F, BW, DQ, VL: a whole tile a register of bytes. */
#ifndef RHM_SAMPLING_VECTOR_AVX512_H
#define RHM_SAMPLING_VECTOR_AVX512_H

#include <immintrin.h>
#include <stddef.h>
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
static inline vec vec_set64(uint64_t v) {
    return _mm512_set1_epi64((long long)v);
}
static inline vec vec_set16(uint16_t v) {
    return _mm512_set1_epi16((short)v);
}
static inline vec vec_set8(uint8_t v) {
    return _mm512_set1_epi8((char)v);
}
static inline vec vec_and(vec a, vec b) {
    return _mm512_and_si512(a, b);
}
static inline vec vec_or(vec a, vec b) {
    return _mm512_or_si512(a, b);
}
static inline vec vec_xor(vec a, vec b) {
    return _mm512_xor_si512(a, b);
}
static inline vec vec_xor3(vec a, vec b, vec c) {
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

/* 64-bit lanes: low half times low half, high half moved down, pairs of halves as 32-bit lanes. */
static inline vec vec_add64(vec a, vec b) {
    return _mm512_add_epi64(a, b);
}
static inline vec vec_subtract64(vec a, vec b) {
    return _mm512_sub_epi64(a, b);
}
static inline vec vec_shift_right64(vec a, int bits) {
    return _mm512_srl_epi64(a, _mm_cvtsi32_si128(bits));
}
static inline vec vec_mul(vec a, vec b) {
    return _mm512_mul_epu32(a, b);
}
static inline vec vec_high(vec a) {
    return _mm512_srli_epi64(a, 32);
}
static inline vec vec_merge_low(vec even, vec odd) {
    return _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}
static inline vec vec_merge_high(vec even, vec odd) {
    return _mm512_mask_blend_epi32(0xaaaa, vec_high(even), odd);
}

static inline vec vec_pack32(vec a, vec b) {
    return _mm512_packus_epi32(a, b);
}
static inline vec vec_pack16(vec a, vec b) {
    return _mm512_packus_epi16(a, b);
}
static inline vec vec_unpack_low8(vec a, vec b) {
    return _mm512_unpacklo_epi8(a, b);
}
static inline vec vec_unpack_high8(vec a, vec b) {
    return _mm512_unpackhi_epi8(a, b);
}
static inline vec vec_unpack_low32(vec a, vec b) {
    return _mm512_unpacklo_epi32(a, b);
}
static inline vec vec_unpack_high32(vec a, vec b) {
    return _mm512_unpackhi_epi32(a, b);
}
static inline vec vec_unpack_low64(vec a, vec b) {
    return _mm512_unpacklo_epi64(a, b);
}
static inline vec vec_unpack_high64(vec a, vec b) {
    return _mm512_unpackhi_epi64(a, b);
}

/* Quarters of unpacked or packed registers: fours of bytes into the order of the registers they came from. */
static inline vec vec_in_order(vec v) {
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), v);
}

static inline vec vec_shift_left16(vec a, int bits) {
    return _mm512_sll_epi16(a, _mm_cvtsi32_si128(bits));
}
static inline vec vec_shift_right16(vec a, int bits) {
    return _mm512_srl_epi16(a, _mm_cvtsi32_si128(bits));
}
static inline vec vec_multiply_high16(vec a, vec b) {
    return _mm512_mulhi_epu16(a, b);
}
static inline vec vec_multiply_low16(vec a, vec b) {
    return _mm512_mullo_epi16(a, b);
}
static inline vec vec_subtract8(vec a, vec b) {
    return _mm512_sub_epi8(a, b);
}
static inline vec vec_subtract_saturated(vec a, vec b) {
    return _mm512_subs_epi8(a, b);
}
static inline vec vec_shuffle(vec table, vec index) {
    return _mm512_shuffle_epi8(table, index);
}
static inline vec vec_table(const uint8_t *p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* Sixteen bytes, widened to 16 bits; and sixteen more. */
static inline void vec_store_widened(uint16_t *out, const uint8_t *bytes) {
    const __m128i narrow = _mm_load_si128((const __m128i *)(const void *)bytes);
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_cvtepu8_epi16(narrow));
}
static inline vec vec_widened2(const uint8_t *first, const uint8_t *second) {
    const __m128i low = _mm_load_si128((const __m128i *)(const void *)first);
    const __m128i high = _mm_load_si128((const __m128i *)(const void *)second);
    return _mm512_cvtepu8_epi16(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
}
static inline void vec_store_widened2(uint16_t *out, const uint8_t *first, const uint8_t *second) {
    vec_store(out, vec_widened2(first, second));
}

/* The same in whole cache lines that go past the caches: `out` is aligned to them. */
static inline void vec_stream_widened2(uint16_t *out, const uint8_t *first, const uint8_t *second) {
    _mm512_stream_si512((__m512i *)(void *)out, vec_widened2(first, second));
}
static inline void vec_settle(void) {
    _mm_sfence();
}

/* The first `count` quarters, widened to 16 bits, `stride` elements apart. */
static inline void vec_store_quarters(uint16_t *out, size_t stride, vec v, size_t count) {
    const __m128i quarter[4] = {_mm512_extracti32x4_epi32(v, 0), _mm512_extracti32x4_epi32(v, 1),
                                _mm512_extracti32x4_epi32(v, 2), _mm512_extracti32x4_epi32(v, 3)};
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; q++)
        if (q < count)
            _mm256_storeu_si256((__m256i *)(void *)(out + q * stride), _mm256_cvtepu8_epi16(quarter[q]));
}

#endif
