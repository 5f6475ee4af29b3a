/* Passes and steps of a network by oneDNN. */
#include <string.h>
#include <time.h>

#include "core/fail.h"
#include "core/memory.h"
#include "network/onednn_parts.h"

enum { FORWARD, BACK_DATA, BACK_WEIGHTS };

/* Preemption by other processes does not count. */
static double thread_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double rhm_network_onednn_seconds(const rhm_network_onednn *o, uint32_t level, int phase) {
    double most = 0;
    for (size_t i = 0; i < o->parts; i++)
        most = o->part[i].seconds[level][phase] > most ? o->part[i].seconds[level][phase] : most;
    return most;
}

/* --------------------------------------------------------------------------------------------------------- forward */

/* One-hot rows; those of a part's end that has no sequences keep what they held. */
static void fill_inputs(const rhm_network_onednn *o, size_t part, size_t count) {
    const rhm_network *n = o->n;
    const rhm_network_level *bottom = &n->level[n->shape.levels];
    const size_t d = n->layout.tokens, v = bottom->in_panels * RHM_LANES;
    float *x = o->part[part].plain_x;
    const uint32_t *index = n->index + part * o->sequences * d;
    for (size_t i = 0; i < count * d; i++) {
        for (size_t k = 0; k < n->shape.vocab; k++)
            x[i * v + k] = n->shape.input_shift;
        x[i * v + index[i] % v] = n->shape.input_scale + n->shape.input_shift;
    }
}

static void move_logits(const rhm_network_onednn *o, size_t part, size_t count) {
    const rhm_network_level *v = &o->n->level[0];
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < v->outputs; c++)
            v->y[c / RHM_LANES * v->panel + (part * o->sequences + i) * RHM_LANES + c % RHM_LANES] =
                o->part[part].rows[i * o->level[0].out + c];
}

static rhm_status forward_part(void *context, size_t chunk, int thread, rhm_error *error) {
    rhm_network_onednn *o = context;
    onednn_part *p = &o->part[chunk];
    const dnnl_stream_t stream = onednn_stream(o, thread);
    const uint32_t bottom = o->n->shape.levels;
    const size_t count = rhm_least(o->sequences, o->n->last - chunk * o->sequences);
    fill_inputs(o, chunk, count);
    RHM_TRY(rhm_dnnl_copy_run(&o->in, stream, p->plain_x, p->x, error));
    for (uint32_t l = bottom + 1; l-- > 0;) {
        const onednn_level *v = &o->level[l];
        const double start = thread_seconds();
        if (v->b)
            RHM_TRY(rhm_dnnl_copy_run(&v->of.spread, stream, v->b_rows, p->y[l], error));
        RHM_TRY(rhm_convolution_forward(&v->of, stream, l == bottom ? p->x : p->y[l + 1], v->forward, p->y[l], p->pad,
                                        error));
        p->seconds[l][FORWARD] = thread_seconds() - start;
    }
    RHM_TRY(rhm_dnnl_copy_run(&o->level[0].of.gather, stream, p->y[0], p->rows, error));
    move_logits(o, chunk, count);
    return RHM_OK;
}

/* Of all levels, `passes` times. */
static rhm_span_work work_of(const rhm_network *n, double passes) {
    rhm_span_work all = {.items = (double)n->last};
    for (uint32_t l = 0; l <= n->shape.levels; l++) {
        const rhm_span_work here = rhm_network_work(n, l);
        all.flops += passes * here.flops;
        all.nbytes += passes * here.nbytes;
    }
    return all;
}

rhm_status rhm_network_onednn_pass(rhm_network_onednn *o, rhm_error *error) {
    const int span = rhm_trace_begin(o->n->engine, "convolutions", 0);
    const rhm_status status = rhm_parallel(o->n->engine, onednn_parts(o), forward_part, o, error);
    rhm_trace_end(o->n->engine, span, work_of(o->n, 1));
    return status;
}

/* -------------------------------------------------------------------------------------------------------- backward */

typedef struct backward {
    rhm_network_onednn *o;
    const rhm_network_rule *rule;
    uint32_t lowest; /* the farthest level from the readout that learns */
} backward;

