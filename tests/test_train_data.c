/* Training on given rows: what comes out, what it depends on, and what is refused. */
#include "learning.h"
#include "rhm/inference.h"
#include "rhm/sampling.h"

static const uint64_t SEED = 20260119;

static void given_rows_teach_as_well(void **state) {
    (void)state;
    const struct {
        rhm_shape shape;
        size_t count;
    } cases[] = {{rhm_shape_uniform(8, 4, 2, 2), 20000},
                 {rhm_shape_uniform(8, 4, 2, 3), 120000},
                 {rhm_shape_uniform(6, 3, 3, 2), 30000}};
    rhm_engine *engine = engine_of(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_grammar *grammar = learnable_grammar(cases[i].shape, SEED);
        for (int known = 0; known < 2; known++) {
            rhm_data data = sample_rows(grammar, known, cases[i].count, SEED);
            rhm_train_report report;
            rhm_model *model = train_rows(engine, &data, (rhm_train_options){.seed = 1}, &report);
            if (!(report.test_accuracy >= 0.99))
                fail_msg("case %zu: accuracy %.4f", i, report.test_accuracy);
            assert_true((rhm_model_grammar(model) != NULL) == known);
            uint64_t used = report.test_samples;
            for (uint32_t l = 1; l <= data.tree.levels; l++) {
                const rhm_level_report *r = &report.level[l];
                used += r->samples + r->validation_samples;
                assert_true(isnan(r->posterior_error_mean) == !known && isnan(r->posterior_error_floor) == !known);
                assert_true(isnan(r->synonym_accuracy) == !known && isnan(r->separation) == !known);
            }
            assert_true(used <= data.count);
            rhm_accuracy fresh;
            rhm_error error = {0};
            assert_ok(rhm_evaluate(&fresh, engine, model, grammar, 4, rhm_stream(RHM_TEST, 0), 0, 4000, &error),
                      &error);
            assert_true(fresh.correct >= 3960);
            rhm_model_destroy(model);
            free_rows(&data);
        }
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

static void rows_and_options_decide_the_model(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    rhm_data data = sample_rows(grammar, true, 9000, SEED);
    const rhm_train_options options = {.seed = 3, .samples = {0, 1000, 4000}, .max_width = 256};
    char first[RHM_HASH_TEXT_NBYTES], again[RHM_HASH_TEXT_NBYTES];
    for (int threads = 1; threads <= 3; threads++) {
        rhm_engine *engine = engine_of(threads);
        rhm_model *model = train_rows(engine, &data, options, NULL);
        rhm_model_hash(model, threads == 1 ? first : again);
        rhm_model_destroy(model);
        if (threads > 1)
            assert_string_equal(first, again);
        if (threads == 3) {
            for (size_t i = 9000 - 1000; i < 9000; i++)
                data.labels[i] ^= 1; /* test rows teach nothing */
            model = train_rows(engine, &data, options, NULL);
            rhm_model_hash(model, again);
            rhm_model_destroy(model);
            assert_string_equal(first, again);
            data.labels[0] ^= 1;
            model = train_rows(engine, &data, options, NULL);
            rhm_model_hash(model, again);
            rhm_model_destroy(model);
            assert_string_not_equal(first, again);
        }
        rhm_engine_destroy(engine);
    }
    free_rows(&data);
    rhm_grammar_destroy(grammar);
}

static void too_few_rows_are_refused(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED);
    rhm_data data = sample_rows(grammar, false, 10000, SEED);
    const struct {
        size_t count;
        rhm_train_options options;
        const char *words[3]; /* the level, the rows there are, the rows that were asked for or are needed */
    } cases[] = {
        {60, {.seed = 1}, {"level", "60", "needed"}},
        {0, {.seed = 1}, {"0 sequences", "at least 5", "needed"}},
        {10000, {.samples = {0, 0, 0, 7000}}, {"8750", "10000", "2000"}},
        {10000,
         {.slices = RHM_SLICES_DISJOINT, .samples = {0, 0, 0, 6399}},
         {"level", "10000", "needed"}}, /* 8000 are left, of which this takes 7999 */
        {10000, {.samples = {0, UINT64_C(1000000000000000), UINT64_C(1000000000000000), 0}}, {"10000", "", ""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_model *model = NULL;
        rhm_error error = {0};
        data.count = cases[i].count;
        const rhm_status status = rhm_train_data(&model, NULL, engine, &data, NULL, &cases[i].options, &error);
        for (size_t w = 0; w < 3; w++)
            assert_refused(status, RHM_INVALID, &error, cases[i].words[w]);
        assert_null(model);
    }
    data.count = 10000;
    uint16_t *labels = data.labels;
    data.labels = NULL;
    rhm_model *model = NULL;
    rhm_error error = {0};
    assert_refused(rhm_train_data(&model, NULL, engine, &data, NULL, NULL, &error), RHM_INVALID, &error, "no labels");
    data.labels = labels;
    const rhm_train_options bad = {.width = RHM_MAX_WIDTH + 1};
    assert_refused(rhm_train_data(&model, NULL, engine, &data, NULL, &bad, &error), RHM_INVALID, &error, "width");
    assert_null(model);
    free_rows(&data);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* The structure is the caller's: whatever is in it, a sentence and not a crash. */
static void senseless_data_are_refused(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    rhm_grammar *other = learnable_grammar(rhm_shape_uniform(8, 4, 2, 1), SEED);
    rhm_grammar *foreign = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED + 100);
    const rhm_data good = sample_rows(grammar, false, 3000, SEED);
    const struct {
        const char *words;
        uint32_t levels, branching, parents;
        uint16_t token, label;
        const rhm_grammar *grammar;
    } cases[] = {
        {"levels is 0", 0, 2, 8, 0, 0, NULL},
        {"levels is 33", 33, 2, 8, 0, 0, NULL},
        {"branching is 1", 2, 1, 8, 0, 0, NULL},
        {"64^32", 32, 64, 8, 0, 0, NULL},
        {"level 2 has 0 parent", 2, 2, 0, 0, 0, NULL},
        {"token 1 of sequence 2999 is 8", 2, 2, 8, 8, 0, NULL},
        {"label of sequence 2999 is 8", 2, 2, 8, 0, 8, NULL},
        {"shape", 2, 2, 8, 0, 0, other},
        {"never produces", 2, 2, 8, 0, 0, foreign},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_data data = good;
        for (uint32_t l = 1; l <= RHM_MAX_LEVELS; l++)
            data.tree.branching[l] = cases[i].branching;
        data.tree.levels = cases[i].levels;
        (void)rhm_tree_uniform(&data.tree, cases[i].levels, cases[i].branching, NULL);
        data.grammar = (rhm_grammar *)(uintptr_t)cases[i].grammar;
        const uint32_t parents[3] = {0, 8, cases[i].parents};
        uint16_t *token = &data.tokens[2999 * 4 + 1], *label = &data.labels[2999], kept[2] = {*token, *label};
        *token = cases[i].token ? cases[i].token : *token;
        *label = cases[i].label ? cases[i].label : *label;
        rhm_model *model = NULL;
        rhm_error error = {0};
        const rhm_train_options options = {.max_width = 32, .max_samples = 1000};
        assert_refused(
            rhm_train_data(&model, NULL, engine, &data, data.tree.levels == 2 ? parents : NULL, &options, &error),
            RHM_INVALID, &error, cases[i].words);
        assert_null(model);
        *token = kept[0];
        *label = kept[1];
    }
    rhm_data rows = good;
    free_rows(&rows);
    rhm_grammar_destroy(grammar), rhm_grammar_destroy(other), rhm_grammar_destroy(foreign);
    rhm_engine_destroy(engine);
}

/* Wrong labels teach nothing, and nothing is reported as learned. */
static void noise_is_not_learned(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    rhm_data data = sample_rows(grammar, false, 10000, SEED);
    rhm_random random = {.seed = SEED, .stream = 1u << 20};
    for (size_t i = 0; i < data.count; i++)
        data.labels[i] = (uint16_t)rhm_random_below(&random, 8);
    rhm_train_report report;
    rhm_model_destroy(train_rows(engine, &data, (rhm_train_options){.seed = 1, .max_width = 256}, &report));
    assert_true(report.test_accuracy > 0.06 && report.test_accuracy < 0.19);
    assert_true(report.level[2].limit[0] != '\0');
    free_rows(&data);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_rows_teach_as_well), cmocka_unit_test(rows_and_options_decide_the_model),
        cmocka_unit_test(too_few_rows_are_refused), cmocka_unit_test(senseless_data_are_refused),
        cmocka_unit_test(noise_is_not_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
