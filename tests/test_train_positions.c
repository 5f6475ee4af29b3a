/* Training with several positions per level: what one position cannot tell apart, and that nothing else matters. */
#include "interrupting.h"
#include "learners/layerwise/distances.h"

static const uint64_t SEED = 20260119;

enum { LEVELS = 3 };

/* Rules with symbols that never come first, or that first patches cannot tell apart. */
static rhm_grammar *degenerate_grammar(uint64_t seed) {
    for (;; seed++) {
        const rhm_shape shape = rhm_shape_uniform(8, 2, 2, LEVELS);
        rhm_grammar *grammar;
        rhm_analysis analysis = {0};
        rhm_error error = {0};
        assert_ok(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, seed, &error), &error);
        assert_ok(rhm_analyse(&analysis, grammar, &error), &error);
        const bool holds = analysis.assumption_6;
        rhm_analysis_clear(&analysis);
        if (!holds)
            return grammar;
        rhm_grammar_destroy(grammar);
    }
}

static rhm_train_report train(const rhm_grammar *grammar, const rhm_data *data, rhm_train_options options, int threads,
                              const char *isa, char hash[RHM_HASH_TEXT_NBYTES]) {
    interrupting run = {.left = -1, .threads = threads, .isa = isa};
    rhm_error error = {0};
    assert_ok(run_training(&run, grammar, data, options, NULL, false, hash, &error), &error);
    return run.report;
}

static void auto_takes_as_many_as_it_needs(void **state) {
    (void)state;
    char hash[RHM_HASH_TEXT_NBYTES];
    for (uint64_t seed = 100; seed <= 300; seed += 100) {
        rhm_grammar *grammar = degenerate_grammar(seed);
        const rhm_train_report report =
            train(grammar, NULL, (rhm_train_options){.seed = seed, .width = 256, .test_samples = 2000}, 1, NULL, hash);
        bool more = false;
        for (uint32_t l = 1; l <= LEVELS; l++) {
            more |= report.level[l].positions > 1;
            assert_true(report.level[l].resolved && report.level[l].clusters == 8);
            assert_true(report.level[l].posterior_error_mean < 0.2);
        }
        if (!more || !(report.test_accuracy >= 0.999))
            fail_msg("seed %llu: accuracy %.4f", (unsigned long long)seed, report.test_accuracy);
        assert_int_equal(report.level[1].positions, 1);
        rhm_grammar_destroy(grammar);
    }
}

/* A symbol that never occurs at the first positions is no part of what they show, held-out samples included. */
static void all_symbols_occur_at_what_auto_takes(void **state) {
    (void)state;
    char hash[RHM_HASH_TEXT_NBYTES];
    uint32_t absent = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        const rhm_shape shape = rhm_shape_uniform(8, 2, 2, LEVELS);
        rhm_grammar *grammar;
        rhm_analysis analysis = {0};
        rhm_distances distances;
        rhm_error error = {0};
        assert_ok(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, seed, &error), &error);
        assert_ok(rhm_analyse(&analysis, grammar, &error), &error);
        const rhm_train_options options = {.seed = seed, .test_samples = 500, .width = 128, .max_samples = 20000};
        const rhm_train_report report = train(grammar, NULL, options, 1, NULL, hash);
        for (uint32_t l = 2; l <= LEVELS; l++)
            for (uint32_t k = 1; k < report.level[l].positions; k *= 2) {
                assert_ok(rhm_distances_at(&distances, grammar, &analysis, l, k, &error), &error);
                absent += !distances.all_occur;
            }
        for (uint32_t l = 2; l <= LEVELS; l++) {
            assert_ok(rhm_distances_at(&distances, grammar, &analysis, l, report.level[l].positions, &error), &error);
            if (!distances.all_occur)
                fail_msg("seed %llu, level %u: %u positions do not show all symbols", (unsigned long long)seed, l,
                         report.level[l].positions);
        }
        rhm_analysis_clear(&analysis);
        rhm_grammar_destroy(grammar);
    }
    assert_true(absent > 3);
}

/* What one position resolves gets the bits of one position; more, or fewer than there are, are obeyed. */
static void given_positions_are_obeyed(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, LEVELS), SEED);
    char one[RHM_HASH_TEXT_NBYTES], automatic[RHM_HASH_TEXT_NBYTES], two[RHM_HASH_TEXT_NBYTES];
    rhm_train_options options = {.seed = SEED, .test_samples = 1000, .width = 256, .max_samples = 200000};
    rhm_train_report report = train(grammar, NULL, options, 1, NULL, automatic);
    for (uint32_t l = 1; l <= LEVELS; l++)
        options.positions[l] = 1;
    train(grammar, NULL, options, 1, NULL, one);
    for (uint32_t l = 1; l <= LEVELS; l++)
        assert_int_equal(report.level[l].positions, 1);
    assert_string_equal(automatic, one);
    options.positions[1] = options.positions[2] = 7;
    options.positions[3] = 3;
    report = train(grammar, NULL, options, 1, NULL, two);
    assert_string_not_equal(two, one);
    assert_int_equal(report.level[1].positions, 1);
    assert_int_equal(report.level[2].positions, 2);
    assert_int_equal(report.level[3].positions, 3);
    assert_true(report.test_accuracy >= 0.99);
    rhm_grammar_destroy(grammar);
}

