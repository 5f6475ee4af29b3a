/*
 * Patches by their tokens: those whose keys fall into the range of this rank, with their counts. A key is all tokens of
 * a patch, packed into words; hashes of keys are dealt to ranks, and within a rank to parts that threads fill side by
 * side, so that equal patches always meet.
 */
#ifndef RHM_PATCHES_KEYS_H
#define RHM_PATCHES_KEYS_H

#include "patches/index.h"

enum { RHM_KEY_PARTS = 64 };

typedef struct rhm_key_part {
    rhm_intern key;  /* (count, words) */
    rhm_intern cell; /* pairs of a key's number and position x classes + label */
    uint64_t *place; /* (places): of each key, the earliest in the stream of patches */
    uint64_t *count; /* (counts): of each cell, its samples */
    size_t places, counts;
} rhm_key_part;

typedef struct rhm_keys {
    size_t tokens, words; /* of a key */
    uint32_t bits;        /* of a token */
    rhm_key_part part[RHM_KEY_PARTS];
} rhm_keys;

/* Keys of so many tokens below `vocab`. */
rhm_status rhm_keys_init(rhm_keys *keys, size_t tokens, size_t vocab, rhm_error *error);
void rhm_keys_destroy(rhm_keys *keys); /* accepts zeroed ones */

size_t rhm_keys_count(const rhm_keys *keys);
size_t rhm_keys_nbytes(const rhm_keys *keys);

/* Where the keys of this hash go; words of the hash that rhm_intern looks them up by are others. */
static inline size_t rhm_key_rank(uint64_t hash, size_t ranks) {
    return (size_t)((hash >> 40) * ranks >> 24);
}

static inline size_t rhm_key_part_of(uint64_t hash) {
    return hash >> 32 & (RHM_KEY_PARTS - 1);
}

/* Tokens to words, and back. */
void rhm_key_pack(const rhm_keys *keys, const uint16_t *tokens, uint32_t *key);
void rhm_key_unpack(const rhm_keys *keys, const uint32_t *key, uint16_t *tokens);

/* What was met at a place of the stream, `count` times with this label. One thread at a time for one part. */
typedef struct rhm_key_met {
    uint64_t place, count;
    uint32_t label;
} rhm_key_met;

rhm_status rhm_keys_add(rhm_key_part *part, const uint32_t *key, const rhm_key_met *met, rhm_error *error);

#endif
