/* Extents and offsets of a network, every product of them checked; its work, for traces. */
#include <inttypes.h>

#include "core/fail.h"
#include "core/memory.h"
#include "kernels/kernels.h"
#include "network/parts.h"

static rhm_status check_level(const rhm_network_shape *s, uint32_t l, rhm_error *error) {
    if (s->branching[l] < 1 || s->branching[l] > RHM_MAX_BRANCHING)
        return rhm_fail(error, RHM_INVALID, "convolution %" PRIu32 " takes %" PRIu32 " positions: allowed are 1 to %d",
                        l, s->branching[l], RHM_MAX_BRANCHING);
    if (s->width[l] < 1 || s->width[l] > RHM_NETWORK_WIDTH)
        return rhm_fail(error, RHM_INVALID, "convolution %" PRIu32 " has %zu channels: allowed are 1 to %d", l,
                        s->width[l], RHM_NETWORK_WIDTH);
    return RHM_OK;
}

static rhm_status check(const rhm_network_shape *s, rhm_error *error) {
    if (s->levels < 1 || s->levels > RHM_MAX_LEVELS)
        return rhm_fail(error, RHM_INVALID, "a network of %" PRIu32 " convolutions: allowed are 1 to %d", s->levels,
                        RHM_MAX_LEVELS);
    if (s->vocab < 1 || s->vocab > RHM_MAX_VOCAB)
        return rhm_fail(error, RHM_INVALID, "a network of %zu tokens: allowed are 1 to %d", s->vocab, RHM_MAX_VOCAB);
    if (s->classes < 1 || s->classes > RHM_MAX_VOCAB)
        return rhm_fail(error, RHM_INVALID, "a network of %zu classes: allowed are 1 to %d", s->classes, RHM_MAX_VOCAB);
    if (s->positions < 1)
        return rhm_fail(error, RHM_INVALID, "a network leaves at least 1 position");
    for (uint32_t l = 1; l <= s->levels; l++)
        RHM_TRY(check_level(s, l, error));
    return RHM_OK;
}

/* *offset += a b c */
static bool take(size_t *offset, size_t a, size_t b, size_t c) {
    return rhm_size_mul(&a, b) && rhm_size_mul(&a, c) && !__builtin_add_overflow(*offset, a, offset);
}

rhm_status rhm_network_layout_init(rhm_network_layout *out, const rhm_network_shape *shape, rhm_error *error) {
    RHM_TRY(check(shape, error));
    rhm_network_layout o = {.positions = {[0] = 1, [1] = shape->positions}};
    bool fits = true;
    for (uint32_t l = 1; l < shape->levels; l++) {
        o.positions[l + 1] = o.positions[l];
        fits = fits && rhm_size_mul(&o.positions[l + 1], shape->branching[l]);
    }
    o.tokens = o.positions[shape->levels];
    fits = fits && rhm_size_mul(&o.tokens, shape->branching[shape->levels]);
    for (uint32_t l = shape->levels; l >= 1; l--) {
        o.inputs[l] = l == shape->levels ? shape->vocab : shape->width[l + 1];
        o.outputs[l] = shape->width[l];
        o.weights[l] = o.parameters;
        fits = fits && take(&o.parameters, shape->branching[l], o.inputs[l], o.outputs[l]);
        o.bias[l] = o.parameters;
        fits = fits && take(&o.parameters, shape->bias ? 1 : 0, o.positions[l], o.outputs[l]);
    }
    o.inputs[0] = shape->width[1];
    o.outputs[0] = shape->classes;
    o.weights[0] = o.parameters;
    fits = fits && take(&o.parameters, 1, o.inputs[0], o.outputs[0]);
    o.bias[0] = o.parameters;
    if (!fits || o.parameters > SIZE_MAX / (16 * RHM_LANES * sizeof(float)))
        return rhm_fail(error, RHM_NO_MEMORY,
                        "a network of %" PRIu32 " convolutions with up to %zu channels: its size overflows",
                        shape->levels, rhm_network_widest(shape));
    *out = o;
    return RHM_OK;
}

size_t rhm_network_widest(const rhm_network_shape *shape) {
    size_t widest = 0;
    for (uint32_t l = 1; l <= shape->levels; l++)
        widest = shape->width[l] > widest ? shape->width[l] : widest;
    return widest;
}

double rhm_network_multiply_adds(const rhm_network_shape *shape, const rhm_network_layout *layout) {
    double sum = 0;
    for (uint32_t l = 0; l <= shape->levels; l++) {
        const double inputs = l < shape->levels ? (double)layout->inputs[l] : 1;
        sum += (double)layout->positions[l] * (l ? shape->branching[l] : 1) * inputs * (double)layout->outputs[l];
    }
    return sum;
}

rhm_span_work rhm_network_work(const rhm_network *n, uint32_t l) {
    const rhm_network_level *v = &n->level[l];
    const bool tokens = l == n->shape.levels;
    const double rows = (double)(n->last * v->positions), inputs = (double)(v->taps * v->inputs);
    const double weights = inputs * (double)v->outputs, read = tokens ? (double)v->taps : inputs;
    return (rhm_span_work){.flops = tokens ? 0 : 2 * rows * weights,
                           .nbytes = sizeof(float) * (rows * (read + (double)v->outputs) + weights),
                           .items = (double)n->last};
}
