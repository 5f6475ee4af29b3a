/*
 * Gradient descent of a network, a step after the other. All that a step depends on is in rhm_cnn_descent, so that a
 * checkpoint between two steps goes on to the same bits.
 *
 * A stage trains some levels: all of them end to end; or, level L first, the convolution of one level together with a
 * readout of its own, while the levels below stay as the stages before have left them.
 */
#ifndef RHM_LEARNERS_CNN_DESCENT_H
#define RHM_LEARNERS_CNN_DESCENT_H

#include "learners/cnn/recipe.h"
#include "learners/cnn/sequences.h"

typedef struct rhm_cnn_descent {
    const rhm_engine *engine;
    const rhm_problem *problem;
    const rhm_train_options *options;
    const rhm_cnn_recipe *recipe;
    rhm_cnn_sequences *sequences;
    rhm_train_report *report; /* its epochs grow */

    rhm_network_shape shape; /* of the whole network */
    rhm_network_layout layout;
    float *parameters; /* (layout.parameters): of stages that are finished, and initial ones; owned */
    size_t reserved;   /* bytes of the engine's account: these, and copies that checkpoints and stages make */

    /* The stage in hand. */
    uint32_t level;       /* its convolution 1 is that of this level; 0: all are finished */
    rhm_network *network; /* NULL between stages */
    size_t first_epoch;   /* of the report that is the stage's */

    /* The epoch in hand, the one after those of the report. */
    size_t done; /* sequences */
    double loss; /* sum of them */
    uint64_t correct;
    double seconds; /* of them, before `clock` */
    double clock;   /* since when more seconds pass, on rhm_seconds' */

    uint16_t *token, *label; /* of a batch; owned */
    char words[64];          /* what the progress display calls the epoch */
    int span;
} rhm_cnn_descent;

/* Before the first step, with initial parameters. Everything is borrowed; finally, and on failure: clear. */
rhm_status rhm_cnn_descent_init(rhm_cnn_descent *out, const rhm_engine *engine, const rhm_problem *problem,
                                const rhm_train_options *options, const rhm_cnn_recipe *recipe,
                                rhm_cnn_sequences *sequences, rhm_train_report *report, rhm_error *error);
void rhm_cnn_descent_clear(rhm_cnn_descent *descent);

/* Begin the stage `level`, with what the finished ones have left and no momenta. */
rhm_status rhm_cnn_descent_enter(rhm_cnn_descent *descent, rhm_error *error);

/* Whether the stage has reached its loss or its number of epochs. */
bool rhm_cnn_descent_ended(const rhm_cnn_descent *descent);

/* Keep what the stage has found; the next one is to be entered, or level is 0. RHM_FAILED where parameters are not
 * finite. */
rhm_status rhm_cnn_descent_leave(rhm_cnn_descent *descent, rhm_error *error);

/* One step; at the end of an epoch its report too. RHM_INTERRUPTED: nothing was done. RHM_FAILED: the loss is not
 * finite. */
rhm_status rhm_cnn_descent_step(rhm_cnn_descent *descent, rhm_error *error);

/* Sequences of a step, of P. */
size_t rhm_cnn_batch(const rhm_cnn_recipe *recipe, size_t sequences);

/* Multiply-adds of a step for each sequence, of the network of a stage: forward, and backward to what is trained. */
double rhm_cnn_multiply_adds(const rhm_network_shape *shape, const rhm_network_layout *layout, bool whole);

#endif
