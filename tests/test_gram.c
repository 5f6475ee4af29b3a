/* The Gram matrix: its products against dense sums over the raw samples, its bits, its place in the solvers. */
#include "dense.h"
#include "engine/memory.h"
#include "linear/gram.h"
#include "linear/solve.h"

static const uint64_t SEED = 20260119;

/* Below and above a panel of patches, a tile of features, a group of classes. */
static const problem_shape SHAPES[] = {
    {60, 900, 2, 8, 4, 64, 0.7},     /* one-hot; exactly one tile */
    {500, 3000, 2, 5, 5, 100, 0.4},  /* two panels, two tiles, padding */
    {385, 2000, 3, 3, 3, 7, 0.3},    /* a panel and one patch; less than one group */
    {97, 97, 2, 10, 70, 1, 0.5},     /* one frequency, many classes */
    {1200, 9000, 2, 4, 4, 136, 0.5}, /* three tiles a side, the last one short */
    {1, 50, 2, 3, 2, 16, 1},
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof *SHAPES };

static rhm_normal *must_form(const dense_problem *p, const rhm_engine *engine) {
    rhm_normal *normal = must_init_gram(p, engine);
    rhm_error error = {0};
    assert_ok(rhm_normal_prepare(normal, &error), &error);
    return normal;
}

/* On any backend; relative to the dense sums, class by class: none hides behind a larger one. */
static void check_products(const rhm_engine *engine, double tolerance) {
    for (size_t n = 0; n < SHAPE_COUNT; n++) {
        dense_problem p = make_problem(SHAPES[n], SEED + n);
        const size_t features = 2 * (size_t)p.shape.width, size = features * p.shape.classes;
        rhm_normal *r = must_form(&p, engine);
        double *direction = random_matrix(size, SEED), *exact = must_alloc(size, sizeof *exact);
        double *found = must_alloc(size, sizeof *found);
        double *w = must_alloc(2 * rhm_normal_size(r), sizeof *w), *out = w + rhm_normal_size(r);
        for (size_t i = 0; i < rhm_normal_size(r); i++)
            out[i] = 99;
        pack(&p, r->stride, direction, w);
        rhm_error error = {0};
        assert_ok(rhm_normal_apply(r, w, out, &error), &error);
        unpack(&p, r->stride, out, found);
        dense_apply(&p, direction, exact);
        for (size_t c = 0; c < p.shape.classes; c++)
            if (!(relative(found + c * features, exact + c * features, features) < tolerance))
                fail_msg("seed %llu, shape %zu, class %zu: C w is off by %.3g", (unsigned long long)SEED, n, c,
                         relative(found + c * features, exact + c * features, features));
        bool *used = must_alloc(r->stride, sizeof *used);
        for (size_t f = 0; f < features; f++)
            used[packed(f, p.shape.width)] = true;
        for (size_t i = 0; i < rhm_normal_size(r); i++)
            assert_true(used[i % r->stride] || out[i] == 0); /* padding */
        free(direction), free(exact), free(found), free(w), free(used);
        rhm_normal_destroy(r);
        clear_problem(&p);
    }
}

static void products_are_sums_over_samples(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    check_products(engine, 1e-6);
    rhm_engine_destroy(engine);
}

static void onednn_agrees(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_error error = {0};
    const rhm_engine_options options = {.threads = 2, .placement = "none", .backend = "onednn"};
    const rhm_status status = rhm_engine_create(&engine, &options, &error);
    if (status == RHM_UNSUPPORTED) {
        print_message("SKIPPED: %s\n", error.text);
        skip();
    }
    assert_ok(status, &error);
    check_products(engine, 2e-6);
    rhm_engine_destroy(engine);
}

