/*
 * Registers of WIDTH bytes in portable C, for sampling/lanes on machines that have none of that width: 64 bytes are the
 * code of the AVX-512 table, 16 bytes what a NEON table would be. The including file has defined WIDTH.
 */
#ifndef RHM_TESTS_EMULATED_BYTES_H
#define RHM_TESTS_EMULATED_BYTES_H

#include <string.h>

#include "sampling/tile_ops.h"

typedef struct vec {
    uint8_t byte[WIDTH];
} vec;

enum { BYTES = WIDTH, WORDS = WIDTH / 2, LANES = WIDTH / 8, PART = 16 };

static inline vec vec_load(const void *p) {
    vec v;
    memcpy(v.byte, p, sizeof v);
    return v;
}
static inline void vec_store(void *p, vec v) {
    memcpy(p, v.byte, sizeof v);
}
static inline vec vec_set8(uint8_t x) {
    vec v;
    memset(v.byte, x, sizeof v);
    return v;
}
static inline vec vec_set16(uint16_t x) {
    vec v;
    for (size_t i = 0; i < WORDS; i++)
        memcpy(v.byte + 2 * i, &x, sizeof x);
    return v;
}
static inline vec vec_zero(void) {
    return vec_set8(0);
}

/* Lanes of 64, 32 and 16 bits. */
static uint64_t get64(vec v, size_t lane) {
    uint64_t x;
    memcpy(&x, v.byte + 8 * lane, sizeof x);
    return x;
}
static void put64(vec *v, size_t lane, uint64_t x) {
    memcpy(v->byte + 8 * lane, &x, sizeof x);
}
static uint32_t get32(vec v, size_t lane) {
    uint32_t x;
    memcpy(&x, v.byte + 4 * lane, sizeof x);
    return x;
}
static void put32(vec *v, size_t lane, uint32_t x) {
    memcpy(v->byte + 4 * lane, &x, sizeof x);
}
static uint16_t get16(vec v, size_t lane) {
    uint16_t x;
    memcpy(&x, v.byte + 2 * lane, sizeof x);
    return x;
}
static void put16(vec *v, size_t lane, uint16_t x) {
    memcpy(v->byte + 2 * lane, &x, sizeof x);
}

static inline vec vec_set64(uint64_t x) {
    vec v;
    for (size_t l = 0; l < LANES; l++)
        put64(&v, l, x);
    return v;
}
static inline vec vec_and(vec a, vec b) {
    for (size_t i = 0; i < BYTES; i++)
        a.byte[i] &= b.byte[i];
    return a;
}
static inline vec vec_or(vec a, vec b) {
    for (size_t i = 0; i < BYTES; i++)
        a.byte[i] |= b.byte[i];
    return a;
}
static inline vec vec_xor(vec a, vec b) {
    for (size_t i = 0; i < BYTES; i++)
        a.byte[i] ^= b.byte[i];
    return a;
}
static inline vec vec_xor3(vec a, vec b, vec c) {
    return vec_xor(a, vec_xor(b, c));
}
static inline vec vec_add64(vec a, vec b) {
    for (size_t l = 0; l < LANES; l++)
        put64(&a, l, get64(a, l) + get64(b, l));
    return a;
}
static inline vec vec_subtract64(vec a, vec b) {
    for (size_t l = 0; l < LANES; l++)
        put64(&a, l, get64(a, l) - get64(b, l));
    return a;
}
static inline vec vec_shift_right64(vec a, int bits) {
    for (size_t l = 0; l < LANES; l++)
        put64(&a, l, get64(a, l) >> bits);
    return a;
}
static inline vec vec_mul(vec a, vec b) {
    for (size_t l = 0; l < LANES; l++)
        put64(&a, l, (uint64_t)(uint32_t)get64(a, l) * (uint32_t)get64(b, l));
    return a;
}
static inline vec vec_high(vec a) {
    for (size_t l = 0; l < LANES; l++)
        put64(&a, l, get64(a, l) >> 32);
    return a;
}
static inline vec vec_merge_low(vec even, vec odd) {
    for (size_t l = 0; l < LANES; l++)
        put32(&even, 2 * l + 1, get32(odd, 2 * l));
    return even;
}
static inline vec vec_merge_high(vec even, vec odd) {
    for (size_t l = 0; l < LANES; l++) {
        put32(&even, 2 * l, get32(even, 2 * l + 1));
        put32(&even, 2 * l + 1, get32(odd, 2 * l + 1));
    }
    return even;
}

