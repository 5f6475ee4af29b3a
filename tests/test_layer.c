/* The random features as a kernel, and patches pushed through a level, against the formulas in double precision. */
#include "dense.h"
#include "core/gaussian.h"

static const uint64_t SEED = 20260119;

/* x of every patch without padding, unit norm: (count, 2M). */
static double *features_of(const rhm_engine *engine, const rhm_ready_layer *ready, const rhm_patch_rows *rows) {
    const size_t stride = rhm_feature_stride(ready->map.padded), m = ready->width;
    float *x = must_alloc(rows->count * stride, sizeof *x);
    double *out = must_alloc(rows->count * 2 * m, sizeof *out);
    rhm_kernels_of(engine).features(&ready->map, rows, x);
    for (size_t i = 0; i < rows->count; i++)
        for (size_t f = 0; f < 2 * m; f++)
            out[i * 2 * m + f] = (double)x[i * stride + packed(f, m)] / sqrt((double)m);
    free(x);
    return out;
}

static double squared_distance(const dense_problem *p, size_t a, size_t b) {
    const size_t width = p->inputs.width;
    double sum = 0;
    for (size_t t = 0; t < p->shape.tokens; t++)
        for (size_t j = 0; j < width; j++) {
            const double off = (double)p->inputs.row[rhm_intern_tuple(&p->patches, a)[t] * width + j] -
                               (double)p->inputs.row[rhm_intern_tuple(&p->patches, b)[t] * width + j];
            sum += off * off;
        }
    return sum;
}

/*
 * Root mean square over patches and draws of x . x' - k, k = exp(-||h - h'||^2 / (2 sigma^2)); `expected` is what
 * frequencies drawn from the normal law give: Var cos(w . (h - h')) = (1 - k^2)^2 / 2.
 */
static double kernel_error(const rhm_engine *engine, uint32_t embedding, uint32_t width, double *expected) {
    enum { PATCHES = 24, DRAWS = 12 };
    double sum = 0, variance = 0;
    size_t pairs = 0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        dense_problem p = make_problem((problem_shape){PATCHES, PATCHES, 2, embedding, 6, width, 0.9}, SEED + draw);
        const rhm_patch_rows rows = {p.inputs.row, p.patches.tuples, PATCHES};
        double *x = features_of(engine, &p.ready, &rows);
        const size_t n = 2 * (size_t)width;
        for (size_t a = 0; a < PATCHES; a++) {
            assert_true(fabs(norm(x + a * n, n) - 1) < 1e-6);
            for (size_t b = 0; b < a; b++) {
                const double k = exp(-squared_distance(&p, a, b) / (2 * 0.9 * 0.9));
                double inner = 0;
                for (size_t f = 0; f < n; f++)
                    inner += x[a * n + f] * x[b * n + f];
                sum += (inner - k) * (inner - k);
                variance += (1 - k * k) * (1 - k * k) / 2 / width;
                pairs++;
            }
        }
        free(x);
        clear_problem(&p);
    }
    *expected = sqrt(variance / (double)pairs);
    return sqrt(sum / (double)pairs);
}

static void features_approximate_the_kernel(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    const uint32_t embeddings[] = {6, 9}; /* centred outputs of a level; one-hot tokens */
    for (size_t e = 0; e < 2; e++) {
        const uint32_t widths[] = {64, 256, 1024, 4096};
        double sx = 0, sy = 0, sxx = 0, sxy = 0, expected;
        for (size_t i = 0; i < 4; i++) {
            const double error = kernel_error(engine, embeddings[e], widths[i], &expected);
            if (!(fabs(error / expected - 1) < 0.15))
                fail_msg("M = %u: rms error %.4g, expected %.4g", widths[i], error, expected);
            const double x = log(widths[i]), y = log(error);
            sx += x, sy += y, sxx += x * x, sxy += x * y;
        }
        const double slope = (4 * sxy - sx * sy) / (4 * sxx - sx * sx);
        if (!(fabs(slope + 0.5) < 0.05))
            fail_msg("the error falls like M^%.3f", slope);
        const double error = kernel_error(engine, embeddings[e], 100, &expected); /* not a multiple of a lane group */
        assert_true(fabs(error / expected - 1) < 0.15);
    }
    rhm_engine_destroy(engine);
}

/*
 * Deep embeddings: uniform plus differences of the size of the bandwidth. Frequencies are near 1000 and phases of the
 * centre in the hundreds, yet features agree with cos(w . h) of the plain h to the precision of the differences.
 */
