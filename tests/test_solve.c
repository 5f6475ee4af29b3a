/* The solvers against Gaussian elimination on dense normal equations in double precision. */
#include "dense.h"
#include "linear/solvers.h"

static const uint64_t SEED = 20260119;

/* Whether it multiplies with C, again and again. */
static bool iterates(rhm_solver solver) {
    return rhm_solver_products(solver, 1) > 0;
}

/* C + lambda I over the raw samples, row-major (2M, 2M). */
static double *dense_matrix(const dense_problem *p, double lambda) {
    const size_t n = 2 * (size_t)p->shape.width;
    double *a = must_alloc(n * n, sizeof *a);
    for (size_t i = 0; i < p->shape.samples; i++) {
        const double *x = p->x + p->patch_of[i] * n;
        for (size_t f = 0; f < n; f++)
            for (size_t g = 0; g < n; g++)
                a[f * n + g] += x[f] * x[g] / (double)p->shape.samples;
    }
    for (size_t f = 0; f < n; f++)
        a[f * n + f] += lambda;
    return a;
}

/* ||(C + lambda I) w - B|| / ||B|| over the raw samples. */
static double dense_residual(const dense_problem *p, double lambda, const double *w) {
    const size_t size = 2 * (size_t)p->shape.width * p->shape.classes;
    double *r = must_alloc(size, sizeof *r);
    dense_apply(p, w, r);
    for (size_t i = 0; i < size; i++)
        r[i] += lambda * w[i] - p->target[i];
    const double residual = norm(r, size) / norm(p->target, size);
    free(r);
    return residual;
}

/* A library problem with its right-hand side and room for a solution. */
typedef struct solving {
    dense_problem dense;
    rhm_normal *normal;
    double *target, *w; /* (classes, stride) */
    double *found;      /* (classes, 2M) */
    size_t size;        /* of `found` */
} solving;

/* In place, because the equations borrow the dense problem's parts. */
static void begin(solving *s, problem_shape shape, uint64_t seed, const rhm_engine *engine) {
    s->dense = make_problem(shape, seed);
    s->normal = must_init(&s->dense, engine, SIZE_MAX);
    s->size = 2 * (size_t)shape.width * shape.classes;
    s->target = must_alloc(rhm_normal_size(s->normal), sizeof *s->target);
    s->w = must_alloc(rhm_normal_size(s->normal), sizeof *s->w);
    s->found = must_alloc(s->size, sizeof *s->found);
    assert_int_equal(rhm_normal_right_hand_side(s->normal, s->target, NULL), RHM_OK);
}

static void end(solving *s) {
    free(s->target);
    free(s->w);
    free(s->found);
    rhm_normal_destroy(s->normal);
    clear_problem(&s->dense);
}

/* From zero. */
static rhm_solve_result solve(solving *s, rhm_solve_options options) {
    rhm_solve_result result;
    rhm_error error = {0};
    memset(s->w, 0, sizeof *s->w * rhm_normal_size(s->normal));
    assert_ok(rhm_solve(s->normal, &options, s->target, s->w, &result, &error), &error);
    unpack(&s->dense, s->normal->stride, s->w, s->found);
    return result;
}

static const problem_shape SHAPES[] = {
    {60, 700, 2, 8, 4, 64, 0.35},  /* fewer patches than features */
    {300, 2500, 2, 5, 5, 20, 0.3}, /* more patches than features */
    {40, 400, 2, 7, 3, 20, 0.35},  /* as many */
    {500, 1500, 3, 4, 4, 50, 0.2}, /* padding, several chunks */
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof *SHAPES };

