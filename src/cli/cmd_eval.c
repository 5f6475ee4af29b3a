#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/instance.h"
#include "cli/results.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/atomic_file.h"
#include "core/fail.h"
#include "rhm/data.h"
#include "rhm/inference.h"
#include "rhm/report.h"
#include "rhm/sampling.h"

/* Training tests on the level-0 stream of this purpose; eval has the next one for itself. */
enum { EVAL_STREAM = 1, DEFAULT_SAMPLES = 10000 };

static const rhm_option own[] = {
    RHM_OPTION_DATA("draw fresh sequences from the instance given, else from the grammar inside the model",
                    "Measure on the labelled sequences of this HDF5 file."),
    RHM_OPTION_SEQUENCES("test-samples", test_samples, "10000, with --data all of them",
                         "How many sequences to measure on: fresh ones, or the first of the file."),
    RHM_OPTION_DATA_SEED(
        "Seed of the fresh sequences. Under any seed they differ from those that train drew and tested on."),
    RHM_OPTION_REPORT("Write the result as JSON to this file."),
    RHM_OPTION_JSON,
    {0}};
static const rhm_option_group own_options = {"Evaluation", own};

typedef struct evaluation {
    rhm_model *model;
    rhm_grammar *drawn; /* from instance options; NULL without */
    rhm_data data;      /* empty without --data */
    const rhm_grammar *grammar;
    rhm_engine *engine;
    rhm_progress_bar bar;
    rhm_accuracy accuracy;
    double bayes; /* accuracy on the same sequences; NAN where the grammar is not known */
} evaluation;

static rhm_status load_data(evaluation *e, const rhm_settings *settings, rhm_error *error) {
    for (const rhm_option *option = rhm_instance_options.options; option->name; option++)
        RHM_TRY(rhm_option_refuse(settings, option->name, "has no effect with --data: leave it out", error));
    RHM_TRY(rhm_option_refuse(settings, "data-seed", "has no effect with --data: leave it out", error));
    rhm_listener listener = {settings->command->name};
    rhm_data_hints hints = rhm_model_data_hints(e->model);
    hints.note = rhm_running_note;
    hints.user = &listener;
    RHM_TRY(rhm_running_input(rhm_data_load(&e->data, settings->data, &hints, error)));
    e->grammar = e->data.grammar;
    return RHM_OK;
}

static rhm_status choose_grammar(evaluation *e, const rhm_settings *settings, rhm_error *error) {
    if (rhm_instance_given(settings)) {
        RHM_TRY(rhm_instance_grammar(&e->drawn, settings, error));
        e->grammar = e->drawn;
    } else {
        e->grammar = rhm_model_grammar(e->model);
    }
    if (!e->grammar)
        return rhm_fail(error, RHM_INVALID,
                        "%s holds no grammar to draw sequences from: give --data or the instance options",
                        rhm_path_shown(settings->operands[0]));
    const rhm_shape *shape = rhm_grammar_shape(e->grammar);
    const rhm_tree *there = rhm_model_tree(e->model), *here = rhm_grammar_tree(e->grammar);
    if (!rhm_tree_same(there, here) || shape->vocab[0] != rhm_model_classes(e->model) ||
        shape->vocab[shape->levels] != rhm_model_token_vocab(e->model))
        return rhm_fail(error, RHM_INVALID,
                        "the instance has |V_0| = %u, |V_L| = %u, L = %u and %zu tokens a sequence, but the model %u, "
                        "%u, %u, %zu: they must agree, and branch alike",
                        shape->vocab[0], shape->vocab[shape->levels], shape->levels, here->leaves[0],
                        rhm_model_classes(e->model), rhm_model_token_vocab(e->model), there->levels, there->leaves[0]);
    return RHM_OK;
}

static rhm_status measure(evaluation *e, const rhm_settings *settings, uint64_t samples, rhm_error *error) {
    if (settings->data)
        return rhm_evaluate_data(&e->accuracy, e->engine, e->model, &e->data, 0, (size_t)samples, error);
    return rhm_evaluate(&e->accuracy, e->engine, e->model, e->grammar, rhm_settings_data_seed(settings),
                        rhm_stream(RHM_TEST, EVAL_STREAM), 0, samples, error);
}

static rhm_status compare(evaluation *e, const rhm_settings *settings, uint64_t samples, rhm_error *error) {
    const rhm_bayes_of test = {
        .grammar = e->grammar,
        .data = settings->data ? &e->data : NULL,
        .seed = rhm_settings_data_seed(settings),
        .stream = rhm_stream(RHM_TEST, EVAL_STREAM),
        .count = samples,
    };
    return rhm_bayes_bound(&e->bayes, e->engine, &test, error);
}

