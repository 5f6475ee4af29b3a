/* Training on samples of a grammar: what is learned, what the options ask for, and that nothing else matters. */
#include "learning.h"
#include "rhm/inference.h"
#include "rhm/sampling.h"

static const uint64_t SEED = 20260119;

static rhm_model *train(const rhm_engine *engine, const rhm_grammar *grammar, rhm_train_options options,
                        rhm_train_report *report) {
    rhm_model *model;
    rhm_error error = {0};
    assert_ok(rhm_train(&model, report, engine, grammar, &options, &error), &error);
    return model;
}

static void hash_of(const rhm_engine *engine, const rhm_grammar *grammar, rhm_train_options options,
                    char hash[RHM_HASH_TEXT_NBYTES]) {
    rhm_model *model = train(engine, grammar, options, NULL);
    rhm_model_hash(model, hash);
    rhm_model_destroy(model);
}

static double fresh_accuracy(const rhm_engine *engine, const rhm_model *model, const rhm_grammar *grammar,
                             uint64_t seed, uint64_t count) {
    rhm_accuracy accuracy;
    rhm_error error = {0};
    assert_ok(rhm_evaluate(&accuracy, engine, model, grammar, seed, rhm_stream(RHM_TEST, 0), 0, count, &error), &error);
    assert_int_equal(accuracy.samples, count);
    return (double)accuracy.correct / (double)count;
}

static void auto_just_works(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    for (uint32_t levels = 2; levels <= 3; levels++)
        for (uint64_t seed = 1; seed + levels <= 4; seed++) {
            rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, levels), 100 * seed);
            rhm_train_report report;
            rhm_model *model = train(engine, grammar, (rhm_train_options){.seed = seed}, &report);
            assert_int_equal(report.levels, levels);
            assert_int_equal(report.test_samples, 10000);
            if (!(report.test_accuracy >= 0.99))
                fail_msg("L = %u, seed %llu: accuracy %.4f", levels, (unsigned long long)seed, report.test_accuracy);
            for (uint32_t l = 1; l <= levels; l++) {
                const rhm_level_report *r = &report.level[l];
                assert_int_equal(r->level, l);
                assert_true(r->resolved && r->limit[0] == '\0');
                assert_true(r->residual <= 1.1e-4 && r->iterations > 0 && r->attempts > 0);
                assert_true(r->samples <= 1000000000 && r->width <= 4096 && r->bandwidth > 0 && r->ridge > 0);
                const rhm_level_weights level = rhm_model_level(model, l);
                assert_int_equal(level.width, r->width);
                assert_true(level.bandwidth == r->bandwidth && level.ridge == r->ridge);
            }
            assert_true(fresh_accuracy(engine, model, grammar, seed, 10000) ==
                        report.test_accuracy); /* the same stream */
            assert_true(fresh_accuracy(engine, model, grammar, 999, 5000) >= 0.99);
            assert_non_null(rhm_model_grammar(model));
            rhm_model_destroy(model);
            rhm_grammar_destroy(grammar);
        }
    rhm_engine_destroy(engine);
}

