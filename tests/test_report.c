/* What the command prints, through public headers alone: the machine, a plan, a training that is watched, its report.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "rhm/rhm.h"

typedef struct fixture {
    rhm_engine *engine;
    rhm_grammar *grammar;
    rhm_analysis analysis;
    char *machine;
} fixture;

static void ok(rhm_status status, const rhm_error *error) {
    if (status != RHM_OK)
        fail_msg("%s", error->text);
}

/* Parsed; the text is released. */
static json_t *parsed(char *text) {
    json_error_t why;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!json)
        fail_msg("%s in %s", why.text, text);
    free(text);
    return json;
}

/* The value at "a.b.c", numbers being places in lists; a missing one fails. */
static const json_t *at(const json_t *json, const char *path) {
    char words[128];
    snprintf(words, sizeof words, "%s", path);
    for (char *rest = words, *key; (key = strtok_r(rest, ".", &rest));) {
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key)) : json_object_get(json, key);
        if (!json)
            fail_msg("no %s in %s", key, path);
    }
    return json;
}

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    rhm_error error = {0};
    const rhm_shape shape = rhm_shape_uniform(4, 2, 2, 2);
    ok(rhm_engine_create(&f->engine, &(rhm_engine_options){.threads = 2}, &error), &error);
    ok(rhm_grammar_draw(&f->grammar, &shape, RHM_FIRST_TOKEN_UNIFORM, 1, &error), &error);
    ok(rhm_analyse(&f->analysis, f->grammar, &error), &error);
    ok(rhm_machine_describe(&f->machine, f->engine, &(rhm_machine_peaks){100, 10}, &error), &error);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    free(f->machine);
    rhm_analysis_clear(&f->analysis);
    rhm_grammar_destroy(f->grammar);
    rhm_engine_destroy(f->engine);
    free(f);
    return 0;
}

static rhm_report_run run_of(const fixture *f) {
    return (rhm_report_run){
        .command = "a \"binding\"",
        .instance = {.grammar = f->grammar, .analysis = &f->analysis},
        .machine = f->machine,
        .seconds = 2,
        .peak_rss_nbytes = rhm_machine_peak_rss_nbytes(),
    };
}

static void a_machine_is_json_and_words(void **state) {
    const fixture *f = *state;
    rhm_error error = {0};
    json_t *machine = parsed(strdup(f->machine));
    assert_int_equal(json_integer_value(at(machine, "threads")), 2);
    assert_string_equal(json_string_value(at(machine, "isa")), rhm_engine_describe(f->engine).isa);
    assert_true(json_real_value(at(machine, "fma_peak_gflops")) == 100);
    assert_true(json_is_array(at(machine, "record.topology.numa_nodes")));
    json_decref(machine);
    char *text;
    ok(rhm_machine_text(&text, f->engine, &error), &error);
    assert_non_null(strstr(text, rhm_engine_describe(f->engine).cpu));
    free(text);
}

static void a_plan_is_json(void **state) {
    const fixture *f = *state;
    rhm_training_plan plan;
    rhm_error error = {0};
    char *text;
    ok(rhm_plan_training(&plan, NULL, f->grammar, NULL, 0, &error), &error);
    ok(rhm_report_plan(&text, &(rhm_report_instance){f->grammar, &f->analysis, NULL, NULL}, &plan, &error), &error);
    json_t *json = parsed(text);
    assert_string_equal(json_string_value(at(json, "schema")), "rhm-plan/1");
    assert_string_equal(json_string_value(at(json, "learner")), "layerwise");
    assert_int_equal(json_integer_value(at(json, "practice.levels.0.level")), 2);
    assert_int_equal(json_integer_value(at(json, "practice.levels.0.width")), plan.level[2].width);
    assert_true(json_is_null(at(json, "practice.levels.0.seconds.fit"))); /* nothing was measured */
    assert_true(json_real_value(at(json, "practice.levels.1.at_most.multiply_adds")) == plan.level[1].allowed_work);
    const rhm_theory_problem problem = rhm_theory_of_grammar(f->grammar, &f->analysis);
    assert_true(json_real_value(at(json, "theorem.levels.1.off_diagonal")) ==
                rhm_theory_constants(&problem, 1).off_diagonal);
    assert_true(json_real_value(at(json, "instance.k_rho.0")) == f->analysis.k_rho[1]);
    json_decref(json);
}

