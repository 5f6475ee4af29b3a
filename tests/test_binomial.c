/* Binomial numbers against exact probabilities, moments and, where n is huge, their last digits. All limits are for
 * false alarms of about 1e-6 a comparison, some 200 comparisons in all; the seeds are fixed. */
#include "files.h"

#include "derivations.h"
#include "sampling/binomial.h"

enum { SEED = 20260119, STREAM = 3 };

static double log_choose(double n, double k) {
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

static void small_numbers_have_their_probabilities(void **state) {
    (void)state;
    enum { DRAWS = 40000, MOST = 3000 };
    const uint64_t ns[] = {1, 2, 3, 5, 12, 19, 20, 21, 33, 64, 65, 128, 129, 200, 511, 512, 513, 900, 2999};
    const double ps[] = {0.5, 0.499, 0.25, 1.0 / 3, 0.1, 0.01, 0.001, 1e-6, 0.75, 0.9, 0.9999};
    static size_t observed[MOST + 1];
    static double probability[MOST + 1];
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
        for (size_t j = 0; j < sizeof ps / sizeof *ps; j++) {
            const uint64_t n = ns[i];
            const double p = ps[j];
            const rhm_coin coin = rhm_coin_of(p, 1 - p);
            memset(observed, 0, sizeof observed);
            for (uint64_t k = 0; k <= n; k++)
                probability[k] =
                    exp(log_choose((double)n, (double)k) + (double)k * log(p) + (double)(n - k) * log1p(-p));
            for (uint64_t draw = 0; draw < DRAWS; draw++) {
                const uint64_t k = rhm_binomial(&coin, n, SEED + i, STREAM + (uint32_t)j, draw);
                assert_true(k <= n);
                observed[k]++;
            }
            const double ratio = chi_square_ratio(observed, probability, n + 1, DRAWS);
            if (!(ratio <= 1))
                fail_msg("seed %d: n = %llu, p = %g: chi-square is %.2f times the limit", SEED, (unsigned long long)n,
                         p, ratio);
        }
}

/* Mean and variance, each known to its own standard error: that of a sample variance has the fourth moment in it. */
static void moments_hold_up_to_the_largest_n(void **state) {
    (void)state;
    enum { DRAWS = 40000 };
    const double ps[] = {0.5, 0.3, 1e-2, 1e-5, 1e-9, 1e-12, 0.999};
    for (int exponent = 3; exponent <= 15; exponent++)
        for (size_t j = 0; j < sizeof ps / sizeof *ps; j++) {
            uint64_t n = 1;
            for (int i = 0; i < exponent; i++)
                n *= 10;
            n -= exponent % 2; /* odd ones as well */
            const double p = ps[j], size = (double)n, variance = size * p * (1 - p);
            const rhm_coin coin = rhm_coin_of(p, 1 - p);
            const uint64_t centre = (uint64_t)(size * p);
            const double offset = fma(size, p, -(double)centre);
            double sum = 0, squares = 0;
            for (uint64_t draw = 0; draw < DRAWS; draw++) {
                const uint64_t k = rhm_binomial(&coin, n, SEED, STREAM + 16 * (uint32_t)exponent, draw << 8 | j);
                assert_true(k <= n);
                const double d = (double)((int64_t)k - (int64_t)centre) - offset;
                sum += d;
                squares += d * d;
            }
            const double fourth = variance * (1 + 3 * variance - 6 * p * (1 - p)); /* central moment */
            const double mean_error = sum / sqrt(DRAWS * variance);
            const double variance_error = (squares - DRAWS * variance) / sqrt(DRAWS * (fourth - variance * variance));
            /* Where few successes are expected, sums of a skew variable need more room than 5 standard errors. */
            const double room = variance * DRAWS < 1000 ? 12 : 5;
            if (!(fabs(mean_error) < room) || !(fabs(variance_error) < room))
                fail_msg("seed %d: n = %llu, p = %g: mean is off by %.2f, variance by %.2f standard errors", SEED,
                         (unsigned long long)n, p, mean_error, variance_error);
        }
}

static double normal_distribution(double x) {
    return 0.5 * erfc(-x * 0.70710678118654752);
}

/* Where n is large the whole shape is normal, up to 1/sqrt(n p q), and the last digits are uniform. */
static void large_numbers_are_normal_with_uniform_digits(void **state) {
    (void)state;
    enum { DRAWS = 60000, BINS = 64, RESIDUES = 16 };
    const struct {
        uint64_t n;
        double p;
    } cases[] = {{UINT64_C(1000000000000000), 0.5}, {UINT64_C(1000000000000000), 0.3},
                 {UINT64_C(999999999999999), 1e-3}, {RHM_BINOMIAL_MOST, 0.5},
                 {RHM_BINOMIAL_MOST - 1, 0.25},     {UINT64_C(1000000000000), 0.77}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const double n = (double)cases[c].n, p = cases[c].p, spread = sqrt(n * p * (1 - p));
        const rhm_coin coin = rhm_coin_of(p, 1 - p);
        const int64_t centre = (int64_t)(n * p);
        size_t bin[BINS] = {0}, residue[RESIDUES] = {0};
        double bin_probability[BINS], residue_probability[RESIDUES];
        for (int i = 0; i < BINS; i++) {
            const double begin = i ? -3.5 + 7.0 * i / BINS : -HUGE_VAL;
            const double end = i + 1 < BINS ? -3.5 + 7.0 * (i + 1) / BINS : HUGE_VAL;
            bin_probability[i] = normal_distribution(end) - normal_distribution(begin);
        }
        for (int i = 0; i < RESIDUES; i++)
            residue_probability[i] = 1.0 / RESIDUES;
        for (uint64_t draw = 0; draw < DRAWS; draw++) {
            const uint64_t k = rhm_binomial(&coin, cases[c].n, SEED + c, STREAM, draw);
            assert_true(k <= cases[c].n);
            const double x = (double)((int64_t)k - centre) / spread;
            const int i = (int)((x + 3.5) * (BINS / 7.0));
            bin[i < 0 ? 0 : i >= BINS ? BINS - 1 : i]++;
            residue[k % RESIDUES]++;
        }
        const double shape = chi_square_ratio(bin, bin_probability, BINS, DRAWS);
        const double digits = chi_square_ratio(residue, residue_probability, RESIDUES, DRAWS);
        if (!(shape <= 1) || !(digits <= 1))
            fail_msg("seed %d: n = %g, p = %g: chi-square of shape %.2f, of last digits %.2f times the limit", SEED, n,
                     p, shape, digits);
    }
}

static void certain_things_are_certain(void **state) {
    (void)state;
    const uint64_t ns[] = {0, 1, 511, 513, UINT64_C(1000000000000000)};
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
        const rhm_coin never = rhm_coin_of(0, 0.3), always = rhm_coin_of(2.5, 0), rare = rhm_coin_of(1e-300, 1);
        assert_true(rhm_binomial(&never, ns[i], SEED, STREAM, i) == 0);
        assert_true(rhm_binomial(&always, ns[i], SEED, STREAM, i) == ns[i]);
        assert_true(rhm_binomial(&rare, ns[i], SEED, STREAM, i) == 0);
    }
}