static void shapes_of_all_kinds_train(void **state) {
    (void)state;
    const rhm_shape shapes[] = {rhm_shape_uniform(5, 3, 2, 1), rhm_shape_uniform(6, 3, 3, 2),
                                rhm_shape_uniform(4, 2, 5, 2)};
    rhm_engine *engine = engine_of(1);
    for (size_t i = 0; i < 3; i++) {
        rhm_grammar *grammar = learnable_grammar(shapes[i], SEED);
        rhm_train_report report;
        rhm_model_destroy(train(engine, grammar, (rhm_train_options){.seed = SEED, .test_samples = 3000}, &report));
        if (!(report.test_accuracy >= 0.99))
            fail_msg("shape %zu: accuracy %.4f", i, report.test_accuracy);
        rhm_grammar_destroy(grammar);
    }
    /* Vocabularies, rules and probabilities all different. */
    rhm_grammar *uneven = uneven_grammar();
    rhm_train_report report;
    rhm_model *model = train(engine, uneven, (rhm_train_options){.seed = SEED, .max_samples = 100000}, &report);
    assert_int_equal(rhm_model_classes(model), 3);
    assert_int_equal(rhm_model_token_vocab(model), 6);
    assert_true(report.test_accuracy >= 0.99);
    rhm_model_destroy(model);
    rhm_grammar_destroy(uneven);
    /* Symbols that never come first, a rule that is absent: no error, no NaN, and better than the best guess. */
    rhm_grammar *hopeless = small_grammar();
    model = train(engine, hopeless, (rhm_train_options){.seed = 1, .max_samples = 5000, .max_width = 256}, &report);
    if (!(report.test_accuracy >= 0.55)) /* the best guess is right half of the time */
        fail_msg("accuracy %.4f", report.test_accuracy);
    for (uint32_t l = 1; l <= 3; l++)
        assert_true(isfinite(report.level[l].held_out_loss) && isfinite(report.level[l].cluster_separation));
    rhm_model_destroy(model);
    rhm_grammar_destroy(hopeless);
    rhm_engine_destroy(engine);
}

static void given_numbers_are_obeyed(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = uneven_grammar(); /* |P_l| = 12, 12, 10 */
    const rhm_train_options options = {.samples = {0, 501, 700, 3333},
                                       .bandwidth = {0, 0.31, 0.017, 0.5},
                                       .ridge = {0, 0.0123, RHM_RIDGE_PAPER, 1e-5},
                                       .width = 77,
                                       .seed = SEED,
                                       .test_samples = 321,
                                       .tolerance = 1e-2};
    rhm_train_report report;
    rhm_model *model = train(engine, grammar, options, &report);
    const double ridge[] = {0, 0.0123, 1.0 / 12, 1e-5};
    for (uint32_t l = 1; l <= 3; l++) {
        const rhm_level_report *r = &report.level[l];
        assert_int_equal(r->samples, options.samples[l]);
        assert_int_equal(r->width, 77);
        assert_int_equal(r->attempts, 1); /* nothing to choose */
        assert_true(r->bandwidth == options.bandwidth[l] && fabs(r->ridge - ridge[l]) < 1e-15);
        assert_true(r->residual <= 1.1e-2 && r->residual > 1e-5);
        const rhm_level_weights level = rhm_model_level(model, l);
        assert_int_equal(level.width, 77);
        assert_true(level.bandwidth == r->bandwidth && level.ridge == r->ridge);
        double square = 0; /* frequencies are normal with deviation 1 / sigma */
        const size_t count = (size_t)77 * 2 * level.embedding;
        for (size_t i = 0; i < count; i++)
            square += pow((double)level.frequencies[i] * level.bandwidth, 2) / (double)count;
        assert_true(fabs(square - 1) < 5 * sqrt(2 / (double)count));
    }
    assert_int_equal(report.test_samples, 321);
    rhm_model_destroy(model);

    /* The paper's ridge at every level; limits on what auto may choose. */
    const rhm_train_options paper = {.ridge = {0, RHM_RIDGE_PAPER, RHM_RIDGE_PAPER, RHM_RIDGE_PAPER},
                                     .max_samples = 2500,
                                     .max_width = 64,
                                     .seed = SEED};
    rhm_model_destroy(train(engine, grammar, paper, &report));
    const double patches[] = {0, 12, 12, 10};
    for (uint32_t l = 1; l <= 3; l++) {
        assert_true(fabs(report.level[l].ridge - 1 / patches[l]) < 1e-15);
        assert_true(report.level[l].samples <= 2500 && report.level[l].width <= 64);
    }
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* The time limit ends the search, not the training, and the report says so. */
static void the_clock_only_stops_the_search(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED);
    rhm_train_report report;
    const rhm_train_options options = {.max_seconds = 1e-9, .seed = 1, .max_samples = 3000, .max_width = 32};
    rhm_model *model = train(engine, grammar, options, &report);
    size_t said = 0;
    for (uint32_t l = 1; l <= 3; l++) {
        assert_int_equal(report.level[l].attempts, 1);
        said += strstr(report.level[l].limit, "seconds") != NULL;
    }
    assert_true(said > 0);
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

static void the_model_depends_on_instance_and_options_alone(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 3), SEED);
    const rhm_train_options options = {.seed = 5, .test_samples = 10, .max_width = 64, .max_samples = 6000};
    const struct {
        int threads;
        const char *isa;
    } engines[] = {{1, NULL}, {1, NULL}, {2, NULL}, {3, NULL}, {1, "scalar"}, {2, "avx2"}, {1, "avx512"}};
    char first[RHM_HASH_TEXT_NBYTES] = "", again[RHM_HASH_TEXT_NBYTES];
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        rhm_engine *engine = engine_at(engines[i].threads, engines[i].isa);
        if (!engine)
            continue;
        hash_of(engine, grammar, options, i == 0 ? first : again);
        if (i > 0)
            assert_string_equal(again, first);
        rhm_engine_destroy(engine);
    }
    /* Less memory: features are recomputed instead of kept. */
    rhm_engine *small;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&small, &(rhm_engine_options){.threads = 1, .memory_limit_nbytes = 6 << 20}, &error),
              &error);
    hash_of(small, grammar, options, again);
    assert_string_equal(again, first);

    rhm_train_options other = options;
    other.test_samples = 5000; /* of no influence */
    hash_of(small, grammar, other, again);
    assert_string_equal(again, first);
    other.seed = 6;
    hash_of(small, grammar, other, again);
    assert_string_not_equal(again, first);
    rhm_grammar *another = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED + 1000);
    hash_of(small, another, options, again);
    assert_string_not_equal(again, first);
    rhm_grammar_destroy(another);
    rhm_engine_destroy(small);
    rhm_grammar_destroy(grammar);
}

