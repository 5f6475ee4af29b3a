/* Preconditioning by a sample of the patches: the same solution as without, in fewer passes, for any team. */
#include "dense.h"
#include "learner/coarse.h"

static const uint64_t SEED = 20260119;
static const problem_shape SHAPE = {6000, 20000, 2, 6, 6, 24, 0.6};
enum { SAMPLE = 1500 };

typedef struct solved {
    double *w;
    size_t size;
    rhm_solve_result result;
} solved;

typedef enum sampling { NO_SAMPLE, SAMPLE_BY_PASSES, SAMPLE_BY_GRAM } sampling;

static solved solve(const dense_problem *dense, int threads, sampling sampled, double tolerance, double start) {
    rhm_engine *engine = engine_of(threads);
    rhm_error error = {0};
    rhm_regression problem = must_init((dense_problem *)(uintptr_t)dense, engine, 0);
    rhm_coarse coarse = {0};
    if (sampled) {
        const rhm_route route = sampled == SAMPLE_BY_GRAM ? RHM_ROUTE_GRAM : RHM_ROUTE_PASSES;
        assert_ok(rhm_coarse_init(&coarse, SAMPLE, engine, &dense->ready, &dense->inputs, &dense->patches,
                                  &dense->counts, route, &error),
                  &error);
        assert_int_equal(coarse.regression.gram.matrix.data != NULL, sampled == SAMPLE_BY_GRAM);
    }
    solved s = {.size = rhm_regression_size(&problem)};
    double *target = must_alloc(s.size, sizeof *target);
    s.w = must_alloc(s.size, sizeof *s.w);
    for (size_t i = 0; i < s.size; i++)
        s.w[i] = i % problem.stride < 2 * (size_t)SHAPE.width / 32 * 32 ? start : 0;
    assert_ok(rhm_regression_target(&problem, target, &error), &error);
    const rhm_solve_options options = {.solver = RHM_CG,
                                       .lambda = 0.1 / (double)SHAPE.patches,
                                       .tolerance = tolerance,
                                       .coarse = sampled ? &coarse : NULL};
    assert_ok(rhm_solve(&problem, &options, target, s.w, &s.result, &error), &error);
    free(target);
    rhm_coarse_clear(&coarse);
    rhm_regression_clear(&problem);
    rhm_engine_destroy(engine);
    return s;
}

static double distance(const solved *a, const solved *b) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < a->size; i++) {
        difference += (a->w[i] - b->w[i]) * (a->w[i] - b->w[i]);
        norm += b->w[i] * b->w[i];
    }
    return sqrt(difference / norm);
}

static void same_solution_in_fewer_passes(void **state) {
    (void)state;
    dense_problem dense = make_problem(SHAPE, SEED);
    solved plain = solve(&dense, 1, NO_SAMPLE, 1e-6, 0), coarse = solve(&dense, 1, SAMPLE_BY_PASSES, 1e-6, 0);
    assert_true(plain.result.converged && coarse.result.converged);
    if (!(distance(&coarse, &plain) < 3e-4))
        fail_msg("seed %llu: off by %.3g", (unsigned long long)SEED, distance(&coarse, &plain));
    if (!(2 * coarse.result.iterations < plain.result.iterations))
        fail_msg("seed %llu: %u passes with, %u without", (unsigned long long)SEED, coarse.result.iterations,
                 plain.result.iterations);
    /* A start that is not zero is improved upon, not forgotten: the same solution. */
    solved warm = solve(&dense, 1, SAMPLE_BY_PASSES, 1e-6, 0.01);
    assert_true(warm.result.converged && distance(&warm, &plain) < 3e-4);
    /* The sample's Gram matrix does what its passes do. */
    solved gram = solve(&dense, 1, SAMPLE_BY_GRAM, 1e-6, 0);
    assert_true(gram.result.converged && distance(&gram, &plain) < 3e-4);
    assert_in_range(gram.result.iterations, coarse.result.iterations - 1, coarse.result.iterations + 1);
    free(plain.w), free(coarse.w), free(warm.w), free(gram.w);
    clear_problem(&dense);
}

static void any_team_gives_the_same_bits(void **state) {
    (void)state;
    dense_problem dense = make_problem(SHAPE, SEED + 1);
    for (int how = SAMPLE_BY_PASSES; how <= SAMPLE_BY_GRAM; how++) {
        solved one = solve(&dense, 1, (sampling)how, 1e-4, 0), three = solve(&dense, 3, (sampling)how, 1e-4, 0);
        assert_memory_equal(one.w, three.w, sizeof *one.w * one.size);
        assert_int_equal(one.result.iterations, three.result.iterations);
        free(one.w), free(three.w);
    }
    clear_problem(&dense);
}

/* Small problems do without; the sample is a fraction of the patches and its features have a bound. */
static void sizes_of_the_sample(void **state) {
    (void)state;
    assert_int_equal(rhm_coarse_size(0, 1024), 0);
    assert_int_equal(rhm_coarse_size((size_t)1 << 17, 1024), 0);
    size_t before = 0;
    for (size_t distinct = 1 << 18; distinct < (size_t)1 << 40; distinct *= 4) {
        const size_t size = rhm_coarse_size(distinct, 1024);
        assert_true(size >= before && size * 8 <= distinct && size * 2048 <= (size_t)1 << 27);
        before = size;
    }
    assert_true(before > 0);
    assert_int_equal(rhm_coarse_size((size_t)1 << 30, 1 << 20), 0); /* fewer patches than features tell nothing */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_solution_in_fewer_passes),
        cmocka_unit_test(any_team_gives_the_same_bits),
        cmocka_unit_test(sizes_of_the_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
