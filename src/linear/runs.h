/*
 * Distinct patches in the order of their tokens, first tokens first: so that those with the same tokens but for the
 * last follow each other, in runs (kernels/kernels.h).
 */
#ifndef RHM_LINEAR_RUNS_H
#define RHM_LINEAR_RUNS_H

#include "core/intern.h"
#include "engine/memory.h"

typedef struct rhm_runs {
    uint32_t *order; /* (count): the patch at each place */
    uint32_t *ids;   /* (count, s): its tokens */
    size_t runs;
    const rhm_engine *engine; /* whose memory limit counts `reserved_nbytes` */
    size_t reserved_nbytes;
} rhm_runs;

/* Of patches whose tokens are below `rows`. RHM_NO_MEMORY, with the numbers, or RHM_INTERRUPTED. */
rhm_status rhm_runs_make(rhm_runs *out, const rhm_engine *engine, const rhm_intern *patches, size_t rows,
                         rhm_error *error);
void rhm_runs_clear(rhm_runs *runs); /* accepts zeroed ones */

#endif
