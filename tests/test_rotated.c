/* Outputs and gradients by rotated weights: what they are, when they pay, and the order of patches that makes them. */
#include "dense.h"

#include <string.h>

#include "kernels/operator.h"
#include "kernels/phasors.h"
#include "linear/runs.h"

static const uint64_t SEED = 20260128;

enum { PADDED = 160, CLASSES = 21, ROWS = 11, COUNT = 90, MOST_TOKENS = 4, STRIDE = 2 * PADDED + 80 };

typedef struct trial {
    float phasors[MOST_TOKENS * ROWS * STRIDE], w[CLASSES * STRIDE], packed[CLASSES * 2 * PADDED], r[COUNT * CLASSES];
    float x[COUNT * STRIDE], y[COUNT * CLASSES];
    double g[CLASSES * STRIDE];
    uint32_t ids[COUNT * MOST_TOKENS];
} trial;

static trial *make_trial(size_t tokens, rhm_phase_map *map) {
    trial *t = must_alloc(1, sizeof *t);
    rhm_random random = {.seed = SEED, .stream = (uint32_t)tokens};
    const double pi = acos(-1.0);
    for (size_t row = 0; row < tokens * ROWS; row++)
        for (size_t k = 0; k < PADDED; k++) {
            const double angle = 2 * pi * (double)rhm_random_word(&random) * 0x1p-32;
            t->phasors[row * STRIDE + rhm_feature_index(k, 0)] = (float)cos(angle);
            t->phasors[row * STRIDE + rhm_feature_index(k, 1)] = (float)sin(angle);
        }
    for (size_t i = 0; i < CLASSES * STRIDE; i++)
        t->w[i] = 2 * (float)rhm_random_word(&random) * 0x1p-32f - 1;
    for (size_t i = 0; i < COUNT * CLASSES; i++)
        t->r[i] = 2 * (float)rhm_random_word(&random) * 0x1p-32f - 1;
    for (size_t i = 0; i < COUNT * tokens; i++) {
        const bool same = i >= tokens && i % tokens + 1 < tokens && i / tokens % 7 > 0;
        t->ids[i] = same ? t->ids[i - tokens] : rhm_random_below(&random, ROWS);
    }
    *map =
        (rhm_phase_map){.tokens = tokens, .embedding = 3, .padded = PADDED, .phasors = t->phasors, .phasor_rows = ROWS};
    assert_int_equal(rhm_feature_stride(PADDED), STRIDE);
    return t;
}

/* Not fmax, to which NaN is nothing: here one that came stays. */
static double larger(double a, double b) {
    return b <= a || isnan(a) ? a : b;
}

/* Against sums in double precision over features that are made as products, one by one. */
static void they_are_sums_over_features(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    const rhm_kernels kernels = rhm_kernels_of(engine);
    for (size_t tokens = 2; tokens <= MOST_TOKENS; tokens++) {
        rhm_phase_map map;
        trial *t = make_trial(tokens, &map);
        const rhm_patch_rows rows = {NULL, t->ids, COUNT};
        kernels.features(&map, &rows, t->x);
        kernels.pack(CLASSES, PADDED, t->w, t->packed);
        kernels.rotated_forward(&map, CLASSES, t->packed, &rows, t->y);
        kernels.rotated_gradient(&map, CLASSES, &rows, t->r, t->g);
        double worst_y = 0, worst_g = 0;
        for (size_t c = 0; c < CLASSES; c++) {
            for (size_t i = 0; i < COUNT; i++) {
                double y = 0;
                for (size_t f = 0; f < 2 * PADDED; f++)
                    y += (double)t->w[c * STRIDE + f] * (double)t->x[i * STRIDE + f];
                worst_y = larger(worst_y, fabs(y - (double)t->y[i * CLASSES + c]));
            }
            for (size_t f = 0; f < 2 * PADDED; f++) {
                double g = 0;
                for (size_t i = 0; i < COUNT; i++)
                    g += (double)t->r[i * CLASSES + c] * (double)t->x[i * STRIDE + f];
                worst_g = larger(worst_g, fabs(g - t->g[c * STRIDE + f]));
            }
        }
        print_message("%zu tokens: outputs off by %.3g, gradient by %.3g at most\n", tokens, worst_y, worst_g);
        /* Of thousands of sums of 320 and 90 terms below one, rounded at every step, the worst. */
        if (!(worst_y < 3e-5 && worst_g < 1e-5))
            fail_msg("seed %llu, %zu tokens: outputs off by %.3g, gradient by %.3g", (unsigned long long)SEED, tokens,
                     worst_y, worst_g);
        free(t);
    }
    rhm_engine_destroy(engine);
}