/* Condition 2 to 3 at the paper's ridge: iterations as measured on the prototype. */
static void solvers_take_the_expected_iterations(void **state) {
    (void)state;
    const struct {
        rhm_solver solver;
        uint32_t least, most;
    } expected[] = {{RHM_CG, 4, 9}, {RHM_GD, 12, 20}, {RHM_GD_PAPER, 100, 220}, {RHM_CHOLESKY, 1, 1}};
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), 1);
    rhm_train_options options = {.samples = {0, 600, 4000, 30000},
                                 .bandwidth = {0, 0.2, 0.07, 0.35},
                                 .ridge = {0, RHM_RIDGE_PAPER, RHM_RIDGE_PAPER, RHM_RIDGE_PAPER},
                                 .width = 256,
                                 .tolerance = 1e-6,
                                 .seed = SEED,
                                 .test_samples = 3000};
    double accuracy[4];
    for (size_t i = 0; i < 4; i++) {
        rhm_train_report report;
        options.solver = expected[i].solver;
        rhm_model_destroy(train(engine, grammar, options, &report));
        accuracy[i] = report.test_accuracy;
        for (uint32_t l = 1; l <= 3; l++) {
            const rhm_level_report *r = &report.level[l];
            assert_int_equal(r->solver, expected[i].solver);
            assert_true(r->residual < 1.3e-6);
            if (r->iterations < expected[i].least || r->iterations > expected[i].most)
                fail_msg("%s took %u iterations at level %u", rhm_solver_name(r->solver), r->iterations, l);
        }
        assert_true(fabs(accuracy[i] - accuracy[0]) < 0.003 && accuracy[0] > 0.8);
    }
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* A tolerance below what single precision can reach ends where rounding does, in all solvers. */
static void impossible_tolerances_end(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), 1);
    for (int solver = RHM_CG; solver <= RHM_GD; solver++) {
        rhm_train_report report;
        const rhm_train_options options = {.samples = {0, 500, 2000},
                                           .bandwidth = {0, 0.2, 0.35},
                                           .ridge = {0, RHM_RIDGE_PAPER, RHM_RIDGE_PAPER},
                                           .width = 64,
                                           .solver = (rhm_solver)solver,
                                           .tolerance = 1e-12,
                                           .seed = SEED};
        rhm_model_destroy(train(engine, grammar, options, &report));
        for (uint32_t l = 1; l <= 2; l++)
            assert_true(report.level[l].iterations < 500 && report.level[l].residual < 1e-6);
    }
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

