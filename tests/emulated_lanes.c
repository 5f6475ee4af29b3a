/* x86/tile.h with sixteen lanes in portable C: the code of the AVX-512 table on machines that lack AVX-512. */
#include "kernels/sincos.h"
#include "kernels/tables.h"

enum { WIDTH = 16 };
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

static inline float lane_sum(const float *low, const float *high) {
    float a[8];
    for (int l = 0; l < 8; l++)
        a[l] = low[l] + high[l];
    for (int half = 4; half; half /= 2)
        for (int l = 0; l < half; l++)
            a[l] += a[l + half];
    return a[0];
}

static inline void lane_sums_of_4(const float *low, const float *high, float *to) {
    for (int c = 0; c < 4; c++)
        to[c] = lane_sum(low + c * WIDTH, high + c * WIDTH);
}

static inline vec vec_zero(void) {
    EACH_LANE(0.0f * (float)l);
}
static inline void vec_add_to(double *p, vec v) {
    for (int l = 0; l < WIDTH; l++)
        p[l] += (double)v.lane[l];
}

enum { DWIDTH = 8 };
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

/* The tiles of avx512.c. */
enum {
    PHASE_PATCHES = 6,
    PHASE_VECTORS = 4,
    PRODUCT_CLASSES = 4,
    PRODUCT_PATCHES = 6,
    PRODUCT_BLOCK = 12,
    SLICE = 256,
    PANELS = 2,
    PANEL_PATCHES = 12,
    GRADIENT_CLASSES = 4,
    GRADIENT_VECTORS = 4,
    TURNED_PAIRS = 2,
    GRAM_ROWS = 8,
    GRAM_VECTORS = 3,
    WIDE_ROWS = 8,
    WIDE_VECTORS = 3
};

extern const rhm_kernels rhm_kernels_emulated;
#define RHM_TABLE      rhm_kernels_emulated
#define RHM_TABLE_NAME "emulated"
#define RHM_TABLE_ISA  RHM_ISA_SCALAR
#include "kernels/x86/tile.h"
