/*
 * cos(pi z) and sin(pi z) for any finite float z, the same operations in every instruction set.
 *
 * z = n + r with n the nearest integer and r in [-1/2, 1/2], exact in float (Sterbenz), so there is no range in which
 * the reduction degrades; cos and sin of pi r share the sign (-1)^n. Polynomials in u = r^2 are minimax on [0, 1/4]
 * with coefficients rounded to float one after the other: |error| <= 7.6e-9 (sine), 5.5e-8 (cosine, leading 1 kept
 * exact). With rounding the largest absolute error against double precision is 1.4e-7, measured over the range by
 * test_kernels.
 */
#ifndef RHM_KERNELS_SINCOS_H
#define RHM_KERNELS_SINCOS_H

#include <math.h>
#include <stdint.h>

#define RHM_SIN0 0x1.921fb4p+1f
#define RHM_SIN1 (-0x1.4abba2p+2f)
#define RHM_SIN2 0x1.466504p+1f
#define RHM_SIN3 (-0x1.31fbf4p-1f)
#define RHM_SIN4 0x1.3912a8p-4f

#define RHM_COS1 (-0x1.3bd3b0p+2f)
#define RHM_COS2 0x1.03bd9ap+2f
#define RHM_COS3 (-0x1.550206p+0f)
#define RHM_COS4 0x1.c29256p-3f

static inline void rhm_cos_sin_half_turns(float z, float *cosine, float *sine) {
    const float n = rintf(z);
    const float r = z - n;
    const float u = r * r;
    float s = fmaf(RHM_SIN4, u, RHM_SIN3);
    s = fmaf(s, u, RHM_SIN2);
    s = fmaf(s, u, RHM_SIN1);
    s = fmaf(s, u, RHM_SIN0);
    s = s * r;
    float c = fmaf(RHM_COS4, u, RHM_COS3);
    c = fmaf(c, u, RHM_COS2);
    c = fmaf(c, u, RHM_COS1);
    c = fmaf(c, u, 1.0f);
    /* Floats from 2^24 on are even; the bound keeps the conversion defined. */
    const int odd = fabsf(n) < 0x1p24f && ((int32_t)n & 1);
    *cosine = odd ? -c : c;
    *sine = odd ? -s : s;
}

#endif
