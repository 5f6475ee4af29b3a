/* One pass from tokens to logits. */
#include <string.h>

#include "network/parts.h"

/*
 * What a second thread must have to do to gain time, and what a piece should be that threads take one by one: at some
 * tens of GFLOP/s a core, handing work over costs as much as this much of it.
 */
#define PIECE_FLOPS 2e5

enum {
    PIECES = 4,        /* for each thread, so that one that comes late finds less to do */
    BLOCK_DEPTH = 256, /* terms of a sum at a time: two panels of them stay in the first-level cache */
    ROWS = 512,        /* of a piece: BLOCK_DEPTH of their columns stay in the second-level cache */
    PAIR = 2,          /* panels that a kernel takes side by side */
    ROW_GRAIN = 12,    /* rows of a register tile */
};

size_t rhm_network_pieces(const rhm_network *n, double flops, size_t most) {
    const size_t threads = (size_t)rhm_engine_threads(n->engine);
    if (threads == 1 || flops < 2 * PIECE_FLOPS)
        return 1;
    const double worth = flops / PIECE_FLOPS;
    const size_t wanted = worth < (double)(PIECES * threads) ? (size_t)worth : PIECES * threads;
    return rhm_least(wanted, most);
}

/* ------------------------------------------------------------------------------------------------- convolution L */

static void look_up_panel(void *context, size_t panel) {
    const rhm_network *n = context;
    const rhm_network_level *v = &n->level[n->shape.levels];
    n->ops.look_up(n->last * v->positions, v->taps, n->index, v->w + rhm_weight_at(v, panel, 0, 0),
                   v->scale * n->shape.input_scale, v->added + panel * v->positions * RHM_LANES, v->positions,
                   v->y + panel * v->panel);
}

static void set_tokens(rhm_network *n, const uint16_t *tokens) {
    const rhm_network_level *v = &n->level[n->shape.levels];
    const uint32_t rows = (uint32_t)(v->in_panels * RHM_LANES);
    for (size_t i = 0; i < n->last * v->positions; i++)
        for (size_t t = 0; t < v->taps; t++)
            n->index[i * v->taps + t] = (uint32_t)t * rows + tokens[i * v->taps + t];
}

void rhm_network_prepare(rhm_network *n, uint32_t l) {
    const rhm_network_level *v = &n->level[l];
    if (!v->added)
        return;
    for (size_t panel = 0; panel < v->out_panels; panel++) {
        float base[RHM_LANES] = {0};
        for (size_t t = 0; l == n->shape.levels && t < v->taps; t++)
            for (size_t k = 0; k < v->inputs; k++)
                for (size_t c = 0; c < RHM_LANES; c++)
                    base[c] += v->w[rhm_weight_at(v, panel, t, k) + c];
        for (size_t c = 0; c < RHM_LANES; c++)
            base[c] *= v->scale * n->shape.input_shift;
        for (size_t i = 0; i < v->positions * RHM_LANES; i++)
            v->added[panel * v->positions * RHM_LANES + i] =
                base[i % RHM_LANES] + (v->b ? n->shape.bias_scale * v->b[panel * v->positions * RHM_LANES + i] : 0);
    }
}

/* -------------------------------------------------------------------------------------------------- the products */

typedef struct forward {
    const rhm_network_level *v;
    const rhm_dense_ops *ops;
    rhm_dense_product all; /* of all rows and panels */
    size_t rows, panels;   /* of a piece */
} forward;

/* Terms in blocks, in increasing order. */
static void multiply(const rhm_dense_ops *ops, rhm_dense_product p) {
    const rhm_dense_finish finish = p.finish;
    const size_t taps = p.taps, depth = p.depth;
    const size_t group = depth < BLOCK_DEPTH ? BLOCK_DEPTH / depth : 1;
    const float *a = p.a, *b = p.b;
    for (size_t t = 0; t < taps; t += group)
        for (size_t k = 0; k < depth; k += BLOCK_DEPTH) {
            p.taps = rhm_least(group, taps - t);
            p.depth = rhm_least(BLOCK_DEPTH, depth - k);
            p.a = a + t * p.a_tap + k / RHM_LANES * p.a_panel;
            p.b = b + t * p.b_tap + k * RHM_LANES;
            p.fresh = t == 0 && k == 0;
            p.finish = t + p.taps == taps && k + p.depth == depth ? finish : RHM_DENSE_KEEP;
            ops->product(&p);
        }
}

static void multiply_piece(void *context, size_t chunk) {
    const forward *f = context;
    const size_t columns = (f->all.panels + f->panels - 1) / f->panels;
    const size_t row = chunk / columns * f->rows, panel = chunk % columns * f->panels;
    const size_t end = rhm_least(f->all.panels, panel + f->panels);
    rhm_dense_product p = f->all;
    p.count = rhm_least(f->rows, f->all.count - row);
    p.a += row * p.a_row;
    p.first += row;
    for (size_t at = panel; at < end; at += PAIR) {
        p.panels = rhm_least(PAIR, end - at);
        p.b = f->all.b + at * p.b_panel;
        p.y = f->all.y + row * p.y_row + at * p.y_panel;
        if (p.mask)
            p.mask = f->all.mask + row * p.y_row + at * p.y_panel;
        if (p.added)
            p.added = f->all.added + at * p.added_panel;
        multiply(f->ops, p);
    }
}

