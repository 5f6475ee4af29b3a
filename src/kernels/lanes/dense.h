/*
 * The operations of dense.h in registers. What includes them has included a header of its instruction set and named
 *   DENSE_ROWS, DENSE_PANELS   rows and panels of a register tile of a product
 *   GRADIENT_DEPTH             rows of a register tile of a gradient, which has as many panels
 * A tile of a product costs a load of every register of b and a broadcast of every row of a per term: at 12 by 2
 * registers 14 loads for 24 multiply-adds, which two of each a cycle hide.
 */
#ifndef RHM_KERNELS_LANES_DENSE_H
#define RHM_KERNELS_LANES_DENSE_H

#include "kernels/dense.h"
#include "kernels/exponential.h"
#include "kernels/lanes/lanes.h"

enum { DENSE_VECTORS = DENSE_PANELS * PARTS, SUM_PLACES = 4 };

/* --------------------------------------------------------------------------------------------------------- products */

/* Where rows of a are: every third row's address, and the distance, which addresses can count twice. */
typedef struct rows_of_a {
    const float *third[(DENSE_ROWS + 2) / 3];
    size_t row;
} rows_of_a;

/* Terms of one tap and one panel of a. */
INLINE void add_terms(vec sum[DENSE_ROWS][DENSE_VECTORS], const rows_of_a *a, const float *b, size_t b_panel,
                      size_t terms, size_t rows, size_t vectors) {
#pragma GCC unroll 4
    for (size_t k = 0; k < terms; k++) {
        vec bk[DENSE_VECTORS];
        for (size_t v = 0; v < vectors; v++)
            bk[v] = vec_load_once(b + v / PARTS * b_panel + k * RHM_LANES + v % PARTS * WIDTH);
        for (size_t r = 0; r < rows; r++) {
            const vec ak = vec_broadcast(a->third[r / 3] + r % 3 * a->row + k);
            for (size_t v = 0; v < vectors; v++)
                sum[r][v] = vec_fma(ak, bk[v], sum[r][v]);
        }
    }
}

/* What becomes of the sums of a tile, from and to memory: it is in the first-level cache, and sums in registers must
 * not be part of a loop that is not unrolled. */
static void finish_tile(const rhm_dense_product *p, size_t row, size_t panel, size_t rows, size_t panels) {
    const vec scale = vec_set(p->scale);
    const bool added = p->finish == RHM_DENSE_RELU && p->added;
    size_t place = added ? (p->first + row) % p->period : 0;
    for (size_t r = row; r < row + rows; r++) {
        for (size_t v = 0; v < panels * PARTS; v++) {
            const size_t in_panel = v % PARTS * WIDTH, of_panel = panel + v / PARTS;
            const size_t at = r * p->y_row + of_panel * p->y_panel + in_panel;
            vec y = vec_load(p->y + at);
            if (added)
                y = vec_fma(scale, y, vec_load(p->added + place * RHM_LANES + of_panel * p->added_panel + in_panel));
            else
                y = vec_mul(scale, y);
            if (p->finish == RHM_DENSE_RELU)
                y = vec_relu(y);
            else if (p->finish == RHM_DENSE_MASK)
                y = vec_keep(y, vec_load(p->mask + at));
            vec_store(p->y + at, y);
        }
        place = place + 1 == p->period ? 0 : place + 1;
    }
}

