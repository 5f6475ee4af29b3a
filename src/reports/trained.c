/* Training with its report, as one call. */
#include <stdlib.h>

#include "core/clock.h"
#include "core/fail.h"
#include "rhm/report.h"
#include "rhm/sampling.h"

typedef struct outcome {
    const rhm_train_job *job;
    const rhm_engine *engine;
    const rhm_grammar *known; /* NULL: data without a grammar */
    rhm_analysis analysis;    /* of it */
    rhm_train_report report;
    rhm_model *model;
    double bayes, seconds;
} outcome;

static rhm_status find_bayes(outcome *o, rhm_error *error) {
    const rhm_data *data = o->job->data;
    const rhm_bayes_of test = {
        .grammar = o->known,
        .data = data,
        .seed = o->job->options ? o->job->options->seed : 0,
        .stream = rhm_stream(RHM_TEST, 0),
        .first = data ? data->count - o->report.test_samples : 0,
        .count = o->report.test_samples,
    };
    return rhm_bayes_bound(&o->bayes, o->engine, &test, error);
}

/* |V_0|, ..., |V_L| as far as data and the caller say. */
static void find_vocab(uint32_t *vocab, const rhm_train_job *job) {
    const rhm_data *data = job->data;
    for (uint32_t level = 0; data && level <= data->tree.levels; level++)
        vocab[level] = job->parents && level < data->tree.levels ? job->parents[level + 1]
                       : level == 0                              ? data->label_vocab
                       : data->latents[level]                    ? data->latent_vocab[level]
                                                                 : data->token_vocab;
}

static rhm_status build(char **json, outcome *o, rhm_error *error) {
    char *machine;
    uint32_t vocab[RHM_MAX_LEVELS + 1] = {0};
    find_vocab(vocab, o->job);
    RHM_TRY(rhm_machine_describe(&machine, o->engine, NULL, error));
    const rhm_report_run run = {
        .command = o->job->command,
        .instance = {o->known, o->known ? &o->analysis : NULL, o->job->data ? &o->job->data->tree : NULL, vocab},
        .machine = machine,
        .seconds = o->seconds,
        .peak_rss_nbytes = rhm_machine_peak_rss_nbytes(),
    };
    const rhm_report_trained trained = {
        .options = o->job->options,
        .data = o->job->data_name,
        .train = &o->report,
        .model = o->model,
        .bayes_accuracy = o->bayes,
    };
    const rhm_status status = rhm_report_training(json, &run, &trained, error);
    free(machine);
    return status;
}

static rhm_status work(outcome *o, char **json, rhm_error *error) {
    const rhm_train_job *job = o->job;
    const double start = rhm_seconds();
    o->known = job->data ? job->data->grammar : job->grammar;
    if (o->known)
        RHM_TRY(rhm_analyse(&o->analysis, o->known, error));
    RHM_TRY(job->data ? rhm_train_data(&o->model, &o->report, o->engine, job->data, job->parents, job->options, error)
                      : rhm_train(&o->model, &o->report, o->engine, job->grammar, job->options, error));
    o->seconds = rhm_seconds() - start;
    RHM_TRY(find_bayes(o, error));
    RHM_TRY(build(json, o, error));
    return rhm_model_set_report(o->model, *json, error);
}

rhm_status rhm_train_reported(rhm_model **out, char **json, const rhm_engine *engine, const rhm_train_job *job,
                              rhm_error *error) {
    *out = NULL;
    *json = NULL;
    if ((job->grammar == NULL) == (job->data == NULL))
        return rhm_fail(error, RHM_INVALID, "training needs either a grammar or data, not %s",
                        job->grammar ? "both" : "neither");
    outcome o = {.job = job, .engine = engine};
    const rhm_status status = work(&o, json, error);
    rhm_analysis_clear(&o.analysis);
    rhm_train_report_clear(&o.report);
    if (status == RHM_OK) {
        *out = o.model;
    } else {
        rhm_model_destroy(o.model);
        free(*json);
        *json = NULL;
    }
    return status;
}