static void solvers_agree_with_elimination(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    for (size_t n = 0; n < SHAPE_COUNT; n++)
        for (int small = 0; small < 2; small++) {
            const double patches = (double)SHAPES[n].patches, lambda = (small ? 0.1 : 1) / patches;
            solving s;
            begin(&s, SHAPES[n], SEED + n, engine);
            double *exact = must_alloc(s.size, sizeof *exact), *matrix = dense_matrix(&s.dense, lambda);
            memcpy(exact, s.dense.target, sizeof *exact * s.size);
            eliminate(matrix, 2 * (size_t)SHAPES[n].width, exact, SHAPES[n].classes);
            assert_true(dense_residual(&s.dense, lambda, exact) < 1e-12);
            for (size_t i = 0; i < RHM_SOLVERS; i++) {
                if (small && (rhm_solver)i == RHM_GD_PAPER)
                    continue; /* its step belongs to lambda = 1/|P|; here it would take tens of thousands */
                const rhm_solve_result result =
                    solve(&s, (rhm_solve_options){(rhm_solver)i, lambda, small ? 2e-7 : 5e-7, patches, 0, NULL});
                const double off = relative(s.found, exact, s.size);
                if (!(off < 1e-5) || !result.converged)
                    fail_msg(
                        "seed %llu, shape %zu, lambda |P| = %g, %s: off by %.3g after %u iterations, residual %.3g",
                        (unsigned long long)SEED + n, n, lambda * patches, rhm_solver_name((rhm_solver)i), off,
                        result.iterations, result.residual);
                for (size_t k = 0; k < s.size; k++)
                    assert_true(s.found[k] == (double)(float)s.found[k]); /* as it will be stored */
            }
            free(exact), free(matrix), end(&s);
        }
    rhm_engine_destroy(engine);
}

/* The residual that is reported is that of the weights that are returned, and the one that was asked for. */
static void reported_residual_is_true(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    const double tolerances[] = {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6};
    for (size_t n = 0; n < 2; n++) {
        const double patches = (double)SHAPES[n].patches;
        solving s;
        begin(&s, SHAPES[n], SEED + n, engine);
        for (size_t i = 0; i < RHM_SOLVERS; i++) {
            uint32_t before = 0;
            for (size_t t = 0; t < 6; t++) {
                const rhm_solve_result result =
                    solve(&s, (rhm_solve_options){(rhm_solver)i, 1 / patches, tolerances[t], patches, 0, NULL});
                const double exact = dense_residual(&s.dense, 1 / patches, s.found);
                if (!(fabs(result.residual - exact) < 1e-3 * exact + 3e-7) || !(exact <= 1.001 * tolerances[t] + 1e-6))
                    fail_msg("shape %zu, %s at %g: residual %.6g reported, %.6g measured", n,
                             rhm_solver_name((rhm_solver)i), tolerances[t], result.residual, exact);
                assert_true(result.converged);
                if (iterates((rhm_solver)i)) {
                    assert_true(exact > 1e-3 * tolerances[t]); /* it stopped because it was done */
                    assert_true(result.iterations > before);
                    before = result.iterations;
                }
            }
        }
        end(&s);
    }
    rhm_engine_destroy(engine);
}

static void iterations_are_limited(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    const double patches = (double)SHAPES[0].patches;
    solving s;
    begin(&s, SHAPES[0], SEED, engine);
    for (size_t i = 0; i < RHM_SOLVERS; i++)
        for (uint32_t most = 1; most <= 3 && iterates((rhm_solver)i); most++) {
            const rhm_solve_result result =
                solve(&s, (rhm_solve_options){(rhm_solver)i, 1 / patches, 1e-6, patches, most, NULL});
            assert_int_equal(result.iterations, most);
            assert_false(result.converged);
            assert_true(fabs(result.residual - dense_residual(&s.dense, 1 / patches, s.found)) <
                        1e-4 * result.residual);
        }
    end(&s);
    rhm_engine_destroy(engine);
}

/* The first steps by hand: descent from zero gives step B, then w + step (B - (C + lambda) w). */
static void descent_takes_the_papers_step(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    const double patches = (double)SHAPES[1].patches, lambda = 1 / patches, step = 2 * patches / (patches + 1);
    solving s;
    begin(&s, SHAPES[1], SEED, engine);
    double *w = must_alloc(s.size, sizeof *w), *cw = must_alloc(s.size, sizeof *cw);
    for (uint32_t steps = 1; steps <= 3; steps++) {
        dense_apply(&s.dense, w, cw);
        for (size_t i = 0; i < s.size; i++)
            w[i] += step * (s.dense.target[i] - cw[i] - lambda * w[i]);
        solve(&s, (rhm_solve_options){RHM_GD_PAPER, lambda, 1e-6, patches, steps, NULL});
        assert_true(relative(s.found, w, s.size) < 1e-6);
    }
    free(w), free(cw), end(&s);
    rhm_engine_destroy(engine);
}