/* The table learner fits no regression: what belongs to one is null in its plan. */
static void what_a_learner_lacks_is_null(void **state) {
    const fixture *f = *state;
    rhm_training_plan plan;
    rhm_error error = {0};
    char *text;
    ok(rhm_plan_training(&plan, NULL, f->grammar, &(rhm_train_options){.learner = "table"}, 0, &error), &error);
    ok(rhm_report_plan(&text, &(rhm_report_instance){f->grammar, &f->analysis, NULL, NULL}, &plan, &error), &error);
    json_t *json = parsed(text);
    assert_string_equal(json_string_value(at(json, "learner")), "table");
    assert_true(json_is_null(at(json, "practice.levels.0.width")));
    assert_true(json_is_null(at(json, "practice.levels.0.route")));
    assert_true(json_is_null(at(json, "practice.levels.0.at_most.seconds")));
    json_decref(json);
}

static void count(void *watcher, const rhm_train_state *state) {
    if (state->level == 0)
        (*(int *)watcher)++;
}

static void check_training(const fixture *f, const rhm_model *model, const rhm_train_report *train,
                           const rhm_train_options *options) {
    const rhm_report_run run = run_of(f);
    rhm_error error = {0};
    char *text, hash[RHM_HASH_TEXT_NBYTES];
    double bound;
    const rhm_bayes_of test = {.grammar = f->grammar, .stream = rhm_stream(RHM_TEST, 0), .count = train->test_samples};
    ok(rhm_bayes_bound(&bound, f->engine, &test, &error), &error);
    assert_true(bound == 1);
    const rhm_machine_peaks peaks = {100, 10};
    const rhm_report_trained trained = {
        .options = options, .train = train, .model = model, .bayes_accuracy = bound, .peaks = &peaks};
    ok(rhm_report_training(&text, &run, &trained, &error), &error);
    json_t *json = parsed(text);
    assert_string_equal(json_string_value(at(json, "schema")), "rhm-report/1");
    assert_string_equal(json_string_value(at(json, "command")), "a \"binding\"");
    assert_true(json_real_value(at(json, "test.accuracy")) == train->test_accuracy);
    assert_true(json_real_value(at(json, "test.bayes_accuracy")) == 1);
    assert_true(json_real_value(at(json, "options.tolerance")) == 1e-4); /* the default, although 0 was given */
    assert_int_equal(json_integer_value(at(json, "options.data_seed")), options->seed);
    assert_true(json_real_value(at(json, "levels.1.gap")) == train->level[1].cluster_separation);
    assert_true(json_equal(at(json, "levels.1.spread"), at(json, "levels.1.cluster_radius")));
    assert_true(json_real_value(at(json, "levels.0.fraction_of_peak")) ==
                json_real_value(at(json, "levels.0.gflops")) / 100);
    assert_true(json_is_null(at(json, "checkpoint")) && json_is_null(at(json, "predicted")));
    rhm_model_hash(model, hash);
    assert_string_equal(json_string_value(at(json, "model_hash")), hash);
    json_decref(json);
}

static void a_training_is_watched_and_reported(void **state) {
    const fixture *f = *state;
    rhm_model *model;
    rhm_train_report train;
    rhm_error error = {0};
    int finished = 0;
    const rhm_train_options options = {.seed = 7, .watch = count, .watcher = &finished, .test_samples = 1000};
    ok(rhm_train(&model, &train, f->engine, f->grammar, &options, &error), &error);
    assert_true(finished > 0);
    check_training(f, model, &train, &options);

    const rhm_report_run run = run_of(f);
    char *text;
    const rhm_report_evaluated evaluated = {model, {.samples = 8, .correct = 6, .clamped = 1}, 0.5, (double)NAN};
    ok(rhm_report_evaluation(&text, &run, &evaluated, &error), &error);
    json_t *json = parsed(text);
    assert_true(json_real_value(at(json, "test.accuracy")) == 0.75);
    assert_true(json_is_null(at(json, "test.bayes_accuracy")));
    json_decref(json);
    rhm_model_destroy(model);
}

