/*
 * Registers of WIDTH floats in portable C, for kernels/lanes on machines that have none of that width: 16 lanes are the
 * code of the AVX-512 table, 4 lanes what a NEON table would be. The including file has defined WIDTH and DWIDTH.
 */
#ifndef RHM_TESTS_EMULATED_VECTOR_H
#define RHM_TESTS_EMULATED_VECTOR_H

#include <math.h>

#include "kernels/kernels.h"

typedef struct vec {
    float lane[WIDTH];
} vec;

#define EACH_LANE(expression)                                                                                          \
    vec v;                                                                                                             \
    for (int l = 0; l < WIDTH; l++)                                                                                    \
        v.lane[l] = (expression);                                                                                      \
    return v

static inline vec vec_load(const float *p) {
    EACH_LANE(p[l]);
}
static inline void vec_store(float *p, vec v) {
    for (int l = 0; l < WIDTH; l++)
        p[l] = v.lane[l];
}
static inline vec vec_set(float x) {
    EACH_LANE(x);
}
static inline vec vec_broadcast(const float *p) {
    EACH_LANE(*p);
}
static inline vec vec_fma(vec a, vec b, vec c) {
    EACH_LANE(fmaf(a.lane[l], b.lane[l], c.lane[l]));
}
static inline vec vec_load_once(const float *p) {
    return vec_load(p);
}
static inline vec vec_fnma(vec a, vec b, vec c) {
    EACH_LANE(fmaf(-a.lane[l], b.lane[l], c.lane[l]));
}
static inline vec vec_mul(vec a, vec b) {
    EACH_LANE(a.lane[l] * b.lane[l]);
}
static inline vec vec_add(vec a, vec b) {
    EACH_LANE(a.lane[l] + b.lane[l]);
}
static inline vec vec_sub(vec a, vec b) {
    EACH_LANE(a.lane[l] - b.lane[l]);
}
static inline vec vec_round(vec a) {
    EACH_LANE(rintf(a.lane[l]));
}
/* 1 or -1, which vec_xor multiplies with: the same as flipping the sign bit, NaN apart. */
static inline vec vec_parity_sign(vec n) {
    EACH_LANE(fabsf(n.lane[l]) < 0x1p24f && ((int)n.lane[l] & 1) ? -1.0f : 1.0f);
}
static inline vec vec_xor(vec a, vec sign) {
    EACH_LANE(a.lane[l] * sign.lane[l]);
}

static inline vec vec_relu(vec a) {
    EACH_LANE(a.lane[l] <= 0 ? 0 : a.lane[l]);
}
static inline vec vec_keep(vec a, vec m) {
    EACH_LANE(m.lane[l] == 0 ? 0 : a.lane[l]);
}
static inline vec vec_at_least(vec least, vec x) {
    EACH_LANE(x.lane[l] < least.lane[l] ? least.lane[l] : x.lane[l]);
}
static inline vec vec_power_of_2(vec n) {
    EACH_LANE(ldexpf(1, n.lane[l] < 0 ? (int)n.lane[l] : 0));
}

static inline void tile_transpose(const float *from, float *to) {
    for (int i = 0; i < RHM_LANES * RHM_LANES; i++)
        to[i % RHM_LANES * RHM_LANES + i / RHM_LANES] = from[i];
}

static inline float lane_sum(const float *lane, size_t part) {
    float a[RHM_LANES];
    for (size_t l = 0; l < RHM_LANES; l++)
        a[l] = lane[l / WIDTH * part + l % WIDTH];
    for (int half = RHM_LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++)
            a[l] += a[l + half];
    return a[0];
}

static inline void lane_sums_of_4(const float *lane, size_t part, float *to) {
    for (int c = 0; c < 4; c++)
        to[c] = lane_sum(lane + c * WIDTH, part);
}

static inline vec vec_zero(void) {
    EACH_LANE(0.0f * (float)l);
}
static inline void vec_add_to(double *p, vec v) {
    for (int l = 0; l < WIDTH; l++)
        p[l] += (double)v.lane[l];
}

typedef struct dvec {
    double lane[DWIDTH];
} dvec;

static inline dvec dvec_load(const double *p) {
    dvec v;
    for (int l = 0; l < DWIDTH; l++)
        v.lane[l] = p[l];
    return v;
}
static inline void dvec_store(double *p, dvec v) {
    for (int l = 0; l < DWIDTH; l++)
        p[l] = v.lane[l];
}
static inline dvec dvec_broadcast(const double *p) {
    dvec v;
    for (int l = 0; l < DWIDTH; l++)
        v.lane[l] = *p;
    return v;
}
static inline dvec dvec_fma(dvec a, dvec b, dvec c) {
    dvec v;
    for (int l = 0; l < DWIDTH; l++)
        v.lane[l] = fma(a.lane[l], b.lane[l], c.lane[l]);
    return v;
}

#undef EACH_LANE

#endif