/* Hestenes and Stiefel's recurrence on the dense system, one class after the other. */
static void dense_conjugate_gradients(const dense_problem *p, double lambda, uint32_t steps, double *w) {
    const size_t n = 2 * (size_t)p->shape.width, classes = p->shape.classes, size = n * classes;
    double *r = must_alloc(3 * size, sizeof *r), *d = r + size, *q = r + 2 * size;
    memset(w, 0, sizeof *w * size);
    memcpy(r, p->target, sizeof *r * size);
    memcpy(d, r, sizeof *r * size);
    for (uint32_t step = 0; step < steps; step++) {
        dense_apply(p, d, q);
        for (size_t c = 0; c < classes; c++) {
            double *rc = r + c * n, *dc = d + c * n, *qc = q + c * n, curvature = 0;
            const double before = norm(rc, n) * norm(rc, n);
            for (size_t f = 0; f < n; f++)
                curvature += dc[f] * (qc[f] + lambda * dc[f]);
            for (size_t f = 0; f < n; f++) {
                w[c * n + f] += before / curvature * dc[f];
                rc[f] -= before / curvature * (qc[f] + lambda * dc[f]);
            }
            const double after = norm(rc, n) * norm(rc, n);
            for (size_t f = 0; f < n; f++)
                dc[f] = rc[f] + after / before * dc[f];
        }
    }
    free(r);
}

static void conjugate_gradients_take_the_textbook_steps(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    for (size_t n = 0; n < 3; n++) {
        const double lambda = 0.2 / (double)SHAPES[n].patches;
        solving s;
        begin(&s, SHAPES[n], SEED + n, engine);
        double *w = must_alloc(s.size, sizeof *w);
        for (uint32_t steps = 1; steps <= 6; steps++) {
            dense_conjugate_gradients(&s.dense, lambda, steps, w);
            solve(&s, (rhm_solve_options){RHM_CG, lambda, 1e-9, 1, steps, NULL});
            if (!(relative(s.found, w, s.size) < 1e-5))
                fail_msg("shape %zu: off by %.3g after %u steps", n, relative(s.found, w, s.size), steps);
        }
        free(w), end(&s);
    }
    rhm_engine_destroy(engine);
}

/* The largest eigenvalue of the dense C, by many more multiplications. */
static double dense_top(const dense_problem *p) {
    const size_t n = 2 * (size_t)p->shape.width;
    double *c = dense_matrix(p, 0), *v = must_alloc(2 * n, sizeof *v), *image = v + n, top = 0;
    for (size_t f = 0; f < n; f++)
        v[f] = rhm_gaussian(SEED, 1u << 22, f);
    for (int i = 0; i < 3000; i++) {
        const double length = norm(v, n);
        top = 0;
        for (size_t f = 0; f < n; f++) {
            image[f] = 0;
            for (size_t g = 0; g < n; g++)
                image[f] += c[f * n + g] * v[g] / length;
            top += image[f] * v[f] / length;
        }
        memcpy(v, image, sizeof *v * n);
    }
    free(c), free(v);
    return top;
}

static void top_eigenvalue_is_found_from_below(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    for (size_t n = 0; n < 3; n++) {
        solving s;
        begin(&s, SHAPES[n], SEED + n, engine);
        double found;
        assert_int_equal(rhm_top_eigenvalue(s.normal, &found, NULL), RHM_OK);
        const double exact = dense_top(&s.dense);
        if (!(found <= exact * (1 + 1e-6) && found >= exact * (1 - 5e-3)))
            fail_msg("shape %zu: %.8g, exactly %.8g", n, found, exact);
        end(&s);
    }
    rhm_engine_destroy(engine);
}

