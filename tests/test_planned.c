/* What plans count against what is really done: multiply-adds of BLAS, and bytes that are allocated. Never the clock.
 */
#include "allocations.h"
#include "dense.h"
#include "learners/layerwise/budget.h"
#include "linear/solvers.h"
#include "rhm/plan.h"

#include <cblas.h>
#include <lapacke.h>

static const uint64_t SEED = 20260119;

/* ---- LAPACK ------------------------------------------------------------------------------------------------- */

static double multiply_adds;

/* The solver calls these in place of the libraries' (CMakeLists.txt). */
void __wrap_cblas_dsyrk(CBLAS_LAYOUT layout, CBLAS_UPLO half, CBLAS_TRANSPOSE transposed, int n, int k, double alpha,
                        const double *a, int lda, double beta, double *c, int ldc);
void __real_cblas_dsyrk(CBLAS_LAYOUT layout, CBLAS_UPLO half, CBLAS_TRANSPOSE transposed, int n, int k, double alpha,
                        const double *a, int lda, double beta, double *c, int ldc);
void __wrap_cblas_dgemm(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, double alpha,
                        const double *a, int lda, const double *b, int ldb, double beta, double *c, int ldc);
void __real_cblas_dgemm(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, double alpha,
                        const double *a, int lda, const double *b, int ldb, double beta, double *c, int ldc);
lapack_int __wrap_LAPACKE_dposv(int layout, char half, lapack_int n, lapack_int columns, double *a, lapack_int lda,
                                double *b, lapack_int ldb);
lapack_int __real_LAPACKE_dposv(int layout, char half, lapack_int n, lapack_int columns, double *a, lapack_int lda,
                                double *b, lapack_int ldb);

void __wrap_cblas_dsyrk(CBLAS_LAYOUT layout, CBLAS_UPLO half, CBLAS_TRANSPOSE transposed, int n, int k, double alpha,
                        const double *a, int lda, double beta, double *c, int ldc) {
    multiply_adds += n * (n + 1.0) / 2 * k;
    __real_cblas_dsyrk(layout, half, transposed, n, k, alpha, a, lda, beta, c, ldc);
}

