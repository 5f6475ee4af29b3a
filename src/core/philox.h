/*
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; Random123): a block of four
 * random words as a pure function of a 128-bit counter and a 64-bit key.
 *
 * Layout everywhere in the library:
 *     key      the 64-bit seed, low word first
 *     counter  index (low word), index (high word), stream, block
 * Different streams, or different blocks of one index, never share a counter. Stream numbers below 256 belong to the
 * rules of the grammar (the level), then come those of rhm_stream(); other users pick numbers from 2^16 upwards. Bit 31
 * marks the counts drawn in place of the samples of a stream, bit 30 with it the patches chosen for them
 * (sampling/law.h).
 */
#ifndef RHM_CORE_PHILOX_H
#define RHM_CORE_PHILOX_H

#include <stdint.h>

enum { RHM_PHILOX_ROUNDS = 10 };

/* Multipliers of the counter, increments of the key. */
#define RHM_PHILOX_M0 0xd2511f53u
#define RHM_PHILOX_M1 0xcd9e8d57u
#define RHM_PHILOX_W0 0x9e3779b9u
#define RHM_PHILOX_W1 0xbb67ae85u

typedef struct rhm_philox_block {
    uint32_t word[4];
} rhm_philox_block;

static inline rhm_philox_block rhm_philox(uint64_t seed, uint64_t index, uint32_t stream, uint32_t block) {
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = stream, c3 = block;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < RHM_PHILOX_ROUNDS; round++) {
        const uint64_t product0 = (uint64_t)RHM_PHILOX_M0 * c0;
        const uint64_t product1 = (uint64_t)RHM_PHILOX_M1 * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)product1;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)product0;
        k0 += RHM_PHILOX_W0;
        k1 += RHM_PHILOX_W1;
    }
    return (rhm_philox_block){{c0, c1, c2, c3}};
}

/* Words one after the other, for consumers that cannot say beforehand how many they need: word w is lane w % 4 of block
 * 0 of index w / 4. Start from {.seed = ..., .stream = ...}. */
typedef struct rhm_random {
    uint64_t seed;
    uint32_t stream;
    uint64_t next;
    rhm_philox_block block;
} rhm_random;

static inline uint32_t rhm_random_word(rhm_random *random) {
    if (random->next % 4 == 0)
        random->block = rhm_philox(random->seed, random->next / 4, random->stream, 0);
    return random->block.word[random->next++ % 4];
}

/* Uniform on 0..bound-1, bound >= 1, without bias: Lemire's multiplication, rejecting the 2^32 mod bound surplus words
 * (ACM TOMACS 29 (2019) 3). */
static inline uint32_t rhm_random_below(rhm_random *random, uint32_t bound) {
    uint64_t product = (uint64_t)rhm_random_word(random) * bound;
    if ((uint32_t)product < bound) {
        const uint32_t surplus = (0u - bound) % bound;
        while ((uint32_t)product < surplus)
            product = (uint64_t)rhm_random_word(random) * bound;
    }
    return (uint32_t)(product >> 32);
}

#endif