static void take_gradient(const rhm_network_onednn *o, size_t part) {
    const rhm_network_level *v = &o->n->level[0];
    const size_t first = part * o->sequences, count = rhm_least(o->sequences, o->n->last - first);
    float *rows = o->part[part].rows;
    memset(rows, 0, sizeof *rows * o->sequences * o->level[0].out);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < v->outputs; c++)
            rows[i * o->level[0].out + c] = v->dy[c / RHM_LANES * v->panel + (first + i) * RHM_LANES + c % RHM_LANES];
}

static rhm_status back_level(const backward *b, onednn_part *p, uint32_t l, dnnl_stream_t stream, rhm_error *error) {
    const rhm_network_onednn *o = b->o;
    const onednn_level *v = &o->level[l];
    const double start = thread_seconds();
    if (l > 0)
        RHM_TRY(rhm_convolution_back_relu(&v->of, stream, p->y[l], p->dy[l], p->pad, error));
    if (l < b->lowest)
        RHM_TRY(rhm_convolution_back_data(&v->of, stream, p->dy[l], v->turned, p->dy[l + 1], p->flat, p->pad, error));
    const double middle = thread_seconds();
    p->seconds[l][BACK_DATA] = middle - start;
    if (b->rule->frozen[l])
        return RHM_OK;
    void *x = l == o->n->shape.levels ? p->x : p->y[l + 1];
    RHM_TRY(rhm_convolution_back_weights(&v->of, stream, x, p->dy[l], p->g[l], p->pad, error));
    if (v->b)
        RHM_TRY(rhm_convolution_sum(&v->of, stream, p->dy[l], p->flat, o->ones, p->bg[l], p->pad, error));
    p->seconds[l][BACK_WEIGHTS] = thread_seconds() - middle;
    return RHM_OK;
}

static rhm_status back_part(void *context, size_t chunk, int thread, rhm_error *error) {
    const backward *b = context;
    rhm_network_onednn *o = b->o;
    onednn_part *p = &o->part[chunk];
    const dnnl_stream_t stream = onednn_stream(o, thread);
    take_gradient(o, chunk);
    RHM_TRY(rhm_dnnl_copy_run(&o->level[0].of.spread, stream, p->rows, p->dy[0], error));
    for (uint32_t l = 0; l <= b->lowest; l++)
        RHM_TRY(back_level(b, p, l, stream, error));
    return RHM_OK;
}

/* ------------------------------------------------------------------------------------------------------------ steps */

enum { PIECE = 1 << 14 }; /* floats */

typedef struct update {
    rhm_network_onednn *o;
    const rhm_network_rule *rule;
    uint32_t l;
    size_t parts;
} update;

/* What products read is scaled. */
static void scale_floats(float *out, const float *w, float scale, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = scale * w[i];
}

static void step(const rhm_network_rule *rule, const float *g, float scale, size_t parameters, float *w, float *v,
                 size_t count) {
    const float penalty = 2 * rule->penalty / (float)parameters, momentum = rule->momentum, rate = rule->rate;
    for (size_t i = 0; i < count; i++) {
        float change = scale * g[i] + penalty * w[i];
        if (momentum != 0)
            change = v[i] = momentum * v[i] + change;
        w[i] -= rate * change;
    }
}

/* The gradients of the other parts are added to those of the first. */
static void step_piece(void *context, size_t piece, int thread) {
    (void)thread;
    const update *u = context;
    const onednn_level *v = &u->o->level[u->l];
    const rhm_network_level *of = &u->o->n->level[u->l];
    const size_t at = piece * PIECE, count = rhm_least(PIECE, v->floats - at);
    float *g = u->o->part[0].g[u->l] + at;
    for (size_t p = 1; p < u->parts; p++) {
        const float *more = u->o->part[p].g[u->l] + at;
        for (size_t i = 0; i < count; i++)
            g[i] += more[i];
    }
    step(u->rule, g, of->scale, of->taps * of->inputs * of->outputs, v->w + at, v->v + at, count);
    scale_floats(v->scaled + at, v->w + at, of->scale, count);
}

