/*
 * The operations of sampling that vectors make faster, and the table through which they are called. They work on tiles:
 * RHM_TILE subtrees (sampling/layout.h) side by side, one byte or word for each, so that random blocks are computed for
 * all of them at once and a small table of rules is looked up with byte shuffles. (Gather instructions are no
 * alternative: they cost a load per lane, and several times that on processors that guard against GDS, CVE-2022-40982.)
 */
#ifndef RHM_SAMPLING_TILE_OPS_H
#define RHM_SAMPLING_TILE_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "core/philox.h"
#include "engine/registry.h"
#include "sampling/layout.h"

enum {
    RHM_TILE = 64,         /* the bytes of an AVX-512 register */
    RHM_WORD_LANES = 16,   /* 32-bit words of one */
    RHM_LOOKUP = 16,       /* entries that one byte shuffle reaches */
    RHM_SMALL_RULES = 256, /* a rule's number is one byte */
    RHM_LINKED_CHUNKS = 8, /* see rhm_small_rules */
};

/* What each round of Philox adds to the counter: the same for all blocks of a seed. */
typedef struct rhm_round_keys {
    uint64_t key[RHM_PHILOX_ROUNDS][2]; /* each fits 32 bits */
} rhm_round_keys;

static inline rhm_round_keys rhm_round_keys_of(uint64_t seed) {
    rhm_round_keys keys;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < RHM_PHILOX_ROUNDS; round++) {
        keys.key[round][0] = k0;
        keys.key[round][1] = k1;
        k0 += RHM_PHILOX_W0;
        k1 += RHM_PHILOX_W1;
    }
    return keys;
}

/* Blocks side by side: lane i has block `block` + i % each of index `index` + i / each. */
typedef struct rhm_blocks {
    const rhm_round_keys *keys;
    uint32_t stream;
    uint64_t index;
    uint32_t block;
    uint32_t each; /* 1..RHM_TILE */
} rhm_blocks;

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
    uint8_t *plain; /* (s, RHM_SMALL_RULES): child c of each rule, for look-ups that need no chunks */
} rhm_small_rules;

/* From `words` on there are function pointers only; a table may leave some NULL. */
typedef struct rhm_tile_ops {
    const char *name;
    rhm_isa isa;

    /* word (RHM_BLOCK_WORDS, RHM_TILE): the first `lanes` blocks. Lanes up to the next multiple of RHM_WORD_LANES are
     * written too. */
    void (*words)(const rhm_blocks *blocks, size_t lanes, uint32_t *word);

    /* out (RHM_TILE): the first two words, the first one lowest, of the same block of these indices (RHM_TILE). */
    void (*scramble)(const rhm_round_keys *keys, uint32_t stream, uint32_t block, const uint64_t *index, uint64_t *out);

    /* plane (4, RHM_TILE): the bytes of word (RHM_TILE), lowest first. */
    void (*bytes)(const uint32_t *word, uint8_t *plane);

    /* plane (digits, RHM_TILE): the lowest digits in base `count` of word (RHM_TILE) * bound >> 32; bound <= 256. */
    void (*digits)(const uint32_t *word, uint32_t count, uint32_t bound, uint32_t digits, uint8_t *plane);

    /* choice (count, RHM_TILE): row i is plane place[i].plane of (RHM_PLANES, RHM_TILE), shifted down and masked. */
    void (*choices)(const uint8_t *plane, const rhm_place *place, size_t count, uint8_t mask, uint8_t *choice);

    /*
     * Rewrite nodes first..first+count-1 of symbols (nodes, RHM_TILE) by choice (count, RHM_TILE) into their children,
     * node first c + j for child j of node `first`: from the last to the first and in place. Only the first `children`
     * of the s children that `rules` has are made.
     */
    void (*rewrite)(const rhm_small_rules *rules, uint32_t branching, uint32_t children, size_t first, size_t count,
                    const uint8_t *choice, uint8_t *symbols);

    /* rows (count, stride), columns 0..nodes-1: the symbols (nodes, RHM_TILE) of the first `count` samples; `past` the
     * caches, where whole lines of `rows` allow that. */
    void (*rows)(const uint8_t *symbols, size_t nodes, size_t count, uint16_t *rows, size_t stride, bool past);

    /* Before others may read rows that were written past the caches. */
    void (*settle)(void);
} rhm_tile_ops;

/* The operations as an instruction set of this CPU does them, each from its own table or from the nearest set that it
 * is based on; none is NULL. */
rhm_tile_ops rhm_tile_ops_at(rhm_isa isa);

#endif