/* Data without a grammar: what a grammar would say is null. */
static void unknown_instances_say_what_is_known(void **state) {
    (void)state;
    rhm_error error = {0};
    rhm_tree tree;
    char *text;
    const uint32_t vocab[3] = {4, 5, 6};
    ok(rhm_tree_make(&tree, 2, (uint32_t[]){0, 2, 3}, &error), &error);
    ok(rhm_report_of_instance(&text, &(rhm_report_instance){.tree = &tree, .vocab = vocab}, &error), &error);
    json_t *json = parsed(text);
    assert_int_equal(json_integer_value(at(json, "vocab.2")), 6);
    assert_int_equal(json_integer_value(at(json, "branching.1")), 3);
    assert_true(json_is_null(at(json, "rules")) && json_is_null(at(json, "kappa")));
    json_decref(json);
}

static void remember(void *user, const char *sentence) {
    snprintf(user, 512, "%s", sentence);
}

/* A grammar, a data set and a model from files of their own; what is none is refused, and leaves nothing. */
static void files_are_inspected(void **state) {
    fixture *f = *state;
    rhm_error error = {0};
    char folder[] = "/tmp/rhm-report-XXXXXX", path[64], said[512] = "", *text;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file.h5", folder);
    rhm_inspection of = {0};

    ok(rhm_grammar_save(f->grammar, path, &error), &error);
    ok(rhm_inspect(&of, path, NULL, &error), &error);
    assert_true(of.grammar && !of.model && strcmp(of.kind, "grammar") == 0);
    ok(rhm_report_inspection(&text, &of, &error), &error);
    json_t *json = parsed(text);
    assert_string_equal(json_string_value(at(json, "kind")), "grammar");
    assert_int_equal(json_integer_value(at(json, "instance.vocab")), 4);
    assert_int_equal(json_array_size(at(json, "notes")), 0);
    json_decref(json);
    rhm_inspection_clear(&of);
    rhm_inspection_clear(&of);
    remove(path);

    rhm_data_writer *writer;
    const uint16_t tokens[3 * 4] = {0, 1, 2, 3, 3, 2, 1, 0, 1, 1, 1, 1}, labels[3] = {0, 2, 2};
    ok(rhm_data_writer_open(&writer, path, f->grammar, 1, 3, 0, &error), &error);
    ok(rhm_data_writer_append(writer, 3, tokens, labels, NULL, &error), &error);
    ok(rhm_data_writer_commit(&writer, &error), &error);
    ok(rhm_inspect(&of, path, &(rhm_data_hints){.note = remember, .user = said}, &error), &error);
    assert_true(of.data.count == 3 && of.least_per_label == 0 && of.most_per_label == 2);
    ok(rhm_report_inspection(&text, &of, &error), &error);
    json = parsed(text);
    assert_string_equal(json_string_value(at(json, "kind")), "data");
    assert_true(json_is_true(at(json, "labelled")) && json_integer_value(at(json, "most_per_label")) == 2);
    assert_int_equal(json_array_size(at(json, "notes")), of.notes != NULL);
    assert_true(of.notes ? strcmp(of.notes, said) == 0 : said[0] == '\0');
    json_decref(json);
    rhm_inspection_clear(&of);

    remove(path);
    assert_int_not_equal(rhm_inspect(&of, path, NULL, &error), RHM_OK);
    assert_true(strstr(error.text, "file.h5") && !of.grammar && !of.model && !of.notes);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_machine_is_json_and_words, setup, teardown),
        cmocka_unit_test_setup_teardown(a_plan_is_json, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_learner_lacks_is_null, setup, teardown),
        cmocka_unit_test_setup_teardown(a_training_is_watched_and_reported, setup, teardown),
        cmocka_unit_test(unknown_instances_say_what_is_known),
        cmocka_unit_test_setup_teardown(files_are_inspected, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
