/* Random words into the choices that they make. */
#ifndef RHM_SAMPLING_LANES_CHOICES_H
#define RHM_SAMPLING_LANES_CHOICES_H

#include "sampling/lanes/lanes.h"

/* The bytes of four words a quarter, sorted: first bytes, second bytes, ... */
static const uint8_t sorted[QUARTER] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};

/* Once sorted, the fours of bytes of four registers are put together by unpacking; vec_in_order mends that this works
 * quarter by quarter. */
static void bytes(const uint32_t *word, uint8_t *plane) {
    const vec order = vec_table(sorted);
    for (size_t i = 0; i < RHM_TILE; i += WIDTH) {
        vec r[4];
        for (size_t j = 0; j < 4; j++)
            r[j] = vec_shuffle(vec_load(word + i + j * WIDTH / 4), order);
        const vec low01 = vec_unpack_low32(r[0], r[1]), high01 = vec_unpack_high32(r[0], r[1]);
        const vec low23 = vec_unpack_low32(r[2], r[3]), high23 = vec_unpack_high32(r[2], r[3]);
        vec_store(plane + i, vec_in_order(vec_unpack_low64(low01, low23)));
        vec_store(plane + RHM_TILE + i, vec_in_order(vec_unpack_high64(low01, low23)));
        vec_store(plane + 2 * RHM_TILE + i, vec_in_order(vec_unpack_low64(high01, high23)));
        vec_store(plane + 3 * RHM_TILE + i, vec_in_order(vec_unpack_high64(high01, high23)));
    }
}

/* word * bound >> 32, which is below 256, of WIDTH words. */
INLINE vec numbers(const uint32_t *word, uint32_t bound) {
    const vec by = vec_set64(bound);
    vec r[4];
    for (size_t j = 0; j < 4; j++) {
        const vec even = vec_load(word + j * WIDTH / 4);
        r[j] = vec_merge_high(vec_mul(even, by), vec_mul(vec_high(even), by));
    }
    return vec_in_order(vec_pack16(vec_pack32(r[0], r[1]), vec_pack32(r[2], r[3])));
}

/* Bytes x / count: x * reciprocal >> 16 is exact because x (count * reciprocal - 2^16) < 255 * 256 < 2^16. */
INLINE vec divide(vec x, vec reciprocal) {
    const vec low = vec_multiply_high16(vec_and(x, vec_set16(0xff)), reciprocal);
    const vec high = vec_multiply_high16(vec_shift_right16(x, 8), reciprocal);
    return vec_or(low, vec_shift_left16(high, 8));
}

/* x - count * y, which fits a byte. */
INLINE vec remainder_of(vec x, vec y, vec count) {
    const vec low = vec_and(vec_multiply_low16(vec_and(y, vec_set16(0xff)), count), vec_set16(0xff));
    const vec high = vec_shift_left16(vec_multiply_low16(vec_shift_right16(y, 8), count), 8);
    return vec_subtract8(x, vec_or(low, high));
}

static void digits(const uint32_t *word, uint32_t count, uint32_t bound, uint32_t digits, uint8_t *plane) {
    const vec base = vec_set16((uint16_t)count), reciprocal = vec_set16((uint16_t)((65535 + count) / count));
    for (size_t i = 0; i < RHM_TILE; i += WIDTH) {
        vec number = numbers(word + i, bound);
        for (size_t j = 0; j + 1 < digits; j++) {
            const vec next = divide(number, reciprocal);
            vec_store(plane + j * RHM_TILE + i, remainder_of(number, next, base));
            number = next;
        }
        vec_store(plane + (digits - 1) * RHM_TILE + i, number);
    }
}

static void choices(const uint8_t *plane, const rhm_place *place, size_t count, uint8_t mask, uint8_t *choice) {
    const vec kept = vec_set8(mask);
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < RHM_TILE; i += WIDTH)
            vec_store(
                choice + n * RHM_TILE + i,
                vec_and(vec_shift_right16(vec_load(plane + place[n].plane * RHM_TILE + i), place[n].shift), kept));
}

#endif
