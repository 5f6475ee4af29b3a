/* The problem as the layerwise learner sees it: a task, and streams of samples of a grammar or of a data set. */
#include "core/fail.h"
#include "learners/layerwise/forecast.h"
#include "learners/layerwise/ids.h"
#include "learners/layerwise/positions.h"
#include "learners/layerwise/slices.h"
#include "learners/layerwise/trainer.h"
#include "learners/learner.h"
#include "sampling/source.h"

static rhm_status task_of_data(rhm_task *task, const rhm_problem *problem, rhm_error *error) {
    const rhm_data *data = problem->data;
    *task = (rhm_task){.tree = data->tree, .classes = data->label_vocab, .token_vocab = data->token_vocab};
    for (uint32_t l = 1; l <= data->tree.levels; l++)
        task->parents[l] = problem->parents[l];
    return rhm_problem_patches(task->patches, problem, error);
}

static rhm_status fit_grammar(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                              const rhm_problem *problem, const rhm_train_options *options, rhm_error *error) {
    const rhm_grammar *grammar = problem->grammar;
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_analysis analysis = {0};
    rhm_sampler *sampler = NULL;
    rhm_grammar_source training[RHM_MAX_LEVELS + 1], validation[RHM_MAX_LEVELS + 1];
    rhm_status status = rhm_analyse(&analysis, grammar, error);
    if (status == RHM_OK)
        status = rhm_sampler_create(&sampler, grammar, options->seed, error);
    if (status != RHM_OK)
        goto done;
    rhm_training_setup setup = {
        .task = rhm_task_of_grammar(grammar),
        .problem = problem,
        .grammar = grammar,
        .analysis = &analysis,
    };
    for (uint32_t l = 1; l <= shape->levels; l++) {
        training[l] = (rhm_grammar_source){grammar, options->seed, sampler, rhm_stream(RHM_TRAINING, l)};
        validation[l] = (rhm_grammar_source){grammar, options->seed, sampler, rhm_stream(RHM_VALIDATION, l)};
        setup.training[l] = (rhm_stream_of_samples){rhm_draw_from_grammar, &training[l], UINT64_MAX, &training[l]};
        setup.validation[l] =
            (rhm_stream_of_samples){rhm_draw_from_grammar, &validation[l], UINT64_MAX, &validation[l]};
    }
    status = rhm_train_levels(out, report, engine, &setup, options, error);
done:
    rhm_sampler_destroy(sampler);
    rhm_analysis_clear(&analysis);
    return status;
}

static rhm_status fit_data(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                           const rhm_problem *problem, const rhm_train_options *options, rhm_error *error) {
    const rhm_data *data = problem->data;
    rhm_training_setup setup = {.problem = problem, .grammar = data->grammar};
    rhm_slice training[RHM_MAX_LEVELS + 1], validation[RHM_MAX_LEVELS + 1];
    rhm_data_source source[2][RHM_MAX_LEVELS + 1];
    RHM_TRY(task_of_data(&setup.task, problem, error));
    RHM_TRY(rhm_slice_rows(training, validation, &report->slices, &setup.task, options, data->count,
                           problem->test_samples, error));
    for (uint32_t l = data->tree.levels; l >= 1; l--) {
        source[0][l] = (rhm_data_source){data, training[l].first};
        source[1][l] = (rhm_data_source){data, validation[l].first};
        setup.training[l] = (rhm_stream_of_samples){rhm_draw_from_data, &source[0][l], training[l].count, NULL};
        setup.validation[l] = (rhm_stream_of_samples){rhm_draw_from_data, &source[1][l], validation[l].count, NULL};
    }
    rhm_analysis analysis = {0};
    rhm_status status = RHM_OK;
    if (data->grammar) {
        status = rhm_analyse(&analysis, data->grammar, error);
        setup.analysis = &analysis;
    }
    if (status == RHM_OK)
        status = rhm_train_levels(out, report, engine, &setup, options, error);
    rhm_analysis_clear(&analysis);
    return status;
}

static rhm_status fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                      const rhm_train_options *options, rhm_error *error) {
    if (options->between == RHM_BETWEEN_IDS)
        return rhm_ids_fit(out, report, engine, problem, options, error);
    return (problem->data ? fit_data : fit_grammar)(out, report, engine, problem, options, error);
}

static rhm_status plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                       const rhm_train_options *options, rhm_error *error) {
    rhm_analysis analysis;
    if (options->between == RHM_BETWEEN_IDS)
        return rhm_ids_plan(out, test_seconds, engine, problem, options, error);
    rhm_forecast_setup setup = {
        .problem = problem, .task = rhm_task_of_grammar(problem->grammar), .analysis = &analysis};
    rhm_slices slices;
    if (problem->data) {
        RHM_TRY(task_of_data(&setup.task, problem, error));
        RHM_TRY(rhm_slice_rows(setup.training, setup.validation, &slices, &setup.task, options, problem->data->count,
                               problem->test_samples, error));
    }
    RHM_TRY(rhm_positions_check(&setup.task, options, error));
    RHM_TRY(rhm_analyse_frequencies(&analysis, problem->grammar, error));
    const rhm_status status = rhm_forecast_training(out, test_seconds, engine, &setup, options, error);
    rhm_analysis_clear(&analysis);
    return status;
}

static const char *const options_taken[] = {
    "between",   "samples", "width",     "max-samples", "max-width",  "draw",        "distinct",
    "bandwidth", "ridge",   "solver",    "tolerance",   "checkpoint", "max-seconds", "checkpoint-seconds",
    "resume",    "backend", "positions", "slices",      NULL};

const struct rhm_learner rhm_layerwise = {
    .info = {.name = "layerwise",
             .summary = "random features and ridge regression of the label, level by level",
             .source = "arXiv 2601.19756, Theorem 7",
             .needs = "labelled samples",
             .model_kind = "random-features",
             .options = options_taken},
    .spread = RHM_SPREAD_DRAW | RHM_SPREAD_EMBED | RHM_SPREAD_FIT,
    .fit = fit,
    .plan = plan,
};
