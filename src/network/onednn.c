/* A network by oneDNN: its memory, and parameters on the way in and out. */
#include "network/onednn.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "kernels/backend.h"
#include "network/onednn_parts.h"

/* ---------------------------------------------------------------------------------------------------------- memory */

/* Zeroed memory that goes with the network; NULL once something has failed. */
static void *take(rhm_network_onednn *o, size_t nbytes, rhm_status *status, rhm_error *error) {
    if (*status != RHM_OK)
        return NULL;
    *status = rhm_memory_reserve(o->n->engine, nbytes, "oneDNN's side of a network", error);
    if (*status != RHM_OK)
        return NULL;
    o->reserved_nbytes += nbytes;
    void *memory = RHM_NEW(char, nbytes, 1, 1, "oneDNN's side of a network", error);
    if (!memory)
        *status = RHM_NO_MEMORY;
    else
        o->owned[o->owned_count++] = memory;
    return memory;
}

static rhm_convolution_shape shape_of(const rhm_network_onednn *o, uint32_t l, bool narrow) {
    const rhm_network_level *v = &o->n->level[l];
    return (rhm_convolution_shape){.sequences = (int64_t)o->sequences,
                                   .taps = (int64_t)v->taps,
                                   .inputs = (int64_t)(v->in_panels * RHM_LANES),
                                   .outputs = (int64_t)(v->out_panels * RHM_LANES),
                                   .positions = (int64_t)v->positions,
                                   .relu = l > 0,
                                   .bias = l > 0 && o->n->shape.bias,
                                   .narrow = narrow};
}

static rhm_status make_level(rhm_network_onednn *o, uint32_t l, bool narrow, rhm_error *error) {
    const uint32_t bottom = o->n->shape.levels;
    const rhm_convolution_shape shape = shape_of(o, l, narrow);
    onednn_level *v = &o->level[l];
    RHM_TRY(rhm_convolution_create(&v->of, o->onednn->dnnl, &shape, l < bottom ? &o->level[l + 1].of.y : NULL,
                                   l < bottom, error));
    RHM_TRY(rhm_dnnl_copy_create(&v->to_forward, o->onednn->dnnl, &v->of.g, &v->of.w, error));
    if (l < bottom)
        RHM_TRY(rhm_dnnl_copy_create(&v->to_turned, o->onednn->dnnl, &v->of.g, &v->of.turned, error));
    const size_t nbytes = rhm_dnnl_desc_nbytes(&v->of.g);
    const size_t bias = shape.bias ? sizeof(float) * (size_t)(shape.outputs * shape.positions) : 0;
    rhm_status status = RHM_OK;
    v->in = (size_t)shape.inputs;
    v->out = (size_t)shape.outputs;
    v->floats = nbytes / sizeof(float);
    v->w = take(o, nbytes, &status, error);
    v->v = take(o, nbytes, &status, error);
    v->scaled = take(o, nbytes, &status, error);
    v->forward = rhm_dnnl_same_layout(&v->of.w, &v->of.g) ? (void *)v->scaled
                                                          : take(o, rhm_dnnl_desc_nbytes(&v->of.w), &status, error);
    if (l < bottom)
        v->turned = rhm_dnnl_same_layout(&v->of.turned, &v->of.g)
                        ? (void *)v->scaled
                        : take(o, rhm_dnnl_desc_nbytes(&v->of.turned), &status, error);
    if (bias > 0) {
        v->b = take(o, bias, &status, error);
        v->bv = take(o, bias, &status, error);
        v->b_rows = take(o, bias * o->sequences, &status, error);
    }
    return status;
}

static rhm_status make_part(rhm_network_onednn *o, onednn_part *p, rhm_error *error) {
    const rhm_network_shape *s = &o->n->shape;
    rhm_status status = RHM_OK;
    size_t pad = 0, flat = 0;
    p->plain_x = take(o, sizeof(float) * o->sequences * o->level[s->levels].in * o->n->layout.tokens, &status, error);
    p->rows = take(o, sizeof(float) * o->sequences * o->level[0].out, &status, error);
    p->x = take(o, rhm_dnnl_desc_nbytes(&o->level[s->levels].of.x), &status, error);
    for (uint32_t l = 0; l <= s->levels; l++) {
        const onednn_level *v = &o->level[l];
        const size_t nbytes = rhm_dnnl_desc_nbytes(&v->of.y);
        p->y[l] = take(o, nbytes, &status, error);
        p->dy[l] = take(o, nbytes, &status, error);
        p->g[l] = take(o, sizeof(float) * v->floats, &status, error);
        const size_t row = sizeof(float) * v->out * o->n->level[l].positions;
        flat = v->of.room_nbytes > flat ? v->of.room_nbytes : flat;
        if (v->b) {
            p->bg[l] = take(o, row, &status, error);
            flat = row * o->sequences > flat ? row * o->sequences : flat;
        }
        pad = v->of.pad_nbytes > pad ? v->of.pad_nbytes : pad;
    }
    p->flat = take(o, flat > 0 ? flat : RHM_ALIGNMENT, &status, error);
    p->pad = take(o, pad > 0 ? pad : RHM_ALIGNMENT, &status, error);
    return status;
}

