/* One step of gradient descent: gradients level by level from the readout down, each level's parameters as soon as
 * nothing needs the old ones. */
#include <string.h>

#include "core/fail.h"
#include "network/onednn.h"
#include "network/parts.h"

enum {
    PAIR = 2,         /* panels side by side */
    BLOCK_ROWS = 128, /* of activations at a time: a pair of panels of their gradients stays in the first-level cache */
    TILE = RHM_LANES * RHM_LANES,
    ASKED_WEIGHTS = 1 << 17, /* with momenta and in both layouts more than a second-level cache */
};

typedef struct descent descent;
typedef void descend_panel(const descent *d, size_t panel, int thread);

struct descent {
    rhm_network *n;
    const rhm_network_rule *rule;
    uint32_t l;
    const float *x; /* inputs of the level */
    size_t x_panel;
    size_t panels, depth_panels; /* of outputs and of inputs of a piece */
    descend_panel *one;          /* what is done panel by panel */
};

static rhm_dense_rule rule_of(const rhm_network_rule *rule, size_t parameters) {
    return (rhm_dense_rule){
        .penalty = 2 * rule->penalty / (float)parameters, .momentum = rule->momentum, .rate = rule->rate, .scale = 1};
}

static size_t weights_of(const rhm_network_level *v) {
    return v->taps * v->inputs * v->outputs;
}

/* ------------------------------------------------------------------------------------------------ weight gradients */

static void turn_block(const rhm_network *n, const rhm_network_level *v, size_t panel, size_t t, size_t k) {
    n->ops.transpose(v->w + rhm_weight_at(v, panel, t, k * RHM_LANES),
                     v->turned + ((t * v->in_panels + k) * v->out_panels + panel) * RHM_LANES * RHM_LANES);
}

void rhm_network_turn(rhm_network *n, uint32_t l) {
    const rhm_network_level *v = &n->level[l];
    for (size_t panel = 0; v->turned && panel < v->out_panels; panel++)
        for (size_t t = 0; t < v->taps; t++)
            for (size_t k = 0; k < v->in_panels; k++)
                turn_block(n, v, panel, t, k);
}

/* What a piece of a level's weights is: panels of outputs and of inputs. */
typedef struct block {
    size_t panel, panel_end, q, q_end;
    float *g; /* (panels of outputs, panels of inputs, 16, 16): sums so far */
} block;

static block block_of(const descent *d, size_t chunk, int thread) {
    const rhm_network_level *v = &d->n->level[d->l];
    const size_t depth = v->taps * v->in_panels, cuts = (depth + d->depth_panels - 1) / d->depth_panels;
    block b = {.panel = chunk / cuts * d->panels, .q = chunk % cuts * d->depth_panels};
    b.panel_end = rhm_least(v->out_panels, b.panel + d->panels);
    b.q_end = rhm_least(depth, b.q + d->depth_panels);
    b.g = rhm_scratch_at(&d->n->scratch, thread);
    return b;
}

static float *sums_at(const block *b, size_t panel, size_t q) {
    return b->g + ((panel - b->panel) * (b->q_end - b->q) + q - b->q) * TILE;
}

/* Inputs and, after the last rows, parameters of the tile after q, unless all of them are in the caches anyway. */
static void ask_for_next(const descent *d, const block *b, rhm_dense_gradient *sums, size_t panel, size_t q, size_t row,
                         bool last) {
    const rhm_network_level *v = &d->n->level[d->l];
    if (weights_of(v) < ASKED_WEIGHTS)
        return;
    const size_t next = q + 1 < b->q_end ? q + 1 : b->q, t = next / v->in_panels, k = next % v->in_panels;
    sums->next = d->x + k * d->x_panel + (row * v->taps + t) * RHM_LANES;
    if (!last || q + 1 == b->q_end)
        return;
    for (size_t p = panel; p < panel + sums->panels; p++) {
        const size_t at = (p * v->taps * v->in_panels + next) * TILE;
        sums->ask[sums->asks++] = v->w + at;
        sums->ask[sums->asks++] = v->turned + (next * v->out_panels + p) * TILE;
        if (d->rule->momentum != 0)
            sums->ask[sums->asks++] = v->v + at;
    }
}

/* The step of a tile whose sums are complete. */
static void descend_tile(const descent *d, const rhm_dense_rule *rule, const block *b, size_t panel, size_t q) {
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    const size_t t = q / v->in_panels, k = q % v->in_panels, at = rhm_weight_at(v, panel, t, k * RHM_LANES);
    n->ops.update(rule, rhm_least(RHM_LANES, v->inputs - k * RHM_LANES), sums_at(b, panel, q), v->w + at,
                  d->rule->momentum != 0 ? v->v + at : NULL);
    turn_block(n, v, panel, t, k);
}

/* Sums over some rows: those of the inputs stay in the second-level cache for all panels of outputs, a pair of those in
 * the first for all inputs. The step follows the last rows. */
