/*
 * Checkpoints of a training: when they are written, and how an interrupted one goes on.
 *
 * Finished levels are kept as they are; of the level in hand the state of its search, the best fit, its sample sets and
 * the state of a solver at work, from which all else follows to the same bits. Failing to write a checkpoint does not
 * fail the training. All functions accept NULL, the checkpoint of a training without: they do nothing then.
 */
#ifndef RHM_LEARNERS_LAYERWISE_CHECKPOINT_H
#define RHM_LEARNERS_LAYERWISE_CHECKPOINT_H

#include "learners/layerwise/trainer.h"

typedef struct rhm_checkpoint rhm_checkpoint;

/*
 * *out is NULL where `options` ask for no checkpoints. With options->checkpoint.resume, what the directory holds is
 * read: finished levels go to `model` and `report`, positions of these and of the level in hand to the task, and the
 * rest waits for rhm_checkpoint_enter. Everything is borrowed.
 */
rhm_status rhm_checkpoint_open(rhm_checkpoint **out, const rhm_engine *engine, rhm_training_setup *setup,
                               const rhm_train_options *options, rhm_model *model, rhm_train_report *report,
                               rhm_error *error);
void rhm_checkpoint_close(rhm_checkpoint *checkpoint);

/* When the training began on rhm_seconds' clock, earlier runs included; without checkpoints that is now. */
double rhm_checkpoint_begin(const rhm_checkpoint *checkpoint);

/* Whether the level was finished before. */
bool rhm_checkpoint_has(const rhm_checkpoint *checkpoint, uint32_t level);

/* Whether a level in hand was read, which rhm_checkpoint_enter will go on with. */
bool rhm_checkpoint_begun(const rhm_checkpoint *checkpoint);

/* The stage in hand from here on, as it was if it was interrupted; sets its begin and clock. */
void rhm_checkpoint_enter(rhm_checkpoint *checkpoint, rhm_stage *stage);

/* No stage is in hand; `finished`: the model has its level now. */
void rhm_checkpoint_leave(rhm_checkpoint *checkpoint, bool finished);

/* Everything is consistent at this moment: write if it is time to, or if the engine was interrupted. */
void rhm_checkpoint_offer(rhm_checkpoint *checkpoint);

#endif