/* Threads, instruction sets, and interruptions at every kind of moment: drawn counts, samples, and rows of a data set.
 */
static void bits_are_always_the_same(void **state) {
    (void)state;
    rhm_grammar *grammar = degenerate_grammar(100);
    rhm_data data = sample_rows(grammar, false, 12000, SEED);
    for (int way = 0; way < 3; way++) {
        const rhm_data *rows = way == 2 ? &data : NULL;
        const rhm_train_options options = {.seed = SEED,
                                           .test_samples = 500,
                                           .width = 64,
                                           .max_samples = 12000,
                                           .draw = way == 1 ? RHM_DRAW_SAMPLES : RHM_DRAW_AUTO};
        char through[RHM_HASH_TEXT_NBYTES], again[RHM_HASH_TEXT_NBYTES];
        const rhm_train_report report = train(grammar, rows, options, 1, NULL, through);
        assert_true(report.level[2].positions > 1 || report.level[3].positions > 1);
        train(grammar, rows, options, 2, "scalar", again);
        assert_string_equal(again, through);
        for (long left = 3; left < 1000; left = 3 * left + 5) {
            interrupting run = {.left = left, .threads = 2};
            rhm_error error = {0};
            char directory[32];
            snprintf(directory, sizeof directory, "kept_%d_%ld", way, left);
            const rhm_status status = run_training(&run, grammar, rows, options, directory, false, again, &error);
            if (status == RHM_OK)
                break;
            assert_int_equal(status, RHM_INTERRUPTED);
            run.left = -1;
            run.threads = 1;
            assert_ok(run_training(&run, grammar, rows, options, directory, true, again, &error), &error);
            assert_string_equal(again, through);
            for (uint32_t l = 1; l <= LEVELS; l++) {
                assert_int_equal(run.report.level[l].positions, report.level[l].positions);
                assert_int_equal(run.report.level[l].attempts, report.level[l].attempts);
                assert_true(run.report.level[l].work == report.level[l].work);
            }
        }
    }
    free_rows(&data);
    rhm_grammar_destroy(grammar);
}

/* Raw samples make the same regression, only larger; with so few of them no patch is put in where it is absent. */
static void raw_samples_give_the_same_weights(void **state) {
    (void)state;
    rhm_grammar *grammar = degenerate_grammar(100);
    rhm_train_options options = {.seed = SEED,
                                 .test_samples = 500,
                                 .width = 64,
                                 .samples = {0, 200, 200, 200},
                                 .positions = {0, 1, 2, 3},
                                 .bandwidth = {0, 0.5, 0.4, 0.35},
                                 .ridge = {0, 1e-2, 1e-2, 1e-2},
                                 .draw = RHM_DRAW_SAMPLES,
                                 .tolerance = 1e-7};
    rhm_engine *engine = engine_of(2);
    rhm_model *model[2];
    rhm_error error = {0};
    for (int raw = 0; raw < 2; raw++) {
        options.raw = raw;
        assert_ok(rhm_train(&model[raw], NULL, engine, grammar, &options, &error), &error);
    }
    /* At the level that reads tokens: the others read outputs, some of which have small sums with so few samples. */
    const rhm_level_weights a = rhm_model_level(model[0], LEVELS), b = rhm_model_level(model[1], LEVELS);
    double off = 0, norm = 0;
    assert_true(a.positions == 3 && b.positions == 3);
    for (size_t i = 0; i < (size_t)a.positions * a.classes * 2 * a.width; i++) {
        off += pow((double)a.weights[i] - (double)b.weights[i], 2);
        norm += pow((double)a.weights[i], 2);
    }
    if (!(sqrt(off / norm) < 1e-3))
        fail_msg("weights are off by %.3g", sqrt(off / norm));
    for (int raw = 0; raw < 2; raw++)
        rhm_model_destroy(model[raw]);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_takes_as_many_as_it_needs),    cmocka_unit_test(all_symbols_occur_at_what_auto_takes),
        cmocka_unit_test(given_positions_are_obeyed),        cmocka_unit_test(bits_are_always_the_same),
        cmocka_unit_test(raw_samples_give_the_same_weights),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
