/* AVX2: thirty-two samples a register of bytes. */
#ifndef RHM_SAMPLING_VECTOR_AVX2_H
#define RHM_SAMPLING_VECTOR_AVX2_H

#include <immintrin.h>
#include <stddef.h>
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
static inline vec vec_set64(uint64_t v) {
    return _mm256_set1_epi64x((long long)v);
}
static inline vec vec_set16(uint16_t v) {
    return _mm256_set1_epi16((short)v);
}
static inline vec vec_set8(uint8_t v) {
    return _mm256_set1_epi8((char)v);
}
static inline vec vec_and(vec a, vec b) {
    return _mm256_and_si256(a, b);
}
static inline vec vec_or(vec a, vec b) {
    return _mm256_or_si256(a, b);
}
static inline vec vec_xor(vec a, vec b) {
    return _mm256_xor_si256(a, b);
}

/* b ^ c, which are known before a, first: left to itself, GCC reorders them onto the critical path. */
static inline vec vec_xor3(vec a, vec b, vec c) {
    vec early = _mm256_xor_si256(b, c);
    __asm__("" : "+x"(early));
    return _mm256_xor_si256(a, early);
}

/* 64-bit lanes: low half times low half, high half moved down, pairs of halves as 32-bit lanes. */
static inline vec vec_add64(vec a, vec b) {
    return _mm256_add_epi64(a, b);
}
static inline vec vec_subtract64(vec a, vec b) {
    return _mm256_sub_epi64(a, b);
}
static inline vec vec_shift_right64(vec a, int bits) {
    return _mm256_srl_epi64(a, _mm_cvtsi32_si128(bits));
}
static inline vec vec_mul(vec a, vec b) {
    return _mm256_mul_epu32(a, b);
}
static inline vec vec_high(vec a) {
    return _mm256_srli_epi64(a, 32);
}
static inline vec vec_merge_low(vec even, vec odd) {
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
static inline vec vec_merge_high(vec even, vec odd) {
    return _mm256_blend_epi32(vec_high(even), odd, 0xaa);
}

static inline vec vec_pack32(vec a, vec b) {
    return _mm256_packus_epi32(a, b);
}
static inline vec vec_pack16(vec a, vec b) {
    return _mm256_packus_epi16(a, b);
}
static inline vec vec_unpack_low8(vec a, vec b) {
    return _mm256_unpacklo_epi8(a, b);
}
static inline vec vec_unpack_high8(vec a, vec b) {
    return _mm256_unpackhi_epi8(a, b);
}
static inline vec vec_unpack_low32(vec a, vec b) {
    return _mm256_unpacklo_epi32(a, b);
}
static inline vec vec_unpack_high32(vec a, vec b) {
    return _mm256_unpackhi_epi32(a, b);
}
static inline vec vec_unpack_low64(vec a, vec b) {
    return _mm256_unpacklo_epi64(a, b);
}
static inline vec vec_unpack_high64(vec a, vec b) {
    return _mm256_unpackhi_epi64(a, b);
}

/* Quarters of unpacked or packed registers: fours of bytes into the order of the registers they came from. */
static inline vec vec_in_order(vec v) {
    return _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

static inline vec vec_shift_left16(vec a, int bits) {
    return _mm256_sll_epi16(a, _mm_cvtsi32_si128(bits));
}
static inline vec vec_shift_right16(vec a, int bits) {
    return _mm256_srl_epi16(a, _mm_cvtsi32_si128(bits));
}
static inline vec vec_multiply_high16(vec a, vec b) {
    return _mm256_mulhi_epu16(a, b);
}
static inline vec vec_multiply_low16(vec a, vec b) {
    return _mm256_mullo_epi16(a, b);
}
static inline vec vec_subtract8(vec a, vec b) {
    return _mm256_sub_epi8(a, b);
}
static inline vec vec_subtract_saturated(vec a, vec b) {
    return _mm256_subs_epi8(a, b);
}
static inline vec vec_shuffle(vec table, vec index) {
    return _mm256_shuffle_epi8(table, index);
}
static inline vec vec_table(const uint8_t *p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* Sixteen bytes, widened to 16 bits; and sixteen more. */
static inline void vec_store_widened(uint16_t *out, const uint8_t *bytes) {
    const __m128i narrow = _mm_load_si128((const __m128i *)(const void *)bytes);
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_cvtepu8_epi16(narrow));
}
static inline void vec_store_widened2(uint16_t *out, const uint8_t *first, const uint8_t *second) {
    vec_store_widened(out, first);
    vec_store_widened(out + 16, second);
}

/* The same in whole cache lines that go past the caches: `out` is aligned to them. */
static inline void vec_stream_widened2(uint16_t *out, const uint8_t *first, const uint8_t *second) {
    const __m128i low = _mm_load_si128((const __m128i *)(const void *)first);
    const __m128i high = _mm_load_si128((const __m128i *)(const void *)second);
    _mm256_stream_si256((__m256i *)(void *)out, _mm256_cvtepu8_epi16(low));
    _mm256_stream_si256((__m256i *)(void *)(out + 16), _mm256_cvtepu8_epi16(high));
}
static inline void vec_settle(void) {
    _mm_sfence();
}

/* The first `count` quarters, widened to 16 bits, `stride` elements apart. */
static inline void vec_store_quarters(uint16_t *out, size_t stride, vec v, size_t count) {
    if (count > 0)
        vec_store(out, _mm256_cvtepu8_epi16(_mm256_castsi256_si128(v)));
    if (count > 1)
        vec_store(out + stride, _mm256_cvtepu8_epi16(_mm256_extracti128_si256(v, 1)));
}

#endif
