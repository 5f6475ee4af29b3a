/* Training with its report, as one call. */
#include <stdlib.h>

#include "core/clock.h"
#include "core/fail.h"
#include "engine/spread.h"
#include "rhm/report.h"
#include "rhm/sampling.h"

typedef struct training {
    const rhm_train_job *job;
    const rhm_engine *engine;
    const rhm_grammar *known; /* NULL: data without a grammar */
    rhm_analysis made;        /* of it, unless the caller has one */
    rhm_train_report unwanted, *report;
    rhm_model *model;
    double bayes, seconds, base_nbytes; /* base_nbytes: of the process before it trained */
} training;

static rhm_status find_bayes(training *t, rhm_error *error) {
    const rhm_train_job *job = t->job;
    const uint64_t tested = t->report->test_samples;
    const rhm_bayes_of test = {
        .grammar = t->known,
        .data = job->data,
        .seed = job->options ? job->options->seed : 0,
        .stream = rhm_stream(RHM_TEST, 0),
        .first = job->data ? job->data->count - tested : 0,
        .count = tested,
    };
    RHM_TRY(rhm_bayes_bound(&t->bayes, t->engine, &test, error));
    if (job->bayes_accuracy)
        *job->bayes_accuracy = t->bayes;
    return RHM_OK;
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

static rhm_status foresee(rhm_training_plan *plan, const training *t) {
    const rhm_train_job *job = t->job;
    return job->data
               ? rhm_plan_training_data(plan, t->engine, job->data, job->parents, job->options, t->base_nbytes, NULL)
               : rhm_plan_training(plan, t->engine, job->grammar, job->options, t->base_nbytes, NULL);
}

static rhm_status build(char **json, training *t, rhm_error *error) {
    const rhm_train_job *job = t->job;
    char *machine;
    uint32_t vocab[RHM_MAX_LEVELS + 1] = {0};
    rhm_machine_peaks peaks;
    rhm_training_plan plan;
    find_vocab(vocab, job);
    rhm_report_run run = {
        .command = job->command,
        .instance = {t->known, job->analysis ? job->analysis : &t->made, job->data ? &job->data->tree : NULL, vocab},
        .seconds = t->seconds,
        .peak_rss_nbytes = rhm_machine_peak_rss_nbytes(),
    };
    rhm_report_trained trained = {
        .options = job->options,
        .data = job->data_name,
        .shuffled = job->data && job->data->shuffled,
        .train = t->report,
        .model = t->model,
        .bayes_accuracy = t->bayes,
    };
    if (job->ceilings) {
        peaks = rhm_machine_measure_peaks(t->engine);
        trained.peaks = &peaks;
    }
    RHM_TRY(rhm_machine_describe(&machine, t->engine, trained.peaks, error));
    run.machine = machine;
    /* After the record of what the run had in memory. A trained model is not lost to a plan that fails. */
    if (job->ceilings && foresee(&plan, t) == RHM_OK) {
        const rhm_plan_cluster ranks = rhm_plan_cluster_here(t->engine);
        if (!rhm_engine_ranks(t->engine) || rhm_plan_spread(&plan, &ranks, NULL) == RHM_OK)
            trained.plan = &plan;
    }
    const rhm_status status = rhm_report_training(json, &run, &trained, error);
    free(machine);
    return status;
}

static rhm_status work(training *t, char **json, rhm_error *error) {
    const rhm_train_job *job = t->job;
    const double start = rhm_seconds();
    t->known = job->data ? job->data->grammar : job->grammar;
    if (t->known && !job->analysis)
        RHM_TRY(rhm_analyse(&t->made, t->known, error));
    t->base_nbytes = (double)rhm_machine_peak_rss_nbytes();
    RHM_TRY(job->data ? rhm_train_data(&t->model, t->report, t->engine, job->data, job->parents, job->options, error)
                      : rhm_train(&t->model, t->report, t->engine, job->grammar, job->options, error));
    t->seconds = job->earlier_seconds + rhm_seconds() - start;
    RHM_TRY(find_bayes(t, error));
    if (rhm_ranks_rank(rhm_engine_ranks(t->engine)) > 0)
        return RHM_OK;
    RHM_TRY(build(json, t, error));
    return rhm_model_set_report(t->model, *json, error);
}

rhm_status rhm_train_reported(rhm_model **out, char **json, const rhm_engine *engine, const rhm_train_job *job,
                              rhm_error *error) {
    *out = NULL;
    *json = NULL;
    training t = {.job = job, .engine = engine};
    t.report = job->outcome ? job->outcome : &t.unwanted;
    *t.report = (rhm_train_report){0};
    if ((job->grammar == NULL) == (job->data == NULL))
        return rhm_fail(error, RHM_INVALID, "training needs either a grammar or data, not %s",
                        job->grammar ? "both" : "neither");
    const rhm_status status = work(&t, json, error);
    rhm_analysis_clear(&t.made);
    rhm_train_report_clear(&t.unwanted);
    if (status == RHM_OK) {
        *out = t.model;
    } else {
        rhm_model_destroy(t.model);
        free(*json);
        *json = NULL;
    }
    return status;
}
