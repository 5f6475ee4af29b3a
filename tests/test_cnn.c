/* The convolutional learner from inside: its protocols, its sequences and their order, interruption, threads. */
#include <math.h>

#include "kept_training.h"
#include "learners/cnn/recipe.h"
#include "learners/cnn/sequences.h"
#include "model/cnn.h"

/* Few steps an epoch, so that interruptions fall into epochs and between them. */
static rhm_train_options tiny(void) {
    return (rhm_train_options){.learner = "cnn",
                               .seed = 5,
                               .width = 7,
                               .test_samples = 50,
                               .cnn = {.epochs = 3, .batch = 16, .sequences = 40, .loss_threshold = RHM_NONE}};
}

static rhm_grammar *grammar_of(uint32_t vocab, uint32_t rules, uint32_t levels) {
    return learnable_grammar(rhm_shape_uniform(vocab, rules, 2, levels), SEED);
}

/* ---- protocols --------------------------------------------------------------------------------------------------- */

static rhm_cnn_recipe recipe_of(const rhm_problem *problem, const rhm_train_options *options) {
    rhm_cnn_recipe recipe;
    rhm_error error = {0};
    assert_ok(rhm_cnn_recipe_make(&recipe, problem, options, &error), &error);
    assert_ok(rhm_cnn_sequences_count(&recipe, problem, options, &error), &error);
    return recipe;
}

static void protocols_are_as_published(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(8, 4, 2);
    const rhm_train_options prx = {.learner = "cnn"}, later = {.learner = "cnn", .protocol = "2025"};
    const rhm_problem problem = rhm_problem_of_grammar(grammar, &prx);
    rhm_cnn_recipe r = recipe_of(&problem, &prx);
    rhm_network_shape shape;
    rhm_cnn_network(&shape, &r, &problem, 1, 1);
    assert_int_equal(r.width[2], 64);
    assert_int_equal(r.batch, 128);
    assert_int_equal(r.epochs, 250);
    assert_true(r.momentum == 0.9 && r.regulariser == 5e-4 && r.loss_threshold == 0.01);
    assert_true(shape.bias && shape.bias_scale == 0.1f && shape.readout_scale == 1 / 64.f);
    assert_true(shape.weight_scale[2] == (float)(1 / sqrt(8)) && shape.weight_scale[1] == 0.125f);
    assert_true(shape.input_scale == (float)(1 + 1 / sqrt(7)) && shape.input_shift == (float)(-1 / sqrt(7)));
    for (uint64_t epoch = 0; epoch < 250; epoch++) {
        const double rate = 6.4 * (1 + cos(M_PI * (double)epoch / 200)) / 2;
        assert_true(fabs(rhm_cnn_rate(&r, epoch) - rate) < 1e-14);
    }
    r = recipe_of(&problem, &later);
    rhm_cnn_network(&shape, &r, &problem, 1, 1);
    assert_int_equal(r.width[1], 512);
    assert_true(r.momentum == 0 && r.regulariser == 0 && r.loss_threshold == 1e-3 && rhm_cnn_rate(&r, 99) == 512);
    assert_true(!shape.bias && shape.weight_scale[2] == 0.25f && shape.weight_scale[1] == 1 / 32.f);
    assert_true(shape.input_scale == (float)(1 / sqrt(1 - 1 / 8.)));
    assert_true(fabs((double)shape.input_shift + 0.125 / sqrt(1 - 1 / 8.)) < 1e-8);
    rhm_grammar_destroy(grammar);
}

/* ---- sequences --------------------------------------------------------------------------------------------------- */

static size_t number_of(const uint16_t *token, size_t tokens, size_t vocab) {
    size_t number = 0;
    for (size_t t = 0; t < tokens; t++)
        number = number * vocab + token[t];
    return number;
}

/* All 4 x 2^3 sequences of a grammar, and 24 of them with the others to test on. */
static void without_replacement_each_comes_once(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(4, 2, 2);
    for (uint64_t count = 24; count <= 32; count += 8) {
        rhm_train_options options = {.learner = "cnn", .seed = 3, .test_samples = 100};
        options.cnn.sequences = count;
        const rhm_problem problem = rhm_problem_of_grammar(grammar, &options);
        const rhm_cnn_recipe recipe = recipe_of(&problem, &options);
        rhm_engine *engine = engine_of(2);
        rhm_cnn_sequences s;
        rhm_error error = {0};
        uint8_t seen[256] = {0};
        size_t different = 0;
        assert_ok(rhm_cnn_sequences_open(&s, engine, &problem, &recipe, options.seed, &error), &error);
        assert_int_equal(s.count, count);
        assert_int_equal(s.tested, 32 - count);
        for (size_t i = 0; i < 32; i++)
            different += !seen[number_of(s.token + 4 * i, 4, 4)]++;
        assert_int_equal(different, 32);
        rhm_cnn_sequences_close(&s);
        rhm_engine_destroy(engine);
    }
    rhm_grammar_destroy(grammar);
}