void __wrap_cblas_dgemm(CBLAS_LAYOUT layout, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, double alpha,
                        const double *a, int lda, const double *b, int ldb, double beta, double *c, int ldc) {
    multiply_adds += (double)m * n * k;
    __real_cblas_dgemm(layout, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

/* Row i of the factor takes i (i + 1) / 2 multiply-adds, and i in each of two substitutions for every column. */
lapack_int __wrap_LAPACKE_dposv(int layout, char half, lapack_int n, lapack_int columns, double *a, lapack_int lda,
                                double *b, lapack_int ldb) {
    for (lapack_int i = 0; i < n; i++)
        multiply_adds += i * (i + 1.0) / 2 + 2.0 * i * columns;
    return __real_LAPACKE_dposv(layout, half, n, columns, a, lda, b, ldb);
}

/* Fewer patches than features, more, and several blocks. */
static void factoring_takes_what_is_said(void **state) {
    (void)state;
    static const struct {
        size_t patches;
        uint32_t width, classes, blocks;
    } cases[] = {{300, 256, 6, 1}, {700, 128, 6, 1}, {1500, 96, 40, 1}, {500, 96, 12, 3}, {150, 96, 12, 3}};
    rhm_engine *engine = engine_of(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dense_problem p =
            make_problem((problem_shape){cases[i].patches, 4000, 2, 50, cases[i].classes, cases[i].width, 0.3}, SEED);
        const rhm_linear_data whole = rhm_design_data(&p.ready, &p.inputs, &p.patches, &p.counts, p.shape.samples);
        rhm_linear_data data = whole;
        double frequency[64];
        for (uint32_t c = 0; c < cases[i].classes; c++)
            frequency[c] = 1.0 / cases[i].classes;
        data.blocks = cases[i].blocks;
        data.pooled = cases[i].blocks > 1 ? 0.1 : 0;
        data.frequency = frequency;
        rhm_normal *normal;
        rhm_error error = {0};
        assert_ok(rhm_normal_create(&normal, engine, &data, RHM_ROUTE_PASSES, SIZE_MAX, &error), &error);
        double *target = must_alloc(rhm_normal_size(normal), sizeof *target);
        double *w = must_alloc(rhm_normal_size(normal), sizeof *w);
        rhm_solve_result result = {0};
        multiply_adds = 0;
        begin_allocations();
        assert_ok(rhm_solve_cholesky(normal, &(rhm_solve_options){.lambda = 1e-2}, target, w, &result, &error), &error);
        const rhm_route_sizes sizes = {.patches = (double)cases[i].patches,
                                       .width = cases[i].width,
                                       .classes = cases[i].classes,
                                       .inputs = 2 * 50,
                                       .blocks = cases[i].blocks};
        const double features = sizes.patches * sizes.width * (sizes.inputs + 14);
        const double counted = (rhm_factoring_cost(&sizes) - features) / 2;
        if (!(fabs(counted / multiply_adds - 1) < 0.02))
            fail_msg("case %zu: %.6g multiply-adds are said, %.6g were done", i, counted, multiply_adds);
        const double nbytes = rhm_factoring_nbytes(&sizes);
        if (ALLOCATIONS_ARE_COUNTED && !(nbytes > 0.95 * most_allocated() && nbytes < 1.1 * most_allocated()))
            fail_msg("case %zu: %.6g bytes are said, %.6g were allocated", i, nbytes, most_allocated());
        free(target);
        free(w);
        rhm_normal_destroy(normal);
        clear_problem(&p);
    }
    rhm_engine_destroy(engine);
}

/* A fit with that solver counts it, once, beside two passes; and a budget pays for it or for none. */
static void fits_count_the_factoring(void **state) {
    (void)state;
    rhm_task task = {.tree = {.levels = 1, .branching = {0, 2}, .leaves = {2, 1}, .nodes = {1, 2}},
                     .classes = 8,
                     .token_vocab = 8,
                     .parents = {0, 8},
                     .patches = {0, 32}};
    task.positions[1] = 1;
    const rhm_train_options cholesky = {.solver = RHM_CHOLESKY}, cg = {.solver = RHM_CG};
    for (double patches = 100; patches < 1e6; patches *= 7) {
        const rhm_fit_sizes none = {patches, 0, 256, 0}, one = {patches, 0, 256, 1};
        const rhm_route_sizes sizes = {.patches = patches, .width = 256, .classes = 8, .inputs = 16, .blocks = 1};
        const double passes = rhm_fit_work(&task, &cg, 1, RHM_ROUTE_PASSES, &none);
        assert_true(rhm_fit_work(&task, &cholesky, 1, RHM_ROUTE_PASSES, &none) == passes);
        const double work = rhm_fit_work(&task, &cholesky, 1, RHM_ROUTE_PASSES, &one);
        assert_true(fabs(work / (passes + rhm_factoring_cost(&sizes)) - 1) < 1e-12);
        assert_int_equal(rhm_fit_iterations(&task, &cholesky, 1, RHM_ROUTE_PASSES, &one, 1.001 * work), 1);
        assert_int_equal(rhm_fit_iterations(&task, &cholesky, 1, RHM_ROUTE_PASSES, &one, 0.999 * work), 0);
    }
}

/* ---- data without a grammar ------------------------------------------------------------------------------------ */

/* Random tokens, whose pairs are no grammar's: of `distinct` different ones at the front of the first `training`. */
static rhm_data random_data(uint32_t vocab, size_t count, size_t training, size_t *distinct) {
    rhm_random random = {.seed = SEED, .stream = 1u << 22};
    rhm_data data = {.count = count, .token_vocab = vocab, .label_vocab = 4};
    assert_int_equal(rhm_tree_uniform(&data.tree, 2, 2, NULL), RHM_OK);
    data.tokens = must_alloc(count * 4, sizeof *data.tokens);
    data.labels = must_alloc(count, sizeof *data.labels);
    bool *seen = must_alloc((size_t)vocab * vocab, sizeof *seen);
    *distinct = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t t = 0; t < 4; t++)
            data.tokens[4 * i + t] = (uint16_t)rhm_random_below(&random, vocab);
        data.labels[i] = (uint16_t)rhm_random_below(&random, 4);
        bool *pair = &seen[data.tokens[4 * i] * vocab + data.tokens[4 * i + 1]];
        *distinct += i < training && !*pair;
        *pair = *pair || i < training;
    }
    free(seen);
    return data;
}

static void clear_data(rhm_data *data) {
    free(data->tokens);
    free(data->labels);
}

