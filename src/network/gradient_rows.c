/* Gradients that are sums of rows: of biases, and of the table of tokens. */
#include <string.h>

#include "network/gradient.h"

void rhm_descent_keep(const rhm_descent *d, const float *v, const float *g, size_t floats, size_t slot, size_t slots) {
    const rhm_network_share *share = &d->n->share;
    float *kept = share->sums + (v - (const float *)d->n->momenta.data);
    for (size_t i = 0; i < slots; i++)
        memcpy(kept + i * share->floats, g + i * slot, floats * sizeof *g);
}

static void descend_panels(void *context, size_t piece, int thread) {
    const rhm_descent *d = context;
    const size_t end = rhm_least(d->n->level[d->l].out_panels, (piece + 1) * d->panels);
    for (size_t panel = piece * d->panels; panel < end; panel++)
        d->one(d, panel, thread);
}

void rhm_descend_panels(rhm_descent *d, rhm_descend_panel *one, double adds) {
    const rhm_network_level *v = &d->n->level[d->l];
    const double flops = RHM_NETWORK_ADD_FLOPS * adds * (double)v->outputs;
    const size_t pieces = rhm_network_pieces(d->n, flops, v->out_panels);
    d->one = one;
    d->panels = (v->out_panels + pieces - 1) / pieces;
    rhm_parallel_lanes(d->n->engine, (v->out_panels + d->panels - 1) / d->panels, descend_panels, d);
}

/* ------------------------------------------------------------------------------------------------------------ biases
 */

/* The sum in slot `run->slot`, complete, is added to those before it. */
static void join_sums(float *g, size_t floats, const rhm_network_run *run) {
    for (size_t slot = run->slot; slot > run->slot - run->joins; slot--)
        for (size_t i = 0; i < floats; i++)
            g[(slot - 1) * floats + i] += g[slot * floats + i];
}

/* Sums that are left, of one panel, from slot 0 on. */
static size_t sum_bias(const rhm_descent *d, size_t panel, float *g, size_t floats) {
    const rhm_network_level *v = &d->n->level[d->l];
    rhm_network_walk walk = rhm_descent_walk(d);
    while (walk.row < walk.rows) {
        const rhm_network_run run = rhm_network_next_run(&walk, walk.rows);
        d->n->ops.sums(run.count, v->positions, v->dy + panel * v->panel + run.row * RHM_LANES, g + run.slot * floats);
        join_sums(g, floats, &run);
    }
    return walk.slots;
}

static void descend_bias(const rhm_descent *d, size_t panel, int thread) {
    const rhm_network_level *v = &d->n->level[d->l];
    const size_t floats = v->positions * RHM_LANES, at = panel * floats;
    float *g = rhm_scratch_at(&d->n->scratch, thread);
    const size_t slots = d->sums ? sum_bias(d, panel, g, floats) : 0;
    if (!d->steps) {
        rhm_descent_keep(d, v->bv + at, g, floats, floats, slots);
        return;
    }
    rhm_dense_rule rule = rhm_descent_rule(d->rule, v->positions * v->outputs);
    rule.scale = d->n->shape.bias_scale;
    d->n->ops.update(&rule, v->positions, d->sums ? g : rhm_descent_total(d, v->bv + at), v->b + at,
                     d->rule->momentum != 0 ? v->bv + at : NULL);
}

void rhm_descend_biases(rhm_descent *d) {
    if (d->n->level[d->l].b)
        rhm_descend_panels(d, descend_bias, rhm_descent_rows(d));
}

/* ------------------------------------------------------------------------------------------------------------- table
 */

static void move_row(float *into, float *from) {
    for (size_t c = 0; c < RHM_LANES; c++) {
        into[c] += from[c];
        from[c] = 0;
    }
}

/* A table of `rows` rows, whose sums are of tokens `index`, is added to another, and is zeros then: so rows may be
 * named more than once. */
static void join_tables(float *into, float *from, size_t rows, const uint32_t *index, size_t count) {
    if (count < rows)
        for (size_t i = 0; i < count; i++)
            move_row(into + index[i] * (size_t)RHM_LANES, from + index[i] * (size_t)RHM_LANES);
    else
        for (size_t i = 0; i < rows; i++)
            move_row(into + i * RHM_LANES, from + i * RHM_LANES);
}

/* Sums of dy by token that are left, from slot 0 on. */
static size_t sum_table(const rhm_descent *d, size_t panel, float *g, size_t rows) {
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    const size_t floats = rows * RHM_LANES;
    size_t begin[RHM_NETWORK_SLOTS], cleared = 0; /* first row of each slot's sum; slots that were made zeros */
    rhm_network_walk walk = rhm_descent_walk(d);
    while (walk.row < walk.rows) {
        const rhm_network_run run = rhm_network_next_run(&walk, walk.rows);
        float *own = g + run.slot * floats;
        if (run.slot == cleared)
            memset(g + cleared++ * floats, 0, floats * sizeof *g);
        begin[run.slot] = run.row;
        n->ops.scatter(run.count, v->taps, n->index + run.row * v->taps, v->dy + panel * v->panel + run.row * RHM_LANES,
                       own);
        for (size_t slot = run.slot; slot > run.slot - run.joins; slot--, own -= floats)
            join_tables(own - floats, own, rows, n->index + begin[slot] * v->taps, (walk.row - begin[slot]) * v->taps);
    }
    return walk.slots;
}

/* The rows of the tokens, and what all rows have in common. */
static void step_table(const rhm_descent *d, size_t panel, const float *g) {
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    float common[RHM_LANES] = {0};
    for (size_t k = 0; k < v->inputs; k++)
        for (size_t c = 0; c < RHM_LANES; c++)
            common[c] += g[k * RHM_LANES + c];
    for (size_t c = 0; c < RHM_LANES; c++)
        common[c] *= v->scale * n->shape.input_shift;
    rhm_dense_rule rule = rhm_descent_rule(d->rule, rhm_descent_weights(v));
    rule.scale = v->scale * n->shape.input_scale;
    rule.offset = common;
    for (size_t t = 0; t < v->taps; t++) {
        const size_t at = rhm_weight_at(v, panel, t, 0);
        n->ops.update(&rule, v->inputs, g + t * v->in_panels * RHM_LANES * RHM_LANES, v->w + at,
                      d->rule->momentum != 0 ? v->v + at : NULL);
    }
}

static void descend_table(const rhm_descent *d, size_t panel, int thread) {
    const rhm_network_level *v = &d->n->level[d->l];
    const size_t rows = v->taps * v->in_panels * RHM_LANES, at = rhm_weight_at(v, panel, 0, 0);
    float *g = rhm_scratch_at(&d->n->scratch, thread);
    const size_t slots = d->sums ? sum_table(d, panel, g, rows) : 0;
    if (d->steps)
        step_table(d, panel, d->sums ? g : rhm_descent_total(d, v->v + at));
    else
        rhm_descent_keep(d, v->v + at, g, rows * RHM_LANES, rows * RHM_LANES, slots);
}

void rhm_descend_table(rhm_descent *d) {
    rhm_descend_panels(d, descend_table, rhm_descent_rows(d) * (double)d->n->level[d->l].taps);
}
