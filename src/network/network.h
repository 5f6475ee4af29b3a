/*
 * A network of non-overlapping convolutions, the hierarchical CNN of the literature: what one forward pass and one step
 * of stochastic gradient descent are. README.md is the contract: formulas, order of operations, error bounds.
 *
 * Convolution l = L, ..., 1 turns every patch of s_l neighbouring positions into one position of h_l channels:
 *   y = max(0, weight_scale_l W_l x + bias_scale b_l),
 * the inputs of convolution L are a position's V channels, input_scale [v is the token] + input_shift, those of the
 * others the outputs of convolution l + 1. Outputs of convolution 1 are averaged over the positions that it leaves, and
 *   logits = readout_scale W_0 mean.
 *
 * One caller at a time for each network. All functions may be called while no other work of the engine runs.
 */
#ifndef RHM_NETWORK_NETWORK_H
#define RHM_NETWORK_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"
#include "rhm/grammar.h"

/* By level: [l] belongs to convolution l = 1..L, [0], where there is one, to the readout. */
typedef struct rhm_network_shape {
    uint32_t levels;                        /* L >= 1 */
    uint32_t branching[RHM_MAX_LEVELS + 1]; /* [l]: s_l >= 1 */
    size_t positions;                       /* that convolution 1 leaves; 1 where the network covers the whole tree */
    size_t vocab;                           /* V, 1..RHM_MAX_VOCAB */
    size_t classes;                         /* n_c, 1..RHM_MAX_VOCAB */
    size_t width[RHM_MAX_LEVELS + 1];       /* [l]: h_l >= 1, channels out of convolution l */
    bool bias;                              /* one number per channel and position of each convolution */
    float weight_scale[RHM_MAX_LEVELS + 1];
    float bias_scale, readout_scale;
    float input_scale, input_shift;
} rhm_network_shape;

/*
 * All parameters are one array of floats: for l = L, ..., 1 the weights (s_l, channels in, h_l) and, with biases, b_l
 * (positions, h_l); then the readout (h_1, n_c). [0] is the readout's.
 */
typedef struct rhm_network_layout {
    size_t inputs[RHM_MAX_LEVELS + 1];    /* [l]: channels in: V for l = L, else h_{l+1}; [0]: h_1 */
    size_t outputs[RHM_MAX_LEVELS + 1];   /* [l]: h_l; [0]: n_c */
    size_t positions[RHM_MAX_LEVELS + 1]; /* [l]: after convolution l; [0]: 1 */
    size_t weights[RHM_MAX_LEVELS + 1];   /* offset */
    size_t bias[RHM_MAX_LEVELS + 1];      /* offset; where there are none, and [0]: that of what comes next */
    size_t tokens;                        /* d: of a sequence */
    size_t parameters;                    /* floats in all */
} rhm_network_layout;

/* RHM_INVALID for extents that are out of range, RHM_NO_MEMORY where sizes overflow. */
rhm_status rhm_network_layout_init(rhm_network_layout *out, const rhm_network_shape *shape, rhm_error *error);

/* Weights of level l: as many multiply-adds at each of its positions. */
static inline size_t rhm_network_weights(const rhm_network_layout *layout, const rhm_network_shape *shape, uint32_t l) {
    return (l == 0 ? 1 : shape->branching[l]) * layout->inputs[l] * layout->outputs[l];
}

/* Multiply-adds of a sequence in a pass; of convolution L, whose products do not happen, the additions. */
double rhm_network_multiply_adds(const rhm_network_shape *shape, const rhm_network_layout *layout);

typedef struct rhm_network rhm_network;

/*
 * Memory for `batch` >= 1 sequences at a time. The engine, its backend and its instruction set are used from here on;
 * it must outlive the network. Parameters and momenta are zero. The backend "auto" measures both on this shape, unless
 * it has done so before, level by level and phase by phase, and takes the one that is faster in all; native where that
 * is less than 5 % slower.
 */
rhm_status rhm_network_make(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape, size_t batch,
                            rhm_error *error);

/*
 * The same with bfloat16 activations and weights in all products, by oneDNN; parameters, sums and steps are floats.
 * RHM_UNSUPPORTED with the backend "native", and on CPUs that do not multiply such numbers.
 */
rhm_status rhm_network_make_narrow(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape,
                                   size_t batch, rhm_error *error);

/*
 * As rhm_network_make, for steps that the engine's ranks share where that pays: the same bits, but every rank must make
 * each step, on the same sequences, and holds activations of its own part only. Forward passes and evaluations are each
 * rank's own. The same network where there are no ranks, or the backend is not native.
 */
rhm_status rhm_network_make_shared(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape,
                                   size_t batch, rhm_error *error);
void rhm_network_free(rhm_network *network); /* accepts NULL */

/* Who computes it: "native", "onednn" or "onednn bfloat16". The bits of the first are the same everywhere. */
const char *rhm_network_backend(const rhm_network *network);

const rhm_network_layout *rhm_network_layout_of(const rhm_network *network);
size_t rhm_network_batch(const rhm_network *network);

/* Bytes that the native network of this shape will ask for, and besides for each thread. RHM_NO_MEMORY where they
 * overflow. */
rhm_status rhm_network_nbytes(size_t *out, size_t *of_thread, const rhm_network_shape *shape, size_t batch,
                              rhm_error *error);

/* Set or get all parameters and the momenta, (layout.parameters) each; momenta NULL: zeros; not asked for. Should
 * oneDNN fail to copy them out, they are not numbers. */
rhm_status rhm_network_load(rhm_network *network, const float *parameters, const float *momenta, rhm_error *error);
void rhm_network_store(const rhm_network *network, float *parameters, float *momenta);

/* Logits (count, n_c) of tokens (count, d), every one below V; any count. Fails only by interruption. */
rhm_status rhm_network_forward(rhm_network *network, const uint16_t *tokens, size_t count, float *logits,
                               rhm_error *error);

/*
 * Outputs of convolution `level` of the sequences that the last forward pass or step ended with, the last
 * (count - 1) % batch + 1 of them, of a shared step the own part: (those, positions, h_level). Not numbers should
 * oneDNN fail to copy them.
 */
void rhm_network_hidden(const rhm_network *network, uint32_t level, float *out);

/*
 * Stochastic gradient descent of the mean over the batch of the cross-entropy, plus penalty times the mean square of
 * each tensor (weights, bias or readout of a level): g = gradient, v = momentum v + g, p = p - rate v.
 */
typedef struct rhm_network_rule {
    float rate, momentum, penalty;
    bool frozen[RHM_MAX_LEVELS + 1]; /* [l]: weights and bias of level l stay, and so do their momenta */
} rhm_network_rule;

typedef struct rhm_network_result {
    double loss;    /* sum of the cross-entropies, without the penalty; not finite once the network has diverged */
    size_t correct; /* whose largest logit, the first of equals, is the label's */
} rhm_network_result;

/*
 * One step on `count`, 1..batch, sequences; results are of the parameters before it. A step is done wholly or not at
 * all: RHM_INTERRUPTED, and any failure of a rank, mean that nothing has changed. Labels are below n_c.
 */
rhm_status rhm_network_step(rhm_network *network, const uint16_t *tokens, const uint16_t *labels, size_t count,
                            const rhm_network_rule *rule, rhm_network_result *out, rhm_error *error);

/* The same numbers without a step; any count. */
rhm_status rhm_network_evaluate(rhm_network *network, const uint16_t *tokens, const uint16_t *labels, size_t count,
                                rhm_network_result *out, rhm_error *error);

#endif
