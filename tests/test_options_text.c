/* Options of training by name and in words, and training with its report as one call. */
#include "learning.h"

#include "rhm/report.h"
#include "training/options.h"

enum { LEVELS = 3, TEXT_NBYTES = 128 };

static rhm_train_options *options_new(void) {
    rhm_train_options *options;
    rhm_error error = {0};
    assert_ok(rhm_train_options_create(&options, &error), &error);
    return options;
}

/* What is set reads back as it was typed, at every level of a list. */
static void all_options_can_be_set(void **state) {
    (void)state;
    rhm_train_options *options = options_new();
    rhm_error error = {0};
    for (size_t i = 0; i < rhm_train_option_count; i++) {
        const rhm_train_option *option = &rhm_train_option_table[i];
        const char *word = option->word ? option->word(1) : "7";
        const char *text = option->by_level ? "11,7,13" : word;
        char found[TEXT_NBYTES];
        assert_ok(rhm_train_options_set(options, option->name, text, LEVELS, &error), &error);
        for (uint32_t level = 1; level <= (option->by_level ? LEVELS : 1); level++) {
            static const char *const by_level[] = {NULL, "13", "7", "11"};
            rhm_train_option_text(option, options, level, found, sizeof found);
            assert_string_equal(found, option->by_level ? by_level[level] : word);
        }
        if (option->zero && !option->word) {
            assert_ok(rhm_train_options_set(options, option->name, option->zero, LEVELS, &error), &error);
            rhm_train_option_text(option, options, 2, found, sizeof found);
            assert_string_equal(found, option->zero);
        }
    }
    assert_ok(rhm_train_options_set(options, "checkpoint", "folder", LEVELS, &error), &error);
    assert_ok(rhm_train_options_set(options, "resume", "on", LEVELS, &error), &error);
    assert_string_equal(options->checkpoint.directory, "folder");
    assert_true(options->checkpoint.resume);
    rhm_train_options_destroy(options);
}

static void numbers_are_exact(void **state) {
    (void)state;
    rhm_train_options *options = options_new();
    rhm_error error = {0};
    assert_ok(rhm_train_options_set(options, "data-seed", "18446744073709551615", LEVELS, &error), &error);
    assert_true(options->seed == UINT64_MAX);
    assert_ok(rhm_train_options_set(options, "samples", "1e6", LEVELS, &error), &error);
    assert_true(options->samples[1] == 1000000 && options->samples[3] == 1000000);
    assert_ok(rhm_train_options_set(options, "ridge", "auto,paper,1e-3", LEVELS, &error), &error);
    assert_true(options->ridge[3] == 0 && options->ridge[2] == RHM_RIDGE_PAPER && options->ridge[1] == 1e-3);
    rhm_train_options_destroy(options);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *says;
    } cases[] = {
        {"wdth", "7", "no option wdth"},
        {"width", "seven", "width cannot be \"seven\": allowed is a number or auto"},
        {"width", "", "cannot be"},
        {"width", "4294967296", "cannot be"},
        {"width", "-1", "cannot be"},
        {"width", "1.5", "cannot be"},
        {"tolerance", "nan", "cannot be"},
        {"tolerance", "1e-3 ", "cannot be"},
        {"tolerance", " 1e-3", "cannot be"},
        {"data-seed", "18446744073709551616", "cannot be"},
        {"data-seed", "1e17", "cannot be"},
        {"solver", "newton", "allowed is one of cg, gd, gd-paper, cholesky"},
        {"distinct", "maybe", "allowed is one of on, off"},
        {"samples", "1,2", "has 2 values: with 3 levels allowed are one, or 3 for levels 3 to 1"},
        {"samples", "1,,2", "cannot be \"\""},
        {"resume", "yes", "allowed is on or off"},
    };
    rhm_train_options *options = options_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_error error = {0};
        assert_int_equal(rhm_train_options_set(options, cases[i].name, cases[i].text, LEVELS, &error), RHM_INVALID);
        if (!strstr(error.text, cases[i].says))
            fail_msg("%s \"%s\": %s", cases[i].name, cases[i].text, error.text);
    }
    rhm_train_options_destroy(options);
}