/* An output is a function of its patch alone: not of the run it comes in. */
static void outputs_do_not_depend_on_runs(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    const rhm_kernels kernels = rhm_kernels_of(engine);
    rhm_phase_map map;
    trial *t = make_trial(3, &map);
    kernels.pack(CLASSES, PADDED, t->w, t->packed);
    kernels.rotated_forward(&map, CLASSES, t->packed, &(rhm_patch_rows){NULL, t->ids, COUNT}, t->y);
    for (size_t i = 0; i < COUNT; i++) {
        float alone[CLASSES];
        kernels.rotated_forward(&map, CLASSES, t->packed, &(rhm_patch_rows){NULL, t->ids + 3 * i, 1}, alone);
        assert_memory_equal(alone, t->y + i * CLASSES, sizeof alone);
    }
    free(t);
    rhm_engine_destroy(engine);
}

static void runs_are_the_patches_in_order(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    for (uint32_t tokens = 2; tokens <= 4; tokens++) {
        rhm_intern patches;
        rhm_error error = {0};
        assert_ok(rhm_intern_init(&patches, tokens, 8, &error), &error);
        rhm_random random = {.seed = SEED, .stream = tokens};
        for (int i = 0; i < 700; i++) {
            uint32_t ids[4], id;
            for (uint32_t t = 0; t < tokens; t++)
                ids[t] = rhm_random_below(&random, 9);
            assert_ok(rhm_intern_add(&patches, ids, &id, NULL, &error), &error);
        }
        rhm_runs runs;
        assert_ok(rhm_runs_make(&runs, engine, &patches, 9, &error), &error);
        size_t count = 0;
        bool *seen = must_alloc(patches.count, sizeof *seen);
        for (size_t i = 0; i < patches.count; i++) {
            const uint32_t *now = runs.ids + i * tokens, *tuple = rhm_intern_tuple(&patches, runs.order[i]);
            assert_memory_equal(now, tuple, sizeof *now * tokens);
            assert_false(seen[runs.order[i]]);
            seen[runs.order[i]] = true;
            size_t same = 0;
            while (i > 0 && same < tokens && now[same] == (now - tokens)[same])
                same++;
            assert_true(i == 0 || (same < tokens && now[same] > (now - tokens)[same]));
            count += i == 0 || same + 1 < tokens;
        }
        assert_int_equal(runs.runs, count);
        free(seen);
        rhm_runs_clear(&runs);
        rhm_intern_destroy(&patches);
    }
    rhm_engine_destroy(engine);
}

static void they_pay_in_long_runs(void **state) {
    (void)state;
    assert_true(rhm_rotation_pays(8, 131072, 512)); /* level L - 2 of V = 8, m = 4 */
    assert_true(rhm_rotation_pays(8, 512, 32));     /* its level L - 1 */
    assert_false(rhm_rotation_pays(16, 1024, 64));  /* of V = 16: 16 patches a run */
    assert_false(rhm_rotation_pays(64, 192, 2));
    assert_false(rhm_rotation_pays(128, SIZE_MAX, 1)); /* a chunk is all that one rotation serves */
    assert_false(rhm_rotation_pays(1, 1, 1));
    assert_false(rhm_rotation_pays(8, 0, 0));
    assert_true(rhm_rotation_pays(8, SIZE_MAX, SIZE_MAX / 100)); /* no product overflows */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_sums_over_features),
        cmocka_unit_test(outputs_do_not_depend_on_runs),
        cmocka_unit_test(runs_are_the_patches_in_order),
        cmocka_unit_test(they_pay_in_long_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
