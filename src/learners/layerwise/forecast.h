/*
 * What training on an instance will take, stage by stage: the search of search.c played through with the gap that exact
 * posteriors let one expect, and its operations priced at rates measured on this machine.
 */
#ifndef RHM_LEARNERS_LAYERWISE_FORECAST_H
#define RHM_LEARNERS_LAYERWISE_FORECAST_H

#include <stdbool.h>

#include "rhm/engine.h"
#include "rhm/grammar.h"
#include "rhm/learner.h"
#include "rhm/plan.h"

typedef rhm_plan_level rhm_forecast;

/*
 * out[1..levels], and in *test_seconds the time to push options->test_samples fresh sequences through all levels. With
 * `engine` NULL nothing is measured and all seconds are NAN. Takes a second or two otherwise.
 */
rhm_status rhm_forecast_training(rhm_forecast *out, double *test_seconds, const rhm_engine *engine,
                                 const rhm_grammar *grammar, const rhm_analysis *analysis,
                                 const rhm_train_options *options, rhm_error *error);

#endif
