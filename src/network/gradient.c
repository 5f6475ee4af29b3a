/* Gradients of a level's parameters by the gradient of its outputs, summed over the batch in the order of tree.h, and
 * the step with them. */

#include "network/gradient.h"

enum {
    PAIR = 2,         /* panels side by side */
    BLOCK_ROWS = 128, /* of activations at a time: a pair of panels of their gradients stays in the first-level cache */
    RUNS = BLOCK_ROWS / RHM_NETWORK_CHUNK, /* of them, at most: other chunks than the last have so many rows */
    TILE = RHM_LANES * RHM_LANES,
    ASKED_WEIGHTS = 1 << 17, /* with momenta and in both layouts more than a second-level cache */
};

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
    float *g;                  /* (slots, panels of outputs, panels of inputs, 16, 16): sums so far */
    size_t slot;               /* floats from a slot to the next */
    rhm_dense_gradient sums;   /* of a tile */
    rhm_network_run run[RUNS]; /* the rows in hand, */
    size_t runs;
    bool last;    /* after which none are left, */
    size_t slots; /* but so many sums */
} block;

static block block_of(const rhm_descent *d, size_t piece, int thread) {
    const rhm_network_level *v = &d->n->level[d->l];
    const size_t depth = v->taps * v->in_panels, cuts = (depth + d->depth_panels - 1) / d->depth_panels;
    block b = {.panel = piece / cuts * d->panels, .q = piece % cuts * d->depth_panels};
    b.panel_end = rhm_least(v->out_panels, b.panel + d->panels);
    b.q_end = rhm_least(depth, b.q + d->depth_panels);
    b.slot = (b.panel_end - b.panel) * (b.q_end - b.q) * TILE;
    b.g = rhm_scratch_at(&d->n->scratch, thread);
    b.sums.a_row = v->taps * RHM_LANES;
    b.sums.b_panel = v->panel;
    b.sums.g_panel = (b.q_end - b.q) * TILE;
    return b;
}

/* The next rows: a part of a chunk, or several small chunks. */
static void take_rows(block *b, rhm_network_walk *walk) {
    size_t left = BLOCK_ROWS;
    b->runs = 0;
    do {
        b->run[b->runs] = rhm_network_next_run(walk, left);
        left -= b->run[b->runs++].count;
    } while (b->runs < RUNS && walk->row < walk->rows && rhm_network_chunk_rows(walk) <= left);
    b->last = walk->row == walk->rows;
    b->slots = walk->slots;
}

static float *sums_at(const block *b, size_t panel, size_t q) {
    return b->g + ((panel - b->panel) * (b->q_end - b->q) + q - b->q) * TILE;
}

/* Inputs and, with the last rows, parameters of the tile after q, unless all of them are in the caches anyway. Some
 * have been asked for `before`, with the rows of the block before these. */
static void ask_for_next(const rhm_descent *d, block *b, size_t panel, size_t q, size_t row, size_t before) {
    rhm_dense_gradient *sums = &b->sums;
    const rhm_network_level *v = &d->n->level[d->l];
    if (rhm_descent_weights(v) < ASKED_WEIGHTS)
        return;
    const size_t next = q + 1 < b->q_end ? q + 1 : b->q, t = next / v->in_panels, k = next % v->in_panels;
    sums->next = d->x + k * d->x_panel + (row * v->taps + t) * RHM_LANES;
    sums->asks = 0;
    if (!b->last || !d->steps || q + 1 == b->q_end)
        return;
    const float *ask[RHM_DENSE_ASKS];
    size_t asks = 0;
    for (size_t p = panel; p < panel + sums->panels; p++) {
        const size_t at = (p * v->taps * v->in_panels + next) * TILE;
        ask[asks++] = v->w + at;
        ask[asks++] = v->turned + (next * v->out_panels + p) * TILE;
        if (d->rule->momentum != 0)
            ask[asks++] = v->v + at;
    }
    for (size_t i = before / RHM_LANES; i < asks; i++)
        sums->ask[sums->asks++] = ask[i];
}

/* Sums of the rows in hand, of a tile of one panel or two. */
static void sum_tile(const rhm_descent *d, block *b, size_t panel, size_t panels, size_t q) {
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    const size_t t = q / v->in_panels, k = q % v->in_panels;
    const float *x = d->x + k * d->x_panel + t * RHM_LANES, *dy = v->dy + panel * v->panel;
    float *g = sums_at(b, panel, q);
    rhm_dense_gradient *sums = &b->sums;
    sums->panels = panels;
    sums->depth = rhm_least(RHM_LANES, v->inputs - k * RHM_LANES);
    for (const rhm_network_run *run = b->run; run < b->run + b->runs; run++) {
        float *own = g + run->slot * b->slot;
        sums->count = run->count;
        sums->a = x + run->row * sums->a_row;
        sums->b = dy + run->row * RHM_LANES;
        sums->from = run->fresh ? NULL : own;
        for (sums->ontos = 0; sums->ontos < run->joins; own -= b->slot)
            sums->onto[sums->ontos++] = own - b->slot;
        sums->g = own;
        ask_for_next(d, b, panel, q, run->row, run->row - b->run[0].row);
        n->ops.gradient(sums);
    }
}

