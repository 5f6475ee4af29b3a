/*
 * e^x for float x <= 0, the same operations in every instruction set: x = n log 2 + r with log 2 in two parts, the first
 * of them short, so that n times it is exact; then the Taylor series of e^r to r^7, |r| <= 0.35, whose next term is
 * below 6e-9. Relative error below 2e-7 (test_dense measures it). Below -60 it is e^-60, which makes no difference to a
 * sum with 1: so gradients made of it stay far from denormal numbers, with which processors are slow.
 */
#ifndef RHM_KERNELS_EXPONENTIAL_H
#define RHM_KERNELS_EXPONENTIAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define RHM_EXP_LEAST    (-60.0f)
#define RHM_EXP_PER_LOG2 0x1.715476p+0f
#define RHM_EXP_LOG2     0x1.62e4p-1f
#define RHM_EXP_LOG2_LOW 0x1.7f7d1cp-20f

#define RHM_EXP7 0x1.a01a02p-13f
#define RHM_EXP6 0x1.6c16c2p-10f
#define RHM_EXP5 0x1.111112p-7f
#define RHM_EXP4 0x1.555556p-5f
#define RHM_EXP3 0x1.555556p-3f

static inline float rhm_exponential(float x) {
    x = x < RHM_EXP_LEAST ? RHM_EXP_LEAST : x; /* NaN stays */
    const float n = rintf(x * RHM_EXP_PER_LOG2);
    const float r = fmaf(-n, RHM_EXP_LOG2_LOW, fmaf(-n, RHM_EXP_LOG2, x));
    float e = fmaf(RHM_EXP7, r, RHM_EXP6);
    e = fmaf(e, r, RHM_EXP5);
    e = fmaf(e, r, RHM_EXP4);
    e = fmaf(e, r, RHM_EXP3);
    e = fmaf(e, r, 0.5f);
    e = fmaf(e, r, 1.0f);
    e = fmaf(e, r, 1.0f);
    const uint32_t bits = (uint32_t)((n < 0 ? (int32_t)n : 0) + 127) << 23; /* 2^n; of NaN any number will do */
    float power;
    memcpy(&power, &bits, sizeof power);
    return e * power;
}

#endif
