/*
 * Held-out patches among ranks. What is made of them is added up in runs that their number alone decides, so that the
 * threads do not; a rank needs the counts and the outputs of its own runs only, and has no others where there is a run
 * for each rank.
 */
#ifndef RHM_LEARNERS_LAYERWISE_HELD_OUT_H
#define RHM_LEARNERS_LAYERWISE_HELD_OUT_H

#include "engine/spread.h"
#include "model/layer.h"

enum {
    RHM_HELD_OUT_LEAST_RUN = 1 << 12,
    RHM_HELD_OUT_MOST_RUNS = 128,
    RHM_COPY_SHARE = 64, /* of the memory limit: what patches of a set may take before ranks divide them */
};

/* Runs of so many distinct patches: at least 4096 patches each, and no more than 128 runs. */
size_t rhm_held_out_runs(size_t distinct);

/* First patch of a run; of all runs, the end. */
static inline size_t rhm_held_out_run_begin(size_t distinct, size_t runs, size_t run) {
    return run * distinct / runs;
}

/* This rank's patches: those of its runs, or all. */
rhm_spread_part rhm_held_out_own(const rhm_engine *engine, size_t distinct);

/* The patches of every rank: of_rank (ranks). */
void rhm_held_out_parts(rhm_ranks_part *of_rank, const rhm_engine *engine, size_t distinct);

/* Centred outputs of the own patches, a row for each, into an empty `out`; *clamped (may be NULL) as of rhm_embed. */
rhm_status rhm_held_out_embed(rhm_embeddings *out, const rhm_engine *engine, const rhm_ready_layer *layer,
                              const rhm_intern *patches, const rhm_embeddings *inputs, uint64_t *clamped,
                              rhm_error *error);

/*
 * Into *points, to be freed, up to `most` rows of the outputs of all ranks, evenly thinned, on all of them; *count says
 * how many.
 */
rhm_status rhm_held_out_points(float **points, size_t *count, const rhm_engine *engine, const rhm_embeddings *own,
                               size_t distinct, size_t most, rhm_error *error);

#endif