/* Every epoch has all of them, in an order of its own that does not depend on those before. */
static void epochs_are_orders(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(6, 3, 2);
    rhm_train_options options = {.learner = "cnn", .seed = 3};
    options.cnn.sequences = 97;
    options.cnn.sampling = RHM_SEQUENCES_REPEATED;
    const rhm_problem problem = rhm_problem_of_grammar(grammar, &options);
    const rhm_cnn_recipe recipe = recipe_of(&problem, &options);
    rhm_engine *engine = engine_of(1);
    rhm_cnn_sequences s;
    rhm_error error = {0};
    uint32_t before[97];
    size_t same = 0;
    assert_ok(rhm_cnn_sequences_open(&s, engine, &problem, &recipe, options.seed, &error), &error);
    assert_ok(rhm_cnn_sequences_turn(&s, 7, &error), &error);
    memcpy(before, s.order, sizeof before);
    assert_ok(rhm_cnn_sequences_turn(&s, 8, &error), &error);
    bool seen[97] = {false};
    for (size_t i = 0; i < 97; i++) {
        same += s.order[i] == before[i];
        assert_false(seen[s.order[i]]);
        seen[s.order[i]] = true;
    }
    assert_true(same < 10);
    assert_ok(rhm_cnn_sequences_turn(&s, 7, &error), &error);
    assert_memory_equal(before, s.order, sizeof before);
    rhm_cnn_sequences_close(&s);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

static void fresh_sequences_go_on(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(6, 3, 2);
    rhm_train_options options = {.learner = "cnn", .seed = 3};
    options.cnn.sequences = 50;
    options.cnn.sampling = RHM_SEQUENCES_FRESH;
    const rhm_problem problem = rhm_problem_of_grammar(grammar, &options);
    const rhm_cnn_recipe recipe = recipe_of(&problem, &options);
    rhm_engine *engine = engine_of(1);
    rhm_sampler *sampler;
    rhm_cnn_sequences s;
    rhm_error error = {0};
    uint16_t tokens[4 * 50], labels[50], taken[4 * 50], taken_labels[50];
    assert_ok(rhm_sampler_create(&sampler, grammar, 3, &error), &error);
    assert_ok(rhm_cnn_sequences_open(&s, engine, &problem, &recipe, options.seed, &error), &error);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        rhm_sample_sequences(sampler, rhm_stream(RHM_TRAINING, 0), 50 * epoch, 50, tokens, labels, NULL);
        assert_ok(rhm_cnn_sequences_turn(&s, epoch, &error), &error);
        rhm_cnn_sequences_take(&s, 0, 50, 4, taken, taken_labels);
        assert_memory_equal(tokens, taken, sizeof tokens);
        assert_memory_equal(labels, taken_labels, sizeof labels);
    }
    rhm_cnn_sequences_close(&s);
    rhm_sampler_destroy(sampler);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

/* ---- the same bits ----------------------------------------------------------------------------------------------- */

static void hash_of(char hash[RHM_HASH_TEXT_NBYTES], const rhm_grammar *grammar, rhm_train_options options) {
    interrupting run = {.left = -1, .threads = 2};
    rhm_error error = {0};
    assert_ok(run_training(&run, grammar, NULL, options, NULL, false, hash, &error), &error);
    rhm_train_report_clear(&run.report);
}

static void neither_threads_nor_instructions_matter(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(6, 3, 3);
    rhm_train_options options = tiny();
    for (int schedule = RHM_END_TO_END; schedule <= RHM_BY_LEVEL; schedule++) {
        options.cnn.schedule = (rhm_schedule)schedule;
        assert_same_on_any_engine(grammar, &options);
    }
    rhm_grammar_destroy(grammar);
}

/* At every step: 3 epochs of 3 steps, three times as many level by level. */
static void interrupted_anywhere_it_goes_on(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(6, 3, 3);
    for (int schedule = RHM_END_TO_END; schedule <= RHM_BY_LEVEL; schedule++) {
        rhm_train_options options = tiny();
        char whole[RHM_HASH_TEXT_NBYTES], resumed[RHM_HASH_TEXT_NBYTES];
        options.cnn.schedule = (rhm_schedule)schedule;
        hash_of(whole, grammar, options);
        for (long left = 0; left < (schedule == RHM_BY_LEVEL ? 27 : 9); left += schedule == RHM_BY_LEVEL ? 4 : 1) {
            interrupting run = {.left = left, .threads = 1};
            rhm_error error = {0};
            remove_directory("kept");
            assert_int_equal(run_training(&run, grammar, NULL, options, "kept", false, resumed, &error),
                             RHM_INTERRUPTED);
            assert_true(run.report.checkpoint.written >= 1);
            assert_ok(go_on(grammar, NULL, options, true, &run, resumed, &error), &error);
            assert_string_equal(whole, resumed);
            assert_non_null(strstr(run.notes, "resumed from kept"));
            assert_int_equal(run.report.descent.epochs, schedule == RHM_BY_LEVEL ? 9 : 3);
            assert_int_equal(run.report.descent.steps, schedule == RHM_BY_LEVEL ? 27 : 9);
            assert_ok(go_on(grammar, NULL, options, true, &run, resumed, &error), &error);
            assert_string_equal(whole, resumed);
            assert_non_null(strstr(run.notes, "all epochs done"));
            rhm_train_report_clear(&run.report);
        }
    }
    rhm_grammar_destroy(grammar);
}

static void diverged_is_a_status(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(6, 3, 3);
    rhm_train_options options = tiny();
    interrupting run = {.left = -1, .threads = 1};
    rhm_error error = {0};
    char hash[RHM_HASH_TEXT_NBYTES];
    options.learning_rate = 1e12;
    assert_refused(run_training(&run, grammar, NULL, options, NULL, false, hash, &error), RHM_FAILED, &error,
                   "diverged");
    rhm_train_report_clear(&run.report);
    rhm_grammar_destroy(grammar);
}

/* Whatever was in it, and however early training failed. */
static void reports_can_be_cleared_after_failures(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(6, 3, 3);
    rhm_engine *engine = engine_of(1);
    const rhm_train_options wrong[] = {{.learner = "nobody"}, {.learner = "cnn", .protocol = "nothing"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        rhm_train_report report;
        rhm_model *model;
        rhm_error error = {0};
        memset(&report, 0x5a, sizeof report);
        assert_int_equal(rhm_train(&model, &report, engine, grammar, &wrong[i], &error), RHM_INVALID);
        rhm_train_report_clear(&report);
    }
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

/* ---- outputs of levels ------------------------------------------------------------------------------------------- */

/* The readout of level 1's outputs is what the model predicts. */
static void outputs_of_levels_are_shown(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(6, 3, 2);
    rhm_engine *engine = engine_of(2);
    rhm_model *model;
    rhm_error error = {0};
    rhm_train_options options = tiny();
    uint16_t tokens[5 * 4] = {0, 1, 2, 3, 4, 5, 0, 1}, labels[5];
    float top[5 * 7], below[5 * 2 * 7];
    assert_ok(rhm_train(&model, NULL, engine, grammar, &options, &error), &error);
    assert_int_equal(rhm_model_embedding(model, 1), 7);
    assert_int_equal(rhm_model_embedding(model, 3), 0);
    assert_ok(rhm_model_embed(engine, model, 1, tokens, 5, top, &error), &error);
    assert_ok(rhm_model_embed(engine, model, 2, tokens, 5, below, &error), &error);
    assert_ok(rhm_predict(engine, model, tokens, 5, labels, NULL, NULL, &error), &error);
    const struct rhm_cnn *cnn = rhm_cnn_of(model);
    for (size_t i = 0; i < 5; i++) {
        double logit[6] = {0};
        size_t best = 0;
        for (size_t c = 0; c < 6; c++) {
            for (size_t k = 0; k < 7; k++)
                logit[c] += (double)top[i * 7 + k] * (double)cnn->parameters[cnn->layout.weights[0] + k * 6 + c];
            best = logit[c] > logit[best] ? c : best;
        }
        assert_int_equal(labels[i], best);
    }
    assert_memory_equal(below + 2 * 2 * 7, below + 3 * 2 * 7, sizeof(float) * 14); /* equal sequences */
    assert_true(memcmp(below, below + 2 * 7, sizeof(float) * 14) != 0);
    assert_refused(rhm_model_embed(engine, model, 3, tokens, 5, top, &error), RHM_INVALID, &error, "levels 1 to 2");
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protocols_are_as_published),
        cmocka_unit_test(without_replacement_each_comes_once),
        cmocka_unit_test(epochs_are_orders),
        cmocka_unit_test(fresh_sequences_go_on),
        cmocka_unit_test(neither_threads_nor_instructions_matter),
        cmocka_unit_test(interrupted_anywhere_it_goes_on),
        cmocka_unit_test(diverged_is_a_status),
        cmocka_unit_test(reports_can_be_cleared_after_failures),
        cmocka_unit_test(outputs_of_levels_are_shown),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