/* Exchanging the sides exchanges their counts; weights need not sum to 1. */
static void sides_are_exchangeable(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        const uint64_t n = (i * i) << (i % 20);
        const double p = (double)(i % 97 + 1) / 200;
        const rhm_coin coin = rhm_coin_of(p, 1 - p), other = rhm_coin_of(1 - p, p);
        assert_true(rhm_binomial(&coin, n, SEED, STREAM, i) + rhm_binomial(&other, n, SEED, STREAM, i) == n);
    }
    const rhm_coin small = rhm_coin_of(0.75, 2.25), large = rhm_coin_of(3e9, 9e9);
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(rhm_binomial(&small, i, SEED, STREAM, i) == rhm_binomial(&large, i, SEED, STREAM, i));
}

/* Numbers of neighbouring indices, streams and seeds: correlations stay within 5 standard errors. */
static void indices_streams_and_seeds_are_independent(void **state) {
    (void)state;
    enum { DRAWS = 50000 };
    const rhm_coin coin = rhm_coin_of(0.3, 0.7);
    const uint64_t sizes[] = {20, 1000};
    for (size_t i = 0; i < 2; i++) {
        const double n = (double)sizes[i], variance = n * 0.21;
        double products[3] = {0};
        for (uint64_t draw = 0; draw < DRAWS; draw++) {
            const double x = (double)rhm_binomial(&coin, sizes[i], SEED, STREAM, draw) - 0.3 * n;
            products[0] += x * ((double)rhm_binomial(&coin, sizes[i], SEED, STREAM, draw + 1) - 0.3 * n);
            products[1] += x * ((double)rhm_binomial(&coin, sizes[i], SEED, STREAM + 1, draw) - 0.3 * n);
            products[2] += x * ((double)rhm_binomial(&coin, sizes[i], SEED + 1, STREAM, draw) - 0.3 * n);
        }
        for (int k = 0; k < 3; k++)
            assert_true(fabs(products[k]) < 5 * variance * sqrt(DRAWS));
    }
}

/* The same on every machine: every branch of the algorithm enters this number. */
static void numbers_are_pinned(void **state) {
    (void)state;
    uint64_t digest = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        const uint64_t n = UINT64_C(1) << (i % 54);
        const rhm_coin coin = rhm_coin_of(ldexp(1 + (double)(i % 13), -(int)(i / 7 % 40)), 1);
        digest = digest * UINT64_C(0x9e3779b97f4a7c15) + rhm_binomial(&coin, n - i % 3 % n, SEED, STREAM, i);
    }
    if (digest != UINT64_C(0xabbfcd45cdbd8e14))
        fail_msg("found 0x%llx", (unsigned long long)digest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_numbers_have_their_probabilities),
        cmocka_unit_test(moments_hold_up_to_the_largest_n),
        cmocka_unit_test(large_numbers_are_normal_with_uniform_digits),
        cmocka_unit_test(certain_things_are_certain),
        cmocka_unit_test(sides_are_exchangeable),
        cmocka_unit_test(indices_streams_and_seeds_are_independent),
        cmocka_unit_test(numbers_are_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