static void descend_piece(void *context, size_t chunk, int thread) {
    const descent *d = context;
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    const size_t rows = n->last * v->positions;
    const block b = block_of(d, chunk, thread);
    rhm_dense_rule rule = rule_of(d->rule, weights_of(v));
    rule.scale = v->scale;
    for (size_t row = 0; row < rows; row += BLOCK_ROWS) {
        const bool last = row + BLOCK_ROWS >= rows;
        for (size_t panel = b.panel, pair; panel < b.panel_end; panel += pair) {
            pair = rhm_least(PAIR, b.panel_end - panel);
            for (size_t q = b.q; q < b.q_end; q++) {
                const size_t t = q / v->in_panels, k = q % v->in_panels;
                rhm_dense_gradient sums = {
                    .count = rhm_least(BLOCK_ROWS, rows - row),
                    .panels = pair,
                    .depth = rhm_least(RHM_LANES, v->inputs - k * RHM_LANES),
                    .a = d->x + k * d->x_panel + (row * v->taps + t) * RHM_LANES,
                    .a_row = v->taps * RHM_LANES,
                    .b = v->dy + panel * v->panel + row * RHM_LANES,
                    .b_panel = v->panel,
                    .g = sums_at(&b, panel, q),
                    .g_panel = (b.q_end - b.q) * TILE,
                    .fresh = row == 0,
                };
                ask_for_next(d, &b, &sums, panel, q, row, last);
                n->ops.gradient(&sums);
                for (size_t p = panel; last && p < panel + pair; p++)
                    descend_tile(d, &rule, &b, p, q);
            }
        }
    }
}

static void descend_weights(descent *d) {
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    const size_t pairs = (v->out_panels + PAIR - 1) / PAIR, depth = v->taps * v->in_panels;
    const double flops = 2.0 * (double)(n->last * v->positions) * (double)weights_of(v);
    size_t pieces = rhm_network_pieces(n, flops, pairs * depth);
    const size_t least = (pairs + RHM_NETWORK_GROUP / PAIR - 1) / (RHM_NETWORK_GROUP / PAIR);
    pieces = pieces < least ? least : pieces;
    const size_t columns = rhm_least(pairs, pieces), cuts = (pieces + columns - 1) / columns;
    d->panels = (pairs + columns - 1) / columns * PAIR;
    d->depth_panels = (depth + cuts - 1) / cuts;
    const size_t count =
        (v->out_panels + d->panels - 1) / d->panels * ((depth + d->depth_panels - 1) / d->depth_panels);
    rhm_parallel_lanes(n->engine, count, descend_piece, d);
}

/* ------------------------------------------------------------------------------------------------- biases and table */

/* One panel of the biases. */
static void descend_bias(const descent *d, size_t panel, int thread) {
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    const size_t floats = v->positions * RHM_LANES, at = panel * floats;
    float *g = rhm_scratch_at(&n->scratch, thread);
    n->ops.sums(n->last * v->positions, v->positions, v->dy + panel * v->panel, g);
    rhm_dense_rule rule = rule_of(d->rule, v->positions * v->outputs);
    rule.scale = n->shape.bias_scale;
    n->ops.update(&rule, v->positions, g, v->b + at, d->rule->momentum != 0 ? v->bv + at : NULL);
}

/* One panel of convolution L's table: the rows of the tokens, and what all rows have in common. */
static void descend_table(const descent *d, size_t panel, int thread) {
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    const size_t rows = v->taps * v->in_panels * RHM_LANES;
    float *g = rhm_scratch_at(&n->scratch, thread), common[RHM_LANES] = {0};
    memset(g, 0, rows * RHM_LANES * sizeof *g);
    n->ops.scatter(n->last * v->positions, v->taps, n->index, v->dy + panel * v->panel, g);
    for (size_t k = 0; k < v->inputs; k++)
        for (size_t c = 0; c < RHM_LANES; c++)
            common[c] += g[k * RHM_LANES + c];
    for (size_t c = 0; c < RHM_LANES; c++)
        common[c] *= v->scale * n->shape.input_shift;
    rhm_dense_rule rule = rule_of(d->rule, weights_of(v));
    rule.scale = v->scale * n->shape.input_scale;
    rule.offset = common;
    for (size_t t = 0; t < v->taps; t++) {
        const size_t at = rhm_weight_at(v, panel, t, 0);
        n->ops.update(&rule, v->inputs, g + t * v->in_panels * RHM_LANES * RHM_LANES, v->w + at,
                      d->rule->momentum != 0 ? v->v + at : NULL);
    }
}

static void descend_panels(void *context, size_t piece, int thread) {
    const descent *d = context;
    const size_t end = rhm_least(d->n->level[d->l].out_panels, (piece + 1) * d->panels);
    for (size_t panel = piece * d->panels; panel < end; panel++)
        d->one(d, panel, thread);
}

