/* Preconditioning by a sample of the patches: the same solution as without, in fewer passes, for any team. */
#include "dense.h"
#include "linear/preconditioner.h"

static const uint64_t SEED = 20260119;
static const problem_shape SHAPE = {6000, 20000, 2, 6, 6, 24, 0.6};
enum { SAMPLE = 1500 };

typedef struct solved {
    double *w;
    size_t size;
    rhm_solve_result result;
} solved;

typedef enum sampling { NO_SAMPLE, SAMPLE_BY_PASSES, SAMPLE_BY_GRAM } sampling;

static solved solve(const dense_problem *dense, int threads, sampling how, double tolerance, double start) {
    rhm_engine *engine = engine_of(threads);
    rhm_error error = {0};
    rhm_normal *problem = must_init(dense, engine, 0);
    rhm_preconditioner sample = {0};
    if (how) {
        const rhm_route route = how == SAMPLE_BY_GRAM ? RHM_ROUTE_GRAM : RHM_ROUTE_PASSES;
        const rhm_linear_data data = data_of(dense);
        assert_ok(rhm_preconditioner_init(&sample, SAMPLE, engine, &data, route, &error), &error);
        assert_int_equal(sample.normal->record.representation == RHM_FORMED, how == SAMPLE_BY_GRAM);
    }
    solved s = {.size = rhm_normal_size(problem)};
    double *target = must_alloc(s.size, sizeof *target);
    s.w = must_alloc(s.size, sizeof *s.w);
    for (size_t i = 0; i < s.size; i++)
        s.w[i] = i % problem->stride < 2 * (size_t)SHAPE.width / 32 * 32 ? start : 0;
    assert_ok(rhm_normal_right_hand_side(problem, target, &error), &error);
    const rhm_solve_options options = {.solver = RHM_CG,
                                       .lambda = 0.1 / (double)SHAPE.patches,
                                       .tolerance = tolerance,
                                       .preconditioner = how ? &sample : NULL};
    assert_ok(rhm_solve(problem, &options, target, s.w, &s.result, &error), &error);
    free(target);
    rhm_preconditioner_clear(&sample);
    rhm_normal_destroy(problem);
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
    solved plain = solve(&dense, 1, NO_SAMPLE, 1e-6, 0), sampled = solve(&dense, 1, SAMPLE_BY_PASSES, 1e-6, 0);
    assert_true(plain.result.converged && sampled.result.converged);
    if (!(distance(&sampled, &plain) < 3e-4))
        fail_msg("seed %llu: off by %.3g", (unsigned long long)SEED, distance(&sampled, &plain));
    if (!(2 * sampled.result.iterations < plain.result.iterations))
        fail_msg("seed %llu: %u passes with, %u without", (unsigned long long)SEED, sampled.result.iterations,
                 plain.result.iterations);
    /* A start that is not zero is improved upon, not forgotten: the same solution. */
    solved warm = solve(&dense, 1, SAMPLE_BY_PASSES, 1e-6, 0.01);
    assert_true(warm.result.converged && distance(&warm, &plain) < 3e-4);
    /* The sample's Gram matrix does what its passes do. */
    solved gram = solve(&dense, 1, SAMPLE_BY_GRAM, 1e-6, 0);
    assert_true(gram.result.converged && distance(&gram, &plain) < 3e-4);
    assert_in_range(gram.result.iterations, sampled.result.iterations - 1, sampled.result.iterations + 1);
    free(plain.w), free(sampled.w), free(warm.w), free(gram.w);
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
    assert_int_equal(rhm_sample_size(0, 1024), 0);
    assert_int_equal(rhm_sample_size((size_t)1 << 17, 1024), 0);
    size_t before = 0;
    for (size_t distinct = 1 << 18; distinct < (size_t)1 << 40; distinct *= 4) {
        const size_t size = rhm_sample_size(distinct, 1024);
        assert_true(size >= before && size * 8 <= distinct && size * 2048 <= (size_t)1 << 27);
        before = size;
    }
    assert_true(before > 0);
    assert_int_equal(rhm_sample_size((size_t)1 << 30, 1 << 20), 0); /* fewer patches than features tell nothing */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_solution_in_fewer_passes),
        cmocka_unit_test(any_team_gives_the_same_bits),
        cmocka_unit_test(sizes_of_the_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
