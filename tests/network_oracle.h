/*
 * A network of non-overlapping convolutions in double precision, straight from its formulas: inputs are one-hot vectors
 * that exist, every sum is written out. What the tests of src/network compare with.
 */
#ifndef RHM_TESTS_NETWORK_ORACLE_H
#define RHM_TESTS_NETWORK_ORACLE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network/network.h"

typedef struct oracle {
    const rhm_network_shape *shape;
    rhm_network_layout layout;
    double *y[RHM_MAX_LEVELS + 2];  /* [l]: (positions, h_l) of one sequence; [levels + 1]: the input (d, V) */
    double *dy[RHM_MAX_LEVELS + 2]; /* their gradients */
} oracle;

static inline size_t oracle_positions(const oracle *o, uint32_t l) {
    return l == o->shape->levels + 1 ? o->layout.tokens : o->layout.positions[l];
}

static inline size_t oracle_channels(const oracle *o, uint32_t l) {
    return l == o->shape->levels + 1 ? o->shape->vocab : o->layout.outputs[l];
}

static inline oracle oracle_make(const rhm_network_shape *shape) {
    oracle o = {.shape = shape};
    if (rhm_network_layout_init(&o.layout, shape, NULL) != RHM_OK)
        abort();
    for (uint32_t l = 0; l <= shape->levels + 1; l++) {
        o.y[l] = calloc(oracle_positions(&o, l) * oracle_channels(&o, l), sizeof(double));
        o.dy[l] = calloc(oracle_positions(&o, l) * oracle_channels(&o, l), sizeof(double));
    }
    return o;
}

static inline void oracle_free(oracle *o) {
    for (uint32_t l = 0; l <= o->shape->levels + 1; l++) {
        free(o->y[l]);
        free(o->dy[l]);
    }
}

/* Where weight (t, k, c) of level l is. */
static inline size_t oracle_weight(const oracle *o, uint32_t l, size_t t, size_t k, size_t c) {
    return o->layout.weights[l] + (t * o->layout.inputs[l] + k) * o->layout.outputs[l] + c;
}

/* Logits of one sequence are then y[0]. */
static inline void oracle_forward(oracle *o, const double *p, const uint16_t *tokens) {
    const rhm_network_shape *s = o->shape;
    for (size_t i = 0; i < o->layout.tokens; i++)
        for (size_t v = 0; v < s->vocab; v++)
            o->y[s->levels + 1][i * s->vocab + v] = (double)s->input_scale * (tokens[i] == v) + (double)s->input_shift;
    for (uint32_t l = s->levels; l >= 1; l--)
        for (size_t i = 0; i < o->layout.positions[l]; i++)
            for (size_t c = 0; c < s->width[l]; c++) {
                double sum = 0;
                for (size_t t = 0; t < s->branching[l]; t++)
                    for (size_t k = 0; k < o->layout.inputs[l]; k++)
                        sum += o->y[l + 1][(i * s->branching[l] + t) * o->layout.inputs[l] + k] *
                               p[oracle_weight(o, l, t, k, c)];
                sum *= (double)s->weight_scale[l];
                if (s->bias)
                    sum += (double)s->bias_scale * p[o->layout.bias[l] + i * s->width[l] + c];
                o->y[l][i * s->width[l] + c] = sum <= 0 ? 0 : sum;
            }
    for (size_t c = 0; c < s->classes; c++) {
        double sum = 0;
        for (size_t i = 0; i < s->positions; i++)
            for (size_t k = 0; k < s->width[1]; k++)
                sum += o->y[1][i * s->width[1] + k] * p[oracle_weight(o, 0, 0, k, c)];
        o->y[0][c] = (double)s->readout_scale * sum / (double)s->positions;
    }
}

