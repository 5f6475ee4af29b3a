/*
 * What the search of a level may do at most, in multiply-adds as budget.h counts them, whatever the data are: with
 * every number of positions that it may go through, after any separation and any number of positions of the level
 * below. For plans.
 */
#ifndef RHM_LEARNERS_LAYERWISE_BOUND_H
#define RHM_LEARNERS_LAYERWISE_BOUND_H

#include "learners/layerwise/task.h"
#include "rhm/learner.h"

typedef struct rhm_level_bound {
    uint32_t searches, positions; /* of the level together, and the most positions of one */
    double work;
} rhm_level_bound;

/* `grammar`: of samples that are drawn from one, else NULL; `available` and `held_out_available` as in search.h.
 * Positions of the task are not read. */
rhm_status rhm_level_bound_find(rhm_level_bound *out, const rhm_task *task, const rhm_train_options *options,
                                uint32_t level, const rhm_grammar *grammar, uint64_t available,
                                uint64_t held_out_available, rhm_error *error);

#endif
