/* The search of search.h, done by a stage. */
#ifndef RHM_LEARNERS_LAYERWISE_CHOOSE_H
#define RHM_LEARNERS_LAYERWISE_CHOOSE_H

#include "learners/layerwise/search.h"
#include "learners/layerwise/stage.h"

typedef struct rhm_choice {
    bool resolved, apart;           /* of search.h */
    double work, foreseen, allowed; /* multiply-adds that the search took, was foreseen and allowed to take */
    char limit[RHM_LIMIT_NBYTES];   /* "" or what kept the search from its target */
} rhm_choice;

/*
 * Draw and fit until the search ends; stage->best is what it has chosen. A stage that was read from a checkpoint goes
 * on where it was. `separation` is the smallest distance between two different input embeddings, as the level below
 * measured it. `deadline` is on rhm_seconds' clock.
 */
rhm_status rhm_choose(rhm_choice *out, rhm_stage *stage, double separation, double deadline, rhm_error *error);

#endif
