#include "cli/prediction.h"

#include <math.h>

#include "core/fail.h"
#include "training/options.h"

rhm_status rhm_predict_training(rhm_prediction *out, const rhm_engine *engine, const rhm_grammar *grammar,
                                const rhm_analysis *analysis, const rhm_train_options *options, double base_nbytes,
                                rhm_error *error) {
    *out = (rhm_prediction){.levels = rhm_grammar_shape(grammar)->levels, .base_nbytes = base_nbytes};
    rhm_train_options resolved;
    RHM_TRY(rhm_train_options_resolve(&resolved, options, out->levels, error));
    return rhm_forecast_training(out->stage, &out->test_seconds, engine, grammar, analysis, &resolved, error);
}

double rhm_prediction_stage_seconds(const rhm_prediction *prediction, uint32_t level) {
    const rhm_forecast *s = &prediction->stage[level];
    return s->draw_seconds + s->embed_seconds + s->fit_seconds;
}

double rhm_prediction_seconds(const rhm_prediction *prediction) {
    double sum = prediction->test_seconds;
    for (uint32_t level = 1; level <= prediction->levels; level++)
        sum += rhm_prediction_stage_seconds(prediction, level);
    return sum;
}

double rhm_prediction_samples(const rhm_prediction *prediction) {
    double sum = 0;
    for (uint32_t level = 1; level <= prediction->levels; level++)
        sum += prediction->stage[level].samples;
    return sum;
}

double rhm_prediction_nbytes(const rhm_prediction *prediction) {
    double most = 0;
    for (uint32_t level = 1; level <= prediction->levels; level++)
        most = fmax(most, prediction->stage[level].nbytes);
    return most + prediction->base_nbytes;
}