/* Packs take signed values and saturate; within each sixteen bytes `a` comes first. */
static inline vec vec_pack32(vec a, vec b) {
    vec v;
    for (size_t part = 0; part < WIDTH / PART; part++)
        for (size_t i = 0; i < 8; i++) {
            const int32_t x = (int32_t)get32(i < 4 ? a : b, 4 * part + i % 4);
            put16(&v, 8 * part + i, (uint16_t)(x < 0 ? 0 : x > UINT16_MAX ? UINT16_MAX : x));
        }
    return v;
}
static inline vec vec_pack16(vec a, vec b) {
    vec v;
    for (size_t part = 0; part < WIDTH / PART; part++)
        for (size_t i = 0; i < 16; i++) {
            const int16_t x = (int16_t)get16(i < 8 ? a : b, 8 * part + i % 8);
            v.byte[16 * part + i] = (uint8_t)(x < 0 ? 0 : x > UINT8_MAX ? UINT8_MAX : x);
        }
    return v;
}

/* Elements of `size` bytes of the lower (0) or upper (1) half of each sixteen bytes, in turn. */
static vec unpack(vec a, vec b, size_t size, size_t half) {
    vec v;
    for (size_t part = 0; part < WIDTH; part += PART)
        for (size_t i = 0; i < PART / size; i++)
            memcpy(v.byte + part + i * size, (i % 2 ? b : a).byte + part + half * PART / 2 + i / 2 * size, size);
    return v;
}
static inline vec vec_unpack_low8(vec a, vec b) {
    return unpack(a, b, 1, 0);
}
static inline vec vec_unpack_high8(vec a, vec b) {
    return unpack(a, b, 1, 1);
}
static inline vec vec_unpack_low32(vec a, vec b) {
    return unpack(a, b, 4, 0);
}
static inline vec vec_unpack_high32(vec a, vec b) {
    return unpack(a, b, 4, 1);
}
static inline vec vec_unpack_low64(vec a, vec b) {
    return unpack(a, b, 8, 0);
}
static inline vec vec_unpack_high64(vec a, vec b) {
    return unpack(a, b, 8, 1);
}

static inline vec vec_in_order(vec v) {
    vec out;
    const size_t parts = WIDTH / PART;
    for (size_t from = 0; from < 4; from++)
        for (size_t part = 0; part < parts; part++)
            put32(&out, parts * from + part, get32(v, 4 * part + from));
    return out;
}

static inline vec vec_shift_left16(vec a, int bits) {
    for (size_t i = 0; i < WORDS; i++)
        put16(&a, i, (uint16_t)(get16(a, i) << bits));
    return a;
}
static inline vec vec_shift_right16(vec a, int bits) {
    for (size_t i = 0; i < WORDS; i++)
        put16(&a, i, (uint16_t)(get16(a, i) >> bits));
    return a;
}
static inline vec vec_multiply_high16(vec a, vec b) {
    for (size_t i = 0; i < WORDS; i++)
        put16(&a, i, (uint16_t)((uint32_t)get16(a, i) * get16(b, i) >> 16));
    return a;
}
static inline vec vec_multiply_low16(vec a, vec b) {
    for (size_t i = 0; i < WORDS; i++)
        put16(&a, i, (uint16_t)((uint32_t)get16(a, i) * get16(b, i)));
    return a;
}
static inline vec vec_subtract8(vec a, vec b) {
    for (size_t i = 0; i < BYTES; i++)
        a.byte[i] = (uint8_t)(a.byte[i] - b.byte[i]);
    return a;
}
static inline vec vec_subtract_saturated(vec a, vec b) {
    for (size_t i = 0; i < BYTES; i++) {
        const int difference = (int8_t)a.byte[i] - (int8_t)b.byte[i];
        a.byte[i] = (uint8_t)(difference < INT8_MIN ? INT8_MIN : difference > INT8_MAX ? INT8_MAX : difference);
    }
    return a;
}
static inline vec vec_shuffle(vec table, vec index) {
    vec v;
    for (size_t i = 0; i < BYTES; i++)
        v.byte[i] = index.byte[i] & 0x80 ? 0 : table.byte[i / PART * PART + index.byte[i] % PART];
    return v;
}
static inline vec vec_table(const uint8_t *p) {
    vec v;
    for (size_t i = 0; i < BYTES; i++)
        v.byte[i] = p[i % PART];
    return v;
}
static inline void vec_store_widened(uint16_t *out, const uint8_t *bytes) {
    for (size_t i = 0; i < PART; i++)
        out[i] = bytes[i];
}
static inline void vec_store_widened2(uint16_t *out, const uint8_t *first, const uint8_t *second) {
    vec_store_widened(out, first);
    vec_store_widened(out + PART, second);
}
static inline void vec_stream_widened2(uint16_t *out, const uint8_t *first, const uint8_t *second) {
    vec_store_widened2(out, first, second);
}
static inline void vec_settle(void) {
}
static inline void vec_store_quarters(uint16_t *out, size_t stride, vec v, size_t count) {
    for (size_t q = 0; q < WIDTH / PART && q < count; q++)
        for (size_t i = 0; i < PART; i++)
            out[q * stride + i] = v.byte[q * PART + i];
}

#endif