static rhm_status make_input(rhm_network_onednn *o, rhm_error *error) {
    const int64_t v = (int64_t)o->level[o->n->shape.levels].in,
                  positions = (int64_t)(o->sequences * o->n->layout.tokens);
    rhm_dnnl_desc x = {0};
    rhm_status status =
        rhm_dnnl_floats(&x, 3, (dnnl_dims_t){1, v, positions}, (dnnl_dims_t){v * positions, 1, v}, error);
    if (status == RHM_OK)
        status = rhm_dnnl_copy_create(&o->in, o->onednn->dnnl, &x, &o->level[o->n->shape.levels].of.x, error);
    rhm_dnnl_desc_drop(&x);
    return status;
}

static rhm_status make_all(rhm_network_onednn *o, bool narrow, rhm_error *error) {
    const uint32_t levels = o->n->shape.levels;
    const size_t arrays =
        (ONEDNN_ARRAYS_A_LEVEL + o->parts * ONEDNN_ARRAYS_A_PART) * (levels + 1) + o->parts * ONEDNN_ARRAYS_A_PART + 1;
    o->part = RHM_NEW(onednn_part, o->parts, 1, 1, "oneDNN's side of a network", error);
    o->owned = RHM_NEW(void *, arrays, 1, 1, "oneDNN's side of a network", error);
    if (!o->part || !o->owned)
        return RHM_NO_MEMORY;
    rhm_status status = RHM_OK;
    o->ones = take(o, sizeof *o->ones * o->sequences, &status, error);
    for (size_t i = 0; i < o->sequences && status == RHM_OK; i++)
        o->ones[i] = 1;
    RHM_TRY(status);
    for (uint32_t l = levels + 1; l-- > 0;)
        RHM_TRY(make_level(o, l, narrow, error));
    for (size_t p = 0; p < o->parts; p++)
        RHM_TRY(make_part(o, &o->part[p], error));
    return make_input(o, error);
}

rhm_status rhm_network_onednn_make(rhm_network_onednn **out, rhm_network *n, bool narrow, rhm_error *error) {
    *out = NULL;
    if (n->shape.positions > 1)
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "the oneDNN backend needs a network whose convolutions leave 1 position, but %zu are left",
                        n->shape.positions);
    if (narrow && !rhm_dnnl_has_bfloat16())
        return rhm_fail(error, RHM_UNSUPPORTED, "bfloat16 needs a CPU with AVX-512 BF16 or AMX, which this one lacks");
    rhm_backend *backend;
    RHM_TRY(rhm_backend_of(&backend, n->engine, error));
    if (!backend->onednn)
        RHM_TRY(rhm_onednn_create(&backend->onednn, n->engine, error));
    rhm_network_onednn *o = RHM_NEW(rhm_network_onednn, 1, 1, 1, "oneDNN's side of a network", error);
    if (!o)
        return RHM_NO_MEMORY;
    const size_t threads = (size_t)rhm_engine_threads(n->engine);
    o->n = n;
    o->onednn = backend->onednn;
    o->sequences = (n->batch + threads - 1) / threads;
    o->parts = (n->batch + o->sequences - 1) / o->sequences;
    rhm_status status = make_all(o, narrow, error);
    if (status == RHM_OK)
        status = rhm_network_onednn_refresh(o, error);
    if (status != RHM_OK) {
        rhm_network_onednn_free(o);
        return status;
    }
    *out = o;
    return RHM_OK;
}

void rhm_network_onednn_free(rhm_network_onednn *o) {
    if (!o)
        return;
    for (uint32_t l = 0; l <= o->n->shape.levels; l++) {
        rhm_convolution_destroy(&o->level[l].of);
        rhm_dnnl_copy_destroy(&o->level[l].to_forward);
        rhm_dnnl_copy_destroy(&o->level[l].to_turned);
    }
    rhm_dnnl_copy_destroy(&o->in);
    for (size_t i = 0; i < o->owned_count; i++)
        rhm_free(o->owned[i]);
    rhm_memory_release(o->n->engine, o->reserved_nbytes);
    rhm_free(o->owned);
    rhm_free(o->part);
    rhm_free(o);
}