static void unreasonable_options_are_refused(void **state) {
    (void)state;
    const struct {
        rhm_train_options options;
        const char *words;
    } cases[] = {
        {{.tolerance = -1e-3}, "tolerance"},
        {{.tolerance = 1}, "tolerance"},
        {{.tolerance = (double)NAN}, "tolerance"},
        {{.width = RHM_MAX_WIDTH + 1}, "width"},
        {{.max_width = UINT32_MAX}, "width"},
        {{.max_seconds = -1}, "max-seconds"},
        {{.max_seconds = (double)NAN}, "max-seconds"},
        {{.solver = (rhm_solver)4}, "solver"},
        {{.solver = (rhm_solver)-1}, "solver"},
        {{.bandwidth = {0, 0, -0.5}}, "bandwidth of level 2"},
        {{.bandwidth = {0, (double)INFINITY}}, "bandwidth of level 1"},
        {{.bandwidth = {0, (double)NAN}}, "bandwidth of level 1"},
        {{.ridge = {0, -0.5}}, "ridge of level 1"},
        {{.ridge = {0, 0, (double)NAN}}, "ridge of level 2"},
        {{.ridge = {0, 0, 1e7}}, "ridge of level 2"},
        {{.samples = {0, 0, UINT64_MAX}}, "level 2"},
    };
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_model *model = (rhm_model *)1;
        rhm_error error = {0};
        assert_refused(rhm_train(&model, NULL, engine, grammar, &cases[i].options, &error), RHM_INVALID, &error,
                       cases[i].words);
        assert_true(model == NULL || model == (rhm_model *)1);
    }
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* Raise the flag at a progress call, or when a stage's name begins to appear. */
typedef struct alarm_clock {
    volatile sig_atomic_t flag;
    size_t calls, ring_at;
    const char *ring_stage;
} alarm_clock;

static void ring(void *user, const rhm_progress *progress) {
    alarm_clock *clock = user;
    if (++clock->calls == clock->ring_at || (clock->ring_stage && strstr(progress->stage, clock->ring_stage)))
        clock->flag = SIGTERM;
}

static void an_interrupt_leaves_nothing(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED);
    const char *const stages[] = {"level 3", "level 2", "level 1: validation", "testing"};
    const rhm_train_options options = {.seed = 5, .max_width = 128, .max_samples = 20000};
    for (size_t i = 0; i < 8; i++) {
        alarm_clock clock = {.ring_at = i < 4 ? i : 0, .ring_stage = i < 4 ? NULL : stages[i - 4]};
        rhm_engine *engine;
        rhm_error error = {0};
        const rhm_engine_options o = {.threads = 2, .interrupt = &clock.flag, .progress = ring, .user = &clock};
        assert_ok(rhm_engine_create(&engine, &o, &error), &error);
        clock.flag = i == 0 ? SIGTERM : 0; /* before anything began */
        rhm_model *model = NULL;
        const rhm_status status = rhm_train(&model, NULL, engine, grammar, &options, &error);
        assert_int_equal(clock.flag, SIGTERM);
        assert_refused(status, RHM_INTERRUPTED, &error, "interrupted");
        assert_null(model);
        rhm_engine_destroy(engine);
    }
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_just_works),
        cmocka_unit_test(shapes_of_all_kinds_train),
        cmocka_unit_test(given_numbers_are_obeyed),
        cmocka_unit_test(the_clock_only_stops_the_search),
        cmocka_unit_test(the_model_depends_on_instance_and_options_alone),
        cmocka_unit_test(solvers_take_the_expected_iterations),
        cmocka_unit_test(impossible_tolerances_end),
        cmocka_unit_test(unreasonable_options_are_refused),
        cmocka_unit_test(an_interrupt_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
