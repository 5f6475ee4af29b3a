/* What `rhm plan` says of a training as a whole, and what the report of `rhm train` compares it with. */
#ifndef RHM_CLI_PREDICTION_H
#define RHM_CLI_PREDICTION_H

#include "learner/forecast.h"

typedef struct rhm_prediction {
    uint32_t levels;
    rhm_forecast stage[RHM_MAX_LEVELS + 1]; /* [1..levels] */
    double test_seconds;
    double base_nbytes; /* of the process before a stage begins */
} rhm_prediction;

/* A second or two of measuring, in which nothing else may run. `options` as rhm_train takes them. */
rhm_status rhm_predict_training(rhm_prediction *out, const rhm_engine *engine, const rhm_grammar *grammar,
                                const rhm_analysis *analysis, const rhm_train_options *options, double base_nbytes,
                                rhm_error *error);

double rhm_prediction_stage_seconds(const rhm_prediction *prediction, uint32_t level);
double rhm_prediction_seconds(const rhm_prediction *prediction); /* test included */
double rhm_prediction_samples(const rhm_prediction *prediction);
double rhm_prediction_nbytes(const rhm_prediction *prediction); /* at the largest stage */

#endif