INLINE void product_tile(const rhm_dense_product *p, size_t row, size_t panel, size_t rows, size_t panels) {
    const size_t vectors = panels * PARTS;
    vec sum[DENSE_ROWS][DENSE_VECTORS];
    float *y = p->y + row * p->y_row + panel * p->y_panel;
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = p->fresh ? vec_zero() : vec_load(y + r * p->y_row + v / PARTS * p->y_panel + v % PARTS * WIDTH);
    for (size_t t = 0; t < p->taps; t++) {
        const float *b = p->b + panel * p->b_panel + t * p->b_tap;
        rows_of_a a = {.row = p->a_row};
        for (size_t r = 0; r < rows; r += 3)
            a.third[r / 3] = p->a + (row + r) * p->a_row + t * p->a_tap;
        size_t k = 0;
        for (; k + RHM_LANES <= p->depth; k += RHM_LANES, b += RHM_LANES * RHM_LANES) {
            add_terms(sum, &a, b, p->b_panel, RHM_LANES, rows, vectors);
            for (size_t r = 0; r < rows; r += 3)
                a.third[r / 3] += p->a_panel;
        }
        if (k < p->depth)
            add_terms(sum, &a, b, p->b_panel, p->depth - k, rows, vectors);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            vec_store(y + r * p->y_row + v / PARTS * p->y_panel + v % PARTS * WIDTH, sum[r][v]);
    if (p->finish != RHM_DENSE_KEEP)
        finish_tile(p, row, panel, rows, panels);
}

INLINE void product_column(const rhm_dense_product *p, size_t panel, size_t panels) {
    enum { SMALLER = 8, SMALL = 4 };
    size_t i = 0;
    for (; i + DENSE_ROWS <= p->count; i += DENSE_ROWS)
        product_tile(p, i, panel, DENSE_ROWS, panels);
    for (; (int)DENSE_ROWS > (int)SMALLER && i + SMALLER <= p->count; i += SMALLER)
        product_tile(p, i, panel, SMALLER, panels);
    for (; i + SMALL <= p->count; i += SMALL)
        product_tile(p, i, panel, SMALL, panels);
    switch (p->count - i) {
    case 3: product_tile(p, i, panel, 3, panels); break;
    case 2: product_tile(p, i, panel, 2, panels); break;
    case 1: product_tile(p, i, panel, 1, panels); break;
    default: break;
    }
}

static void dense_product(const rhm_dense_product *p) {
    size_t panel = 0;
    for (; panel + DENSE_PANELS <= p->panels; panel += DENSE_PANELS)
        product_column(p, panel, DENSE_PANELS);
    for (; panel < p->panels; panel++)
        product_column(p, panel, 1);
}

/* -------------------------------------------------------------------------------------------------------- gradients */

/* Before row i. */
INLINE void ask_for_rows(const rhm_dense_gradient *d, size_t i) {
    enum { SECOND_LEVEL = 2 };
    __builtin_prefetch(d->next + i * d->a_row, 0, SECOND_LEVEL);
    if (i / RHM_LANES < d->asks)
        __builtin_prefetch(d->ask[i / RHM_LANES] + i % RHM_LANES * RHM_LANES, 1);
}

/* Of vector v of row r of a tile, after the tile's first sum. */
INLINE size_t sum_place(const rhm_dense_gradient *d, size_t r, size_t v) {
    return v / PARTS * d->g_panel + r * RHM_LANES + v % PARTS * WIDTH;
}

INLINE void sums_tile(const rhm_dense_gradient *d, size_t k, size_t panel, size_t depth, size_t panels) {
    const size_t vectors = panels * PARTS;
    vec sum[GRADIENT_DEPTH][DENSE_VECTORS];
    const size_t at = panel * d->g_panel + k * RHM_LANES;
    for (size_t r = 0; r < depth; r++)
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = d->from ? vec_load(d->from + at + sum_place(d, r, v)) : vec_zero();
    const float *a = d->a + k, *b = d->b + panel * d->b_panel;
    const bool ask = k == 0 && d->next;
#pragma GCC unroll 2
    for (size_t i = 0; i < d->count; i++, a += d->a_row, b += RHM_LANES) {
        if (ask)
            ask_for_rows(d, i);
        vec bi[DENSE_VECTORS];
        for (size_t v = 0; v < vectors; v++)
            bi[v] = vec_load_once(b + v / PARTS * d->b_panel + v % PARTS * WIDTH);
        for (size_t r = 0; r < depth; r++) {
            const vec ai = vec_broadcast(a + r);
            for (size_t v = 0; v < vectors; v++)
                sum[r][v] = vec_fma(ai, bi[v], sum[r][v]);
        }
    }
    for (size_t o = 0; o < d->ontos; o++)
        for (size_t r = 0; r < depth; r++)
            for (size_t v = 0; v < vectors; v++)
                sum[r][v] = vec_add(vec_load(d->onto[o] + at + sum_place(d, r, v)), sum[r][v]);
    for (size_t r = 0; r < depth; r++)
        for (size_t v = 0; v < vectors; v++)
            vec_store(d->g + at + sum_place(d, r, v), sum[r][v]);
}

INLINE void sums_column(const rhm_dense_gradient *d, size_t panel, size_t panels) {
    size_t k = 0;
    for (; k + GRADIENT_DEPTH <= d->depth; k += GRADIENT_DEPTH)
        sums_tile(d, k, panel, GRADIENT_DEPTH, panels);
    for (; k + 4 <= d->depth; k += 4)
        sums_tile(d, k, panel, 4, panels);
    switch (d->depth - k) {
    case 3: sums_tile(d, k, panel, 3, panels); break;
    case 2: sums_tile(d, k, panel, 2, panels); break;
    case 1: sums_tile(d, k, panel, 1, panels); break;
    default: break;
    }
}

static void dense_gradient(const rhm_dense_gradient *d) {
    size_t panel = 0;
    for (; panel + DENSE_PANELS <= d->panels; panel += DENSE_PANELS)
        sums_column(d, panel, DENSE_PANELS);
    for (; panel < d->panels; panel++)
        sums_column(d, panel, 1);
}

/* ------------------------------------------------------------------------------------------------------------ steps */

INLINE void update_rows(const rhm_dense_rule *rule, size_t rows, const float *g, float *w, float *v, bool offset,
                        bool momentum) {
    const vec scale = vec_set(rule->scale), penalty = vec_set(rule->penalty), keep = vec_set(rule->momentum),
              back = vec_set(-rule->rate);
    for (size_t i = 0; i < rows * RHM_LANES; i += WIDTH) {
        const vec here = vec_load(w + i);
        vec step = offset ? vec_fma(scale, vec_load(g + i), vec_load(rule->offset + i % RHM_LANES))
                          : vec_mul(scale, vec_load(g + i));
        step = vec_fma(penalty, here, step);
        if (momentum) {
            step = vec_fma(keep, vec_load(v + i), step);
            vec_store(v + i, step);
        }
        vec_store(w + i, vec_fma(back, step, here));
    }
}

static void dense_update(const rhm_dense_rule *rule, size_t rows, const float *g, float *w, float *v) {
    if (rule->offset && v)
        update_rows(rule, rows, g, w, v, true, true);
    else if (rule->offset)
        update_rows(rule, rows, g, w, v, true, false);
    else if (v)
        update_rows(rule, rows, g, w, v, false, true);
    else
        update_rows(rule, rows, g, w, v, false, false);
}

/* ------------------------------------------------------------------------------------------------------------ rows */

INLINE void look_up_rows(size_t count, size_t taps, const uint32_t *index, const float *table, float scale,
                         const float *added, size_t period, float *y) {
    const vec by = vec_set(scale);
    size_t place = 0;
    for (size_t i = 0; i < count; i++, index += taps, y += RHM_LANES) {
        for (size_t v = 0; v < RHM_LANES; v += WIDTH) {
            vec sum = vec_load(table + index[0] * (size_t)RHM_LANES + v);
            for (size_t t = 1; t < taps; t++)
                sum = vec_add(sum, vec_load(table + index[t] * (size_t)RHM_LANES + v));
            vec_store(y + v, vec_relu(vec_fma(by, sum, vec_load(added + place * RHM_LANES + v))));
        }
        place = place + 1 == period ? 0 : place + 1;
    }
}

static void dense_look_up(size_t count, size_t taps, const uint32_t *index, const float *table, float scale,
                          const float *added, size_t period, float *y) {
    if (taps == 2)
        look_up_rows(count, 2, index, table, scale, added, period, y);
    else
        look_up_rows(count, taps, index, table, scale, added, period, y);
}

static void dense_scatter(size_t count, size_t taps, const uint32_t *index, const float *y, float *table) {
    for (size_t i = 0; i < count; i++, index += taps, y += RHM_LANES)
        for (size_t v = 0; v < RHM_LANES; v += WIDTH) {
            const vec here = vec_load(y + v);
            for (size_t t = 0; t < taps; t++) {
                float *row = table + index[t] * (size_t)RHM_LANES + v;
                vec_store(row, vec_add(vec_load(row), here));
            }
        }
}

/* Of `places` neighbouring rows of every period. */
INLINE void sum_places(size_t count, size_t period, const float *y, float *sum, size_t places) {
    vec s[SUM_PLACES][PARTS];
    for (size_t p = 0; p < places; p++)
        for (size_t v = 0; v < PARTS; v++)
            s[p][v] = vec_zero();
    for (size_t i = 0; i + places <= count; i += period, y += period * RHM_LANES)
        for (size_t p = 0; p < places; p++)
            for (size_t v = 0; v < PARTS; v++)
                s[p][v] = vec_add(s[p][v], vec_load(y + p * RHM_LANES + v * WIDTH));
    for (size_t p = 0; p < places; p++)
        for (size_t v = 0; v < PARTS; v++)
            vec_store(sum + p * RHM_LANES + v * WIDTH, s[p][v]);
}

static void dense_sums(size_t count, size_t period, const float *y, float *sum) {
    size_t p = 0;
    for (; count % period == 0 && p + SUM_PLACES <= period; p += SUM_PLACES)
        sum_places(count - p, period, y + p * RHM_LANES, sum + p * RHM_LANES, SUM_PLACES);
    for (; p < period; p++)
        sum_places(p < count ? count - p : 0, period, y + p * RHM_LANES, sum + p * RHM_LANES, 1);
}

INLINE vec exponential(vec x) {
    x = vec_at_least(vec_set(RHM_EXP_LEAST), x);
    const vec n = vec_round(vec_mul(x, vec_set(RHM_EXP_PER_LOG2)));
    const vec r = vec_fnma(n, vec_set(RHM_EXP_LOG2_LOW), vec_fnma(n, vec_set(RHM_EXP_LOG2), x));
    vec e = vec_fma(vec_set(RHM_EXP7), r, vec_set(RHM_EXP6));
    e = vec_fma(e, r, vec_set(RHM_EXP5));
    e = vec_fma(e, r, vec_set(RHM_EXP4));
    e = vec_fma(e, r, vec_set(RHM_EXP3));
    e = vec_fma(e, r, vec_set(0.5f));
    e = vec_fma(e, r, vec_set(1.0f));
    e = vec_fma(e, r, vec_set(1.0f));
    return vec_mul(e, vec_power_of_2(n));
}

static float dense_exponentials(size_t classes, const float *y, float most, float *e) {
    for (size_t v = 0; v < RHM_LANES; v += WIDTH)
        vec_store(e + v, exponential(vec_sub(vec_load(y + v), vec_set(most))));
    for (size_t c = classes; c < RHM_LANES; c++)
        e[c] = 0;
    return lane_sum(e, WIDTH);
}

extern const rhm_dense_ops RHM_TABLE;
const rhm_dense_ops RHM_TABLE = {
    .name = RHM_TABLE_NAME,
    .isa = RHM_TABLE_ISA,
    .product = dense_product,
    .gradient = dense_gradient,
    .update = dense_update,
    .transpose = tile_transpose,
    .look_up = dense_look_up,
    .scatter = dense_scatter,
    .sums = dense_sums,
    .exponentials = dense_exponentials,
};

#endif
