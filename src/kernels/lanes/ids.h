/*
 * Look-ups and pairs in registers of WIDTH bytes: WIDTH patches, or pairs of siblings, at a time. Two ids side by side
 * are one 32-bit lane, and one instruction makes a number of them: a inputs + b.
 *
 * A small table is looked up with byte shuffles, 16 entries each, as the sampler looks up rules
 * (../../sampling/tile_ops.h): a shuffle yields 0 where bit 7 of its operand is set and ignores bits 4-6, so with 16
 * subtracted from chunk to chunk a number below 128 is found in its chunk and in all before it, and the exclusive or of
 * chunks that hold differences is its entry. Numbers from 128 on do the same, bit 7 flipped, in the second eight
 * chunks. Other tables are looked up lane by lane: gathers cost as many loads, and several times that where they are
 * guarded.
 */
#include "kernels/ids.h"

enum { LANES = WIDTH / 4, PARTS = 4, CHUNK = 16, LINKED = 8 };

static inline vec weights(size_t first, size_t second) {
    return vec_set32((uint32_t)(second << 16 | first));
}

static inline void look_up_small(const rhm_id_table *table, vec weight, size_t chunks, const uint16_t *patch,
                                 uint16_t *out) {
    vec number[PARTS];
    for (size_t k = 0; k < PARTS; k++)
        number[k] = vec_multiply_add(vec_load(patch + k * 2 * LANES), weight);
    const vec all = vec_pack(number[0], number[1], number[2], number[3]);
    vec found = vec_zero();
    for (size_t half = 0; half < chunks; half += LINKED) {
        vec left = half ? vec_xor(all, vec_set8(0x80)) : all;
        for (size_t k = half; k < chunks && k < half + LINKED; k++) {
            found = vec_xor(found, vec_shuffle(vec_table(table->chunk + k * CHUNK), left));
            left = vec_subtract_saturated(left, vec_set8(CHUNK));
        }
    }
    vec_store_wide(out, found);
}

static inline void numbers(uint32_t *number, vec weight, const uint16_t *pair) {
    for (size_t k = 0; k < PARTS; k++)
        vec_store(number + k * LANES, vec_multiply_add(vec_load(pair + k * 2 * LANES), weight));
}

static void look_up(const rhm_id_table *table, const uint16_t *patch, size_t count, uint16_t *out) {
    const vec weight = weights(table->inputs, 1);
    const size_t chunks = (table->possible + CHUNK - 1) / CHUNK;
    size_t i = 0;
    for (; table->small && i + WIDTH <= count; i += WIDTH)
        look_up_small(table, weight, chunks, patch + 2 * i, out + i);
    for (; table->words == 2 && i + WIDTH <= count; i += WIDTH) {
        _Alignas(WIDTH) uint32_t number[WIDTH];
        numbers(number, weight, patch + 2 * i);
        for (size_t k = 0; k < WIDTH; k++)
            out[i + k] = table->entry[number[k]];
    }
    rhm_look_up_rest(table, patch, i, count, out);
}

static void count_pairs(const uint16_t *number, size_t families, size_t siblings, size_t one, size_t other,
                        size_t patches, size_t copies, uint32_t *count) {
    const vec weight = one < other ? weights(patches, 1) : weights(1, patches);
    const size_t cells = patches * patches;
    uint32_t *copy[RHM_PAIR_COPIES];
    size_t f = 0;
    for (size_t k = 0; k < RHM_PAIR_COPIES; k++)
        copy[k] = count + k % copies * cells;
    for (; siblings == 2 && f + WIDTH <= families; f += WIDTH) {
        for (size_t k = 0; k < PARTS; k++)
            vec_count(copy, vec_multiply_add(vec_load(number + 2 * (f + k * LANES)), weight));
    }
    rhm_count_pairs_rest(number, f, families, siblings, one, other, patches, copies, count);
}

extern const rhm_id_ops RHM_TABLE;
const rhm_id_ops RHM_TABLE = {
    .name = RHM_TABLE_NAME, .isa = RHM_TABLE_ISA, .look_up = look_up, .count_pairs = count_pairs};
