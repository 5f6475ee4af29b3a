/* The entrances of training, the same for all learners. */
#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "learners/learner.h"
#include "ranks/group.h"
#include "training/options.h"

static rhm_status train(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                        const rhm_learning *learning, rhm_error *error) {
    const struct rhm_learner *learner = learning->learner;
    const rhm_problem *problem = &learning->problem;
    const rhm_train_options *options = &learning->options;
    rhm_train_report unwanted;
    const bool wanted = report != NULL;
    if (!wanted)
        report = &unwanted;
    *report = (rhm_train_report){.learner = learner->info.name,
                                 .shown_latents = learner->info.latents,
                                 .levels = learning->levels,
                                 .test_accuracy = NAN};
    rhm_model *model = NULL;
    const int span = rhm_trace_begin(engine, "train", 0);
    rhm_status status = learner->fit(&model, report, engine, problem, options, error);
    if (status == RHM_OK && !report->test_samples)
        status = rhm_problem_test(report, engine, model, problem, options, error);
    if (status == RHM_OK)
        status = rhm_ranks_tell_accounts(rhm_engine_ranks(engine), error);
    rhm_trace_end(engine, span, (rhm_span_work){0});
    if (!wanted)
        rhm_train_report_clear(report);
    if (status == RHM_OK)
        *out = model;
    else
        rhm_model_destroy(model);
    return status;
}

void rhm_train_report_clear(rhm_train_report *report) {
    rhm_free(report->descent.epoch);
    report->descent = (rhm_descent_report){0};
}

/* So that a caller may clear it whatever fails. */
static void forget(rhm_train_report *report) {
    if (report)
        *report = (rhm_train_report){0};
}

rhm_status rhm_learning_of_grammar(rhm_learning *out, const rhm_grammar *grammar, const rhm_train_options *options,
                                   rhm_error *error) {
    *out = (rhm_learning){.levels = rhm_grammar_shape(grammar)->levels};
    RHM_TRY(rhm_learner_find(&out->learner, options ? options->learner : NULL, error));
    RHM_TRY(rhm_train_options_check(options, &out->learner->info, out->levels, error));
    RHM_TRY(rhm_train_options_resolve(&out->options, options, out->levels, error));
    out->problem = rhm_problem_of_grammar(grammar, &out->options);
    return RHM_OK;
}

rhm_status rhm_learning_of_data(rhm_learning *out, const rhm_data *data, const uint32_t *parents,
                                const rhm_train_options *options, rhm_error *error) {
    *out = (rhm_learning){.levels = data->tree.levels};
    RHM_TRY(rhm_problem_check_data(data, parents, error));
    RHM_TRY(rhm_learner_find(&out->learner, options ? options->learner : NULL, error));
    RHM_TRY(out->learner->info.latents ? rhm_problem_check_latents(data, parents, error) : RHM_OK);
    RHM_TRY(rhm_train_options_check(options, &out->learner->info, out->levels, error));
    RHM_TRY(rhm_train_options_resolve(&out->options, options, out->levels, error));
    out->problem = rhm_problem_of_data(data, parents, &out->options);
    if (out->options.test_samples && !out->problem.test_samples)
        return rhm_fail(error, RHM_INVALID,
                        "the data set has %zu sequences: at least %d are needed, one of them to test", data->count,
                        RHM_HELD_OUT);
    return RHM_OK;
}

rhm_status rhm_train(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_grammar *grammar,
                     const rhm_train_options *options, rhm_error *error) {
    rhm_learning learning;
    *out = NULL;
    forget(report);
    RHM_TRY(rhm_learning_of_grammar(&learning, grammar, options, error));
    return train(out, report, engine, &learning, error);
}

rhm_status rhm_train_data(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_data *data,
                          const uint32_t *parents, const rhm_train_options *options, rhm_error *error) {
    rhm_learning learning;
    *out = NULL;
    forget(report);
    RHM_TRY(rhm_learning_of_data(&learning, data, parents, options, error));
    return train(out, report, engine, &learning, error);
}
