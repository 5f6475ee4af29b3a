#include "cli/bayes.h"

#include <math.h>

#include "cli/report.h"
#include "core/fail.h"

rhm_status rhm_bayes_beside(double *accuracy, const rhm_engine *engine, const rhm_bayes_of *of, rhm_error *error) {
    rhm_bayes bayes = {0};
    *accuracy = (double)NAN;
    if (!of->grammar || of->count == 0)
        return RHM_OK;
    *accuracy = 1;
    if (rhm_grammar_parses(of->grammar) && rhm_grammar_origin(of->grammar)->label_noise == 0)
        return RHM_OK;
    if (of->data)
        RHM_TRY(rhm_bayes_of_data(&bayes, engine, of->grammar, of->data, (size_t)of->first, (size_t)of->count, error));
    else
        RHM_TRY(rhm_bayes_of_grammar(&bayes, engine, of->grammar, of->seed, of->stream, of->first, of->count, error));
    *accuracy = bayes.accuracy;
    return RHM_OK;
}

void rhm_bayes_report(json_t **report, double accuracy) {
    if (json_object_set_new(json_object_get(*report, "test"), "bayes_accuracy", rhm_json_number(accuracy)) == 0)
        return;
    json_decref(*report);
    *report = NULL;
}

void rhm_bayes_print(FILE *stream, double accuracy) {
    if (accuracy < 1)
        fprintf(stream, "Bayes accuracy %.4f on the same sequences: no predictor can be expected to do better\n",
                accuracy);
}
