/*
 * Checkpoints of gradient descent, between two steps. In the file:
 *
 *     /run      attributes: the fingerprint of the training; level, first_epoch, done, loss, correct, steps, visits,
 *               reached, seconds (of the training), epoch_seconds
 *     /epochs   rows: a table of the epochs' reports, where there are any
 *     /whole    parameters of stages that are finished, and initial ones
 *     /backend  what --backend auto has chosen (training/backend_choices.h)
 *     /stage    parameters and momenta of the stage in hand, where there is one
 *
 * The order of sequences and the sequences themselves follow from the seed and the epoch.
 */
#ifndef RHM_LEARNERS_CNN_CHECKPOINT_H
#define RHM_LEARNERS_CNN_CHECKPOINT_H

#include "learners/cnn/descent.h"
#include "training/checkpoints.h"
#include "training/fingerprint.h"

typedef struct rhm_cnn_checkpoint {
    rhm_checkpoints files;
    rhm_fingerprint fingerprint;
    rhm_cnn_descent *descent;
} rhm_cnn_checkpoint;

/*
 * With options->checkpoint.resume, `descent`, which has been initialised, becomes what the directory holds, its stage
 * entered. *out is NULL where `options` ask for no checkpoints; the other functions do nothing then.
 */
rhm_status rhm_cnn_checkpoint_open(rhm_cnn_checkpoint **out, rhm_cnn_descent *descent, rhm_error *error);
void rhm_cnn_checkpoint_close(rhm_cnn_checkpoint *checkpoint);

/* The descent is between two steps: write if it is time to, or if the engine was interrupted. */
void rhm_cnn_checkpoint_offer(rhm_cnn_checkpoint *checkpoint);

/* A stage is finished: write. */
void rhm_cnn_checkpoint_write(rhm_cnn_checkpoint *checkpoint);

/* When the training began on rhm_seconds' clock, earlier runs included. */
double rhm_cnn_checkpoint_begin(const rhm_cnn_checkpoint *checkpoint, double now);

#endif
