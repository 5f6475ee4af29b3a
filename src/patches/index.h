/*
 * Which tuple has which number, for one level of a collection: what rhm_intern does, for many threads at once.
 *
 * While samples are read, threads look tuples up and nobody inserts. What was not found is inserted between rounds: the
 * tuples are dealt to threads by their hash, so that no two threads want the same place, and a place first takes a
 * provisional code, because the final number depends on which tuples come earlier in the samples (merge.h).
 *
 * Small words make a table with a place for every possible tuple; otherwise there are RHM_INDEX_PARTS hash tables.
 */
#ifndef RHM_PATCHES_INDEX_H
#define RHM_PATCHES_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/intern.h"

enum {
    RHM_INDEX_PARTS = 256,
    RHM_INDEX_DIRECT_BITS = 22, /* 16 MiB: a miss of the last cache costs less than hashing */
};

/* What a place holds: 0, a number plus 1, or, while tuples are inserted, this bit and whatever the inserter needs. */
#define RHM_INDEX_PROVISIONAL UINT32_C(0x80000000)

typedef struct rhm_index_slot {
    uint32_t tag; /* low half of the hash */
    uint32_t code;
} rhm_index_slot;

typedef struct rhm_index_part {
    rhm_index_slot *slots;
    size_t mask;  /* slots - 1, a power of two minus one */
    size_t count; /* slots in use */
} rhm_index_part;

typedef struct rhm_index {
    size_t words;
    uint32_t first_bits, bits; /* of the first word and of the others; valid with `direct` */
    uint32_t *direct;          /* (2^(first_bits + (words - 1) bits)) codes, or NULL */
    rhm_index_part *part;      /* (RHM_INDEX_PARTS), or NULL; neither: nothing was inserted yet */
} rhm_index;

/* Accepts a zeroed index. */
void rhm_index_destroy(rhm_index *index);

size_t rhm_index_nbytes(const rhm_index *index);

/*
 * Make places for tuples of `words` words, the first below 2^first_bits and the others below 2^bits: a larger direct
 * table, or hash tables from now on. `tuples` holds those inserted so far. Not while others use the index.
 */
rhm_status rhm_index_widen(rhm_index *index, const rhm_intern *tuples, uint32_t first_bits, uint32_t bits,
                           rhm_error *error);

/* Room for `more` further tuples in a part; its places move. One thread at a time for one part. */
rhm_status rhm_index_reserve(rhm_index_part *part, size_t more, rhm_error *error);

/* Multiply-xorshift over the words (the finaliser of SplitMix64): numbers are dense, so low bits must be mixed well. */
static inline uint64_t rhm_index_hash(const uint32_t *tuple, size_t words) {
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < words; i++) {
        h = (h ^ tuple[i]) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 29;
    }
    h *= 0x94d049bb133111ebu;
    return h ^ h >> 32;
}

static inline size_t rhm_index_part_of(uint64_t hash) {
    return hash >> 56;
}

static inline bool rhm_same_tuple(const uint32_t *a, const uint32_t *b, size_t words) {
    for (size_t i = 0; i < words; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* The place of a tuple in a direct table, or SIZE_MAX where it has none. */
static inline size_t rhm_index_place(const rhm_index *index, const uint32_t *tuple, size_t words) {
    size_t place = tuple[0];
    uint32_t rest = 0;
    for (size_t i = 1; i < words; i++) {
        rest |= tuple[i];
        place = place << index->bits | tuple[i];
    }
    return tuple[0] >> index->first_bits || rest >> index->bits ? SIZE_MAX : place;
}

static inline const rhm_index_slot *rhm_index_first_slot(const rhm_index *index, uint64_t hash) {
    const rhm_index_part *part = &index->part[rhm_index_part_of(hash)];
    return part->slots + ((uint32_t)hash & part->mask);
}

/* The code of a tuple in the hash tables, 0 where it has none. No provisional codes may be in them. */
static inline uint32_t rhm_index_find(const rhm_index *index, const rhm_intern *tuples, const uint32_t *tuple,
                                      uint64_t hash, size_t words) {
    const rhm_index_part *part = &index->part[rhm_index_part_of(hash)];
    if (!part->slots)
        return 0;
    size_t at = (uint32_t)hash & part->mask;
    for (; part->slots[at].code; at = (at + 1) & part->mask)
        if (part->slots[at].tag == (uint32_t)hash &&
            rhm_same_tuple(tuples->tuples + (size_t)(part->slots[at].code - 1) * words, tuple, words))
            return part->slots[at].code;
    return 0;
}

/* How many bits the numbers 0..count-1 take. */
static inline uint32_t rhm_index_bits(size_t count) {
    uint32_t bits = 0;
    while (count > (size_t)1 << bits)
        bits++;
    return bits;
}

#endif
