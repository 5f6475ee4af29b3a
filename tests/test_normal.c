/* Right-hand side and matrix products of the ridge regression against dense sums over the raw samples. */
#include "dense.h"
#include "linear/passes.h"

static const uint64_t SEED = 20260119;

static const problem_shape SHAPES[] = {
    {60, 900, 2, 8, 4, 64, 0.7},      /* one-hot */
    {500, 3000, 2, 5, 5, 100, 0.4},   /* centred; padding in the last lane group */
    {333, 2000, 3, 3, 3, 7, 0.3},     /* less than one lane group */
    {97, 97, 2, 10, 70, 1, 0.5},      /* one frequency, many classes, every patch once */
    {15000, 40000, 2, 4, 4, 24, 0.5}, /* more chunks than partial sums */
    {1, 50, 2, 3, 2, 16, 1},
    {700, 3000, 2, 9, 9, 200, 0.4}, /* work for more threads than it has partial sums */
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof *SHAPES };

static void target_and_product_are_sums_over_samples(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    for (size_t n = 0; n < SHAPE_COUNT; n++) {
        dense_problem p = make_problem(SHAPES[n], SEED + n);
        const size_t size = 2 * (size_t)p.shape.width * p.shape.classes;
        rhm_normal *r = must_init(&p, engine, SIZE_MAX);
        double *out = must_alloc(rhm_normal_size(r), sizeof *out), *w = must_alloc(rhm_normal_size(r), sizeof *w);
        double *found = must_alloc(size, sizeof *found), *exact = must_alloc(size, sizeof *exact);
        double *direction = random_matrix(size, SEED);
        rhm_error error = {0};

        assert_ok(rhm_normal_right_hand_side(r, out, &error), &error);
        unpack(&p, r->stride, out, found);
        if (!(relative(found, p.target, size) < 1e-6))
            fail_msg("seed %llu, shape %zu: B is off by %.3g", (unsigned long long)SEED, n,
                     relative(found, p.target, size));

        pack(&p, r->stride, direction, w);
        assert_ok(rhm_normal_apply(r, w, out, &error), &error);
        unpack(&p, r->stride, out, found);
        dense_apply(&p, direction, exact);
        if (!(relative(found, exact, size) < 1e-6))
            fail_msg("seed %llu, shape %zu: C w is off by %.3g", (unsigned long long)SEED, n,
                     relative(found, exact, size));
        for (size_t c = 0; c < p.shape.classes; c++) { /* class by class: none hides behind a larger one */
            const size_t row = c * 2 * p.shape.width;
            assert_true(relative(found + row, exact + row, 2 * (size_t)p.shape.width) < 1e-5);
        }

        free(out), free(w), free(found), free(exact), free(direction);
        rhm_normal_destroy(r);
        clear_problem(&p);
    }
    rhm_engine_destroy(engine);
}

/* Threads, instruction sets, features cached or recomputed. */
static void bits_are_always_the_same(void **state) {
    (void)state;
    const struct {
        int threads;
        const char *isa;
        size_t cache_nbytes;
    } ways[] = {{1, NULL, 0},         {2, NULL, 0},
                {3, NULL, SIZE_MAX},  {7, NULL, 0},
                {1, "scalar", 0},     {2, "avx2", SIZE_MAX},
                {2, "avx512", 0},     {2, "scalar", SIZE_MAX},
                {24, NULL, SIZE_MAX}, {24, "scalar", SIZE_MAX}};
    int split = 0;
    bool factored[SHAPE_COUNT] = {false};
    for (size_t n = 0; n < SHAPE_COUNT; n++) {
        dense_problem p = make_problem(SHAPES[n], SEED + n);
        double *first = NULL;
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            rhm_engine *engine = engine_at(ways[i].threads, ways[i].isa);
            if (!engine)
                continue;
            rhm_normal *r = must_init(&p, engine, ways[i].cache_nbytes);
            factored[n] = r->record.representation == RHM_FACTORED;
            if (!factored[n])
                assert_int_equal(r->record.representation, ways[i].cache_nbytes > 0 ? RHM_CACHED : RHM_RECOMPUTED);
            assert_int_equal(r->record.cache_nbytes > 0, r->record.representation == RHM_CACHED);
            assert_true(r->type->nbytes(r) >= (double)r->record.cache_nbytes && r->type->flops(r) > 0);
            split += ((const rhm_passes *)r)->factors != NULL;
            expect_the_same_products(r, &first);
            rhm_normal_destroy(r);
            rhm_engine_destroy(engine);
        }
        free(first);
        clear_problem(&p);
    }
    assert_int_equal(split, 2);
    /* Patches in runs and others; the rule is a function of sizes, so it is the same in every way. */
    assert_true(factored[0] && factored[4] && !factored[1] && !factored[5]);
}

