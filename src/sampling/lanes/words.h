/* Random words of a tile, and the choices that they make. */
#ifndef RHM_SAMPLING_LANES_WORDS_H
#define RHM_SAMPLING_LANES_WORDS_H

#include "sampling/lanes/lanes.h"

/* What the blocks of some indices share. */
typedef struct indices {
    vec c2_round1, c0_round3, c1_round3; /* the first two without the block's share */
} indices;

/* Indices first + i + offset[lane]. */
INLINE indices indices_of(const rhm_tile_stream *s, size_t i, const uint64_t *offset) {
    const vec product0 = vec_mul(vec_add64(vec_set64(s->first + i), vec_load(offset)), vec_set64(RHM_PHILOX_M0));
    const vec product1 = vec_mul(vec_xor(product0, vec_set64(s->c2_round2)), vec_set64(RHM_PHILOX_M1));
    return (indices){
        .c2_round1 = vec_xor(vec_high(product0), vec_set64(s->key[0][1])),
        .c0_round3 = vec_xor(vec_high(product1), vec_set64(s->key[2][0])),
        .c1_round3 = product1,
    };
}

/*
 * The block of four words of core/philox.h for two registers of indices, in 64-bit lanes whose high halves hold
 * anything: the multiplier reads low halves only, so that the low word of a product needs no work and the high word one
 * shift. Index and block meet in the second round, because they start in counter words 0 and 3 and the other two words
 * are the same for all lanes: all that depends on one of them alone is computed once.
 *
 * Two registers go in step because a round waits for its multiplications: schedulers do not look far enough ahead to
 * find the next register by themselves.
 */
INLINE void philox(const rhm_tile_stream *s, const indices at[2], vec block, vec word[4][2]) {
    const vec m0 = vec_set64(RHM_PHILOX_M0), m1 = vec_set64(RHM_PHILOX_M1);
    vec c0[2], c1[2], c2[2], c3[2];
    for (size_t i = 0; i < 2; i++) {
        const vec p1 = vec_mul(vec_xor(at[i].c2_round1, block), m1);
        const vec p0 = vec_mul(vec_xor(vec_high(p1), vec_set64(s->c0_round2)), m0);
        c0[i] = vec_xor(at[i].c0_round3, p1);
        c1[i] = at[i].c1_round3;
        c2[i] = vec_xor(vec_high(p0), vec_set64(s->c2_round3));
        c3[i] = p0;
    }
#pragma GCC unroll 10
    for (int round = 3; round < RHM_PHILOX_ROUNDS; round++) {
        const vec k0 = vec_set64(s->key[round][0]), k1 = vec_set64(s->key[round][1]);
        for (size_t i = 0; i < 2; i++) {
            const vec p0 = vec_mul(c0[i], m0);
            const vec p1 = vec_mul(c2[i], m1);
            c0[i] = vec_xor3(vec_high(p1), c1[i], k0);
            c1[i] = p1;
            c2[i] = vec_xor3(vec_high(p0), c3[i], k1);
            c3[i] = p0;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        word[0][i] = c0[i];
        word[1][i] = c1[i];
        word[2][i] = c2[i];
        word[3][i] = c3[i];
    }
}

/* Even and odd samples of WIDTH / 4 consecutive ones, as vec_merge_low wants them. */
static const uint64_t in_order[2][8] = {{0, 2, 4, 6, 8, 10, 12, 14}, {1, 3, 5, 7, 9, 11, 13, 15}};

static void words(const rhm_tile_stream *s, uint32_t block, uint32_t *word) {
    for (size_t i = 0; i < RHM_WORD_TILE; i += WIDTH / 4) {
        const indices at[2] = {indices_of(s, i, in_order[0]), indices_of(s, i, in_order[1])};
        vec of[4][2];
        philox(s, at, vec_set64(block), of);
        for (size_t w = 0; w < 4; w++)
            vec_store(word + w * RHM_WORD_TILE + i, vec_merge_low(of[w][0], of[w][1]));
    }
}

enum { GROUPS = 4 };

/*
 * Group g of four computes, in quarter q, samples 16 q + 4 g, ..., 16 q + 4 g + 3: after packing, its quarters hold
 * four bytes of each of the four words, and the words of four groups are put together by unpacking alone.
 */
static const uint64_t in_quarters[2][8] = {{0, 2, 16, 18, 32, 34, 48, 50}, {1, 3, 17, 19, 33, 35, 49, 51}};

INLINE vec choose_group(const rhm_tile_stream *s, const indices at[2], vec block, const uint32_t *bound) {
    vec word[4][2], c[4];
    philox(s, at, block, word);
    for (size_t w = 0; w < 4; w++)
        c[w] = vec_merge_high(vec_mul(word[w][0], vec_set64(bound[w])), vec_mul(word[w][1], vec_set64(bound[w])));
    return vec_pack16(vec_pack32(c[0], c[1]), vec_pack32(c[2], c[3]));
}

static void choices(const rhm_tile_stream *s, uint32_t block, size_t blocks, const uint32_t *bound, uint8_t *choice) {
    for (size_t i = 0; i < RHM_TILE; i += WIDTH) {
        indices at[GROUPS][2];
        for (size_t g = 0; g < GROUPS; g++)
            for (size_t odd = 0; odd < 2; odd++)
                at[g][odd] = indices_of(s, i + 4 * g, in_quarters[odd]);
        for (size_t b = 0; b < blocks; b++) {
            vec group[GROUPS];
            for (size_t g = 0; g < GROUPS; g++)
                group[g] = choose_group(s, at[g], vec_set64(block + (uint32_t)b), bound + 4 * b);
            const vec low01 = vec_unpack_low32(group[0], group[1]), high01 = vec_unpack_high32(group[0], group[1]);
            const vec low23 = vec_unpack_low32(group[2], group[3]), high23 = vec_unpack_high32(group[2], group[3]);
            uint8_t *out = choice + 4 * b * RHM_TILE + i;
            vec_store(out, vec_unpack_low64(low01, low23));
            vec_store(out + RHM_TILE, vec_unpack_high64(low01, low23));
            vec_store(out + 2 * RHM_TILE, vec_unpack_low64(high01, high23));
            vec_store(out + 3 * RHM_TILE, vec_unpack_high64(high01, high23));
        }
    }
}

#endif
