/*
 * When a training writes checkpoints, which of them are kept, and from which one it goes on. What they hold is the
 * learner's. Failing to write one does not fail the training.
 */
#ifndef RHM_TRAINING_CHECKPOINTS_H
#define RHM_TRAINING_CHECKPOINTS_H

#include "rhm/learner.h"
#include "training/rotation.h"

/* What a learner does about its checkpoints. */
typedef struct rhm_checkpoint_content {
    /* Write the state after `seconds` of training to files of the rotation, the checkpoint last and rhm_rotation_add
     * after it. *nbytes: of what was written. */
    rhm_status (*write)(void *context, rhm_rotation *rotation, double seconds, uint64_t *nbytes, rhm_error *error);

    /* Take the state from rotation->found[0]; nothing of it is kept on failure. RHM_CORRUPT or RHM_IO: the file is
     * damaged, and the one before it may do. */
    rhm_status (*read)(void *context, rhm_rotation *rotation, double *seconds, rhm_error *error);
    void *context;
} rhm_checkpoint_content;

typedef struct rhm_checkpoints {
    rhm_checkpoint_options options;
    rhm_checkpoint_content content;
    rhm_checkpoint_report *report;
    const rhm_engine *engine;
    rhm_rotation rotation;
    double begin;        /* of the training on rhm_seconds' clock, earlier runs included */
    double last;         /* end of the last attempt to write, on the same clock */
    double last_seconds; /* that it took */
    bool last_failed;
    bool interrupted; /* the last checkpoint of an interrupted training was attempted */
    bool follows;     /* one of several ranks, of which the first writes, and chooses what all read */
} rhm_checkpoints;

/*
 * Open options->directory; with options->resume read the newest checkpoint that is whole (report->resumed says whether
 * there was one), otherwise refuse a directory that holds one. What differs from this training or this build is
 * refused, not skipped. Nothing to close on failure.
 */
rhm_status rhm_checkpoints_open(rhm_checkpoints *out, const rhm_engine *engine, const rhm_checkpoint_options *options,
                                rhm_checkpoint_report *report, rhm_checkpoint_content content, rhm_error *error);
void rhm_checkpoints_close(rhm_checkpoints *checkpoints);

/* The state is consistent at this moment, and the same on all ranks: write if it is time to, or if the engine was interrupted. */
void rhm_checkpoints_offer(rhm_checkpoints *checkpoints);

/* Write in any case. */
void rhm_checkpoints_write(rhm_checkpoints *checkpoints);

/* A sentence for the user. */
void rhm_checkpoints_note(const rhm_checkpoints *checkpoints, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
