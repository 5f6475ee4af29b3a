#include "sampling/binomial.h"

#include <math.h>

#include "core/elementary.h"
#include "core/philox.h"

enum {
    MOST_BITS = 512,       /* throws of a fair coin that are cheaper drawn one by one */
    LEAST_MEAN = 10,       /* of the transformed rejection; its constants hold from here on */
    MOST_SUCCESSES = 128,  /* with a smaller mean: the rest has a probability below 1e-89 */
    EXACT_CORRECTIONS = 16 /* entries of a table */
};

rhm_coin rhm_coin_of(double success, double failure) {
    const bool flipped = success > failure;
    const double smaller = flipped ? failure : success, larger = flipped ? success : failure;
    const double p = smaller / (smaller + larger);
    /* log(1 - p) = -2 artanh(p / (2 - p)), whose argument is at most 1/3. */
    return (rhm_coin){
        .p = p,
        .odds = smaller / larger,
        .log_q = p > 0 ? rhm_twice_artanh(-p / (2 - p), 18) : 0,
        .flipped = flipped,
    };
}

static uint64_t fair_throws(uint64_t n, uint64_t seed, uint32_t stream, uint64_t index) {
    uint64_t successes = 0;
    for (uint32_t number = 0; n > 0; number++) {
        const rhm_philox_block block = rhm_philox(seed, index, stream, number);
        for (int half = 0; half < 2 && n > 0; half++) {
            const uint64_t bits = (uint64_t)block.word[2 * half] << 32 | block.word[2 * half + 1];
            const uint64_t used = n < 64 ? n : 64;
            successes += (uint64_t)__builtin_popcountll(bits >> (64 - used));
            n -= used;
        }
    }
    return successes;
}

/* Uniform on [0, 1), 53 bits. */
static double uniform(uint32_t high, uint32_t low) {
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

/* Inversion: walk up the probabilities of 0, 1, 2, ... successes. */
static uint64_t invert(const rhm_coin *coin, uint64_t n, uint64_t seed, uint32_t stream, uint64_t index) {
    const rhm_philox_block block = rhm_philox(seed, index, stream, 0);
    const uint64_t most = n < MOST_SUCCESSES ? n : MOST_SUCCESSES;
    double u = uniform(block.word[0], block.word[1]);
    double probability = rhm_exp((double)n * coin->log_q);
    uint64_t k = 0;
    while (u >= probability && k < most) {
        u -= probability;
        k++;
        probability *= coin->odds * (double)(n - k + 1) / (double)k;
    }
    return k;
}

/* log n! minus Stirling's log(sqrt(2 pi n) (n/e)^n), n >= 1. The series' first omitted term is below 1e-16. */
static double stirling_correction(double n) {
    static const double exact[EXACT_CORRECTIONS] = {
        0,
        0x1.4c071bcda0a5bp-4,
        0x1.52a9b923ea649p-5,
        0x1.c579a268d80b3p-6,
        0x1.54a2662fd78a9p-6,
        0x1.10b4e513fcbedp-6,
        0x1.c6b167bebdf36p-7,
        0x1.85d4d612e4a86p-7,
        0x1.552805e7b3076p-7,
        0x1.2f4871b12ab64p-7,
        0x1.10f9d4c0743a7p-7,
        0x1.f0593088014f8p-8,
        0x1.c7018733aa9c6p-8,
        0x1.a40514700f36cp-8,
        0x1.86076c002d4a7p-8,
        0x1.6c08f6f194a10p-8,
    };
    if (n < EXACT_CORRECTIONS)
        return exact[(int)n];
    const double u = 1 / (n * n);
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - 1.0 / 1188 * u) * u) * u) * u) / n;
}

/*
 * x log(x / mean) + mean - x with x = mean + difference (Loader, "Fast and accurate computation of binomial
 * probabilities", 2000). Near the mean all large terms cancel: there it is a series in which none appear, good to the
 * last digits of `difference`.
 */
