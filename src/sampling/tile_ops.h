/*
 * The operations of sampling that vectors make faster, and the table through which they are called. They work on tiles:
 * RHM_TILE consecutive samples side by side, one byte or word for each, so that a random block is computed for all of
 * them at once and a small table of rules is looked up with byte shuffles. (Gather instructions are no alternative:
 * they cost a load per lane, and several times that on processors that guard against GDS, CVE-2022-40982.)
 */
#ifndef RHM_SAMPLING_TILE_OPS_H
#define RHM_SAMPLING_TILE_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "core/philox.h"
#include "engine/registry.h"

enum {
    RHM_TILE = 64,         /* the bytes of an AVX-512 register */
    RHM_WORD_TILE = 16,    /* samples of `words`: rows of 16-bit symbols take more cache */
    RHM_LOOKUP = 16,       /* entries that one byte shuffle reaches */
    RHM_SMALL_RULES = 256, /* a rule's number is one byte */
    RHM_LINKED_CHUNKS = 8, /* see rhm_small_rules */
};

/*
 * Where a tile draws its words: sample i is index first + i, block b is philox(seed, first + i, stream, b). All indices
 * of a tile have the same high word. It and the stream enter Philox in the same pair of counter words, so that the
 * first round and half of the next two are known for the whole tile.
 */
typedef struct rhm_tile_stream {
    uint64_t first;
    uint32_t stream;
    uint64_t key[RHM_PHILOX_ROUNDS][2]; /* added up; each fits 32 bits */
    uint64_t c0_round2, c2_round2,
        c2_round3; /* what known words and keys add to these words on the way into rounds 2, 3 */
} rhm_tile_stream;

static inline rhm_tile_stream rhm_tile_stream_of(uint64_t seed, uint64_t first, uint32_t stream) {
    rhm_tile_stream s = {.first = first, .stream = stream};
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < RHM_PHILOX_ROUNDS; round++) {
        s.key[round][0] = k0;
        s.key[round][1] = k1;
        k0 += RHM_PHILOX_W0;
        k1 += RHM_PHILOX_W1;
    }
    const uint64_t product1 = (uint64_t)RHM_PHILOX_M1 * stream;
    const uint64_t c0 = product1 >> 32 ^ first >> 32 ^ s.key[0][0];
    const uint64_t product0 = RHM_PHILOX_M0 * c0;
    s.c0_round2 = (uint32_t)product1 ^ s.key[1][0];
    s.c2_round2 = product0 >> 32 ^ s.key[1][1];
    s.c2_round3 = (uint32_t)product0 ^ s.key[2][1];
    return s;
}

/*
 * Rules of one level, where both vocabularies are below 257 and a symbol and its rule fit one byte: rule r of symbol v
 * has the number v << shift | r.
 *
 * lookup is (chunks, s, RHM_LOOKUP): child c of rules 16 k, 16 k + 1, ..., except that all chunks but each eighth hold
 * the exclusive or with the chunk before. A byte shuffle yields 0 where bit 7 of its operand is set and ignores bits
 * 4-6. So with 16 subtracted from chunk to chunk, a number below 128 is found in its chunk and in all before it, and
 * the exclusive or of these telescopes to its entry; numbers from 128 on, bit 7 flipped, do the same in the second
 * eight chunks.
 */
typedef struct rhm_small_rules {
    uint32_t shift;
    uint32_t chunks; /* 1, 2, 4, 8 or 16 */
    uint8_t *lookup;
} rhm_small_rules;

/* From `words` on there are function pointers only; a table may leave some NULL. */
typedef struct rhm_tile_ops {
    const char *name;
    rhm_isa isa;

    /* word (4, RHM_WORD_TILE): overwrites. */
    void (*words)(const rhm_tile_stream *stream, uint32_t block, uint32_t *word);

    /* choice (4 blocks, RHM_TILE): word w of blocks block, block+1, ... chooses among bound[w] <= 256: overwrites. */
    void (*choices)(const rhm_tile_stream *stream, uint32_t block, size_t blocks, const uint32_t *bound,
                    uint8_t *choice);

    /*
     * Rewrite nodes first..first+count-1 of symbols (nodes, RHM_TILE) by choice (count, RHM_TILE) into their children,
     * node first c + j for child j of node `first`: from the last to the first and in place. Only the first `children`
     * of the s children that `rules` has are made.
     */
    void (*rewrite)(const rhm_small_rules *rules, uint32_t branching, uint32_t children, size_t first, size_t count,
                    const uint8_t *choice, uint8_t *symbols);

    /* rows (count, stride), columns 0..nodes-1: the symbols (nodes, RHM_TILE) of the first `count` samples. */
    void (*rows)(const uint8_t *symbols, size_t nodes, size_t count, uint16_t *rows, size_t stride);
} rhm_tile_ops;

/* The operations as an instruction set of this CPU does them, each from its own table or from the nearest set that it
 * is based on; none is NULL. */
rhm_tile_ops rhm_tile_ops_at(rhm_isa isa);

#endif
