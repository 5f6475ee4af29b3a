/* Latent clustering of grammars of all sorts. */
#include "learning.h"

static void learn(const rhm_grammar *grammar, uint64_t samples, rhm_train_report *report,
                  char hash[RHM_HASH_TEXT_NBYTES], const rhm_engine *engine) {
    rhm_train_options options = {.learner = "latent", .seed = 1, .test_samples = 1000};
    for (uint32_t l = 1; l <= rhm_grammar_shape(grammar)->levels; l++)
        options.samples[l] = samples;
    rhm_model *model;
    rhm_error error;
    assert_ok(rhm_train(&model, report, engine, grammar, &options, &error), &error);
    assert_string_equal(report->learner, "latent");
    rhm_model_hash(model, hash);
    rhm_model_destroy(model);
}

static rhm_grammar *drawn_with(rhm_shape shape, rhm_grammar_options options) {
    rhm_grammar *grammar;
    rhm_error error;
    options.sampling = RHM_UNIFORM;
    options.seed = 4;
    assert_ok(rhm_grammar_draw_with(&grammar, &shape, &options, &error), &error);
    return grammar;
}

static void all_sorts_of_grammars_are_learnt(void **state) {
    (void)state;
    const rhm_shape square = rhm_shape_uniform(8, 4, 2, 4);
    const rhm_shape uneven = {
        .levels = 4, .branching = {0, 2, 3, 2, 2}, .vocab = {3, 6, 5, 8, 9}, .rules = {0, 4, 3, 4, 5}};
    rhm_grammar_options zipf = {.label_law = {RHM_LAW_ZIPF, 1}};
    for (uint32_t l = 1; l <= 4; l++)
        zipf.rule_law[l] = (rhm_rule_law){RHM_LAW_ZIPF, 1};
    const struct {
        rhm_grammar *grammar;
        uint64_t samples; /* 0: as many as it takes */
        double accuracy;
    } cases[] = {
        {drawn_grammar(8, 4, 2, 6), 0, 0.999},
        {drawn_grammar(8, 4, 2, 6), 2000, 0.999},
        {drawn_grammar(6, 4, 3, 4), 750, 0.999},
        {drawn_grammar(16, 8, 2, 3), 8192, 0.999},
        {drawn_with(square, zipf), 0, 0.999},
        {drawn_with(uneven, (rhm_grammar_options){0}), 0, 0.999},
        {drawn_with(square, (rhm_grammar_options){.label_noise = 0.1}), 0, 0.85},
    };
    rhm_engine *engine = engine_of(2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_train_report report;
        char hash[RHM_HASH_TEXT_NBYTES];
        learn(cases[i].grammar, cases[i].samples, &report, hash, engine);
        if (report.test_accuracy < cases[i].accuracy)
            fail_msg("grammar %zu: accuracy %g", i, report.test_accuracy);
        for (uint32_t l = 2; l <= report.levels; l++) {
            assert_int_equal(report.level[l].draw, RHM_DRAW_SAMPLES);
            assert_int_equal(report.level[l].clusters, report.level[l].symbols);
            assert_int_equal(report.level[l].positions, rhm_grammar_tree(cases[i].grammar)->nodes[l - 1]);
            assert_true(report.level[l].synonym_accuracy > 0.999);
            assert_true(report.level[l].evidence > 3);
            if (!report.level[l].resolved)
                fail_msg("grammar %zu: level %u: separation %g, radius %g, %s", i, l,
                         report.level[l].cluster_separation, report.level[l].cluster_radius, report.level[l].limit);
            assert_true(!cases[i].samples || report.level[l].samples <= cases[i].samples);
        }
        assert_true(!cases[i].samples || report.level[1].samples == cases[i].samples);
        rhm_grammar_destroy(cases[i].grammar);
    }
    rhm_engine_destroy(engine);
}