/* More patches than a random grammar in their place has rules: those that there are; refused where training does. */
static void shown_patches_are_planned(void **state) {
    (void)state;
    static const struct {
        const char *learner;
        uint32_t vocab;
        bool refused;
    } cases[] = {{"table", 200, false},
                 {"one-step", 200, false},
                 {"table", 400, true},
                 {"latent", 60, false},
                 {"latent", 100, true}};
    rhm_engine *engine = engine_of(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t distinct;
        rhm_data data = random_data(cases[i].vocab, 50000, 49000, &distinct);
        const rhm_train_options options = {.learner = cases[i].learner, .test_samples = 1000};
        rhm_training_plan plan;
        rhm_error error = {0}, refused = {0};
        const rhm_status status = rhm_plan_training_data(&plan, NULL, &data, NULL, &options, 0, &error);
        assert_int_equal(status, cases[i].refused ? RHM_INVALID : RHM_OK);
        if (status == RHM_OK)
            assert_true(plan.level[2].distinct >= (double)distinct && plan.level[2].distinct < 2.5 * (double)distinct);
        if (status != RHM_OK) {
            rhm_model *model;
            assert_int_equal(rhm_train_data(&model, NULL, engine, &data, NULL, &options, &refused), status);
            assert_memory_equal(error.text, refused.text, strlen("level 2 has "));
        }
        clear_data(&data);
    }
    rhm_engine_destroy(engine);
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

typedef struct training {
    const char *learner;
    rhm_shape shape;
    rhm_train_options options;
} training;

/* On one thread, what a training and its test allocate at a time: hardly more than planned, and not much less, since a
 * plan reckons with what malloc keeps. Sizes are given, so that searches end where they are foreseen to. */
static void trainings_hold_what_is_planned(void **state) {
    (void)state;
#define GIVEN(n, m, b, r)                                                                                              \
    .samples = {0, n, n, n}, .width = m, .bandwidth = {0, b, b, b}, .ridge = {0, r, r, r}, .positions = {0, 1, 1, 1},  \
    .test_samples = 2000
    const training cases[] = {
        {"layerwise", rhm_shape_uniform(8, 4, 2, 3), {GIVEN(20000, 256, .3, .001)}},
        {"layerwise", rhm_shape_uniform(8, 4, 2, 3), {GIVEN(20000, 128, .3, .001), .draw = RHM_DRAW_SAMPLES}},
        {"layerwise", rhm_shape_uniform(8, 4, 2, 3), {GIVEN(20000, 64, .3, .001), .raw = true}},
        {"layerwise", rhm_shape_uniform(8, 4, 2, 3), {GIVEN(2000, 48, .3, .001), .solver = RHM_CHOLESKY}},
        {"layerwise", rhm_shape_uniform(8, 4, 2, 3), {GIVEN(5000, 64, .3, .1), .solver = RHM_GD}},
        {"shallow",
         rhm_shape_uniform(8, 4, 2, 3),
         {.samples = {0, 5000, 5000, 5000}, .width = 256, .test_samples = 2000}},
        {"table", rhm_shape_uniform(32, 16, 2, 3), {.test_samples = 2000}},
        {"one-step", rhm_shape_uniform(32, 16, 2, 3), {.test_samples = 2000}},
        {"tensor", rhm_shape_uniform(32, 16, 2, 3), {.test_samples = 2000}},
        {"layerwise", rhm_shape_uniform(24, 8, 2, 3), {.between = RHM_BETWEEN_IDS, .test_samples = 2000}},
    };
    rhm_engine *engine = engine_of(1);
    for (size_t i = 0; ALLOCATIONS_ARE_COUNTED && i < sizeof cases / sizeof *cases; i++) {
        rhm_grammar *grammar = learnable_grammar(cases[i].shape, 1);
        rhm_train_options options = cases[i].options;
        rhm_training_plan plan;
        rhm_model *model;
        rhm_error error = {0};
        options.learner = cases[i].learner;
        assert_ok(rhm_plan_training(&plan, NULL, grammar, &options, 0, &error), &error);
        begin_allocations();
        assert_ok(rhm_train(&model, NULL, engine, grammar, &options, &error), &error);
        const double ratio = rhm_plan_nbytes(&plan) / most_allocated();
        if (!(ratio > 0.9 && ratio < 1.8))
            fail_msg("case %zu, %s: %.3g times the %.6g bytes that were allocated", i, cases[i].learner, ratio,
                     most_allocated());
        rhm_model_destroy(model);
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factoring_takes_what_is_said),
        cmocka_unit_test(fits_count_the_factoring),
        cmocka_unit_test(shown_patches_are_planned),
        cmocka_unit_test(trainings_hold_what_is_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