/* The step of a tile whose sums g are complete. */
static void step_tile(const rhm_descent *d, size_t panel, size_t q, const float *g) {
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    const size_t t = q / v->in_panels, k = q % v->in_panels, at = rhm_weight_at(v, panel, t, k * RHM_LANES);
    n->ops.update(&d->of_weights, rhm_least(RHM_LANES, v->inputs - k * RHM_LANES), g, v->w + at,
                  d->rule->momentum != 0 ? v->v + at : NULL);
    turn_block(n, v, panel, t, k);
}

static void finish_tile(const rhm_descent *d, const block *b, size_t panel, size_t q) {
    const rhm_network_level *v = &d->n->level[d->l];
    const float *g = sums_at(b, panel, q);
    if (d->steps)
        step_tile(d, panel, q, g);
    else
        rhm_descent_keep(d, v->v + (panel * v->taps * v->in_panels + q) * TILE, g, TILE, b->slot, b->slots);
}

/* Sums over some rows: those of the inputs stay in the second-level cache for all panels of outputs, a pair of those in
 * the first for all inputs. The step follows the last rows. */
static void descend_piece(void *context, size_t piece, int thread) {
    const rhm_descent *d = context;
    block b = block_of(d, piece, thread);
    for (rhm_network_walk walk = rhm_descent_walk(d); walk.row < walk.rows;) {
        take_rows(&b, &walk);
        for (size_t panel = b.panel, pair; panel < b.panel_end; panel += pair) {
            pair = rhm_least(PAIR, b.panel_end - panel);
            for (size_t q = b.q; q < b.q_end; q++) {
                sum_tile(d, &b, panel, pair, q);
                for (size_t p = panel; b.last && p < panel + pair; p++)
                    finish_tile(d, &b, p, q);
            }
        }
    }
}

static void step_panel(const rhm_descent *d, size_t panel, int thread) {
    const rhm_network_level *v = &d->n->level[d->l];
    const size_t depth = v->taps * v->in_panels;
    (void)thread;
    for (size_t q = 0; q < depth; q++)
        step_tile(d, panel, q, rhm_descent_total(d, v->v + (panel * depth + q) * TILE));
}

static void descend_weights(rhm_descent *d) {
    const rhm_network *n = d->n;
    const rhm_network_level *v = &n->level[d->l];
    const size_t pairs = (v->out_panels + PAIR - 1) / PAIR, depth = v->taps * v->in_panels;
    const double flops = 2.0 * (double)(n->last * v->positions) * (double)rhm_descent_weights(v);
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

/* ------------------------------------------------------------------------------------------------------- all of them
 */

static void descend(rhm_descent *d) {
    rhm_network *n = d->n;
    const rhm_network_level *below = &n->level[d->l + 1];
    if (d->steps)
        d->of_weights = rhm_descent_rule(d->rule, rhm_descent_weights(&n->level[d->l]));
    d->of_weights.scale = n->level[d->l].scale;
    const int span = rhm_trace_begin(n->engine, d->sums ? "convolution backward by weights" : "step of weights", d->l);
    if (d->l == n->shape.levels) {
        rhm_descend_table(d);
    } else if (d->sums) {
        d->x = d->l == 0 ? rhm_network_top(n) : below->y;
        d->x_panel = d->l == 0 ? rhm_network_top_panel(n) : below->panel;
        descend_weights(d);
    } else {
        rhm_descend_panels(d, step_panel, (double)(n->level[d->l].taps * n->level[d->l].inputs));
    }
    rhm_descend_biases(d);
    if (d->steps)
        rhm_network_prepare(n, d->l);
    rhm_trace_end(n->engine, span, d->sums ? rhm_network_work(n, d->l) : (rhm_span_work){0});
}

void rhm_network_learn(rhm_network *n, uint32_t l, const rhm_network_rule *rule) {
    descend(&(rhm_descent){.n = n, .rule = rule, .l = l, .sums = true, .steps = true});
}

void rhm_network_sum(rhm_network *n, uint32_t l) {
    descend(&(rhm_descent){.n = n, .l = l, .sums = true});
}

void rhm_network_move(rhm_network *n, uint32_t l, const rhm_network_rule *rule) {
    descend(&(rhm_descent){.n = n, .rule = rule, .l = l, .steps = true});
}
