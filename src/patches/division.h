/*
 * A collection divided among ranks, none of which has all patches.
 *
 * Raw samples are their own patches, and need not meet: when they are settled each rank reads its own.
 *
 * Of others, samples are read in ranges of their numbers. Each rank sends what it met to the ranks into whose range its
 * keys fall (keys.h), all to all, as whole numbers; so equal patches meet, and are counted, on one rank. What has to be
 * known of all patches is then settled: their order, which is that of their first places in the stream and so that of
 * one process. By it each rank gets the patches that it will work on, and makes subtrees of those alone.
 */
#ifndef RHM_PATCHES_DIVISION_H
#define RHM_PATCHES_DIVISION_H

#include "patches/keys.h"
#include "patches/patches.h"

struct rhm_division {
    rhm_keys keys;            /* none of raw samples, but where these come from: */
    rhm_patch_source *source; /* the caller's, with the context */
    const void *context;
    rhm_ranks_part own; /* numbers of the patches whose tuples are here, since the collection was last settled */
    bool settled;       /* nothing was added since then */
    bool whole;         /* every rank has all patches, numbered as one process would, and their subtrees too */
    size_t rows;        /* distinct patches of the level below, at least, of all ranks together */
    uint64_t built[RHM_MAX_LEVELS + 1]; /* [j]: patches that the level-j subtrees were made of */
};

/* rhm_patches_add of a divided collection. */
rhm_status rhm_division_add(rhm_patches *patches, const rhm_engine *engine, const char *stage, rhm_patch_source *source,
                            const void *context, uint64_t first, uint64_t count, rhm_error *error);

/* From this level down subtrees are mostly the same ones again, whatever patches are above them, and stay from one
 * settling to the next, unless all ranks ask for all patches. */
uint32_t rhm_division_kept(const rhm_patches *patches);

/* Subtrees that are mostly different are forgotten, or all of them; those of the level, and cells, in any case. */
void rhm_division_forget(rhm_patches *patches, bool all);

/* What finds tuples that rhm_division_forget will forget anyway. */
void rhm_division_forget_indexes(rhm_patches *patches);

void rhm_division_destroy(rhm_patches *patches); /* leaves a collection that is not divided, without patches */

#endif
