/* The normal numbers: their logarithm, their law, and that they are a pure function of their place. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/elementary.h"
#include "core/philox.h"
#include "core/gaussian.h"

enum { COUNT = 1 << 20 };
static const uint64_t SEED = 20260119;
static double sample[COUNT]; /* stream 7, indices 0..COUNT-1 */

static int draw(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        sample[i] = rhm_gaussian(SEED, 7, i);
    return 0;
}

static void assert_log(double x) {
    const long double exact = logl((long double)x);
    const double off = (double)(fabsl((long double)rhm_log(x) - exact) / fabsl(exact));
    if (!(off < 4e-16))
        fail_msg("log(%a) is %a: relative error %.3g", x, rhm_log(x), off);
}

static void logarithm_is_accurate(void **state) {
    (void)state;
    assert_true(rhm_log(1) == 0);
    const double edges[] = {
        nextafter(1, 0),
        nextafter(1, 2),
        0x1.6a09e667f3bccp-1,
        0x1.6a09e667f3bcdp-1,
        0x1.6a09e667f3bcep-1,
        0x1.6a09e667f3bcdp-40,
        0.5,
        nextafter(0.5, 0),
        nextafter(0.5, 1),
        0x1p-53,
        DBL_MIN,
        0.75 * DBL_MIN,
        0x1p-1074,
        0x1p-1073,
        0x1.8p-1030,
        nextafter(DBL_MIN, 1),
        2,
        0x1.6a09e667f3bcdp+0,
        1e300,
        DBL_MAX,
    };
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        assert_log(edges[i]);
    rhm_random random = {.seed = SEED, .stream = 1u << 20};
    for (int exponent = -1073; exponent <= 0; exponent++)
        for (int i = 0; i < 200; i++)
            assert_log(ldexp(0.5 + (double)(rhm_random_word(&random) | 1) * 0x1p-33, exponent));
    for (int e = 1; e <= 52; e++) /* towards 1, where the result is smallest */
        for (int i = 0; i < 200; i++)
            assert_log(1 - ldexp(0.5 + (double)rhm_random_word(&random) * 0x1p-33, -e));
}

static double mean_of(double (*f)(double)) {
    double sum = 0;
    for (size_t i = 0; i < COUNT; i++)
        sum += f(sample[i]);
    return sum / COUNT;
}

static double first(double x) {
    return x;
}
static double second(double x) {
    return x * x;
}
static double third(double x) {
    return x * x * x;
}
static double fourth(double x) {
    return x * x * x * x;
}
static double sixth(double x) {
    return x * x * x * x * x * x;
}

