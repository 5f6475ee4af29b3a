/* Random blocks side by side. */
#ifndef RHM_SAMPLING_LANES_WORDS_H
#define RHM_SAMPLING_LANES_WORDS_H

#include "sampling/lanes/lanes.h"

/*
 * core/philox.h for two registers of counters c[word][register], in 64-bit lanes whose high halves hold anything: the
 * multiplier reads low halves only, so that the low word of a product needs no work and the high word one shift.
 *
 * Two registers go in step because a round waits for its multiplications: schedulers do not look far enough ahead to
 * find the next register by themselves.
 */
INLINE void philox(const rhm_round_keys *keys, vec c[4][2]) {
    const vec m0 = vec_set64(RHM_PHILOX_M0), m1 = vec_set64(RHM_PHILOX_M1);
#pragma GCC unroll 10
    for (int round = 0; round < RHM_PHILOX_ROUNDS; round++) {
        const vec k0 = vec_set64(keys->key[round][0]), k1 = vec_set64(keys->key[round][1]);
        for (size_t i = 0; i < 2; i++) {
            const vec p0 = vec_mul(c[0][i], m0);
            const vec p1 = vec_mul(c[2][i], m1);
            c[0][i] = vec_xor3(vec_high(p1), c[1][i], k0);
            c[1][i] = p1;
            c[2][i] = vec_xor3(vec_high(p0), c[3][i], k1);
            c[3][i] = p0;
        }
    }
}

/* Even and odd lanes of WIDTH / 4 consecutive ones, as vec_merge_low wants them. */
static const uint64_t in_order[2][8] = {{0, 2, 4, 6, 8, 10, 12, 14}, {1, 3, 5, 7, 9, 11, 13, 15}};

static void words(const rhm_blocks *blocks, size_t lanes, uint32_t *word) {
    enum { FRACTION = 16 };
    /* Exact for lanes and `each` up to 2^8. */
    const uint64_t reciprocal = ((1u << FRACTION) + blocks->each - 1) / blocks->each;
    for (size_t i = 0; i < lanes; i += WIDTH / 4) {
        vec c[4][2];
        for (size_t odd = 0; odd < 2; odd++) {
            const vec lane = vec_add64(vec_load(in_order[odd]), vec_set64(i));
            const vec sample = vec_shift_right64(vec_mul(lane, vec_set64(reciprocal)), FRACTION);
            c[0][odd] = vec_add64(vec_set64(blocks->index), sample);
            c[1][odd] = vec_high(c[0][odd]);
            c[2][odd] = vec_set64(blocks->stream);
            c[3][odd] =
                vec_subtract64(vec_add64(vec_set64(blocks->block), lane), vec_mul(sample, vec_set64(blocks->each)));
        }
        philox(blocks->keys, c);
        for (size_t w = 0; w < RHM_BLOCK_WORDS; w++)
            vec_store(word + w * RHM_TILE + i, vec_merge_low(c[w][0], c[w][1]));
    }
}

static void scramble(const rhm_round_keys *keys, uint32_t stream, uint32_t block, const uint64_t *index,
                     uint64_t *out) {
    for (size_t i = 0; i < RHM_TILE; i += WIDTH / 4) {
        vec c[4][2];
        for (size_t k = 0; k < 2; k++) {
            c[0][k] = vec_load(index + i + k * (WIDTH / 8));
            c[1][k] = vec_high(c[0][k]);
            c[2][k] = vec_set64(stream);
            c[3][k] = vec_set64(block);
        }
        philox(keys, c);
        for (size_t k = 0; k < 2; k++)
            vec_store(out + i + k * (WIDTH / 8), vec_merge_low(c[0][k], c[1][k]));
    }
}

#endif
