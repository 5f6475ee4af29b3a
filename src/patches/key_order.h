/*
 * The keys of a rank in the order of their first places, and what lies before a place on all ranks. No rank sorts the
 * keys of all: the places between which the patches of a range lie are found by counting, on all ranks, how many lie
 * before some places, closer and closer.
 */
#ifndef RHM_PATCHES_KEY_ORDER_H
#define RHM_PATCHES_KEY_ORDER_H

#include "engine/spread.h"
#include "patches/keys.h"

typedef struct rhm_key_order {
    const rhm_keys *keys;
    size_t count;
    size_t base[RHM_KEY_PARTS + 1]; /* of each part, where its keys begin among them */
    uint32_t *key;                  /* (count): in order, by their numbers from the base of their part on */
    uint64_t *place;                /* (count): in order */
} rhm_key_order;

/* Places are below `end`. RHM_NO_MEMORY or RHM_INTERRUPTED; clear it in any case. */
rhm_status rhm_key_order_make(rhm_key_order *out, const rhm_engine *engine, const rhm_keys *keys, uint64_t end,
                              rhm_error *error);
void rhm_key_order_clear(rhm_key_order *order);

/* The part of a key. */
size_t rhm_key_order_part(const rhm_key_order *order, size_t key);

/* Of this rank's keys, those before a place. */
size_t rhm_key_order_before(const rhm_key_order *order, uint64_t place);

/*
 * bound (ranks, 2): before bound[r][0] lie as many keys of all ranks as of_rank[r].first says, and before bound[r][1]
 * as of_rank[r].end. All ranks must call.
 */
rhm_status rhm_key_order_bounds(uint64_t *bound, const rhm_key_order *order, const rhm_engine *engine, uint64_t end,
                                const rhm_ranks_part *of_rank, rhm_error *error);

#endif
