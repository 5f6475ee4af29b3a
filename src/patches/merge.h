/*
 * Between rounds of reading: what chunks have not found enters the collection, under the numbers that a reader of
 * samples 0, 1, 2, ... would give.
 *
 * Level by level from the leaves up, the listed tuples of all chunks are dealt by hash into parts; each part is
 * inserted into the index by one thread, chunk after chunk, which finds the first of equal tuples; then the firsts are
 * numbered through, chunk after chunk. No step waits for samples before it, so all threads work all the time.
 */
#ifndef RHM_PATCHES_MERGE_H
#define RHM_PATCHES_MERGE_H

#include "patches/chunk.h"

/* The first of equal listed tuples that the collection lacks. */
typedef struct rhm_newcomer {
    uint32_t *code;        /* its place in the index */
    const uint32_t *tuple; /* in its chunk's list */
    uint32_t *number;      /* likewise */
} rhm_newcomer;

/* A listed tuple, dealt by its hash. */
typedef struct rhm_listed {
    uint64_t hash;
    uint32_t entry; /* in its chunk's list */
} rhm_listed;

/* What one chunk, or one part, has of the level in hand. */
typedef struct rhm_merge_share {
    size_t begin; /* of a chunk in `listed`, of a part in `newcomer` */
    size_t count; /* newcomers */
    size_t base;  /* of a chunk: number of its first newcomer */
} rhm_merge_share;

typedef struct rhm_merge {
    rhm_patches *patches;
    const rhm_engine *engine;
    rhm_patch_chunk *chunk;     /* (chunks) */
    rhm_patch_scratch *scratch; /* (threads) */
    size_t chunks;
    size_t known[RHM_MAX_LEVELS + 1]; /* members when the round began; cells at level - 1 */

    uint32_t level;      /* in hand */
    size_t parts;        /* a power of two, up to RHM_INDEX_PARTS */
    size_t listed_count; /* of all chunks */
    size_t listed_capacity;
    rhm_listed *listed;        /* (listed_count): by chunk, then by part */
    rhm_newcomer *newcomer;    /* (listed_count): by part */
    size_t *dealt;             /* (chunks, RHM_INDEX_PARTS + 1): where each part of each chunk ends */
    rhm_merge_share *of_chunk; /* (chunks) */
    rhm_merge_share of_part[RHM_INDEX_PARTS];
    bool *done; /* (chunks + RHM_INDEX_PARTS): what an interrupted loop has done */
} rhm_merge;

enum { RHM_MERGE_FEW = 1 << 12 }; /* tuples that one thread merges before others have woken up */

/* The number of a code, once the fresh tuples of its level have numbers. */
static inline uint32_t rhm_fresh_number(const rhm_fresh *fresh, size_t known, uint32_t code) {
    return code < known ? code : fresh->number[code - known];
}

/*
 * All of a parallel loop, even after an interrupt: half a round would leave the collection in pieces. `alone`: on the
 * calling thread. The context of `body` is the rhm_merge.
 */
rhm_status rhm_merge_run(rhm_merge *merge, size_t count, bool alone, rhm_chunk_body *body, rhm_error *error);

/* Members and numbers for all fresh tuples of merge->level; its children have numbers. */
rhm_status rhm_merge_level(rhm_merge *merge, rhm_error *error);

/* Memory for rounds of up to `chunks`. */
rhm_status rhm_merge_init(rhm_merge *merge, rhm_patches *patches, const rhm_engine *engine, size_t chunks,
                          rhm_error *error);

/* Accepts a zeroed one. Chunks and scratch belong to the caller. */
void rhm_merge_destroy(rhm_merge *merge);

/*
 * Take the first `chunks` chunks into the collection, whole or not at all: an interrupt does not stop it. *listed
 * receives how many tuples were listed. Decides which levels the next round reads blindly.
 */
rhm_status rhm_merge_round(rhm_merge *merge, size_t chunks, size_t *listed, rhm_error *error);

#endif
