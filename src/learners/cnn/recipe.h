/*
 * What a training of a convolutional network is: every number of a published protocol, with those replaced that the
 * options give, checked.
 */
#ifndef RHM_LEARNERS_CNN_RECIPE_H
#define RHM_LEARNERS_CNN_RECIPE_H

#include "network/network.h"
#include "training/problem.h"

typedef struct rhm_cnn_recipe {
    const char *protocol;             /* its name */
    size_t width[RHM_MAX_LEVELS + 1]; /* [l]: h_l; [0] of a protocol: of all levels */
    rhm_bias bias;                    /* choices are made: none is PROTOCOL */
    rhm_weight_scale weight_scale;
    rhm_whitening whitening;
    rhm_rate_schedule rate_schedule;
    rhm_sequence_sampling sampling;
    rhm_schedule schedule;
    rhm_arithmetic arithmetic;
    double bias_scale;
    double learning_rate;         /* over h_1 */
    double momentum, regulariser; /* 0: none */
    double rate_period;
    double loss_threshold; /* negative: none */
    uint64_t batch, epochs;
    uint64_t sequences;                   /* P; 0: as many as there are, at most 32768 of a grammar */
    size_t positions[RHM_MAX_LEVELS + 1]; /* [l]: patches that level l is trained on, by level */
} rhm_cnn_recipe;

/* The protocols, the default first; NULL beyond the last. Names are static. */
const rhm_cnn_recipe *rhm_cnn_protocol(size_t i);

/* RHM_INVALID, with what is allowed, for an unknown protocol, and for options that contradict it, each other or the
 * problem. */
rhm_status rhm_cnn_recipe_make(rhm_cnn_recipe *out, const rhm_problem *problem, const rhm_train_options *options,
                               rhm_error *error);

/* Size of a step in epoch 0, 1, ...: from a fixed sequence of exactly rounded operations. */
double rhm_cnn_rate(const rhm_cnn_recipe *recipe, uint64_t epoch);

/*
 * The network that levels L, ..., `level` are, on `positions` patches of `level`, and a readout; that of level 1 is the
 * whole. Its convolution k is level + k - 1.
 */
void rhm_cnn_network(rhm_network_shape *out, const rhm_cnn_recipe *recipe, const rhm_problem *problem, uint32_t level,
                     size_t positions);

/* A network of this shape with the arithmetic that was asked for. RHM_INVALID for ranks with a backend other than
 * native. */
rhm_status rhm_cnn_network_make(rhm_network **out, const rhm_cnn_recipe *recipe, const rhm_engine *engine,
                                const rhm_network_shape *shape, size_t batch, rhm_error *error);

/* "without-replacement", ... as the command has them. */
const char *rhm_cnn_sampling_name(rhm_sequence_sampling sampling);

#endif