static double deviance(double x, double mean, double difference) {
    if (!(fabs(difference) < 0.1 * (x + mean)))
        return x * rhm_log(x / mean) - difference;
    static const double reciprocal[] = {1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17};
    const double v = difference / (x + mean), u = v * v;
    double series = 0;
    for (int i = 7; i >= 0; i--)
        series = (series + reciprocal[i]) * u;
    return difference * v + 2 * x * v * series;
}

/* How often a coin is thrown, with the mean np = whole + fraction in integers as far as n reaches. */
typedef struct throws {
    const rhm_coin *coin;
    double n, mean, other_mean; /* np, n(1-p) */
    double whole, fraction;
} throws;

/* log of the probability of k successes. */
static double log_probability(const throws *t, double k) {
    const double rest = t->n - k, difference = (k - t->whole) - t->fraction;
    if (rest == 0)
        return t->n * rhm_log(t->coin->p);
    if (k == 0)
        return t->n * t->coin->log_q;
    return stirling_correction(t->n) - stirling_correction(k) - stirling_correction(rest) -
           deviance(k, t->mean, difference) - deviance(rest, t->other_mean, -difference) +
           0.5 * rhm_log(t->n / (0x1.921fb54442d18p+2 * k * rest));
}

/*
 * Transformed rejection with squeeze: algorithm BTRS of Hormann, "The generation of binomial random variates", J. Stat.
 * Comput. Simul. 46 (1993) 101. A candidate is an integer added to the whole part of the mean, so that no digit is lost
 * where n is large.
 */
static uint64_t reject(const rhm_coin *coin, uint64_t n, uint64_t seed, uint32_t stream, uint64_t index) {
    throws t = {.coin = coin, .n = (double)n};
    const double p = coin->p;
    t.mean = t.n * p;
    t.other_mean = t.n - t.mean;
    t.whole = (double)(uint64_t)t.mean;
    t.fraction = (t.mean - t.whole) + fma(t.n, p, -t.mean);
    const double spread = sqrt(t.mean * (1 - p));
    const double b = 1.15 + 2.53 * spread;
    const double a = -0.0873 + 0.0248 * b + 0.01 * p;
    const double alpha = (2.83 + 5.1 / b) * spread;
    const double squeeze = 0.92 - 4.2 / b;
    double log_mode = 0;
    bool have_mode = false;
    for (uint32_t attempt = 0;; attempt++) {
        const rhm_philox_block block = rhm_philox(seed, index, stream, attempt);
        const double u = uniform(block.word[0], block.word[1]) - 0.5;
        const double v = uniform(block.word[2], block.word[3]) + 0x1p-53; /* (0, 1]: the logarithm is finite */
        const double us = 0.5 - fabs(u);
        const double step = (2 * a / us + b) * u + (t.fraction + 0.5);
        if (!(t.whole + step >= 0 && t.whole + step < t.n + 1))
            continue;
        const double towards_zero = (double)(int64_t)step;
        const double k = t.whole + (towards_zero > step ? towards_zero - 1 : towards_zero);
        if (us >= 0.07 && v <= squeeze)
            return (uint64_t)k;
        if (!have_mode)
            log_mode = log_probability(&t, t.whole + (t.fraction + p >= 1 ? 1 : 0));
        have_mode = true;
        if (rhm_log(v * alpha / (a / (us * us) + b)) <= log_probability(&t, k) - log_mode)
            return (uint64_t)k;
    }
}

uint64_t rhm_binomial(const rhm_coin *coin, uint64_t n, uint64_t seed, uint32_t stream, uint64_t index) {
    uint64_t successes;
    if (n == 0 || coin->p == 0)
        successes = 0;
    else if (coin->p == 0.5 && n <= MOST_BITS)
        successes = fair_throws(n, seed, stream, index);
    else if ((double)n * coin->p < LEAST_MEAN)
        successes = invert(coin, n, seed, stream, index);
    else
        successes = reject(coin, n, seed, stream, index);
    return coin->flipped ? n - successes : successes;
}
