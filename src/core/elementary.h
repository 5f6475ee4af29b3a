/* Logarithm, exponential, cosine and sine from a fixed sequence of exactly rounded operations: libm's choose code by
 * CPU and may differ in the last bit between machines. For whatever enters samples, grammars or models. */
#ifndef RHM_CORE_ELEMENTARY_H
#define RHM_CORE_ELEMENTARY_H

/* Natural logarithm of a positive finite x; relative error below 4e-16 for x in (0, 1]. */
double rhm_log(double x);

/* e^x for -700 < x <= 0. */
double rhm_exp(double x);

/* cos and sin of so many quarter turns, 0 <= quarters < 2^31; absolute error below 3e-16. */
void rhm_quarter_turns(double quarters, double *cosine, double *sine);

/* 2 artanh t = log((1 + t) / (1 - t)) by the first `terms` terms of its series. */
double rhm_twice_artanh(double t, int terms);

#endif
