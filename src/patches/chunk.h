/* One chunk of samples, interned by itself: the part of counting that threads do independently. */
#ifndef RHM_PATCHES_CHUNK_H
#define RHM_PATCHES_CHUNK_H

#include "patches/patches.h"

typedef struct rhm_patch_chunk {
    rhm_intern subtree[RHM_MAX_LEVELS + 1];
    rhm_intern cell;
    uint64_t *count;    /* (samples): of each cell */
    uint16_t *leaves;   /* (samples, leaves per patch) */
    uint16_t *labels;   /* (samples) */
    uint32_t *ids;      /* (samples, leaves per patch): ids of the level in hand */
    uint32_t *global;   /* (samples, leaves per patch / s): global id of each local one, of the level in hand */
    uint32_t *children; /* the same of the level below */
    size_t samples;     /* in the chunk now */
} rhm_patch_chunk;

rhm_status rhm_patch_chunk_init(rhm_patch_chunk *chunk, const rhm_patches *patches, size_t samples, size_t leaves,
                                rhm_error *error);
void rhm_patch_chunk_destroy(rhm_patch_chunk *chunk);

/* Draw and intern; chunk->ids then starts with the local patch of every sample. */
rhm_status rhm_patch_chunk_fill(rhm_patch_chunk *chunk, const rhm_patches *patches, size_t leaves,
                                rhm_patch_source *source, const void *context, uint64_t first, size_t count,
                                rhm_error *error);

/* Add the chunk to the collection; ids is NULL or (chunk->samples). Call in the order of the samples. */
rhm_status rhm_patch_chunk_merge(rhm_patch_chunk *chunk, rhm_patches *patches, uint32_t *ids, rhm_error *error);

#endif
