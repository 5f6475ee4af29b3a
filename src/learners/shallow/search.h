/* Samples, bandwidth and ridge of the shallow learner, and what they will take. */
#ifndef RHM_LEARNERS_SHALLOW_SEARCH_H
#define RHM_LEARNERS_SHALLOW_SEARCH_H

#include "learners/shallow/fit.h"
#include "rhm/plan.h"

/*
 * Samples grow fourfold from 4096 on until the held-out accuracy is .999 or --max-samples, at most 65536 unless given,
 * is reached; a fifth as many are held out. The first ones choose the bandwidth, each of them the ridge. On failure too
 * *task is the caller's to clear, and best->layer.
 */
rhm_status rhm_shallow_search(rhm_shallow_fit *best, rhm_shallow_task *task, const rhm_engine *engine,
                              const rhm_problem *problem, const rhm_train_options *options, rhm_error *error);

/* As struct rhm_learner has it; all of it is level 1. */
rhm_status rhm_shallow_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                            const rhm_problem *problem, const rhm_train_options *options, rhm_error *error);

#endif