/* Each within five standard errors; the variance of x^n is E x^2n - (E x^n)^2 with E x^2n = (2n - 1)!!. */
static void moments_are_those_of_the_normal_law(void **state) {
    (void)state;
    const double root = sqrt((double)COUNT);
    assert_true(fabs(mean_of(first)) < 5 / root);
    assert_true(fabs(mean_of(second) - 1) < 5 * sqrt(2) / root);
    assert_true(fabs(mean_of(third)) < 5 * sqrt(15) / root);
    assert_true(fabs(mean_of(fourth) - 3) < 5 * sqrt(105 - 9) / root);
    assert_true(fabs(mean_of(sixth) - 15) < 5 * sqrt(10395 - 225) / root);
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double normal_cdf(double x) {
    return 0.5 * erfc(-x / sqrt(2));
}

/* Kolmogorov's statistic exceeds 2.7 with probability 2 exp(-2 2.7^2) = 9e-7. */
static void assert_normal(const double *value, size_t count) {
    double *sorted = malloc(sizeof *sorted * count);
    assert_non_null(sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = value[i];
    qsort(sorted, count, sizeof *sorted, ascending);
    double distance = 0;
    for (size_t i = 0; i < count; i++) {
        const double cdf = normal_cdf(sorted[i]);
        distance = fmax(distance, fmax(cdf - (double)i / (double)count, (double)(i + 1) / (double)count - cdf));
    }
    free(sorted);
    if (!(distance * sqrt((double)count) < 2.7))
        fail_msg("seed %llu: Kolmogorov-Smirnov statistic %.3f", (unsigned long long)SEED,
                 distance * sqrt((double)count));
}

static void law_is_normal(void **state) {
    (void)state;
    assert_normal(sample, COUNT);
    /* The two of a block, and short runs of many streams, as a small level would use them. */
    static double part[COUNT / 2];
    for (size_t odd = 0; odd < 2; odd++) {
        for (size_t i = 0; i < COUNT / 2; i++)
            part[i] = sample[2 * i + odd];
        assert_normal(part, COUNT / 2);
    }
    for (uint32_t stream = 0; stream < 20000; stream++)
        part[stream] = rhm_gaussian(stream, stream, 0);
    assert_normal(part, 20000);
}

/* Counts beyond x are Poisson: within five standard deviations of 2^20 (1 - Phi(x)). */
static void tails_are_long_enough(void **state) {
    (void)state;
    const double beyond[] = {2, 3, 3.5, 4};
    for (size_t b = 0; b < 4; b++)
        for (int sign = -1; sign <= 1; sign += 2) {
            double seen = 0;
            for (size_t i = 0; i < COUNT; i++)
                seen += sign * sample[i] > beyond[b];
            const double expected = COUNT * normal_cdf(-beyond[b]);
            if (!(fabs(seen - expected) < 5 * sqrt(expected)))
                fail_msg("%g numbers beyond %g, expected %.1f", seen, sign * beyond[b], expected);
        }
}

/* Correlations of x, x^2 and the sign pattern at several lags, and across streams and seeds. */
static void assert_uncorrelated(const char *what, const double *x, const double *y, size_t count) {
    double plain = 0, squares = 0, mixed = 0;
    for (size_t i = 0; i < count; i++) {
        plain += x[i] * y[i];
        squares += (x[i] * x[i] - 1) * (y[i] * y[i] - 1);
        mixed += x[i] * (y[i] * y[i] - 1);
    }
    const double root = sqrt((double)count);
    if (!(fabs(plain) / root < 5 && fabs(squares) / root < 5 * 2 && fabs(mixed) / root < 5 * sqrt(2)))
        fail_msg("%s: correlations %.2f, %.2f, %.2f standard errors", what, plain / root, squares / root / 2,
                 mixed / root / sqrt(2));
}

static void numbers_are_uncorrelated(void **state) {
    (void)state;
    static double other[COUNT / 4], even[COUNT / 2], odd[COUNT / 2];
    for (size_t i = 0; i < COUNT / 2; i++) {
        even[i] = sample[2 * i];
        odd[i] = sample[2 * i + 1];
    }
    assert_uncorrelated("the two of a block", even, odd, COUNT / 2);
    assert_uncorrelated("a block and the next", odd, even + 1, COUNT / 2 - 1);
    assert_uncorrelated("lag 1", sample, sample + 1, COUNT - 1);
    assert_uncorrelated("lag 64", sample, sample + 64, COUNT - 64);
    for (size_t i = 0; i < COUNT / 4; i++)
        other[i] = rhm_gaussian(SEED, 8, i);
    assert_uncorrelated("two streams", sample, other, COUNT / 4);
    for (size_t i = 0; i < COUNT / 4; i++)
        other[i] = rhm_gaussian(SEED + 1, 7, i);
    assert_uncorrelated("two seeds", sample, other, COUNT / 4);
}

/* Box and Muller in long double, from the random words: the same numbers on every machine. */
static void numbers_are_box_and_mullers(void **state) {
    (void)state;
    const long double turn = 2 * acosl(-1);
    for (size_t i = 0; i < 20000; i++) {
        const uint64_t index = i < 10000 ? i : UINT64_MAX - i;
        const rhm_philox_block block = rhm_philox(SEED, index / 2, 7, 0);
        const uint64_t a = (uint64_t)block.word[0] << 32 | block.word[1],
                       b = (uint64_t)block.word[2] << 32 | block.word[3];
        const long double u = (long double)((a >> 11) + 1) * 0x1p-53L,
                          angle = turn * ((long double)(b >> 11) * 0x1p-53L);
        const long double radius = sqrtl(-2 * logl(u));
        const double expected = (double)(radius * (index % 2 ? sinl(angle) : cosl(angle)));
        const double found = rhm_gaussian(SEED, 7, index);
        if (!(fabs(found - expected) < 4e-16 * fmax((double)radius, 1)))
            fail_msg("number %llu is %.17g, not %.17g", (unsigned long long)index, found, expected);
    }
}

static void a_number_depends_on_its_place_alone(void **state) {
    (void)state;
    for (size_t i = COUNT; i-- > 0;)
        if (rhm_gaussian(SEED, 7, i) != sample[i])
            fail_msg("number %zu changed", i);
    size_t equal = 0;
    for (size_t i = 0; i < 1000; i++)
        equal += (rhm_gaussian(SEED, 8, i) == sample[i]) + (rhm_gaussian(SEED ^ 1, 7, i) == sample[i]) +
                 (rhm_gaussian(SEED ^ (UINT64_C(1) << 63), 7, i) == sample[i]) +
                 (rhm_gaussian(SEED, 7, i + (UINT64_C(1) << 40)) == sample[i]);
    assert_int_equal(equal, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logarithm_is_accurate),
        cmocka_unit_test(moments_are_those_of_the_normal_law),
        cmocka_unit_test(law_is_normal),
        cmocka_unit_test(tails_are_long_enough),
        cmocka_unit_test(numbers_are_uncorrelated),
        cmocka_unit_test(numbers_are_box_and_mullers),
        cmocka_unit_test(a_number_depends_on_its_place_alone),
    };
    return cmocka_run_group_tests(tests, draw, NULL);
}
