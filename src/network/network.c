/* A network's memory, and by whom it is computed. */
#include "network/network.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "network/onednn.h"
#include "network/parts.h"

/* ---------------------------------------------------------------------------------------------------------- memory */

/* Arrays one behind the other in a buffer; with `base` NULL they are only counted. */
typedef struct arena {
    float *base;
    size_t used;
    bool overflows;
} arena;

static float *carve(arena *a, size_t n0, size_t n1, size_t n2) {
    const size_t at = a->used;
    a->overflows = a->overflows || !rhm_size_mul(&n0, n1) || !rhm_size_mul(&n0, n2) || !rhm_size_mul(&n0, RHM_LANES) ||
                   __builtin_add_overflow(a->used, n0, &a->used) || a->used > SIZE_MAX / (2 * sizeof(float));
    return a->base && !a->overflows ? a->base + at : NULL;
}

typedef struct arenas {
    arena weights, momenta, activations;
} arenas;

/*
 * Rows from one panel of activations to the next. At a multiple of 128 lines the same rows of all panels would share a
 * few sets of the second-level cache; so they spread over all of them. 0: it overflows.
 */
static size_t panel_rows(size_t batch, size_t positions) {
    enum { PERIOD = 128, PLACE = 72 };
    size_t rows = batch;
    if (!rhm_size_mul(&rows, positions) || rows > SIZE_MAX - 2 * PERIOD)
        return 0;
    return rows + (PERIOD + PLACE - rows % PERIOD) % PERIOD;
}

static void carve_level(rhm_network *n, uint32_t l, arenas *a) {
    const rhm_network_layout *layout = &n->layout;
    const bool bottom = l == n->shape.levels, bias = l > 0 && n->shape.bias;
    rhm_network_level *v = &n->level[l];
    *v = (rhm_network_level){.taps = l ? n->shape.branching[l] : 1,
                             .inputs = layout->inputs[l],
                             .outputs = layout->outputs[l],
                             .positions = layout->positions[l],
                             .in_panels = rhm_panels(layout->inputs[l]),
                             .out_panels = rhm_panels(layout->outputs[l]),
                             .scale = l ? n->shape.weight_scale[l] : n->shape.readout_scale};
    const size_t depth = v->taps * v->in_panels * RHM_LANES;
    v->panel = panel_rows(n->batch, l == 0 || !n->elsewhere ? v->positions : 1) * RHM_LANES;
    if (n->elsewhere && l > 0)
        return;
    v->w = carve(&a->weights, v->out_panels, depth, 1);
    v->v = carve(&a->momenta, v->out_panels, depth, 1);
    if (!bottom)
        v->turned = carve(&a->weights, v->taps, v->in_panels, v->out_panels * RHM_LANES);
    if (bias) {
        v->b = carve(&a->weights, v->out_panels, v->positions, 1);
        v->bv = carve(&a->momenta, v->out_panels, v->positions, 1);
    }
    if (bias || bottom)
        v->added = carve(&a->weights, v->out_panels, v->positions, 1);
    a->activations.overflows = a->activations.overflows || v->panel == 0;
    v->y = carve(&a->activations, v->out_panels, v->panel / RHM_LANES, 1);
    v->dy = carve(&a->activations, v->out_panels, v->panel / RHM_LANES, 1);
}

static void carve_all(rhm_network *n, arenas *a) {
    for (uint32_t l = 0; l <= n->shape.levels; l++)
        carve_level(n, l, a);
    if (n->shape.positions > 1 && !n->elsewhere) {
        n->mean = carve(&a->activations, n->level[1].out_panels, n->batch, 1);
        n->dmean = carve(&a->activations, n->level[1].out_panels, n->batch, 1);
    }
}

/* Of a thread: partial sums of a group of panels of one level's gradient, of one panel of the table of tokens. */
static size_t scratch_nbytes(const rhm_network *n) {
    size_t most = 0;
    for (uint32_t l = 0; l <= n->shape.levels; l++) {
        const size_t rows = n->level[l].taps * n->level[l].in_panels * RHM_LANES;
        const size_t panels = l == n->shape.levels ? 1 : RHM_NETWORK_GROUP;
        most = panels * rows > most ? panels * rows : most;
        most = n->level[l].positions > most ? n->level[l].positions : most;
    }
    return rhm_network_tree_slots(n->most, n->chunk, n->most == n->batch) * most * RHM_LANES * sizeof(float);
}

