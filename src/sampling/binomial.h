/*
 * Binomial numbers as a pure function of (seed, stream, index), from a fixed sequence of exactly rounded operations:
 * the same integer on every machine.
 *
 * The law is exact up to the rounding of double precision: distances in total variation are below 1e-12 up to
 * n = 10^15. (The probability itself is rounded, by at most 2^-53 of its value, which moves the mean by less than 1e-8
 * standard deviations there; numbers are exact integers throughout, there is no normal approximation anywhere.)
 */
#ifndef RHM_SAMPLING_BINOMIAL_H
#define RHM_SAMPLING_BINOMIAL_H

#include <stdbool.h>
#include <stdint.h>

/* Integers up to here are exact in double precision. */
#define RHM_BINOMIAL_MOST (UINT64_C(1) << 53)

/* A coin, with what does not depend on how often it is thrown. */
typedef struct rhm_coin {
    double p;     /* of the less likely side */
    double odds;  /* p / (1 - p) */
    double log_q; /* log(1 - p) */
    bool flipped; /* success is the more likely side */
} rhm_coin;

/* Success has the weight `success` against `failure`; both >= 0 and finite, not both 0. */
rhm_coin rhm_coin_of(double success, double failure);

/*
 * Successes in n <= RHM_BINOMIAL_MOST throws. Takes blocks 0, 1, ... of the index (core/philox.h), few on average and
 * without end in principle, so an index is good for one number.
 */
uint64_t rhm_binomial(const rhm_coin *coin, uint64_t n, uint64_t seed, uint32_t stream, uint64_t index);

#endif