/* All panels of outputs, a row of which takes `adds` additions of a row. */
static void each_panel(descent *d, descend_panel *one, double adds) {
    const rhm_network_level *v = &d->n->level[d->l];
    const double flops = RHM_NETWORK_ADD_FLOPS * adds * (double)(d->n->last * v->positions * v->outputs);
    const size_t pieces = rhm_network_pieces(d->n, flops, v->out_panels);
    d->one = one;
    d->panels = (v->out_panels + pieces - 1) / pieces;
    rhm_parallel_lanes(d->n->engine, (v->out_panels + d->panels - 1) / d->panels, descend_panels, d);
}

/* -------------------------------------------------------------------------------------------------- data gradients */

/* Gradients of level l's inputs, which are the outputs y of another: zero where these are. */
static void back_through(const rhm_network *n, uint32_t l, const float *y, float *dy, size_t panel) {
    const rhm_network_level *v = &n->level[l];
    rhm_dense_product p = {
        .count = n->last * v->positions,
        .panels = v->in_panels,
        .taps = 1,
        .depth = v->outputs,
        .a = v->dy,
        .a_row = RHM_LANES,
        .a_panel = v->panel,
        .b_panel = v->out_panels * RHM_LANES * RHM_LANES,
        .y_row = v->taps * RHM_LANES,
        .y_panel = panel,
        .finish = y ? RHM_DENSE_MASK : RHM_DENSE_SCALE,
        .scale = v->scale,
        .period = 1,
    };
    for (size_t t = 0; t < v->taps; t++) {
        p.b = v->turned + t * v->in_panels * v->out_panels * RHM_LANES * RHM_LANES;
        p.y = dy + t * RHM_LANES;
        p.mask = y ? y + t * RHM_LANES : NULL;
        rhm_network_multiply(n, &p);
    }
}

/* The gradient of a mean is shared by what it is of. */
static void share_mean(const rhm_network *n) {
    const rhm_network_level *v = &n->level[1];
    const float share = 1 / (float)v->positions;
    for (size_t panel = 0; panel < v->out_panels; panel++)
        for (size_t i = 0; i < n->last * v->positions; i++) {
            const size_t at = panel * v->panel + i * RHM_LANES;
            const float *mean = n->dmean + (panel * n->batch + i / v->positions) * RHM_LANES;
            for (size_t c = 0; c < RHM_LANES; c++)
                v->dy[at + c] = v->y[at + c] != 0 ? share * mean[c] : 0;
        }
}

void rhm_network_back(const rhm_network *n, uint32_t l) {
    const rhm_network_level *below = &n->level[l + 1];
    const int span = rhm_trace_begin(n->engine, "convolution backward by data", l);
    if (l == 0 && n->mean) {
        back_through(n, 0, NULL, n->dmean, n->batch * RHM_LANES);
        share_mean(n);
    } else {
        back_through(n, l, below->y, below->dy, below->panel);
    }
    rhm_trace_end(n->engine, span, rhm_network_work(n, l));
}

void rhm_network_learn(rhm_network *n, uint32_t l, const rhm_network_rule *rule) {
    const rhm_network_level *v = &n->level[l], *below = &n->level[l + 1];
    descent d = {.n = n, .rule = rule, .l = l};
    const int span = rhm_trace_begin(n->engine, "convolution backward by weights", l);
    if (l == n->shape.levels) {
        each_panel(&d, descend_table, (double)v->taps);
    } else {
        d.x = l == 0 ? rhm_network_top(n) : below->y;
        d.x_panel = l == 0 ? rhm_network_top_panel(n) : below->panel;
        descend_weights(&d);
    }
    if (v->b)
        each_panel(&d, descend_bias, 1);
    rhm_network_prepare(n, l);
    rhm_trace_end(n->engine, span, rhm_network_work(n, l));
}

rhm_status rhm_network_descend(rhm_network *n, const rhm_network_rule *rule, rhm_error *error) {
    if (n->onednn)
        return rhm_network_onednn_descend(n->onednn, rule, error);
    uint32_t lowest = n->shape.levels; /* the farthest level from the readout that learns */
    while (lowest > 0 && rule->frozen[lowest])
        lowest--;
    for (uint32_t l = 0; l <= lowest; l++) {
        if (l < lowest)
            rhm_network_back(n, l);
        if (!rule->frozen[l])
            rhm_network_learn(n, l, rule);
    }
    return RHM_OK;
}

rhm_status rhm_network_step(rhm_network *network, const uint16_t *tokens, const uint16_t *labels, size_t count,
                            const rhm_network_rule *rule, rhm_network_result *out, rhm_error *error) {
    if (count < 1 || count > network->batch)
        return rhm_fail(error, RHM_INVALID, "a step on %zu sequences: this network was made for 1 to %zu", count,
                        network->batch);
    RHM_TRY(rhm_engine_check(network->engine, error));
    rhm_network_take(network, tokens, labels, count);
    RHM_TRY(rhm_network_pass(network, error));
    rhm_network_losses(network, true, out);
    return rhm_network_descend(network, rule, error);
}