static rhm_status count_all(rhm_network *n, arenas *a, rhm_error *error) {
    RHM_TRY(rhm_network_layout_init(&n->layout, &n->shape, error));
    if (n->batch < 1)
        return rhm_fail(error, RHM_INVALID, "a batch has at least 1 sequence");
    n->chunk = rhm_network_least_chunk(rhm_network_multiply_adds(&n->shape, &n->layout));
    *a = (arenas){0};
    carve_all(n, a);
    size_t index = n->batch;
    if (a->weights.overflows || a->activations.overflows || !rhm_size_mul(&index, n->layout.tokens) ||
        n->layout.tokens > SIZE_MAX / sizeof(uint32_t) / n->batch)
        return rhm_fail(error, RHM_NO_MEMORY,
                        "a network with up to %zu channels and %zu sequences of %zu tokens at a "
                        "time: its size overflows",
                        rhm_network_widest(&n->shape), n->batch, n->layout.tokens);
    if ((size_t)n->shape.branching[n->shape.levels] * rhm_panels(n->shape.vocab) * RHM_LANES > UINT32_MAX)
        return rhm_fail(error, RHM_NO_MEMORY, "a network of %zu tokens: its first table is too large", n->shape.vocab);
    return RHM_OK;
}

rhm_status rhm_network_nbytes(size_t *out, size_t *of_thread, const rhm_network_shape *shape, size_t batch,
                              rhm_error *error) {
    rhm_network *n = RHM_NEW(rhm_network, 1, 1, 1, "network", error);
    if (!n)
        return RHM_NO_MEMORY;
    n->shape = *shape;
    n->batch = n->most = batch;
    arenas a;
    const rhm_status status = count_all(n, &a, error);
    if (status == RHM_OK) {
        *out = sizeof(float) * (a.weights.used + a.momenta.used + a.activations.used) +
               batch * (n->layout.tokens * sizeof *n->index + sizeof *n->label + sizeof *n->outcome);
        *of_thread = scratch_nbytes(n);
    }
    rhm_free(n);
    return status;
}

static rhm_status make_arena(arena *a, rhm_buffer *buffer, const rhm_engine *engine, const char *name,
                             rhm_error *error) {
    RHM_TRY(rhm_buffer_create(buffer, engine, (rhm_home){.kind = RHM_HOME_INTERLEAVE}, sizeof(float), a->used, 1, 1,
                              name, error));
    *a = (arena){.base = buffer->data};
    return RHM_OK;
}

static rhm_status make_parts(rhm_network *n, rhm_error *error) {
    arenas a;
    RHM_TRY(count_all(n, &a, error));
    RHM_TRY(make_arena(&a.weights, &n->weights, n->engine, "weights of the network", error));
    RHM_TRY(make_arena(&a.momenta, &n->momenta, n->engine, "momenta of the network", error));
    RHM_TRY(make_arena(&a.activations, &n->activations, n->engine, "activations of the network", error));
    carve_all(n, &a);
    RHM_TRY(rhm_scratch_create(&n->scratch, n->engine, scratch_nbytes(n), "gradients of the network", error));
    n->index = RHM_NEW(uint32_t, n->batch, n->layout.tokens, 1, "tokens of a batch", error);
    n->label = RHM_NEW(uint16_t, n->batch, 1, 1, "labels of a batch", error);
    n->outcome = RHM_NEW(rhm_network_outcome, n->most, 1, 1, "losses of a batch", error);
    return n->index && n->label && n->outcome ? RHM_OK : RHM_NO_MEMORY;
}

rhm_status rhm_network_make_part(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape,
                                 size_t most, size_t batch, bool onednn, bool narrow, rhm_error *error) {
    *out = NULL;
    rhm_network *n = RHM_NEW(rhm_network, 1, 1, 1, "network", error);
    if (!n)
        return RHM_NO_MEMORY;
    n->engine = engine;
    n->ops = rhm_dense_ops_of(engine);
    n->shape = *shape;
    n->batch = batch;
    n->most = most;
    n->elsewhere = onednn;
    n->narrow = narrow;
    rhm_status status = make_parts(n, error);
    if (status == RHM_OK && onednn)
        status = rhm_network_onednn_make(&n->onednn, n, narrow, error);
    if (status != RHM_OK) {
        rhm_network_free(n);
        return status;
    }
    for (uint32_t l = 0; l <= shape->levels && !onednn; l++)
        rhm_network_prepare(n, l);
    *out = n;
    return RHM_OK;
}

rhm_status rhm_network_make_by(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape,
                               size_t batch, bool onednn, bool narrow, rhm_error *error) {
    return rhm_network_make_part(out, engine, shape, batch, batch, onednn, narrow, error);
}

const char *rhm_network_backend(const rhm_network *network) {
    return !network->onednn ? "native" : network->narrow ? "onednn bfloat16" : "onednn";
}

void rhm_network_free(rhm_network *n) {
    if (!n)
        return;
    rhm_network_onednn_free(n->onednn);
    rhm_buffer_destroy(&n->weights, n->engine);
    rhm_buffer_destroy(&n->momenta, n->engine);
    rhm_buffer_destroy(&n->activations, n->engine);
    rhm_scratch_destroy(&n->scratch, n->engine);
    rhm_free(n->index);
    rhm_free(n->label);
    rhm_free(n->outcome);
    rhm_network_share_clear(n);
    rhm_free(n);
}

const rhm_network_layout *rhm_network_layout_of(const rhm_network *network) {
    return &network->layout;
}

size_t rhm_network_batch(const rhm_network *network) {
    return network->most;
}
