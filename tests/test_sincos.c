/* What kernels make single numbers with. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/philox.h"
#include "kernels/kernels.h"
#include "kernels/sincos.h"

static rhm_random source = {.seed = 20260119, .stream = 1 << 20};

static float uniform(float scale) {
    return scale * (2 * (float)rhm_random_word(&source) * 0x1p-32f - 1);
}

static void test_sine_accuracy(void **state) {
    (void)state;
    const double pi = acos(-1.0);
    double worst = 0;
    for (int i = 0; i < 4000000; i++) {
        const float z = i % 2 ? uniform(0.5f) : uniform(1000);
        float c, s;
        rhm_cos_sin_half_turns(z, &c, &s);
        const double turn = fmod((double)z, 2.0); /* exact */
        worst = fmax(worst, fmax(fabs((double)c - cos(pi * turn)), fabs((double)s - sin(pi * turn))));
    }
    print_message("largest error of cos and sin: %.3g\n", worst);
    assert_true(worst <= 1.4e-7);
}

static void test_normalise(void **state) {
    (void)state;
    float y[] = {1, 3, -1, 1.5f, 1e-5f, 0, -1e-5f, -1e-5f};
    const uint64_t clamped = rhm_normalise(2, 4, 1e-3f, 0.5, y);
    assert_int_equal(clamped, 2);
    assert_true(y[0] == -0.25f && y[1] == 0.25f); /* 1/4 and 3/4, less the centre */
    assert_true(fabsf(y[2] - -2.5f) < 1e-6f && fabsf(y[3] - 2.5f) < 1e-6f);
    assert_true(fabsf(y[4] - (0.01f - 0.5f)) < 1e-6f);
    assert_true(fabsf(y[6] - (0.01f - 0.5f)) < 1e-6f); /* a negative sum is clamped to the negative floor */
    float bad[] = {NAN, 1};
    assert_int_equal(rhm_normalise(2, 1, 1e-3f, 0, bad), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sine_accuracy),
        cmocka_unit_test(test_normalise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
