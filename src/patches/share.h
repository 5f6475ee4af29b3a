/*
 * A round of reading shared among ranks: each reads a range of its chunks, and what the chunks have found is then on
 * all of them, as if each had read all.
 */
#ifndef RHM_PATCHES_SHARE_H
#define RHM_PATCHES_SHARE_H

#include "engine/spread.h"
#include "patches/chunk.h"

/* The chunks that this rank reads: all where the engine has no ranks, or where there is less than one for each. */
rhm_spread_part rhm_chunks_own(const rhm_engine *engine, size_t chunks);

/*
 * What ranks have read of `chunks`, of up to `samples` each; and patches that threads have counted enter the
 * collection. On failure, interruption included, the collection is what it was. No effect where every rank has read
 * all.
 */
rhm_status rhm_chunks_share(rhm_patches *patches, const rhm_engine *engine, rhm_patch_chunk *chunk, size_t chunks,
                            size_t samples, rhm_patch_scratch *scratch, rhm_error *error);

#endif
