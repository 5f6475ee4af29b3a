#include "scenarios.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/settings.h"
#include "core/fail.h"
#include "foreign.h"
#include "interrupting.h"

/* ---- the library ----------------------------------------------------------------------------------------- */

static rhm_status draw_and_save(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    const rhm_shape shape = rhm_shape_uniform(4, 2, 2, 2);
    rhm_grammar *grammar = NULL, *again = NULL;
    rhm_analysis analysis = {0};
    rhm_status status = rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, 3, error);
    if (status == RHM_OK)
        status = rhm_analyse(&analysis, grammar, error);
    if (status == RHM_OK)
        status = rhm_grammar_save(grammar, "out.h5", error);
    if (status == RHM_OK)
        status = rhm_grammar_load(&again, "out.h5", error);
    if (status == RHM_OK)
        snprintf(outcome, OUTCOME_NBYTES, "kappa %.17g, %zu patches", analysis.kappa,
                 rhm_grammar_patch_count(again, 2));
    rhm_analysis_clear(&analysis);
    rhm_grammar_destroy(grammar);
    rhm_grammar_destroy(again);
    return status;
}

static rhm_status load_foreign(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    rhm_grammar *grammar = NULL;
    rhm_data data = {0};
    rhm_status status = rhm_grammar_load(&grammar, "g.h5", error);
    if (status == RHM_OK)
        status = rhm_data_load(&data, "modern.h5", NULL, error);
    if (status == RHM_OK)
        snprintf(outcome, OUTCOME_NBYTES, "%zu patches, %zu sequences, last label %u",
                 rhm_grammar_patch_count(grammar, 2), data.count, data.labels[data.count - 1]);
    rhm_grammar_destroy(grammar);
    rhm_data_clear(&data);
    return status;
}

static rhm_status save_model(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    rhm_model *model = NULL;
    rhm_status status = rhm_model_load(&model, "small.h5", error);
    if (status == RHM_OK)
        status = rhm_model_set_report(model, "{}", error);
    if (status == RHM_OK)
        status = rhm_model_save(model, "out.h5", error);
    if (status == RHM_OK)
        rhm_model_hash(model, outcome);
    rhm_model_destroy(model);
    return status;
}

