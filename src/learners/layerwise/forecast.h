/*
 * What training on an instance will take, stage by stage: the search of search.c played through with the gap that exact
 * posteriors let one expect, and its operations priced at rates measured on this machine.
 */
#ifndef RHM_LEARNERS_LAYERWISE_FORECAST_H
#define RHM_LEARNERS_LAYERWISE_FORECAST_H

#include <stdbool.h>

#include "learners/layerwise/slices.h"
#include "learners/layerwise/task.h"
#include "rhm/engine.h"
#include "rhm/plan.h"
#include "training/problem.h"

typedef rhm_plan_level rhm_forecast;

/* What is trained on. */
typedef struct rhm_forecast_setup {
    const rhm_problem *problem; /* as struct rhm_learner has it */
    rhm_task task;
    const rhm_analysis *analysis;                                           /* of the problem's grammar */
    rhm_slice training[RHM_MAX_LEVELS + 1], validation[RHM_MAX_LEVELS + 1]; /* of data */
} rhm_forecast_setup;

/*
 * out[1..levels], and in *test_seconds the time to push the sequences of the test through all levels. With
 * `engine` NULL nothing is measured and all seconds are NAN. Takes a second or two otherwise.
 */
rhm_status rhm_forecast_training(rhm_forecast *out, double *test_seconds, const rhm_engine *engine,
                                 const rhm_forecast_setup *setup, const rhm_train_options *options, rhm_error *error);

#endif