/* ------------------------------------------------------------------------------------------------------ parameters */

/* `rows` of `from` floats each become rows of `to`: the shorter of a row, and zeros. */
static void move_rows(const float *source, size_t from, float *target, size_t to, size_t rows) {
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < to; c++)
            target[i * to + c] = c < from ? source[i * from + c] : 0;
}

/* Weights (taps, in, out) from weights (taps, inputs, outputs), or the other way. */
static void pad_weights(const onednn_level *v, const rhm_network_level *of, const float *plain, float *padded) {
    for (size_t t = 0; t < of->taps; t++)
        move_rows(plain + t * of->inputs * of->outputs, of->outputs, padded + t * v->in * v->out, v->out, of->inputs);
}

static void strip_weights(const onednn_level *v, const rhm_network_level *of, const float *padded, float *plain) {
    for (size_t t = 0; t < of->taps; t++)
        move_rows(padded + t * v->in * v->out, v->out, plain + t * of->inputs * of->outputs, of->outputs, of->inputs);
}

/* Parameters or momenta to what is kept from the array `in`, or from it to `out`. */
static rhm_status move_level(const rhm_network_onednn *o, uint32_t l, const float *in, float *out, bool momenta,
                             rhm_error *error) {
    const onednn_level *v = &o->level[l];
    const rhm_network_level *of = &o->n->level[l];
    const size_t weights = o->n->layout.weights[l], bias = o->n->layout.bias[l];
    float *kept = momenta ? v->v : v->w, *kept_bias = momenta ? v->bv : v->b;
    float *padded = RHM_NEW(float, of->taps, v->in, v->out, "weights of a level", error);
    rhm_dnnl_copy copy = {0};
    rhm_status status = padded ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = rhm_dnnl_copy_create(&copy, o->onednn->dnnl, in ? &v->of.plain : &v->of.g,
                                      in ? &v->of.g : &v->of.plain, error);
    if (status == RHM_OK && in)
        pad_weights(v, of, in + weights, padded);
    if (status == RHM_OK)
        status = rhm_dnnl_copy_run(&copy, onednn_stream(o, 0), in ? padded : kept, in ? kept : padded, error);
    if (status == RHM_OK && !in)
        strip_weights(v, of, padded, out + weights);
    rhm_dnnl_copy_destroy(&copy);
    rhm_free(padded);
    if (status == RHM_OK && v->b && in)
        move_rows(in + bias, of->outputs, kept_bias, v->out, of->positions);
    else if (status == RHM_OK && v->b)
        move_rows(kept_bias, v->out, out + bias, of->outputs, of->positions);
    return status;
}

rhm_status rhm_network_onednn_load(rhm_network_onednn *o, const float *parameters, const float *momenta,
                                   rhm_error *error) {
    for (uint32_t l = 0; l <= o->n->shape.levels; l++) {
        RHM_TRY(move_level(o, l, parameters, NULL, false, error));
        memset(o->level[l].v, 0, sizeof(float) * o->level[l].floats);
        if (o->level[l].bv)
            memset(o->level[l].bv, 0, sizeof(float) * o->n->level[l].positions * o->level[l].out);
        if (momenta)
            RHM_TRY(move_level(o, l, momenta, NULL, true, error));
    }
    return rhm_network_onednn_refresh(o, error);
}

rhm_status rhm_network_onednn_store(const rhm_network_onednn *o, float *parameters, float *momenta, rhm_error *error) {
    for (uint32_t l = 0; l <= o->n->shape.levels; l++) {
        RHM_TRY(move_level(o, l, NULL, parameters, false, error));
        if (momenta)
            RHM_TRY(move_level(o, l, NULL, momenta, true, error));
    }
    return RHM_OK;
}

rhm_status rhm_network_onednn_hidden(const rhm_network_onednn *o, uint32_t level, float *out, rhm_error *error) {
    const size_t positions = o->n->level[level].positions, channels = o->n->level[level].outputs;
    const size_t padded = o->level[level].out;
    float *rows = RHM_NEW(float, o->sequences, positions, padded, "outputs of a level", error);
    rhm_status status = rows ? RHM_OK : RHM_NO_MEMORY;
    for (size_t i = 0; i < onednn_parts(o) && status == RHM_OK; i++) {
        const size_t first = i * o->sequences, count = rhm_least(o->sequences, o->n->last - first);
        status = rhm_dnnl_copy_run(&o->level[level].of.gather, onednn_stream(o, 0), o->part[i].y[level], rows, error);
        move_rows(rows, padded, out + first * positions * channels, channels, count * positions);
    }
    rhm_free(rows);
    return status;
}
