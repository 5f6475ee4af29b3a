/*
 * The operations of a network of non-overlapping convolutions and the table through which they are called. README.md
 * has their contract: formulas and order of operations. Every table computes the same bits.
 *
 * Matrices lie in panels: (columns / RHM_LANES, rows, RHM_LANES) floats, columns padded to whole panels. So a row of a
 * panel is a cache line, and a patch of s rows is s lines of each panel.
 */
#ifndef RHM_KERNELS_DENSE_H
#define RHM_KERNELS_DENSE_H

#include "kernels/kernels.h"

/* What becomes of a sum: y = .. */
typedef enum rhm_dense_finish {
    RHM_DENSE_KEEP,  /* the sum: it will be continued */
    RHM_DENSE_SCALE, /* scale sum */
    RHM_DENSE_RELU,  /* max(0, scale sum + added) */
    RHM_DENSE_MASK,  /* scale sum where `mask` is not 0, else 0 */
} rhm_dense_finish;

/*
 * y[i][n] = sum over (t, k) of a[i][t, k] b[t, k][n], t < taps, k < depth, for `count` rows and `panels` panels of n:
 *   a[i][t, k]  at a + i a_row + t a_tap + k / 16 a_panel + k % 16
 *   b[t, k][n]  at b + n / 16 b_panel + t b_tap + 16 k + n % 16
 *   y[i][n]     at y + i y_row + n / 16 y_panel + n % 16, and so is mask[i][n] at mask
 *   added[i][n] at added + (first + i) % period 16 + n / 16 added_panel + n % 16; added may be NULL
 */
typedef struct rhm_dense_product {
    size_t count, panels, taps, depth;
    const float *a;
    size_t a_row, a_tap, a_panel;
    const float *b;
    size_t b_tap, b_panel;
    float *y;
    size_t y_row, y_panel;
    bool fresh; /* else sums continue those in y */
    rhm_dense_finish finish;
    float scale;
    const float *added, *mask;
    size_t first, period, added_panel;
} rhm_dense_product;

/*
 * g[k][n] = sum over rows i of a[i][k] b[i][n], k < depth <= 16, for `panels` panels of n:
 *   a[i][k] at a + i a_row + k
 *   b[i][n] at b + n / 16 b_panel + 16 i + n % 16
 *   g[k][n] at g + n / 16 g_panel + 16 k + n % 16, and so are other sums at theirs
 * Sums begin with those at `from`, or 0 where it is NULL, and are added to those at onto[0], onto[1], .. when they are
 * complete: onto[1] + (onto[0] + sum).
 * What comes next is asked for meanwhile: `next` is the next a, `ask` are tiles of 16 x 16 floats. NULL: nothing is.
 */
enum { RHM_DENSE_ONTO = 6, RHM_DENSE_ASKS = 6 };
typedef struct rhm_dense_gradient {
    size_t count, panels, depth;
    const float *a;
    size_t a_row;
    const float *b;
    size_t b_panel;
    float *g; /* may be one of those that the sums begin with or are added to */
    size_t g_panel;
    const float *from;
    size_t ontos;
    const float *onto[RHM_DENSE_ONTO];
    const float *next;
    size_t asks;
    const float *ask[RHM_DENSE_ASKS];
} rhm_dense_gradient;

/* g' = scale g + offset; + penalty w; v = momentum v + g'; w = w - rate v. */
typedef struct rhm_dense_rule {
    float scale, penalty, momentum, rate;
    const float *offset; /* (16) of the columns, or NULL */
} rhm_dense_rule;

/* From `product` on there are function pointers only. A table may leave some NULL. */
typedef struct rhm_dense_ops {
    const char *name;
    rhm_isa isa;
    void (*product)(const rhm_dense_product *product);
    void (*gradient)(const rhm_dense_gradient *gradient);

    /* Of `rows` rows of 16; v (rows, 16), or NULL: no momentum, and rule->momentum is taken for 0. */
    void (*update)(const rhm_dense_rule *rule, size_t rows, const float *g, float *w, float *v);

    /* to (16, 16) = from (16, 16) transposed. */
    void (*transpose)(const float *from, float *to);

    /*
     * y (count, 16) = max(0, scale times the sum of rows index[i, 0..taps) of table (rows, 16), added one to the other,
     * + added[i % period]).
     */
    void (*look_up)(size_t count, size_t taps, const uint32_t *index, const float *table, float scale,
                    const float *added, size_t period, float *y);

    /* table[index[i, t]] += y[i] for rows i in increasing order, and taps t. */
    void (*scatter)(size_t count, size_t taps, const uint32_t *index, const float *y, float *table);

    /* sum[p] (period, 16) = rows p, p + period, ... of y (count, 16), added one to the other from 0. */
    void (*sums)(size_t count, size_t period, const float *y, float *sum);

    /*
     * e = exp(y - most) for the `classes` <= 16 columns of a row y (16), 0 in the others; returns their sum, added in
     * the tree of lane_sum. y - most <= 0 or NaN.
     */
    float (*exponentials)(size_t classes, const float *y, float most, float *e);
} rhm_dense_ops;

/* The operations as an instruction set of this CPU does them; none is NULL. */
rhm_dense_ops rhm_dense_ops_at(rhm_isa isa);

static inline rhm_dense_ops rhm_dense_ops_of(const rhm_engine *engine) {
    return rhm_dense_ops_at(rhm_engine_isa(engine));
}

#endif
