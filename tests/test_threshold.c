/* Thresholds: the monotone fit against a quadratic-time oracle, and the search on learners whose curves are known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/philox.h"
#include "sweep/threshold.h"

enum { MOST_SIZES = 64 };

/* ---- intervals and fits ---------------------------------------------------------------------------------- */

/* Wilson (1927): the shares p at which (share - p)^2 = z^2 p (1 - p) / n. */
static void wilson_ends_solve_their_equation(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 40; n++)
        for (uint64_t k = 0; k <= n; k++) {
            double end[2];
            rhm_wilson_interval(&end[0], &end[1], k, n, 1.96);
            const double share = (double)k / (double)n;
            assert_true(0 <= end[0] && end[0] <= share && share <= end[1] && end[1] <= 1);
            for (int i = 0; i < 2; i++)
                assert_true(fabs((share - end[i]) * (share - end[i]) -
                                 1.96 * 1.96 * end[i] * (1 - end[i]) / (double)n) < 1e-12 ||
                            (i == 0 && k == 0) || (i == 1 && k == n));
        }
    double low, high;
    rhm_wilson_interval(&low, &high, 0, 0, 1.96);
    assert_true(low == 0 && high == 1);
    rhm_wilson_interval(&low, &high, 4, 4, 1.96);
    assert_true(low > 0.5);
}

/* max over i <= j of min over k >= j of the mean of i..k: the textbook's formula for the isotonic fit. */
static double minimax(const rhm_threshold_trials *tried, size_t count, size_t j) {
    double best = 0;
    for (size_t i = 0; i <= j; i++) {
        double least = 2;
        for (size_t k = j; k < count; k++) {
            double n = 0, passed = 0;
            for (size_t at = i; at <= k; at++) {
                n += tried[at].trials;
                passed += tried[at].passed;
            }
            least = fmin(least, passed / n);
        }
        best = fmax(best, least);
    }
    return best;
}

static void fit_is_the_isotonic_one(void **state) {
    (void)state;
    rhm_random random = {.seed = 5, .stream = 1};
    for (int problem = 0; problem < 300; problem++) {
        rhm_threshold_trials tried[MOST_SIZES];
        rhm_threshold_point point[MOST_SIZES];
        const size_t count = 1 + rhm_random_below(&random, 12);
        for (size_t i = 0; i < count; i++) {
            tried[i].step = (int)(3 * i);
            tried[i].trials = 1 + rhm_random_below(&random, 9);
            tried[i].passed = rhm_random_below(&random, tried[i].trials + 1);
        }
        rhm_threshold_fit(point, tried, count, 1.96);
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(point[j].step, tried[j].step);
            assert_int_equal(point[j].own, tried[j].trials);
            assert_true(fabs(point[j].share - minimax(tried, count, j)) < 1e-12);
        }
    }
}

/* ---- searches on known learners -------------------------------------------------------------------------- */

/* Passes with probability 1 / (1 + (threshold / x)^slope). */
typedef struct learner {
    double threshold, slope;
    rhm_random random;
} learner;

static bool passes(learner *l, double x) {
    const double p = 1 / (1 + pow(l->threshold / x, l->slope));
    return rhm_random_below(&l->random, 1U << 24) < p * (1U << 24);
}

static size_t place_of(rhm_threshold_trials *tried, size_t *count, int step) {
    size_t at = 0;
    while (at < *count && tried[at].step < step)
        at++;
    if (at < *count && tried[at].step == step)
        return at;
    assert_true(*count < MOST_SIZES);
    for (size_t i = (*count)++; i > at; i--)
        tried[i] = tried[i - 1];
    tried[at] = (rhm_threshold_trials){.step = step};
    return at;
}

/* A whole search; returns how many trials it took. */
static uint32_t search(rhm_threshold *found, learner *l, const rhm_threshold_options *options) {
    rhm_threshold_trials tried[MOST_SIZES];
    size_t count = 0;
    uint32_t trials, all = 0;
    int step;
    while (rhm_threshold_next(&step, &trials, options, tried, count)) {
        const size_t at = place_of(tried, &count, step);
        assert_true(trials > tried[at].trials && step >= options->least && step <= options->greatest);
        for (; tried[at].trials < trials; tried[at].trials++, all++)
            tried[at].passed += passes(l, exp2((double)step / RHM_THRESHOLD_STEPS));
        assert_true(all < 5000);
    }
    assert_int_equal(rhm_threshold_estimate(found, options, tried, count, NULL), RHM_OK);
    return all;
}

static const rhm_threshold_options wide = {.first = 32, .least = 8, .greatest = 120};

static void intervals_cover_the_truth(void **state) {
    (void)state;
    static const double slopes[] = {1.5, 3, 8, 40};
    enum { SEARCHES = 1000 };
    for (size_t s = 0; s < sizeof slopes / sizeof *slopes; s++) {
        learner l = {.slope = slopes[s], .random = {.seed = 11, .stream = (uint32_t)s}};
        int covered = 0;
        double wide_by = 0, off = 0, all = 0;
        for (int i = 0; i < SEARCHES; i++) {
            l.threshold = exp2(4 + 22.0 * rhm_random_below(&l.random, 1000) / 1000);
            rhm_threshold t;
            all += search(&t, &l, &wide);
            assert_int_equal(t.state, RHM_THRESHOLD_FOUND);
            assert_true(t.low <= t.size && t.size <= t.high);
            covered += t.low <= l.threshold && l.threshold <= t.high;
            wide_by += fmin(log2(t.high / t.low), 10) / SEARCHES;
            off += log2(t.size / l.threshold) / SEARCHES;
        }
        printf("slope %g: covers %.3f, width 2^%.2f, bias 2^%.3f, %.1f trials\n", slopes[s], (double)covered / SEARCHES,
               wide_by, off, all / SEARCHES);
        assert_true(covered >= 0.94 * SEARCHES);
        assert_true(fabs(off) < 0.1);
    }
}

static void sharp_thresholds_are_met_closely(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        learner l = {.threshold = exp2(4.03 + 0.5 * i), .slope = 1e4, .random = {.seed = 3}};
        rhm_threshold t;
        search(&t, &l, &wide);
        assert_true(t.low < l.threshold && l.threshold < t.high);
        assert_true(t.high / t.low < 1.2);
    }
}

static void censored_searches_say_so(void **state) {
    (void)state;
    rhm_threshold t;
    learner never = {.threshold = 1e30, .slope = 1e3, .random = {.seed = 3}};
    search(&t, &never, &wide);
    assert_int_equal(t.state, RHM_THRESHOLD_ABOVE);
    assert_true(isnan(t.size) && isinf(t.high) && t.low == exp2(30));
    learner always = {.threshold = 1e-3, .slope = 1e3, .random = {.seed = 3}};
    search(&t, &always, &wide);
    assert_int_equal(t.state, RHM_THRESHOLD_BELOW);
    assert_true(isnan(t.size) && t.low == 0 && t.high == 4);
}

static void nothing_tried_says_nothing(void **state) {
    (void)state;
    rhm_threshold t;
    rhm_error error;
    assert_int_equal(rhm_threshold_estimate(&t, &wide, NULL, 0, &error), RHM_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson_ends_solve_their_equation), cmocka_unit_test(fit_is_the_isotonic_one),
        cmocka_unit_test(intervals_cover_the_truth),        cmocka_unit_test(sharp_thresholds_are_met_closely),
        cmocka_unit_test(censored_searches_say_so),         cmocka_unit_test(nothing_tried_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