/* Interrupted, resumed, and interrupted again where that was done before it began. */
static rhm_status train_with_checkpoints(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    const rhm_shape shape = rhm_shape_uniform(3, 2, 2, 2);
    const rhm_train_options options = {.seed = 5,
                                       .samples = {0, 60, 60},
                                       .bandwidth = {0, 0.4, 0.35},
                                       .ridge = {0, 3e-2, 3e-2},
                                       .width = 8,
                                       .draw = RHM_DRAW_SAMPLES,
                                       .test_samples = 20,
                                       .checkpoint = {.directory = "out-kept", .seconds = 1e-9}};
    rhm_grammar *grammar = NULL;
    rhm_engine *engine = NULL;
    rhm_model *model = NULL;
    interrupting run = {.left = 9};
    const rhm_engine_options engine_options = {
        .threads = 1, .placement = "none", .interrupt = &run.flag, .progress = on_progress, .user = &run};
    rhm_status status = rhm_grammar_draw(&grammar, &shape, RHM_FIRST_TOKEN_UNIFORM, 1, error);
    if (status == RHM_OK)
        status = rhm_engine_create(&engine, &engine_options, error);
    if (status == RHM_OK)
        status = rhm_train(&model, NULL, engine, grammar, &options, error);
    if (status == RHM_INTERRUPTED) {
        rhm_train_options go_on = options;
        go_on.checkpoint.resume = true;
        run.flag = 0;
        run.left = -1;
        status = rhm_train(&model, NULL, engine, grammar, &go_on, error);
    }
    if (status == RHM_OK)
        rhm_model_hash(model, outcome);
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------------------- */

/* As the program does it, words separated by single spaces. */
static rhm_status command(const rhm_command *command, const char *words, rhm_error *error) {
    static rhm_settings settings;
    char text[512], *arguments[64], *rest = NULL;
    int count = 0;
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        arguments[count++] = word;
    RHM_TRY(rhm_options_parse(&settings, command, count, arguments, error));
    const rhm_status status = command->run(&settings, error);
    fflush(stdout);
    return status;
}

#define INSTANCE "--vocab 3 --rules 2 --branching 2 --levels 2 "
#define METHOD                                                                                                         \
    "--samples 60 --width 8 --bandwidth 0.4 --ridge 3e-2 --test-samples 20 --threads 2 --placement none --progress "   \
    "off "

/* The outcome of what was written to "out.h5": read when nothing fails any more. */
static rhm_status written_model(rhm_status status, char outcome[OUTCOME_NBYTES]) {
    if (status == RHM_OK)
        snprintf(outcome, OUTCOME_NBYTES, "a model in out.h5");
    return status;
}

static rhm_status command_train(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return written_model(command(&rhm_command_train, INSTANCE METHOD "-o out.h5 --trace out.json", error), outcome);
}

static rhm_status command_train_raw(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return written_model(
        command(&rhm_command_train, INSTANCE METHOD "--distinct off --solver cholesky -o out.h5", error), outcome);
}

static rhm_status command_train_counts(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return written_model(command(&rhm_command_train,
                                 INSTANCE
                                 "--draw counts --max-samples 4000 --max-width 32 --test-samples 20 --threads 1 "
                                 "--placement none --progress off -o out.h5",
                                 error),
                         outcome);
}

static rhm_status command_train_data(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return written_model(command(&rhm_command_train, "--data data.h5 " METHOD "-o out.h5", error), outcome);
}

static rhm_status done(rhm_status status, const char *what, char outcome[OUTCOME_NBYTES]) {
    if (status == RHM_OK)
        snprintf(outcome, OUTCOME_NBYTES, "%s", what);
    return status;
}

static rhm_status command_eval(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return done(
        command(&rhm_command_eval, "model.h5 --data data.h5 --threads 2 --placement none --progress off", error),
        "evaluated", outcome);
}

static rhm_status command_predict(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return done(
        command(&rhm_command_predict, "model.h5 data.h5 -o out.h5 --threads 2 --placement none --progress off", error),
        "predicted", outcome);
}

static rhm_status command_sample(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return done(command(&rhm_command_sample, "--grammar small-grammar.h5 --samples 50 --latents -o out.h5", error),
                "sampled", outcome);
}

static rhm_status command_inspect(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    rhm_status status = command(&rhm_command_inspect, "small.h5 --json", error);
    if (status == RHM_OK)
        status = command(&rhm_command_inspect, "data.h5 --json", error);
    if (status == RHM_OK)
        status = command(&rhm_command_inspect, "data.h5", error);
    return done(status, "inspected", outcome);
}

static rhm_status command_grammar(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return done(command(&rhm_command_grammar, INSTANCE "-o out.h5", error), "drawn", outcome);
}

static rhm_status command_probe(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return done(command(&rhm_command_probe,
                        "small.h5 --sequences 6 --threads 2 --placement none --progress off --report out.json", error),
                "probed", outcome);
}

/* Whose cell has run: what a sweep does but for running cells. */
static rhm_status command_sweep(char outcome[OUTCOME_NBYTES], rhm_error *error) {
    return done(command(&rhm_command_sweep, "--grid seed=2;learner=table --progress off -o sweep", error), "swept",
                outcome);
}

const fault_scenario scenarios[] = {
    {"draw, analyse, save and load a grammar", draw_and_save},
    {"load files of others", load_foreign},
    {"load and save a model", save_model},
    {"train with checkpoints, interrupted and resumed", train_with_checkpoints},
    {"rhm grammar", command_grammar},
    {"rhm sample", command_sample},
    {"rhm train, with a trace", command_train},
    {"rhm train on raw samples", command_train_raw},
    {"rhm train on counts", command_train_counts},
    {"rhm train on data", command_train_data},
    {"rhm eval", command_eval},
    {"rhm predict", command_predict},
    {"rhm inspect", command_inspect},
    {"rhm probe", command_probe},
    {"rhm sweep, whose cell has run", command_sweep},
    {NULL, NULL},
};

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void prepare_sweep(void) {
    assert_true(mkdir("sweep", 0700) == 0 || errno == EEXIST);
    write_text("sweep/sweep.json", "{\"schema\": \"rhm-sweep/1\"}\n");
    write_text(
        "sweep/cells.jsonl",
        "{\"cell\": {\"seed\": \"2\", \"learner\": \"table\"}, \"run\": {\"seconds\": 1.5}, \"report\": "
        "{\"model_hash\": \"ab\", \"instance\": {\"vocab\": 16, \"branching\": 2, \"levels\": 1, \"rho\": [1.4]}, "
        "\"levels\": [{\"level\": 1, \"samples\": 100}], \"test\": {\"accuracy\": 0.5}}}\n");
}

void scenarios_prepare(void) {
    prepare_sweep();
    rhm_error error = {0};
    foreign_grammar("g.h5", H5T_STD_I32LE, 0, 0, 3);
    modern_data("modern.h5");
    rhm_grammar *grammar = small_grammar();
    rhm_model *model = small_model(grammar);
    assert_ok(rhm_model_save(model, "small.h5", &error), &error);
    assert_ok(rhm_grammar_save(grammar, "small-grammar.h5", &error), &error);
    assert_ok(command(&rhm_command_train, INSTANCE METHOD "-o model.h5", &error), &error);
    assert_ok(command(&rhm_command_sample, INSTANCE "--samples 200 -o data.h5", &error), &error);
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
}