/* Cross-entropy of one sequence after oracle_forward. */
static inline double oracle_loss(const oracle *o, uint16_t label) {
    double most = -INFINITY, sum = 0;
    for (size_t c = 0; c < o->shape->classes; c++)
        most = fmax(most, o->y[0][c]);
    for (size_t c = 0; c < o->shape->classes; c++)
        sum += exp(o->y[0][c] - most);
    return log(sum) + most - o->y[0][label];
}

/* Adds `share` times the gradient of the loss of the last sequence to g. */
static inline void oracle_backward(oracle *o, const double *p, uint16_t label, double share, double *g) {
    const rhm_network_shape *s = o->shape;
    for (size_t c = 0; c < s->classes; c++)
        o->dy[0][c] = share * (exp(-oracle_loss(o, label) + o->y[0][c] - o->y[0][label]) - (c == label));
    memset(o->dy[1], 0, sizeof(double) * s->positions * s->width[1]);
    for (size_t i = 0; i < s->positions; i++)
        for (size_t k = 0; k < s->width[1]; k++)
            for (size_t c = 0; c < s->classes; c++) {
                const double by = (double)s->readout_scale / (double)s->positions * o->dy[0][c];
                g[oracle_weight(o, 0, 0, k, c)] += by * o->y[1][i * s->width[1] + k];
                o->dy[1][i * s->width[1] + k] += by * p[oracle_weight(o, 0, 0, k, c)];
            }
    for (uint32_t l = 1; l <= s->levels; l++) {
        memset(o->dy[l + 1], 0, sizeof(double) * oracle_positions(o, l + 1) * oracle_channels(o, l + 1));
        for (size_t i = 0; i < o->layout.positions[l]; i++)
            for (size_t c = 0; c < s->width[l]; c++) {
                if (o->y[l][i * s->width[l] + c] == 0)
                    continue;
                const double own = o->dy[l][i * s->width[l] + c], by = (double)s->weight_scale[l] * own;
                if (s->bias)
                    g[o->layout.bias[l] + i * s->width[l] + c] += (double)s->bias_scale * own;
                for (size_t t = 0; t < s->branching[l]; t++)
                    for (size_t k = 0; k < o->layout.inputs[l]; k++) {
                        const size_t at = (i * s->branching[l] + t) * o->layout.inputs[l] + k;
                        g[oracle_weight(o, l, t, k, c)] += by * o->y[l + 1][at];
                        o->dy[l + 1][at] += by * p[oracle_weight(o, l, t, k, c)];
                    }
            }
    }
}

/* Adds penalty times the mean square of each tensor to the loss, its gradient to g. */
static inline double oracle_penalty(const oracle *o, const double *p, double penalty, double *g) {
    double loss = 0;
    size_t at = 0;
    while (at < o->layout.parameters) {
        size_t end = o->layout.parameters;
        for (uint32_t l = 0; l <= o->shape->levels; l++) {
            if (o->layout.weights[l] > at && o->layout.weights[l] < end)
                end = o->layout.weights[l];
            if (o->layout.bias[l] > at && o->layout.bias[l] < end)
                end = o->layout.bias[l];
        }
        for (size_t i = at; i < end; i++) {
            loss += penalty * p[i] * p[i] / (double)(end - at);
            g[i] += 2 * penalty * p[i] / (double)(end - at);
        }
        at = end;
    }
    return loss;
}

/* Mean loss of a batch, and its gradient g (parameters). */
static inline double oracle_gradient(oracle *o, const double *p, const uint16_t *tokens, const uint16_t *labels,
                                     size_t count, double penalty, double *g) {
    double loss = 0;
    memset(g, 0, sizeof *g * o->layout.parameters);
    for (size_t i = 0; i < count; i++) {
        oracle_forward(o, p, tokens + i * o->layout.tokens);
        loss += oracle_loss(o, labels[i]) / (double)count;
        oracle_backward(o, p, labels[i], 1 / (double)count, g);
    }
    return loss + oracle_penalty(o, p, penalty, g);
}

#endif