/* The model of rhm_train, and a report that it keeps. */
static void training_is_reported(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 2), 1);
    const rhm_train_options options = {.learner = "table", .seed = 3, .test_samples = 500};
    rhm_train_report report;
    double bayes = 0;
    rhm_train_job job = {.grammar = grammar,
                         .options = &options,
                         .command = "as asked",
                         .earlier_seconds = 1000,
                         .outcome = &report,
                         .bayes_accuracy = &bayes};
    rhm_model *model, *plain;
    char *json, hash[RHM_HASH_TEXT_NBYTES], other[RHM_HASH_TEXT_NBYTES];
    rhm_error error = {0};
    assert_ok(rhm_train_reported(&model, &json, engine, &job, &error), &error);
    assert_ok(rhm_train(&plain, NULL, engine, grammar, &options, &error), &error);
    rhm_model_hash(model, hash);
    rhm_model_hash(plain, other);
    assert_string_equal(hash, other);
    assert_true(bayes == 1);
    assert_int_equal(report.test_samples, 500);
    assert_int_equal(report.level[1].level, 1);
    assert_non_null(strstr(json, "\"seconds\": 100"));
    assert_non_null(strstr(json, hash));
    assert_non_null(strstr(json, "\"command\": \"as asked\""));
    assert_non_null(strstr(json, "\"bayes_accuracy\": 1"));
    assert_string_equal(json, rhm_model_report(model));
    free(json);
    rhm_model_destroy(model);
    rhm_model_destroy(plain);
    rhm_train_report_clear(&report);
    job.grammar = NULL;
    assert_int_equal(rhm_train_reported(&model, &json, engine, &job, &error), RHM_INVALID);
    assert_true(!model && !json);
    job.grammar = grammar;
    job.options = &(rhm_train_options){.learner = "none"};
    assert_int_equal(rhm_train_reported(&model, &json, engine, &job, &error), RHM_INVALID);
    assert_true(!model && !json);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* An interrupted training has no model, but says how far it came. */
static volatile sig_atomic_t flag;

static void interrupt(void *user, const rhm_train_state *state) {
    (void)user;
    flag = state->finished == 2;
}

static void an_interrupted_training_is_known(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1, .interrupt = &flag}, &error), &error);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 2), 1);
    const rhm_train_options options = {.learner = "table", .watch = interrupt};
    rhm_train_report report;
    const rhm_train_job job = {.grammar = grammar, .options = &options, .command = "", .outcome = &report};
    rhm_model *model;
    char *json;
    assert_int_equal(rhm_train_reported(&model, &json, engine, &job, &error), RHM_INTERRUPTED);
    assert_true(!model && !json);
    assert_int_equal(report.level[2].level, 2);
    assert_int_equal(report.level[1].level, 0);
    rhm_train_report_clear(&report);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* Data, with and without their grammar, and with what the caller knows of parents. */
static void training_on_data_is_reported(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    rhm_engine *engine = engine_of(2);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 2), 1);
    static uint16_t tokens[COUNT * 4], labels[COUNT];
    rhm_sampler *sampler;
    rhm_error error = {0};
    assert_ok(rhm_sampler_create(&sampler, grammar, 1, &error), &error);
    rhm_sample_sequences(sampler, rhm_stream(RHM_EXPORT, 0), 0, COUNT, tokens, labels, NULL);
    rhm_data data = {.count = COUNT, .token_vocab = 6, .label_vocab = 6, .tokens = tokens, .labels = labels};
    data.tree = *rhm_grammar_tree(grammar);
    const uint32_t parents[] = {0, 6, 5};
    const rhm_train_options options = {.learner = "table", .test_samples = 500};
    for (int variant = 0; variant < 3; variant++) {
        data.grammar = variant == 1 ? grammar : NULL;
        const rhm_train_job job = {.data = &data,
                                   .parents = variant == 2 ? parents : NULL,
                                   .options = &options,
                                   .command = "data",
                                   .data_name = "arrays"};
        rhm_model *model;
        char *json;
        assert_ok(rhm_train_reported(&model, &json, engine, &job, &error), &error);
        assert_non_null(strstr(json, "\"data\": \"arrays\""));
        assert_non_null(strstr(json, variant == 1 ? "\"bayes_accuracy\": 1" : "\"bayes_accuracy\": null"));
        assert_non_null(strstr(json, variant == 2 ? "\"vocab\": [" : "\"vocab\": 6"));
        free(json);
        rhm_model_destroy(model);
    }
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

static void count_calls(void *user, const rhm_progress *progress) {
    (void)progress;
    ++*(int *)user;
}

/* Its members get where the structure has them. */
static void an_engine_is_opened_by_its_members(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_error error = {0};
    volatile sig_atomic_t interrupt = 0;
    int calls = 0;
    assert_ok(rhm_engine_open(&engine, 2, "none", "scalar", "native", UINT64_C(1) << 30, &interrupt, count_calls,
                              &calls, &error),
              &error);
    const rhm_engine_info info = rhm_engine_describe(engine);
    assert_int_equal(info.threads, 2);
    assert_string_equal(info.placement, "none");
    assert_string_equal(info.isa, "scalar");
    assert_string_equal(info.backend, "native");
    assert_int_equal(info.memory_limit_nbytes, 1 << 30);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 2), 1);
    const rhm_train_options options = {.learner = "table", .test_samples = 500};
    rhm_model *model;
    assert_ok(rhm_train(&model, NULL, engine, grammar, &options, &error), &error);
    rhm_model_destroy(model);
    assert_true(calls > 0);
    interrupt = 1;
    assert_int_equal(rhm_train(&model, NULL, engine, grammar, &options, &error), RHM_INTERRUPTED);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
    assert_int_equal(rhm_engine_open(&engine, -1, NULL, NULL, NULL, 0, NULL, NULL, NULL, &error), RHM_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_options_can_be_set),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(training_is_reported),
        cmocka_unit_test(an_interrupted_training_is_known),
        cmocka_unit_test(training_on_data_is_reported),
        cmocka_unit_test(an_engine_is_opened_by_its_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
