/* Samples whose hidden symbols are shown: patches of true symbols, and the symbol above each. */
#ifndef RHM_COUNTS_LATENTS_H
#define RHM_COUNTS_LATENTS_H

#include "rhm/data.h"
#include "rhm/sampling.h"

/* Fresh samples of a stream, or the rows of a data set that has latents. */
typedef struct rhm_latents {
    const rhm_sampler *sampler; /* NULL with data */
    uint32_t stream;
    const rhm_tree *tree;
    const rhm_data *data;
} rhm_latents;

/*
 * Of samples first..first+count-1 the first `positions` patches of `level`, symbols (count, positions s_l), and their
 * parents (count, positions). Thread-safe.
 */
rhm_status rhm_latents_read_patches(const rhm_latents *latents, uint32_t level, size_t positions, uint64_t first,
                                    size_t count, uint16_t *symbols, uint16_t *parents, rhm_error *error);

#endif