static void centred_features_are_the_plain_ones(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    const double bandwidths[] = {1, 1e-1, 1e-2, 1e-3, 1e-4};
    for (size_t b = 0; b < 5; b++) {
        dense_problem p = make_problem((problem_shape){150, 150, 3, 7, 7, 90, bandwidths[b]}, SEED);
        for (size_t i = 0; i < p.inputs.count * p.inputs.width; i++)
            p.inputs.row[i] *= (float)(2 * bandwidths[b]);
        free(p.x);
        free(p.target);
        make_dense(&p);
        const rhm_patch_rows rows = {p.inputs.row, p.patches.tuples, p.patches.count};
        double *x = features_of(engine, &p.ready, &rows);
        double worst = 0, largest_phase = 0;
        for (size_t k = 0; k < 90; k++) {
            const float *w = p.layer.frequencies + k * 21;
            double phase = 0;
            for (size_t j = 0; j < 21; j++)
                phase += (double)w[j] / 7;
            largest_phase = fmax(largest_phase, fabs(phase));
            for (size_t i = 0; i < 150; i++) {
                const size_t at = i * 180 + k;
                worst = fmax(worst, sqrt(90) * hypot(x[at] - p.x[at], x[at + 90] - p.x[at + 90]));
            }
        }
        if (!(worst < 4e-6)) /* 22 roundings of phases of a few half turns; plain h would lose 1e-5 at 1e-2 already */
            fail_msg("bandwidth %g: features off by %.3g", bandwidths[b], worst);
        assert_true(largest_phase > 1 / bandwidths[b]); /* the test is about something */
        free(x);
        clear_problem(&p);
    }
    rhm_engine_destroy(engine);
}

static void give_weights(dense_problem *p, rhm_random *random, double scale) {
    for (size_t i = 0; i < (size_t)p->shape.classes * 2 * p->shape.width; i++)
        p->layer.weights[i] = (float)(scale * ((double)rhm_random_word(random) * 0x1p-32 - 0.4));
    rhm_ready_layer_set_weights(&p->ready, p->layer.weights);
}

static rhm_level_weights weights_of(const dense_problem *p) {
    return (rhm_level_weights){
        .tokens = p->shape.tokens,
        .embedding = p->shape.embedding,
        .classes = p->shape.classes,
        .width = p->shape.width,
        .frequencies = p->layer.frequencies,
        .weights = p->layer.weights,
    };
}

static void oracle_output(const dense_problem *p, size_t patch, double *y, double *sum) {
    const size_t width = p->shape.embedding;
    const double centre = width == p->shape.classes ? 1.0 / (double)width : 0;
    double h[256];
    assert_true(p->shape.tokens * width <= 256);
    for (size_t t = 0; t < p->shape.tokens; t++)
        for (size_t j = 0; j < width; j++)
            h[t * width + j] = (double)p->inputs.row[rhm_intern_tuple(&p->patches, patch)[t] * width + j] + centre;
    const rhm_level_weights level = weights_of(p);
    *sum = oracle_level(&level, h, y);
}

static void outputs_follow_the_formula(void **state) {
    (void)state;
    const problem_shape shapes[] = {
        {700, 700, 2, 5, 5, 64, 0.8}, /* several chunks */
        {300, 300, 3, 9, 4, 37, 0.5}, /* one-hot; width not a multiple of 16 */
        {130, 130, 4, 12, 12, 1, 1},
        {40, 40, 2, 11, 70, 200, 0.35}, /* more classes than a block of the kernels */
    };
    const int threads[] = {1, 2, 3, 7};
    for (size_t n = 0; n < sizeof shapes / sizeof *shapes; n++) {
        dense_problem p = make_problem(shapes[n], SEED + n);
        rhm_random random = {.seed = SEED, .stream = 1u << 22};
        give_weights(&p, &random, 3);
        const size_t classes = p.shape.classes;
        double y[70], sum;
        float *first = must_alloc(p.patches.count * classes, sizeof *first);
        for (size_t i = 0; i < 4; i++) {
            rhm_engine *engine = engine_of(threads[i]);
            rhm_embeddings out = {0};
            rhm_error error = {0};
            rhm_intern part = p.patches;
            uint64_t clamped = 0;
            part.count = i == 1 ? p.patches.count / 3 : 0; /* in two steps, as a growing collection is */
            assert_ok(rhm_embed(&out, engine, &p.ready, &part, &p.inputs, &clamped, &error), &error);
            assert_int_equal(out.count, part.count);
            assert_ok(rhm_embed(&out, engine, &p.ready, &p.patches, &p.inputs, &clamped, &error), &error);
            assert_int_equal(out.count, p.patches.count);
            assert_int_equal(out.width, classes);
            if (i == 0)
                memcpy(first, out.row, sizeof *first * out.count * classes);
            assert_memory_equal(out.row, first, sizeof *first * out.count * classes);
            rhm_embeddings_clear(&out);
            rhm_engine_destroy(engine);
        }
        for (size_t i = 0; i < p.patches.count; i++) {
            oracle_output(&p, i, y, &sum);
            for (size_t c = 0; c < classes && fabs(sum) > 0.02; c++) {
                const double off = (double)first[i * classes + c] + 1.0 / (double)classes - y[c];
                if (!(fabs(off) < 1e-6 * (double)classes * (1 + fabs(y[c])) / fmin(1, fabs(sum))))
                    fail_msg("shape %zu, patch %zu, class %zu: off by %.3g (sum %.3g)", n, i, c, off, sum);
            }
        }
        free(first);
        clear_problem(&p);
    }
}