static void bits_are_always_the_same(void **state) {
    (void)state;
    const struct {
        int threads;
        const char *isa;
    } ways[] = {{1, NULL}, {2, NULL}, {3, "avx2"}, {7, NULL}, {2, "scalar"}, {2, "avx512"}};
    for (size_t n = 0; n < SHAPE_COUNT; n++) {
        dense_problem p = make_problem(SHAPES[n], SEED + n);
        double *first = NULL;
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            rhm_engine *engine = engine_at(ways[i].threads, ways[i].isa);
            if (!engine)
                continue;
            rhm_normal *r = must_form(&p, engine);
            expect_the_same_products(r, &first);
            rhm_normal_destroy(r);
            rhm_engine_destroy(engine);
        }
        free(first);
        clear_problem(&p);
    }
}

/* Both routes solve the same equations: with a residual of 1e-6 their weights differ by little more. */
static void solvers_take_it_instead_of_passes(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    dense_problem p = make_problem((problem_shape){800, 9000, 2, 5, 5, 40, 0.3}, SEED);
    double *found[2], *target, lambda = 2e-4;
    for (int gram = 0; gram < 2; gram++) {
        rhm_normal *r = gram ? must_form(&p, engine) : must_init(&p, engine, SIZE_MAX);
        const size_t size = rhm_normal_size(r);
        found[gram] = must_alloc(size, sizeof **found), target = must_alloc(size, sizeof *target);
        assert_int_equal(rhm_normal_right_hand_side(r, target, NULL), RHM_OK);
        const rhm_solve_options options = {.solver = RHM_CG, .lambda = lambda, .tolerance = 1e-6};
        rhm_solve_result result;
        assert_int_equal(rhm_solve(r, &options, target, found[gram], &result, NULL), RHM_OK);
        assert_true(result.converged && result.iterations > 3);
        if (gram && !(relative(found[1], found[0], size) < 3e-5))
            fail_msg("the routes' weights differ by %.3g", relative(found[1], found[0], size));
        free(target);
        rhm_normal_destroy(r);
    }
    free(found[0]), free(found[1]);
    clear_problem(&p);
    rhm_engine_destroy(engine);
}

static void it_respects_the_memory_limit(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_error error = {0};
    const rhm_engine_options options = {.threads = 1, .memory_limit_nbytes = 4 << 20};
    assert_ok(rhm_engine_create(&engine, &options, &error), &error);
    dense_problem p = make_problem((problem_shape){50, 200, 2, 8, 2, 512, 0.5}, SEED);
    rhm_normal *r = must_init_gram(&p, engine);
    const uint64_t before = rhm_memory_used(engine);
    assert_refused(rhm_normal_prepare(r, &error), RHM_NO_MEMORY, &error, "Gram matrix");
    assert_int_equal(rhm_memory_used(engine), before);
    double *w = must_alloc(2 * rhm_normal_size(r), sizeof *w);
    assert_int_equal(rhm_normal_apply(r, w, w + rhm_normal_size(r), NULL), RHM_OK); /* by passes */
    free(w);
    rhm_normal_destroy(r);
    assert_int_equal(rhm_memory_used(engine), 0);
    clear_problem(&p);
    rhm_engine_destroy(engine);
}

static void its_size_is_known(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    for (size_t n = 0; n < SHAPE_COUNT; n++) {
        dense_problem p = make_problem(SHAPES[n], SEED + n);
        rhm_normal *r = must_init_gram(&p, engine);
        const double before = r->type->nbytes(r);
        rhm_error error = {0};
        assert_ok(rhm_normal_prepare(r, &error), &error);
        assert_int_equal(r->record.representation, RHM_FORMED);
        assert_true(r->type->nbytes(r) - before == rhm_gram_nbytes(p.shape.width));
        rhm_normal_destroy(r);
        clear_problem(&p);
    }
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_sums_over_samples),
        cmocka_unit_test(bits_are_always_the_same),
        cmocka_unit_test(solvers_take_it_instead_of_passes),
        cmocka_unit_test(it_respects_the_memory_limit),
        cmocka_unit_test(its_size_is_known),
        cmocka_unit_test(onednn_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