/* For every sequence of a part. */
static void spread_bias(const rhm_network_onednn *o, uint32_t l) {
    const onednn_level *v = &o->level[l];
    const size_t count = o->n->level[l].positions * v->out;
    scale_floats(v->b_rows, v->b, o->n->shape.bias_scale, count);
    for (size_t i = 1; i < o->sequences; i++)
        memcpy(v->b_rows + i * count, v->b_rows, count * sizeof *v->b_rows);
}

static void step_bias(const update *u) {
    const onednn_level *v = &u->o->level[u->l];
    const rhm_network_level *of = &u->o->n->level[u->l];
    const size_t count = of->positions * v->out;
    float *g = u->o->part[0].bg[u->l];
    for (size_t p = 1; p < u->parts; p++)
        for (size_t i = 0; i < count; i++)
            g[i] += u->o->part[p].bg[u->l][i];
    step(u->rule, g, u->o->n->shape.bias_scale, of->positions * of->outputs, v->b, v->bv, count);
    spread_bias(u->o, u->l);
}

typedef struct refreshing {
    rhm_network_onednn *o;
    const bool *skip; /* by level, or NULL: none */
    rhm_status status[2 * (RHM_MAX_LEVELS + 1)];
    rhm_error error[2 * (RHM_MAX_LEVELS + 1)];
} refreshing;

static void refresh_layout(void *context, size_t chunk, int thread) {
    refreshing *r = context;
    const onednn_level *v = &r->o->level[chunk / 2];
    if (r->skip && r->skip[chunk / 2])
        return;
    if (chunk % 2 == 0 && v->forward != v->scaled)
        r->status[chunk] =
            rhm_dnnl_copy_run(&v->to_forward, onednn_stream(r->o, thread), v->scaled, v->forward, &r->error[chunk]);
    else if (chunk % 2 == 1 && v->turned && v->turned != v->scaled)
        r->status[chunk] =
            rhm_dnnl_copy_run(&v->to_turned, onednn_stream(r->o, thread), v->scaled, v->turned, &r->error[chunk]);
}

/* A step is not interrupted here: parameters have changed. */
static rhm_status refresh_layouts(rhm_network_onednn *o, const bool *skip, rhm_error *error) {
    refreshing *r = RHM_NEW(refreshing, 1, 1, 1, "layouts of weights", error);
    if (!r)
        return RHM_NO_MEMORY;
    r->o = o;
    r->skip = skip;
    const size_t count = 2 * ((size_t)o->n->shape.levels + 1);
    rhm_parallel_lanes(o->n->engine, count, refresh_layout, r);
    rhm_status status = RHM_OK;
    for (size_t i = 0; i < count && status == RHM_OK; i++)
        if (r->status[i] != RHM_OK)
            status = rhm_fail(error, r->status[i], "%s", r->error[i].text);
    rhm_free(r);
    return status;
}

rhm_status rhm_network_onednn_refresh(rhm_network_onednn *o, rhm_error *error) {
    for (uint32_t l = 0; l <= o->n->shape.levels; l++) {
        const onednn_level *v = &o->level[l];
        const rhm_network_level *of = &o->n->level[l];
        scale_floats(v->scaled, v->w, of->scale, v->floats);
        if (v->b)
            spread_bias(o, l);
    }
    return refresh_layouts(o, NULL, error);
}

rhm_status rhm_network_onednn_descend(rhm_network_onednn *o, const rhm_network_rule *rule, rhm_error *error) {
    backward b = {.o = o, .rule = rule, .lowest = o->n->shape.levels};
    while (b.lowest > 0 && rule->frozen[b.lowest])
        b.lowest--;
    const int span = rhm_trace_begin(o->n->engine, "convolutions backward", 0);
    const rhm_status status = rhm_parallel(o->n->engine, onednn_parts(o), back_part, &b, error);
    rhm_trace_end(o->n->engine, span, work_of(o->n, 2));
    if (status != RHM_OK)
        return status;
    for (uint32_t l = 0; l <= b.lowest; l++) {
        update u = {o, rule, l, onednn_parts(o)};
        if (rule->frozen[l])
            continue;
        rhm_parallel_lanes(o->n->engine, (o->level[l].floats + PIECE - 1) / PIECE, step_piece, &u);
        if (o->level[l].b)
            step_bias(&u);
    }
    return refresh_layouts(o, rule->frozen, error);
}