static void nothing_to_solve_gives_zero(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    solving s;
    begin(&s, SHAPES[0], SEED, engine);
    memset(s.target, 0, sizeof *s.target * rhm_normal_size(s.normal));
    for (size_t i = 0; i < RHM_SOLVERS; i++) {
        if (!iterates((rhm_solver)i))
            continue;
        const rhm_solve_result result = solve(&s, (rhm_solve_options){(rhm_solver)i, 0.01, 1e-6, 60, 0, NULL});
        assert_true(result.iterations == 0 && result.residual == 0 && result.converged);
        assert_true(norm(s.found, s.size) == 0);
    }
    end(&s);
    rhm_engine_destroy(engine);
}

/* One class that never occurs among others: its row is zero and does not disturb theirs. */
static void an_absent_class_stays_zero(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    solving s;
    begin(&s, SHAPES[0], SEED, engine);
    const size_t stride = s.normal->stride;
    memset(s.target + 2 * stride, 0, sizeof *s.target * stride);
    const rhm_solve_result result = solve(&s, (rhm_solve_options){RHM_CG, 0.01, 1e-6, 60, 0, NULL});
    assert_true(result.converged && result.iterations > 0);
    const size_t n = s.size / 4;
    assert_true(norm(s.found + 2 * n, n) == 0 && norm(s.found, n) > 0 && norm(s.found + 3 * n, n) > 0);
    end(&s);
    rhm_engine_destroy(engine);
}

/* A start at the solution needs no steps. */
static void a_good_start_is_used(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    const double patches = (double)SHAPES[0].patches;
    solving s;
    begin(&s, SHAPES[0], SEED, engine);
    solve(&s, (rhm_solve_options){RHM_CHOLESKY, 1 / patches, 1e-6, patches, 0, NULL});
    for (size_t i = 0; i < RHM_SOLVERS; i++) {
        if (!iterates((rhm_solver)i))
            continue;
        rhm_solve_result result;
        const rhm_solve_options options = {(rhm_solver)i, 1 / patches, 1e-5, patches, 0, NULL};
        assert_int_equal(rhm_solve(s.normal, &options, s.target, s.w, &result, NULL), RHM_OK);
        assert_int_equal(result.iterations, 0);
        assert_true(result.converged);
    }
    end(&s);
    rhm_engine_destroy(engine);
}

static void bad_requests_are_refused(void **state) {
    (void)state;
    static volatile sig_atomic_t flag;
    rhm_engine *engine;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 2, .interrupt = &flag}, &error), &error);
    solving s;
    begin(&s, SHAPES[0], SEED, engine);
    rhm_solve_result result;
    const rhm_solve_options unknown = {(rhm_solver)9, 0.1, 1e-4, 60, 0, NULL};
    assert_refused(rhm_solve(s.normal, &unknown, s.target, s.w, &result, &error), RHM_INVALID, &error, "9");
    flag = SIGINT;
    for (size_t i = 0; i < RHM_SOLVERS; i++) {
        if (!iterates((rhm_solver)i))
            continue;
        const rhm_solve_options options = {(rhm_solver)i, 0.1, 1e-4, 60, 0, NULL};
        assert_refused(rhm_solve(s.normal, &options, s.target, s.w, &result, &error), RHM_INTERRUPTED, &error,
                       "interrupted");
    }
    flag = 0;
    end(&s);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solvers_agree_with_elimination),
        cmocka_unit_test(reported_residual_is_true),
        cmocka_unit_test(iterations_are_limited),
        cmocka_unit_test(descent_takes_the_papers_step),
        cmocka_unit_test(conjugate_gradients_take_the_textbook_steps),
        cmocka_unit_test(top_eigenvalue_is_found_from_below),
        cmocka_unit_test(nothing_to_solve_gives_zero),
        cmocka_unit_test(an_absent_class_stays_zero),
        cmocka_unit_test(a_good_start_is_used),
        cmocka_unit_test(bad_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
