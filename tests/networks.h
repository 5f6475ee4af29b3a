/* Networks drawn at random, for the tests of src/network. */
#ifndef RHM_TESTS_NETWORKS_H
#define RHM_TESTS_NETWORKS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/philox.h"
#include "engine/registry.h"
#include "network_oracle.h"

static rhm_random network_source = {.seed = 20260716, .stream = 1 << 21};

static inline size_t network_below(size_t bound) {
    return rhm_random_below(&network_source, (uint32_t)bound);
}

static inline double network_uniform(void) {
    return 2 * (double)rhm_random_word(&network_source) * 0x1p-32 - 1;
}

/* Roughly normal. */
static inline float network_normal(void) {
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += network_uniform();
    return (float)(sum / 2);
}

/* The two published protocols' numbers. */
static inline rhm_network_shape network_shape(uint32_t levels, uint32_t branching, size_t vocab, size_t classes,
                                              size_t width, bool whitened) {
    const double v = (double)vocab, q = 1 / sqrt(v > 1 ? v - 1 : 1), deviation = sqrt(v > 1 ? 1 - 1 / v : 1);
    rhm_network_shape s = {.levels = levels, .positions = 1, .vocab = vocab, .classes = classes, .bias = whitened};
    for (uint32_t l = 1; l <= levels; l++) {
        s.branching[l] = branching;
        s.width[l] = width;
        s.weight_scale[l] = (float)(1 / sqrt((l == levels ? v : (double)width) * (whitened ? 1 : (double)branching)));
    }
    s.bias_scale = 0.1f;
    s.readout_scale = (float)(1 / (double)width);
    s.input_scale = (float)(whitened ? 1 + q : 1 / deviation);
    s.input_shift = (float)(whitened ? -q : -1 / v / deviation);
    return s;
}

typedef struct problem {
    rhm_network_shape shape;
    rhm_network_layout layout;
    size_t count;
    float *parameters;
    uint16_t *tokens, *labels;
} problem;

static inline problem problem_of(const rhm_network_shape *shape, size_t count) {
    problem p = {.shape = *shape, .count = count};
    rhm_error error = {0};
    if (rhm_network_layout_init(&p.layout, shape, &error) != RHM_OK)
        fail_msg("%s", error.text);
    p.parameters = calloc(p.layout.parameters, sizeof *p.parameters);
    p.tokens = calloc(count * p.layout.tokens, sizeof *p.tokens);
    p.labels = calloc(count, sizeof *p.labels);
    for (size_t i = 0; i < p.layout.parameters; i++)
        p.parameters[i] = network_normal();
    /* A readout of the convolutions' size: gradients are then not small. */
    for (size_t i = p.layout.weights[0]; i < p.layout.parameters; i++)
        p.parameters[i] *= sqrtf((float)shape->width[1]);
    for (size_t i = 0; i < count * p.layout.tokens; i++)
        p.tokens[i] = (uint16_t)network_below(shape->vocab);
    for (size_t i = 0; i < count; i++)
        p.labels[i] = (uint16_t)network_below(shape->classes);
    return p;
}

static inline void problem_free(problem *p) {
    free(p->parameters);
    free(p->tokens);
    free(p->labels);
}

static inline rhm_engine *network_engine(const char *isa, const char *backend, int threads) {
    const rhm_engine_options options = {.isa = isa, .backend = backend, .threads = threads, .placement = "none"};
    rhm_engine *engine;
    rhm_error error = {0};
    if (rhm_engine_create(&engine, &options, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return engine;
}

static inline rhm_network *network_of(const problem *p, const rhm_engine *engine, size_t batch) {
    rhm_network *network;
    rhm_error error = {0};
    if (rhm_network_make(&network, engine, &p->shape, batch, &error) != RHM_OK ||
        rhm_network_load(network, p->parameters, NULL, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return network;
}

#endif
