/* The layerwise loop shared by training on a grammar and on a data set. */
#ifndef RHM_LEARNERS_LAYERWISE_TRAINER_H
#define RHM_LEARNERS_LAYERWISE_TRAINER_H

#include "learners/layerwise/choose.h"
#include "learners/layerwise/stage.h"
#include "training/problem.h"

/* Where samples come from: a function from stage to streams. */
typedef struct rhm_training_setup {
    rhm_task task;
    rhm_stream_of_samples training[RHM_MAX_LEVELS + 1];
    rhm_stream_of_samples validation[RHM_MAX_LEVELS + 1];
    const rhm_problem *problem;   /* that all this is made of */
    const rhm_grammar *grammar;   /* for diagnostics and for the model, or NULL */
    const rhm_analysis *analysis; /* of that grammar, or NULL */
} rhm_training_setup;

rhm_status rhm_train_levels(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                            const rhm_training_setup *setup, const rhm_train_options *options, rhm_error *error);

#endif