/* As problems of 50 million patches keep them: several leaves to a row, the last row mostly cut short. */
static void bits_do_not_depend_on_how_many_sums_are_kept(void **state) {
    (void)state;
    int joined = 0;
    for (size_t n = 0; n < SHAPE_COUNT; n++) {
        dense_problem p = make_problem(SHAPES[n], SEED + n);
        double *first = NULL;
        for (size_t together = 1; together <= 64; together *= 4)
            for (int threads = 1; threads <= 3; threads += 2) {
                rhm_engine *engine = engine_of(threads);
                rhm_normal *r = must_init(&p, engine, together == 4 ? SIZE_MAX : 0);
                rhm_passes *passes = (rhm_passes *)r;
                assert_int_equal(passes->together, 1);
                assert_int_equal(passes->rows, passes->leaves);
                rhm_passes_divide(passes, (passes->leaves + together - 1) / together, together);
                joined += passes->rows < passes->leaves;
                expect_the_same_products(r, &first);
                rhm_normal_destroy(r);
                rhm_engine_destroy(engine);
            }
        free(first);
        clear_problem(&p);
    }
    assert_true(joined > 20);
}

static void padding_is_zero(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    const uint32_t widths[] = {1, 7, 16, 17, 100};
    for (size_t n = 0; n < sizeof widths / sizeof *widths; n++) {
        dense_problem p = make_problem((problem_shape){50, 200, 2, 8, 3, widths[n], 0.5}, SEED);
        rhm_normal *r = must_init(&p, engine, SIZE_MAX);
        const size_t size = rhm_normal_size(r), m = widths[n];
        double *out = must_alloc(size, sizeof *out), *w = must_alloc(size, sizeof *w);
        bool *used = must_alloc(r->stride, sizeof *used);
        double *direction = random_matrix(3 * 2 * m, SEED);
        pack(&p, r->stride, direction, w);
        for (size_t f = 0; f < 2 * m; f++)
            used[packed(f, m)] = true;
        for (int product = 0; product < 2; product++) {
            for (size_t i = 0; i < size; i++)
                out[i] = 99;
            assert_int_equal(product ? rhm_normal_apply(r, w, out, NULL) : rhm_normal_right_hand_side(r, out, NULL),
                             RHM_OK);
            for (size_t i = 0; i < size; i++)
                assert_true(used[i % r->stride] ? out[i] != 99 && out[i] != 0 : out[i] == 0);
        }
        free(out), free(w), free(used), free(direction);
        rhm_normal_destroy(r);
        clear_problem(&p);
    }
    rhm_engine_destroy(engine);
}

/* L(W) of docs/mathematics.md, section 4 over the raw samples: 1/2 mean ||e_label - W x||^2 + lambda/2 ||W||^2. */
static double dense_loss(const dense_problem *p, double lambda, const double *w) {
    const size_t n = 2 * (size_t)p->shape.width, classes = p->shape.classes;
    double sum = 0;
    for (size_t i = 0; i < p->shape.samples; i++)
        for (size_t c = 0; c < classes; c++) {
            double y = 0;
            for (size_t f = 0; f < n; f++)
                y += w[c * n + f] * p->x[p->patch_of[i] * n + f];
            const double off = (p->label_of[i] == c) - y;
            sum += off * off;
        }
    return sum / 2 / (double)p->shape.samples + lambda / 2 * norm(w, classes * n) * norm(w, classes * n);
}