/* Sums on either side of the floor, of both signs, and exactly zero: never NaN or infinity, and every clamp counted. */
static void small_sums_are_clamped_and_counted(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    const double scales[] = {0, 1e-30, 3e-4, 1e-2, 1};
    for (size_t n = 0; n < 5; n++) {
        dense_problem p = make_problem((problem_shape){600, 600, 2, 3, 3, 40, 0.7}, SEED);
        rhm_random random = {.seed = SEED, .stream = 1u << 22};
        for (size_t i = 0; i < 3 * 80; i++)
            p.layer.weights[i] = (float)(scales[n] * ((double)rhm_random_word(&random) * 0x1p-32 - 0.5));
        rhm_ready_layer_set_weights(&p.ready, p.layer.weights);
        rhm_embeddings out = {0};
        rhm_error error = {0};
        uint64_t clamped = 5;
        assert_ok(rhm_embed(&out, engine, &p.ready, &p.patches, &p.inputs, &clamped, &error), &error);
        uint64_t least = 5, most = 5;
        size_t negative = 0;
        for (size_t i = 0; i < p.patches.count; i++) {
            double y[3], sum;
            oracle_output(&p, i, y, &sum);
            const bool near_floor = fabs(fabs(sum) - 1e-3) < 1e-6, near_zero = fabs(sum) < 1e-6;
            least += fabs(sum) < 1e-3 && !near_floor;
            most += fabs(sum) < 1e-3 || near_floor;
            negative += sum < 0;
            for (size_t c = 0; c < 3; c++) {
                const double found = (double)out.row[i * 3 + c] + 1.0 / 3;
                assert_true(isfinite(found));
                if (!near_zero && !near_floor && !(fabs(found - y[c]) < 1e-3 * (1 + fabs(y[c]))))
                    fail_msg("scale %g, patch %zu: %.6g, not %.6g (sum %.4g)", scales[n], i, found, y[c], sum);
                if (scales[n] == 0)
                    assert_true(fabs(found) < 1e-7);
            }
        }
        assert_true(scales[n] < 3e-4 || negative > 50); /* both signs occur */
        if (clamped < least || clamped > most)
            fail_msg("scale %g: %llu clamped, expected %llu to %llu", scales[n], (unsigned long long)clamped,
                     (unsigned long long)least, (unsigned long long)most);
        rhm_embeddings_clear(&out);
        clear_problem(&p);
    }
    rhm_engine_destroy(engine);
}

static void one_hot_rows_are_the_identity(void **state) {
    (void)state;
    const size_t vocabs[] = {1, 2, 37};
    for (size_t n = 0; n < 3; n++) {
        rhm_embeddings table;
        assert_int_equal(rhm_embeddings_one_hot(&table, vocabs[n], NULL), RHM_OK);
        assert_int_equal(table.count, vocabs[n]);
        for (size_t i = 0; i < vocabs[n] * vocabs[n]; i++)
            assert_true(table.row[i] == (i / vocabs[n] == i % vocabs[n] ? 1.0f : 0.0f));
        rhm_embeddings_clear(&table);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_approximate_the_kernel), cmocka_unit_test(centred_features_are_the_plain_ones),
        cmocka_unit_test(outputs_follow_the_formula),      cmocka_unit_test(small_sums_are_clamped_and_counted),
        cmocka_unit_test(one_hot_rows_are_the_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