/* Where all tuples are rules, siblings are independent: nothing is learnt, and that is said. */
static void independent_siblings_are_said(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(4, 4, 2, 3);
    rhm_engine *engine = engine_of(1);
    for (uint64_t samples = 0; samples <= 20000; samples += 20000) {
        rhm_train_report report;
        char hash[RHM_HASH_TEXT_NBYTES];
        learn(grammar, samples, &report, hash, engine);
        assert_false(report.level[3].resolved);
        assert_int_equal(report.level[3].clusters, 1);
        assert_true(fabs(report.level[3].evidence) < 3);
        assert_non_null(strstr(report.level[3].limit, "independent"));
        assert_non_null(strstr(report.level[2].limit, "one id"));
        assert_true(report.test_accuracy < 0.35);
    }
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

/* Two symbols that nothing tells apart are one id. */
static void what_is_the_same_is_one_group(void **state) {
    (void)state;
    const rhm_shape shape = {.levels = 2, .branching = {0, 2, 2}, .vocab = {2, 4, 4}, .rules = {0, 4, 2}};
    const uint32_t top[2][4][2] = {{{0, 0}, {0, 1}, {1, 0}, {1, 1}}, {{2, 2}, {2, 3}, {3, 2}, {3, 3}}};
    const uint32_t bottom[4][2][2] = {{{0, 0}, {0, 1}}, {{1, 0}, {1, 1}}, {{2, 2}, {2, 3}}, {{3, 2}, {3, 3}}};
    const uint32_t *const patches[2] = {&top[0][0][0], &bottom[0][0][0]};
    rhm_grammar *grammar;
    rhm_train_report report;
    rhm_error error;
    char hash[RHM_HASH_TEXT_NBYTES];
    assert_ok(rhm_grammar_create(&grammar, &shape, patches, NULL, NULL, &error), &error);
    rhm_engine *engine = engine_of(1);
    learn(grammar, 20000, &report, hash, engine);
    assert_int_equal(report.level[2].clusters, 2);
    assert_false(report.level[2].resolved);
    assert_non_null(strstr(report.level[2].limit, "2 groups"));
    assert_true(report.test_accuracy == 1);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

/* Noise, several parents, one rule, one symbol, hardly any sequences: whatever comes out, it comes out. */
static void hard_grammars_come_to_an_end(void **state) {
    (void)state;
    const rhm_shape square = rhm_shape_uniform(6, 3, 2, 3);
    const rhm_shape lone = {.levels = 2, .branching = {0, 2, 2}, .vocab = {1, 1, 4}, .rules = {0, 1, 4}};
    rhm_grammar *grammars[] = {drawn_with(square, (rhm_grammar_options){.token_noise = 0.2, .label_noise = 0.2}),
                               drawn_with(square, (rhm_grammar_options){.ambiguity = 0.5}), drawn_grammar(5, 1, 2, 3),
                               drawn_grammar(4, 2, 2, 1), drawn_with(lone, (rhm_grammar_options){0})};
    rhm_engine *engine = engine_of(2);
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++)
        for (uint64_t samples = 1; samples <= 3000; samples = samples * 40 + 1) {
            rhm_train_report report;
            char hash[RHM_HASH_TEXT_NBYTES];
            learn(grammars[i], samples, &report, hash, engine);
            assert_true(report.test_accuracy >= 0 && report.test_accuracy <= 1);
            assert_int_equal(report.level[1].samples, samples);
        }
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++)
        rhm_grammar_destroy(grammars[i]);
    rhm_engine_destroy(engine);
}

static void threads_and_instructions_do_not_matter(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(16, 7, 2, 4); /* 112 patches: a subspace */
    rhm_train_options options = {.learner = "latent", .seed = 1, .test_samples = 1000};
    for (uint32_t l = 1; l <= 4; l++)
        options.samples[l] = 3000;
    assert_same_on_any_engine(grammar, &options);
    rhm_grammar_destroy(grammar);
}

/* However many sequences a level would like to begin with. */
static void no_more_sequences_than_allowed(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(4, 2, 2, 3);
    rhm_engine *engine = engine_of(2);
    const rhm_train_options options = {.learner = "latent", .seed = 1, .max_samples = 100, .test_samples = 10};
    rhm_model *model;
    rhm_train_report report;
    rhm_error error;
    assert_ok(rhm_train(&model, &report, engine, grammar, &options, &error), &error);
    for (uint32_t l = 1; l <= 3; l++)
        assert_int_equal(report.level[l].samples, 100);
    assert_int_equal(report.level[1].attempts, 1);
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

static void options_without_meaning_are_refused(void **state) {
    (void)state;
    const rhm_train_options cases[] = {{.learner = "latent", .width = 64},
                                       {.learner = "latent", .positions = {0, 1, 1}},
                                       {.learner = "latent", .draw = RHM_DRAW_COUNTS},
                                       {.learner = "latent", .checkpoint = {.directory = "c"}},
                                       {.learner = "latent", .samples = {0, 5, 6}}};
    static const char *const words[] = {"width", "positions", "draw", "checkpoint", "the same for all levels"};
    assert_options_refused(cases, words, sizeof cases / sizeof *cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sorts_of_grammars_are_learnt),       cmocka_unit_test(independent_siblings_are_said),
        cmocka_unit_test(what_is_the_same_is_one_group),          cmocka_unit_test(hard_grammars_come_to_an_end),
        cmocka_unit_test(threads_and_instructions_do_not_matter), cmocka_unit_test(no_more_sequences_than_allowed),
        cmocka_unit_test(options_without_meaning_are_refused),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