void rhm_network_multiply(const rhm_network *n, const rhm_dense_product *p) {
    const size_t pairs = (p->panels + PAIR - 1) / PAIR;
    const double flops = 2.0 * (double)(p->count * p->taps) * (double)(p->depth * p->panels * RHM_LANES);
    const size_t grains = (p->count + ROW_GRAIN - 1) / ROW_GRAIN;
    size_t pieces = rhm_network_pieces(n, flops, pairs * grains);
    const size_t columns = rhm_least(pairs, pieces);
    size_t rows = (pieces + columns - 1) / columns;
    if (rows < (p->count + ROWS - 1) / ROWS)
        rows = (p->count + ROWS - 1) / ROWS;
    forward f = {.ops = &n->ops, .all = *p};
    f.panels = (pairs + columns - 1) / columns * PAIR;
    f.rows = (grains + rows - 1) / rows * ROW_GRAIN;
    pieces = (p->panels + f.panels - 1) / f.panels * ((p->count + f.rows - 1) / f.rows);
    rhm_parallel_whole(n->engine, pieces, multiply_piece, &f);
}

/* Sums of level l over its inputs x. */
static void convolve(const rhm_network *n, uint32_t l, const float *x, size_t x_panel, rhm_dense_finish finish) {
    const rhm_network_level *v = &n->level[l];
    const rhm_dense_product p = {
        .count = n->last * v->positions,
        .panels = v->out_panels,
        .taps = v->taps,
        .depth = v->inputs,
        .a = x,
        .a_row = v->taps * RHM_LANES,
        .a_tap = RHM_LANES,
        .a_panel = x_panel,
        .b = v->w,
        .b_tap = v->in_panels * RHM_LANES * RHM_LANES,
        .b_panel = v->taps * v->in_panels * RHM_LANES * RHM_LANES,
        .y = v->y,
        .y_row = RHM_LANES,
        .y_panel = v->panel,
        .finish = finish,
        .scale = v->scale,
        .added = v->added,
        .period = v->positions,
        .added_panel = v->positions * RHM_LANES,
    };
    rhm_network_multiply(n, &p);
}

static void average(const rhm_network *n) {
    const rhm_network_level *v = &n->level[1];
    const float share = 1 / (float)v->positions;
    for (size_t panel = 0; panel < v->out_panels; panel++)
        for (size_t i = 0; i < n->last; i++) {
            const float *y = v->y + panel * v->panel + i * v->positions * RHM_LANES;
            float *mean = n->mean + (panel * n->batch + i) * RHM_LANES;
            memcpy(mean, y, sizeof *mean * RHM_LANES);
            for (size_t p = 1; p < v->positions; p++)
                for (size_t c = 0; c < RHM_LANES; c++)
                    mean[c] += y[p * RHM_LANES + c];
            for (size_t c = 0; c < RHM_LANES; c++)
                mean[c] *= share;
        }
}

void rhm_network_pass(rhm_network *n, const uint16_t *tokens, size_t count) {
    const uint32_t bottom = n->shape.levels;
    n->last = count;
    set_tokens(n, tokens);
    rhm_parallel_whole(n->engine, n->level[bottom].out_panels, look_up_panel, n);
    for (uint32_t l = bottom - 1; l >= 1; l--)
        convolve(n, l, n->level[l + 1].y, n->level[l + 1].panel, RHM_DENSE_RELU);
    if (n->mean)
        average(n);
    convolve(n, 0, rhm_network_top(n), rhm_network_top_panel(n), RHM_DENSE_SCALE);
}

/* ------------------------------------------------------------------------------------------------------- results */

/* Rows of panels as plain rows. */
static void copy_rows(const rhm_network_level *v, size_t rows, float *out) {
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < v->outputs; c += RHM_LANES)
            memcpy(out + i * v->outputs + c, v->y + c / RHM_LANES * v->panel + i * RHM_LANES,
                   sizeof *out * rhm_least(RHM_LANES, v->outputs - c));
}

rhm_status rhm_network_forward(rhm_network *network, const uint16_t *tokens, size_t count, float *logits,
                               rhm_error *error) {
    const size_t d = network->layout.tokens, classes = network->shape.classes;
    for (size_t at = 0; at < count; at += network->batch) {
        const rhm_status status = rhm_engine_check(network->engine, error);
        if (status != RHM_OK)
            return status;
        rhm_network_pass(network, tokens + at * d, rhm_least(network->batch, count - at));
        copy_rows(&network->level[0], network->last, logits + at * classes);
    }
    return RHM_OK;
}

void rhm_network_hidden(const rhm_network *network, uint32_t level, float *out) {
    const rhm_network_level *v = &network->level[level];
    copy_rows(v, network->last * v->positions, out);
}
