/* One pass from tokens to logits. */
#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "network/onednn.h"
#include "network/parts.h"

/*
 * What a piece should be that threads take one by one; two of them are worth a second thread. Measured on Sapphire
 * Rapids, two threads gain time from 1.7 microseconds of work on (4 become 3, 8 become 5); with AVX-512 these are 2.5e5
 * operations of a product there.
 */
#define PIECE_FLOPS 2e5

enum {
    PIECES = 4,         /* for each thread, so that one that comes late finds less to do */
    BLOCK_DEPTH = 1024, /* terms of a sum at a time: two panels of them stay in the first-level cache */
    ROWS = 132,         /* of a piece: BLOCK_DEPTH of their columns stay in the second-level cache */
    SOME_ROWS = 48,     /* of a call, between which the next weights are asked for */
    PAIR = 2,           /* panels that a kernel takes side by side */
    ROW_GRAIN = 12,     /* rows of a register tile */
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

typedef struct lookups {
    const rhm_network *n;
    size_t panels; /* of a piece */
} lookups;

static void look_up_panels(void *context, size_t piece) {
    const lookups *k = context;
    const rhm_network *n = k->n;
    const rhm_network_level *v = &n->level[n->shape.levels];
    const size_t end = rhm_least(v->out_panels, (piece + 1) * k->panels);
    for (size_t panel = piece * k->panels; panel < end; panel++)
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

typedef struct pieces {
    const rhm_dense_ops *ops;
    rhm_dense_product all; /* of all rows and panels */
    size_t rows, panels;   /* of a piece */
} pieces;

/* Some terms of a product: of a group of taps, or a part of one tap. */
typedef struct terms {
    size_t tap, taps, k, depth;
} terms;

static size_t group_of(const rhm_dense_product *p) {
    return p->depth < BLOCK_DEPTH ? BLOCK_DEPTH / p->depth : 1;
}

static terms first_terms(const rhm_dense_product *p) {
    return (terms){.taps = rhm_least(group_of(p), p->taps), .depth = rhm_least(BLOCK_DEPTH, p->depth)};
}

/* The ones after; no taps: there are none. */
static terms next_terms(const rhm_dense_product *p, terms at) {
    if (at.k + at.depth < p->depth) {
        at.k += at.depth;
    } else {
        at.k = 0;
        at.tap += at.taps;
        at.taps = rhm_least(group_of(p), p->taps - at.tap);
    }
    at.depth = rhm_least(BLOCK_DEPTH, p->depth - at.k);
    return at;
}

static const float *terms_of_b(const rhm_dense_product *p, terms at, size_t panel) {
    return p->b + panel * p->b_panel + at.tap * p->b_tap + at.k * RHM_LANES;
}

/* A part, one of `parts`, of the terms of some panels of b: asked for while others are multiplied. */
static void ask_for(const rhm_dense_product *p, terms at, size_t panel, size_t panels, size_t part, size_t parts) {
    const size_t lines = (at.depth + parts - 1) / parts;
    for (size_t i = 0; i < panels; i++)
        for (size_t t = 0; t < at.taps; t++) {
            const float *b = terms_of_b(p, at, panel + i) + t * p->b_tap;
            for (size_t k = part * lines; k < at.depth && k < (part + 1) * lines; k++)
                __builtin_prefetch(b + k * RHM_LANES, 0, 2);
        }
}

/* `at` of rows [row, row + count) and a pair of panels. */
static void multiply_terms(const pieces *f, terms at, size_t row, size_t count, size_t panel, size_t panels) {
    const rhm_dense_product *all = &f->all;
    rhm_dense_product p = *all;
    p.count = count;
    p.panels = panels;
    p.taps = at.taps;
    p.depth = at.depth;
    p.a = all->a + row * p.a_row + at.tap * p.a_tap + at.k / RHM_LANES * p.a_panel;
    p.b = terms_of_b(all, at, panel);
    p.y = all->y + row * p.y_row + panel * p.y_panel;
    if (p.mask)
        p.mask = all->mask + row * p.y_row + panel * p.y_panel;
    if (p.added)
        p.added = all->added + panel * p.added_panel;
    p.first = row;
    p.fresh = at.tap == 0 && at.k == 0;
    p.finish = at.tap + at.taps == all->taps && at.k + at.depth == all->depth ? all->finish : RHM_DENSE_KEEP;
    f->ops->product(&p);
}

/* Terms in blocks, in increasing order: a block of all rows of the piece stays in the second-level cache for all its
 * panels, a block of a pair of panels in the first for all rows. */
static void multiply_piece(void *context, size_t chunk) {
    const pieces *f = context;
    const rhm_dense_product *p = &f->all;
    const size_t columns = (p->panels + f->panels - 1) / f->panels;
    const size_t row = chunk / columns * f->rows, first = chunk % columns * f->panels;
    const size_t rows_end = rhm_least(p->count, row + f->rows), end = rhm_least(p->panels, first + f->panels);
    for (terms at = first_terms(p), next; at.taps > 0; at = next) {
        next = next_terms(p, at);
        for (size_t panel = first; panel < end; panel += PAIR) {
            const bool last = panel + PAIR >= end;
            const size_t after = last ? first : panel + PAIR, parts = (rows_end - row + SOME_ROWS - 1) / SOME_ROWS;
            for (size_t part = 0; part < parts; part++) {
                const size_t from = row + part * SOME_ROWS;
                ask_for(p, last ? next : at, after, rhm_least(PAIR, end - after), part, parts);
                multiply_terms(f, at, from, rhm_least(SOME_ROWS, rows_end - from), panel, rhm_least(PAIR, end - panel));
            }
        }
    }
}

void rhm_network_multiply(const rhm_network *n, const rhm_dense_product *p) {
    const size_t pairs = (p->panels + PAIR - 1) / PAIR;
    const double flops = 2.0 * (double)(p->count * p->taps) * (double)(p->depth * p->panels * RHM_LANES);
    const size_t grains = (p->count + ROW_GRAIN - 1) / ROW_GRAIN;
    const size_t wanted = rhm_network_pieces(n, flops, pairs * grains), columns = rhm_least(pairs, wanted);
    size_t rows = (wanted + columns - 1) / columns;
    if (rows < (p->count + ROWS - 1) / ROWS)
        rows = (p->count + ROWS - 1) / ROWS;
    pieces f = {.ops = &n->ops, .all = *p};
    f.panels = (pairs + columns - 1) / columns * PAIR;
    f.rows = (grains + rows - 1) / rows * ROW_GRAIN;
    const size_t count = (p->panels + f.panels - 1) / f.panels * ((p->count + f.rows - 1) / f.rows);
    rhm_parallel_whole(n->engine, count, multiply_piece, &f);
}

static void multiply_level(const rhm_network *n, uint32_t l, const float *x, size_t x_panel, rhm_dense_finish finish) {
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

void rhm_network_convolve(const rhm_network *n, uint32_t l) {
    const rhm_network_level *v = &n->level[l], *below = &n->level[l + 1];
    const int span = rhm_trace_begin(n->engine, "convolution", l);
    if (l == n->shape.levels) {
        const double flops = (double)(v->taps + 2) * (double)(n->last * v->positions * v->outputs);
        const size_t cuts = rhm_network_pieces(n, RHM_NETWORK_ADD_FLOPS * flops, v->out_panels);
        lookups k = {n, (v->out_panels + cuts - 1) / cuts};
        rhm_parallel_whole(n->engine, (v->out_panels + k.panels - 1) / k.panels, look_up_panels, &k);
    } else if (l > 0) {
        multiply_level(n, l, below->y, below->panel, RHM_DENSE_RELU);
    } else {
        if (n->mean)
            average(n);
        multiply_level(n, 0, rhm_network_top(n), rhm_network_top_panel(n), RHM_DENSE_SCALE);
    }
    rhm_trace_end(n->engine, span, rhm_network_work(n, l));
}

void rhm_network_take(rhm_network *n, const uint16_t *tokens, const uint16_t *labels, size_t count) {
    n->last = n->all = count;
    n->begin = 0;
    n->tree = rhm_network_tree_of(count, n->chunk);
    set_tokens(n, tokens);
    if (labels)
        memcpy(n->label, labels, count * sizeof *labels);
}

rhm_status rhm_network_pass(rhm_network *n, rhm_error *error) {
    if (n->onednn)
        return rhm_network_onednn_pass(n->onednn, error);
    for (uint32_t l = n->shape.levels + 1; l-- > 0;)
        rhm_network_convolve(n, l);
    return RHM_OK;
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
        RHM_TRY(rhm_engine_check(network->engine, error));
        rhm_network_take(network, tokens + at * d, NULL, rhm_least(network->batch, count - at));
        RHM_TRY(rhm_network_pass(network, error));
        copy_rows(&network->level[0], network->last, logits + at * classes);
    }
    return RHM_OK;
}

void rhm_network_hidden(const rhm_network *network, uint32_t level, float *out) {
    const rhm_network_level *v = &network->level[level];
    const size_t floats = network->last * v->positions * v->outputs;
    if (network->onednn && rhm_network_onednn_hidden(network->onednn, level, out, NULL) != RHM_OK)
        for (size_t i = 0; i < floats; i++)
            out[i] = NAN;
    if (!network->onednn)
        copy_rows(v, network->last * v->positions, out);
}
