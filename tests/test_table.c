/* Tables: groups, models, files, and what is learnt from grammars of all sorts. */
#include "core/memory.h"
#include "counts/group.h"
#include "counts/parser.h"
#include "counts/rows.h"
#include "learning.h"

/* ---- groups ---------------------------------------------------------------------------------------------- */

/* Patches of `symbols` symbols in turn, `patches` in all, the i-th about i + 1 times as frequent where `uneven`; the
 * two last symbols have the same law where `alike`. Expected counts, rounded: no noise but that. */
static rhm_table_counts make_counts(const rhm_engine *engine, size_t patches, size_t symbols, bool uneven, bool alike) {
    enum { CLASSES = 3, SIDE = 2 };
    rhm_table_counts counts;
    rhm_intern set;
    rhm_error error;
    uint32_t id;
    assert_ok(rhm_intern_init(&set, 1, patches, &error), &error);
    for (uint32_t i = 0; i < patches; i++)
        assert_ok(rhm_intern_add(&set, &i, &id, NULL, &error), &error);
    assert_ok(rhm_table_counts_init(&counts, engine, &set, SIDE, CLASSES, 1000000, &error), &error);
    for (size_t i = 0; i < patches; i++)
        for (size_t p = 0; p < SIDE; p++)
            for (size_t z = 0; z < CLASSES; z++) {
                const size_t symbol = alike && i % symbols == symbols - 1 ? symbols - 2 : i % symbols;
                const double weight = 1 + 0.3 * (double)((symbol * (p + 2) + z * z) % (symbols + 1));
                counts.count[(i * SIDE + p) * CLASSES + z] =
                    (uint64_t)(10000 * weight * (uneven ? (double)(i + 1) : 1));
            }
    rhm_intern_destroy(&set);
    return counts;
}

static void groups_are_the_symbols(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    for (size_t symbols = 2; symbols <= 7; symbols++)
        for (int uneven = 0; uneven < 2; uneven++)
            for (int alike = 0; alike < 2; alike++) {
                const size_t patches = 4 * symbols + 1;
                rhm_table_counts counts = make_counts(engine, patches, symbols, uneven, alike);
                rhm_groups groups;
                rhm_error error;
                assert_ok(rhm_table_group(&groups, engine, &counts, symbols, &error), &error);
                assert_int_equal(groups.count, symbols - (size_t)alike);
                for (size_t i = 0; i < patches; i++) {
                    const size_t symbol = i % symbols;
                    assert_int_equal(groups.own[i], alike && symbol == symbols - 1 ? symbols - 2 : symbol);
                }
                assert_true(groups.count == 1 || groups.separation > 10 * groups.radius);
                rhm_free(groups.own);
                rhm_table_counts_clear(&counts);
            }
    rhm_engine_destroy(engine);
}

static void no_more_groups_than_symbols(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_table_counts counts = make_counts(engine, 21, 7, false, false);
    rhm_groups groups;
    rhm_error error;
    assert_ok(rhm_table_group(&groups, engine, &counts, 4, &error), &error);
    assert_int_equal(groups.count, 4);
    rhm_free(groups.own);
    rhm_table_counts_clear(&counts);
    rhm_engine_destroy(engine);
}

/* ---- models ---------------------------------------------------------------------------------------------- */