static void gradient_is_that_of_the_loss(void **state) {
    (void)state;
    const double lambda = 0.03, step = 1e-3;
    rhm_engine *engine = engine_of(2);
    const problem_shape shapes[] = {{30, 150, 2, 6, 3, 20, 0.6}, {120, 300, 2, 4, 4, 10, 0.3}};
    for (size_t n = 0; n < 2; n++) {
        dense_problem p = make_problem(shapes[n], SEED + n);
        const size_t size = 2 * (size_t)p.shape.width * p.shape.classes;
        rhm_normal *r = must_init(&p, engine, SIZE_MAX);
        double *w = random_matrix(size, SEED), *packed_w = must_alloc(rhm_normal_size(r), sizeof *packed_w);
        double *b = must_alloc(rhm_normal_size(r), sizeof *b), *cw = must_alloc(rhm_normal_size(r), sizeof *cw);
        double *target = must_alloc(size, sizeof *target), *product = must_alloc(size, sizeof *product);
        pack(&p, r->stride, w, packed_w);
        assert_int_equal(rhm_normal_right_hand_side(r, b, NULL), RHM_OK);
        assert_int_equal(rhm_normal_apply(r, packed_w, cw, NULL), RHM_OK);
        unpack(&p, r->stride, b, target);
        unpack(&p, r->stride, cw, product);
        for (size_t i = 0; i < size; i++) {
            const double keep = w[i];
            w[i] = keep + step;
            const double above = dense_loss(&p, lambda, w);
            w[i] = keep - step;
            const double below = dense_loss(&p, lambda, w);
            w[i] = keep;
            const double slope = (above - below) / (2 * step), gradient = product[i] + lambda * w[i] - target[i];
            if (!(fabs(slope - gradient) < 1e-6))
                fail_msg("shape %zu, weight %zu: gradient %.9g, slope of the loss %.9g", n, i, gradient, slope);
        }
        free(w), free(packed_w), free(b), free(cw), free(target), free(product);
        rhm_normal_destroy(r);
        clear_problem(&p);
    }
    rhm_engine_destroy(engine);
}

/* The counts stand for the samples, whatever their number: a thousand times as many of each give the same problem. */
static void only_frequencies_matter(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    dense_problem p = make_problem((problem_shape){200, 900, 2, 4, 4, 32, 0.5}, SEED);
    double *out[2];
    for (int many = 0; many < 2; many++) {
        const uint64_t factor = UINT64_C(1) << 40; /* beyond 2^32 samples; exact in double */
        for (size_t cell = 0; many && cell < p.counts.offset[200]; cell++)
            p.counts.count[cell] *= factor;
        p.shape.samples *= many ? factor : 1;
        rhm_normal *r = must_init(&p, engine, 0);
        const size_t size = rhm_normal_size(r);
        out[many] = must_alloc(2 * size, sizeof **out);
        assert_int_equal(rhm_normal_right_hand_side(r, out[many], NULL), RHM_OK);
        assert_int_equal(rhm_normal_apply(r, out[many], out[many] + size, NULL), RHM_OK);
        if (many)
            assert_memory_equal(out[0], out[1], sizeof **out * 2 * size);
        rhm_normal_destroy(r);
    }
    free(out[0]), free(out[1]);
    clear_problem(&p);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(target_and_product_are_sums_over_samples),
        cmocka_unit_test(bits_are_always_the_same),
        cmocka_unit_test(bits_do_not_depend_on_how_many_sums_are_kept),
        cmocka_unit_test(padding_is_zero),
        cmocka_unit_test(gradient_is_that_of_the_loss),
        cmocka_unit_test(only_frequencies_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