static rhm_status build_report(char **text, const evaluation *e, const rhm_settings *settings, double seconds,
                               double test_seconds, rhm_error *error) {
    char command[RHM_COMMAND_LINE_NBYTES], *machine;
    uint32_t vocab[RHM_MAX_LEVELS + 1];
    for (uint32_t level = 0; level <= rhm_model_levels(e->model); level++)
        vocab[level] = level == 0 ? rhm_model_classes(e->model) : rhm_model_token_vocab(e->model);
    rhm_results_command(command, settings);
    RHM_TRY(rhm_machine_describe(&machine, e->engine, NULL, error));
    const rhm_report_run run = {
        .command = command,
        .instance = {.grammar = e->grammar, .tree = rhm_model_tree(e->model), .vocab = vocab},
        .machine = machine,
        .seconds = seconds,
        .peak_rss_nbytes = rhm_machine_peak_rss_nbytes(),
    };
    const rhm_report_evaluated evaluated = {e->model, e->accuracy, test_seconds, e->bayes};
    const rhm_status status = rhm_report_evaluation(text, &run, &evaluated, error);
    free(machine);
    return status;
}

static rhm_status tell(const evaluation *e, const rhm_settings *settings, double seconds, double test_seconds,
                       rhm_error *error) {
    char *text;
    RHM_TRY(build_report(&text, e, settings, seconds, test_seconds, error));
    const rhm_status status = rhm_results_write(settings, text, error);
    if (status == RHM_OK && settings->json) {
        fputs(text, stdout);
    } else if (status == RHM_OK) {
        printf("accuracy %.4f on %" PRIu64 " %s sequences (%" PRIu64 " right, %" PRIu64
               " outputs at the floor, %.2f s)\n",
               (double)e->accuracy.correct / (double)e->accuracy.samples, e->accuracy.samples,
               settings->data ? "given" : "fresh", e->accuracy.correct, e->accuracy.clamped, test_seconds);
        rhm_results_bayes(stdout, e->bayes);
    }
    free(text);
    return status;
}

static rhm_status choose_samples(uint64_t *samples, const evaluation *e, const rhm_settings *settings,
                                 rhm_error *error) {
    const bool given = rhm_option_given(settings, "test-samples") != NULL;
    *samples = given ? settings->test_samples : settings->data ? e->data.count : DEFAULT_SAMPLES;
    if (settings->data && *samples > e->data.count)
        return rhm_fail(error, RHM_INVALID, "--test-samples %" PRIu64 " is more than the %zu sequences of %s", *samples,
                        e->data.count, rhm_path_shown(settings->data));
    return RHM_OK;
}

static rhm_status work(evaluation *e, const rhm_settings *settings, rhm_error *error) {
    const double start = rhm_progress_seconds();
    uint64_t samples;
    RHM_TRY(rhm_running_input(rhm_model_load(&e->model, settings->operands[0], error)));
    rhm_running_notes(&(rhm_listener){settings->command->name}, rhm_model_notes(e->model));
    RHM_TRY(settings->data ? load_data(e, settings, error) : choose_grammar(e, settings, error));
    RHM_TRY(choose_samples(&samples, e, settings, error));
    RHM_TRY(rhm_running_engine(&e->engine, &e->bar, settings, error));
    const double test_start = rhm_progress_seconds();
    RHM_TRY(measure(e, settings, samples, error));
    const double test_seconds = rhm_progress_seconds() - test_start;
    RHM_TRY(compare(e, settings, samples, error));
    rhm_progress_clear(&e->bar);
    if (!rhm_running_writes(settings))
        return RHM_OK;
    return tell(e, settings, rhm_progress_seconds() - start, test_seconds, error);
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    evaluation e = {0};
    const rhm_status status = work(&e, settings, error);
    rhm_progress_clear(&e.bar);
    rhm_engine_destroy(e.engine);
    rhm_data_clear(&e.data);
    rhm_grammar_destroy(e.drawn);
    rhm_model_destroy(e.model);
    return status;
}

const rhm_command rhm_command_eval = {
    .name = "eval",
    .operands = "MODEL ",
    .operand_count = 1,
    .summary = "accuracy of a model on fresh or given sequences",
    .description = "Measure the accuracy of a trained model on fresh sequences or on those of a file.",
    .examples = "rhm eval model.h5\n"
                "rhm eval model.h5 --data data.h5 --json",
    .groups = {&own_options, &rhm_instance_options, &rhm_thread_options, &rhm_kernel_options, &rhm_rank_options},
    .on_ranks = true,
    .run = run,
};