/* The rules read backwards predict every sequence right, whichever lookup it takes; and the file says all of it. */
static void parsers_predict_and_are_stored(void **state) {
    (void)state;
    const rhm_shape shapes[] = {
        {.levels = 3, .branching = {0, 2, 2, 2}, .vocab = {3, 4, 5, 6}, .rules = {0, 4, 3, 2}},
        {.levels = 2, .branching = {0, 2, 5}, .vocab = {4, 6, 300}, .rules = {0, 3, 7}}, /* too many for dense tables */
        {.levels = 4, .branching = {0, 3, 2, 2, 3}, .vocab = {5, 5, 5, 5, 5}, .rules = {0, 3, 3, 3, 3}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        rhm_grammar *grammar;
        struct rhm_table *table;
        rhm_model *again;
        rhm_accuracy accuracy[2];
        rhm_error error;
        char hash[2][RHM_HASH_TEXT_NBYTES];
        assert_ok(rhm_grammar_draw(&grammar, &shapes[i], RHM_UNIFORM, 3, &error), &error);
        assert_ok(rhm_table_parser(&table, grammar, &error), &error);
        assert_ok(rhm_model_save(&table->model, "t.h5", &error), &error);
        assert_ok(rhm_model_load(&again, "t.h5", &error), &error);
        rhm_model_hash(&table->model, hash[0]);
        rhm_model_hash(again, hash[1]);
        assert_string_equal(hash[0], hash[1]);
        assert_string_equal(rhm_model_kind(again), "table");
        assert_int_equal(rhm_model_nbytes(again), rhm_model_nbytes(&table->model));
        for (int threads = 1; threads <= 2; threads++) {
            rhm_engine *engine = engine_of(threads);
            assert_ok(rhm_evaluate(&accuracy[threads - 1], engine, again, grammar, 9, rhm_stream(RHM_TEST, 0), 0, 3001,
                                   &error),
                      &error);
            rhm_engine_destroy(engine);
            assert_int_equal(accuracy[threads - 1].samples, 3001);
            assert_int_equal(accuracy[threads - 1].correct, 3001);
        }
        rhm_model_destroy(again);
        rhm_model_destroy(&table->model);
        rhm_grammar_destroy(grammar);
    }
}

/* More tokens than a thread has at a time, drawn and given. */
static void long_sequences_come_in_pieces(void **state) {
    (void)state;
    enum { COUNT = 3 };
    rhm_shape shapes[] = {
        {.levels = 19}, {.levels = 4, .branching = {0, 64, 64, 64, 2}}, {.levels = 4, .branching = {0, 3, 64, 64, 64}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        rhm_shape *shape = &shapes[i];
        rhm_grammar *grammar;
        struct rhm_table *table;
        rhm_accuracy accuracy;
        rhm_error error;
        uint16_t labels[COUNT];
        for (uint32_t l = 0; l <= shape->levels; l++) {
            shape->vocab[l] = 4;
            shape->rules[l] = l ? 2 : 0;
            shape->branching[l] = l && !shape->branching[l] ? 2 : shape->branching[l];
        }
        assert_ok(rhm_grammar_draw(&grammar, shape, RHM_UNIFORM, 5, &error), &error);
        assert_true(rhm_grammar_tree(grammar)->leaves[0] > 1 << 18);
        assert_ok(rhm_table_parser(&table, grammar, &error), &error);
        rhm_data rows = sample_rows(grammar, false, COUNT, 8);
        for (int threads = 1; threads <= 2; threads++) {
            rhm_engine *engine = engine_of(threads);
            assert_ok(
                rhm_evaluate(&accuracy, engine, &table->model, grammar, 9, rhm_stream(RHM_TEST, 0), 7, COUNT, &error),
                &error);
            assert_int_equal(accuracy.correct, COUNT);
            assert_ok(rhm_predict(engine, &table->model, rows.tokens, COUNT, labels, NULL, NULL, &error), &error);
            assert_memory_equal(labels, rows.labels, sizeof labels);
            rows.labels[1] = (uint16_t)((rows.labels[1] + 1) % 4);
            assert_ok(rhm_evaluate_data(&accuracy, engine, &table->model, &rows, 1, COUNT - 1, &error), &error);
            assert_int_equal(accuracy.correct, COUNT - 2);
            rows.labels[1] = (uint16_t)((rows.labels[1] + 3) % 4);
            rhm_engine_destroy(engine);
        }
        free_rows(&rows);
        rhm_model_destroy(&table->model);
        rhm_grammar_destroy(grammar);
    }
}

static void a_patch_that_is_not_listed_is_answered_by_the_prior(void **state) {
    (void)state;
    rhm_grammar *grammar = small_grammar();
    struct rhm_table *table;
    rhm_error error;
    assert_ok(rhm_table_parser(&table, grammar, &error), &error);
    rhm_engine *engine = engine_of(1);
    const uint16_t tokens[8] = {5, 5, 5, 5, 5, 5, 5, 5}; /* no rule writes (5, 5) */
    uint16_t label;
    float posterior[3];
    assert_int_equal(rhm_grammar_parse(grammar, tokens), UINT32_MAX);
    table->level[3].other = table->level[2].other = 4 - 1;
    assert_ok(rhm_predict(engine, &table->model, tokens, 1, &label, posterior, NULL, &error), &error);
    float sum = 0;
    for (size_t z = 0; z < 3; z++)
        sum += posterior[z];
    assert_true(fabsf(sum - 1) < 1e-6f);
    const uint16_t unknown[8] = {6, 0, 0, 0, 0, 0, 0, 0};
    assert_refused(rhm_predict(engine, &table->model, unknown, 1, &label, NULL, NULL, &error), RHM_INVALID, &error,
                   "token 0 of sequence 0 is 6");
    rhm_engine_destroy(engine);
    rhm_model_destroy(&table->model);
    rhm_grammar_destroy(grammar);
}

/* ---- learning -------------------------------------------------------------------------------------------- */

static void learn(const rhm_grammar *grammar, rhm_train_options options, rhm_train_report *report,
                  char hash[RHM_HASH_TEXT_NBYTES], const rhm_engine *engine) {
    rhm_model *model;
    rhm_error error;
    options.learner = "table";
    options.test_samples = 1000;
    assert_ok(rhm_train(&model, report, engine, grammar, &options, &error), &error);
    assert_string_equal(report->learner, "table");
    rhm_model_hash(model, hash);
    rhm_model_destroy(model);
}

/* rhm_grammar_draw with probabilities r^-1 of each symbol's rules. */
static rhm_grammar *zipf_grammar(rhm_shape shape, uint64_t seed) {
    rhm_grammar *drawn, *grammar;
    rhm_error error;
    const uint32_t *patches[RHM_MAX_LEVELS];
    const double *probability[RHM_MAX_LEVELS];
    double values[RHM_MAX_LEVELS][256];
    assert_ok(rhm_grammar_draw(&drawn, &shape, RHM_UNIFORM, seed, &error), &error);
    for (uint32_t l = 1; l <= shape.levels; l++) {
        double sum = 0;
        for (uint32_t r = 0; r < shape.rules[l]; r++)
            sum += 1 / (r + 1.0);
        for (uint32_t r = 0; r < shape.vocab[l - 1] * shape.rules[l]; r++)
            values[l - 1][r] = 1 / (r % shape.rules[l] + 1.0) / sum;
        patches[l - 1] = rhm_grammar_patches(drawn, l);
        probability[l - 1] = values[l - 1];
    }
    assert_ok(rhm_grammar_create(&grammar, &shape, patches, probability, NULL, &error), &error);
    rhm_grammar_destroy(drawn);
    return grammar;
}

static void all_sorts_of_grammars_are_learnt(void **state) {
    (void)state;
    const rhm_shape zipf = {
        .levels = 4, .branching = {0, 2, 2, 2, 2}, .vocab = {8, 8, 8, 8, 8}, .rules = {0, 4, 4, 4, 4}};
    rhm_grammar *grammars[] = {drawn_grammar(8, 4, 2, 6), drawn_grammar(6, 4, 3, 4), uneven_grammar(),
                               zipf_grammar(zipf, 4), drawn_grammar(5, 1, 2, 3)};
    rhm_engine *engine = engine_of(2);
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++) {
        rhm_train_report report;
        char hash[RHM_HASH_TEXT_NBYTES];
        learn(grammars[i], (rhm_train_options){.seed = 1}, &report, hash, engine);
        if (report.test_accuracy < 0.999)
            fail_msg("grammar %zu: accuracy %g", i, report.test_accuracy);
        /* With one rule a symbol, some symbols do not occur at all. */
        for (uint32_t l = 2; l <= report.levels && rhm_grammar_shape(grammars[i])->rules[1] > 1; l++) {
            assert_int_equal(report.level[l].draw, RHM_DRAW_COUNTS);
            assert_int_equal(report.level[l].clusters, report.level[l].symbols);
            assert_true(report.level[l].synonym_accuracy > 0.999);
            assert_true(report.level[l].resolved);
        }
        rhm_grammar_destroy(grammars[i]);
    }
    rhm_engine_destroy(engine);
}

/* Two symbols that nothing tells apart are one id; labels can still be as right as they can be. */
static void what_is_the_same_is_one_group(void **state) {
    (void)state;
    const rhm_shape shape = {.levels = 2, .branching = {0, 2, 2}, .vocab = {2, 4, 4}, .rules = {0, 2, 2}};
    const uint32_t top[2][2][2] = {{{0, 0}, {1, 1}}, {{2, 2}, {3, 3}}}; /* 0 and 1 are alike, 2 and 3 too */
    const uint32_t bottom[4][2][2] = {{{0, 0}, {0, 1}}, {{1, 0}, {1, 1}}, {{2, 2}, {2, 3}}, {{3, 2}, {3, 3}}};
    const uint32_t *const patches[2] = {&top[0][0][0], &bottom[0][0][0]};
    rhm_grammar *grammar;
    rhm_train_report report;
    rhm_error error;
    char hash[RHM_HASH_TEXT_NBYTES];
    assert_ok(rhm_grammar_create(&grammar, &shape, patches, NULL, NULL, &error), &error);
    rhm_engine *engine = engine_of(1);
    learn(grammar, (rhm_train_options){.seed = 1}, &report, hash, engine);
    assert_int_equal(report.level[2].clusters, 2);
    assert_int_equal(report.level[2].symbols, 4);
    assert_false(report.level[2].resolved);
    assert_non_null(strstr(report.level[2].limit, "2 groups"));
    assert_true(report.test_accuracy == 1);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

/* A symbol that never comes first is seen at other positions. */
static void more_positions_see_more(void **state) {
    (void)state;
    const rhm_shape shape = {.levels = 2, .branching = {0, 2, 2}, .vocab = {2, 3, 3}, .rules = {0, 2, 2}};
    const uint32_t top[2][2][2] = {{{0, 2}, {1, 0}}, {{0, 1}, {1, 1}}}; /* 2 is never first */
    const uint32_t bottom[3][2][2] = {{{0, 0}, {0, 1}}, {{1, 0}, {1, 1}}, {{2, 2}, {2, 1}}};
    const uint32_t *const patches[2] = {&top[0][0][0], &bottom[0][0][0]};
    rhm_grammar *grammar;
    rhm_train_report report;
    rhm_error error;
    char hash[RHM_HASH_TEXT_NBYTES];
    assert_ok(rhm_grammar_create(&grammar, &shape, patches, NULL, NULL, &error), &error);
    rhm_engine *engine = engine_of(1);
    rhm_train_options one = {.seed = 1, .positions = {0, 1, 1}};
    learn(grammar, one, &report, hash, engine);
    assert_true(report.level[2].clusters < 3 && report.test_accuracy < 0.9);
    learn(grammar, (rhm_train_options){.seed = 1}, &report, hash, engine);
    assert_int_equal(report.level[2].positions, 2);
    assert_int_equal(report.level[2].clusters, 3);
    assert_true(report.test_accuracy == 1);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

static void threads_and_instructions_do_not_matter(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(8, 4, 2, 5);
    rhm_train_options options = {.learner = "table", .seed = 2, .test_samples = 1000};
    for (uint32_t l = 1; l <= 5; l++)
        options.samples[l] = 20000;
    for (int draw = RHM_DRAW_SAMPLES; draw <= RHM_DRAW_COUNTS; draw++) {
        options.draw = (rhm_draw)draw;
        assert_same_on_any_engine(grammar, &options);
    }
    rhm_grammar_destroy(grammar);
}

/* Sizes can be foreseen without a machine to measure, whoever learns. */
static void every_learner_plans_without_an_engine(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(6, 3, 2, 3);
    for (size_t i = 0; i < rhm_learner_count(); i++) {
        rhm_training_plan plan;
        rhm_error error;
        const rhm_train_options options = {.learner = rhm_learner_at(i)->name};
        assert_ok(rhm_plan_training(&plan, NULL, grammar, &options, 0, &error), &error);
        assert_true(rhm_plan_nbytes(&plan) > 0 && rhm_plan_samples(&plan) > 0);
    }
    rhm_grammar_destroy(grammar);
}

static void options_of_others_are_refused(void **state) {
    (void)state;
    const rhm_train_options cases[] = {{.learner = "table", .width = 64},
                                       {.learner = "table", .ridge = {0, 1, 1}},
                                       {.learner = "table", .raw = true},
                                       {.learner = "nobody"}};
    static const char *const words[] = {"width", "ridge", "distinct", "layerwise, table"};
    assert_options_refused(cases, words, sizeof cases / sizeof *cases);
}

/* 19 200 patches by 1200 labels: hours of comparing all pairs. */
static void what_would_not_end_is_refused(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(1200, 16, 2, 2);
    rhm_engine *engine = engine_of(1);
    rhm_model *model = NULL;
    rhm_training_plan plan;
    rhm_error error;
    const rhm_train_options options = {.learner = "table"};
    assert_refused(rhm_train(&model, NULL, engine, grammar, &options, &error), RHM_INVALID, &error, "multiply-adds");
    assert_null(model);
    assert_refused(rhm_plan_training(&plan, NULL, grammar, &options, 0, &error), RHM_INVALID, &error, "level 2");
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_the_symbols),
        cmocka_unit_test(no_more_groups_than_symbols),
        cmocka_unit_test(parsers_predict_and_are_stored),
        cmocka_unit_test(long_sequences_come_in_pieces),
        cmocka_unit_test(a_patch_that_is_not_listed_is_answered_by_the_prior),
        cmocka_unit_test(all_sorts_of_grammars_are_learnt),
        cmocka_unit_test(what_is_the_same_is_one_group),
        cmocka_unit_test(more_positions_see_more),
        cmocka_unit_test(threads_and_instructions_do_not_matter),
        cmocka_unit_test(every_learner_plans_without_an_engine),
        cmocka_unit_test(options_of_others_are_refused),
        cmocka_unit_test(what_would_not_end_is_refused),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
