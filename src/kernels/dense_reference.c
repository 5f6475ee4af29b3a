/* The operations of dense.h one number at a time. Built twice, with fmaf as an instruction and as a library call. */
#include <math.h>
#include <string.h>

#include "kernels/dense.h"
#include "kernels/exponential.h"

static float finished(const rhm_dense_product *p, size_t i, size_t panel, size_t lane, float sum) {
    const float *added = p->added ? p->added + (p->first + i) % p->period * RHM_LANES + panel * p->added_panel : NULL;
    switch (p->finish) {
    case RHM_DENSE_SCALE: return p->scale * sum;
    case RHM_DENSE_RELU: sum = added ? fmaf(p->scale, sum, added[lane]) : p->scale * sum; return sum <= 0 ? 0 : sum;
    case RHM_DENSE_MASK: return p->mask[i * p->y_row + panel * p->y_panel + lane] != 0 ? p->scale * sum : 0;
    default: return sum;
    }
}

static void product(const rhm_dense_product *p) {
    for (size_t i = 0; i < p->count; i++)
        for (size_t panel = 0; panel < p->panels; panel++) {
            float *y = p->y + i * p->y_row + panel * p->y_panel, sum[RHM_LANES] = {0};
            if (!p->fresh)
                memcpy(sum, y, sizeof sum);
            for (size_t t = 0; t < p->taps; t++)
                for (size_t k = 0; k < p->depth; k++) {
                    const float a = p->a[i * p->a_row + t * p->a_tap + k / RHM_LANES * p->a_panel + k % RHM_LANES];
                    const float *b = p->b + panel * p->b_panel + t * p->b_tap + k * RHM_LANES;
                    for (size_t l = 0; l < RHM_LANES; l++)
                        sum[l] = fmaf(a, b[l], sum[l]);
                }
            for (size_t l = 0; l < RHM_LANES; l++)
                y[l] = finished(p, i, panel, l, sum[l]);
        }
}

static void gradient(const rhm_dense_gradient *d) {
    for (size_t panel = 0; panel < d->panels; panel++)
        for (size_t k = 0; k < d->depth; k++)
            for (size_t l = 0; l < RHM_LANES; l++) {
                const size_t at = panel * d->g_panel + k * RHM_LANES + l;
                float sum = d->from ? d->from[at] : 0;
                for (size_t i = 0; i < d->count; i++)
                    sum = fmaf(d->a[i * d->a_row + k], d->b[panel * d->b_panel + i * RHM_LANES + l], sum);
                for (size_t o = 0; o < d->ontos; o++)
                    sum = d->onto[o][at] + sum;
                d->g[at] = sum;
            }
}

static void update(const rhm_dense_rule *rule, size_t rows, const float *g, float *w, float *v) {
    for (size_t i = 0; i < rows * RHM_LANES; i++) {
        float step = rule->offset ? fmaf(rule->scale, g[i], rule->offset[i % RHM_LANES]) : rule->scale * g[i];
        step = fmaf(rule->penalty, w[i], step);
        if (v)
            step = v[i] = fmaf(rule->momentum, v[i], step);
        w[i] = fmaf(-rule->rate, step, w[i]);
    }
}

static void transpose(const float *from, float *to) {
    for (size_t i = 0; i < RHM_LANES; i++)
        for (size_t j = 0; j < RHM_LANES; j++)
            to[j * RHM_LANES + i] = from[i * RHM_LANES + j];
}

static void look_up(size_t count, size_t taps, const uint32_t *index, const float *table, float scale,
                    const float *added, size_t period, float *y) {
    for (size_t i = 0; i < count; i++)
        for (size_t l = 0; l < RHM_LANES; l++) {
            float sum = table[index[i * taps] * (size_t)RHM_LANES + l];
            for (size_t t = 1; t < taps; t++)
                sum += table[index[i * taps + t] * (size_t)RHM_LANES + l];
            sum = fmaf(scale, sum, added[i % period * RHM_LANES + l]);
            y[i * RHM_LANES + l] = sum <= 0 ? 0 : sum;
        }
}

static void scatter(size_t count, size_t taps, const uint32_t *index, const float *y, float *table) {
    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < taps; t++)
            for (size_t l = 0; l < RHM_LANES; l++)
                table[index[i * taps + t] * (size_t)RHM_LANES + l] += y[i * RHM_LANES + l];
}

static void sums(size_t count, size_t period, const float *y, float *sum) {
    memset(sum, 0, period * RHM_LANES * sizeof *sum);
    for (size_t i = 0; i < count; i++)
        for (size_t l = 0; l < RHM_LANES; l++)
            sum[i % period * RHM_LANES + l] += y[i * RHM_LANES + l];
}

static float exponentials(size_t classes, const float *y, float most, float *e) {
    float sum[RHM_LANES];
    for (size_t l = 0; l < RHM_LANES; l++)
        sum[l] = e[l] = l < classes ? rhm_exponential(y[l] - most) : 0;
    for (size_t half = RHM_LANES / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            sum[l] += sum[l + half];
    return sum[0];
}

extern const rhm_dense_ops RHM_TABLE;
const rhm_dense_ops RHM_TABLE = {
    .name = "reference",
    .isa = RHM_ISA_SCALAR,
    .product = product,
    .gradient = gradient,
    .update = update,
    .transpose = transpose,
    .look_up = look_up,
    .scatter = scatter,
    .sums = sums,
    .exponentials = exponentials,
};
