/* Which rows of a data set each stage trains on and chooses by. */
#ifndef RHM_LEARNERS_LAYERWISE_SLICES_H
#define RHM_LEARNERS_LAYERWISE_SLICES_H

#include "learners/layerwise/task.h"
#include "rhm/learner.h"

typedef struct rhm_slice {
    uint64_t first, count;
} rhm_slice;

/*
 * Of `rows` rows, the last `test` of which nobody gets; training and validation are indexed by level. Where *chosen is
 * RHM_SLICES_DISJOINT no row is in two slices, else none that some stage trains on is one that a stage chooses by.
 * RHM_INVALID where there are too few.
 */
rhm_status rhm_slice_rows(rhm_slice *training, rhm_slice *validation, rhm_slices *chosen, const rhm_task *task,
                          const rhm_train_options *options, uint64_t rows, uint64_t test, rhm_error *error);

#endif
