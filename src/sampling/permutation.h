/*
 * A permutation of 0..size-1 that a key chooses and nobody stores, for sampling without replacement: an alternating
 * Feistel network on the bits of size - 1, whose results beyond the end are sent through it again until they are in
 * range. Fewer than two passes are expected. The network permutes 2^bits numbers, and following its cycles into a
 * subset permutes that.
 */
#ifndef RHM_SAMPLING_PERMUTATION_H
#define RHM_SAMPLING_PERMUTATION_H

#include <stddef.h>
#include <stdint.h>

#include "sampling/tile_ops.h"

__extension__ typedef unsigned __int128 rhm_u128;

/* Philox streams of whoever needs a permutation. */
#define RHM_DISTINCT_STREAM UINT32_C(0x00020000)
#define RHM_SHUFFLE_STREAM  UINT32_C(0x00030000)

typedef struct rhm_permutation {
    rhm_round_keys keys; /* of the seed */
    uint32_t stream;     /* the round is the block, the half that stays the index */
    uint32_t bits;
    rhm_u128 size;
    rhm_tile_ops ops;
} rhm_permutation;

/* 1 <= size <= 2^127. The permutation does not depend on whose operations compute it. */
rhm_permutation rhm_permutation_make(uint64_t seed, uint32_t stream, rhm_u128 size, const rhm_tile_ops *ops);

/* out[i] is where first + i goes; all of these are below the size. */
void rhm_permute(const rhm_permutation *permutation, rhm_u128 first, size_t count, rhm_u128 *out);

#endif
