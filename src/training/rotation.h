/*
 * The directory of a training's checkpoints. Files are numbered in the order in which they were written:
 *
 *     checkpoint-7.h5   the state of the training
 *     samples-5.h5      the sample sets of the stage in hand, which change less often
 *
 * Two checkpoints are there at any time once there have been two, and the samples that they name. One process at a time
 * uses the directory.
 */
#ifndef RHM_TRAINING_ROTATION_H
#define RHM_TRAINING_ROTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

enum { RHM_CHECKPOINTS_KEPT = 2 };

typedef struct rhm_kept_files {
    uint64_t number;  /* of checkpoint-NUMBER.h5 */
    uint64_t samples; /* of samples-NUMBER.h5, or 0: none, or not known */
} rhm_kept_files;

typedef struct rhm_rotation {
    char *directory;       /* owned */
    int descriptor;        /* of the directory, locked; negative: closed */
    rhm_kept_files *found; /* (count, with places for RHM_CHECKPOINTS_KEPT more), owned: newest first */
    size_t count;
    uint64_t next; /* the number for the next file */
} rhm_rotation;

/*
 * Make the directory unless it is there, keep other processes out, remove what killed processes left half-written, and
 * look what is there.
 */
rhm_status rhm_rotation_open(rhm_rotation *out, const char *directory, rhm_error *error);

/* A directory that another process keeps, of which only one checkpoint is known. */
rhm_status rhm_rotation_name(rhm_rotation *out, const char *directory, uint64_t number, rhm_error *error);

void rhm_rotation_close(rhm_rotation *rotation); /* accepts one that was not opened, but zeroed */

/* The newest is of no use: the one before it counts as the newest. */
void rhm_rotation_forget(rhm_rotation *rotation);

enum { RHM_CHECKPOINT_PATH_NBYTES = 4096 };

/* DIRECTORY/checkpoint-NUMBER.h5, DIRECTORY/samples-NUMBER.h5; rhm_rotation_open has seen that they fit. */
void rhm_checkpoint_path(const rhm_rotation *rotation, uint64_t number, char path[RHM_CHECKPOINT_PATH_NBYTES]);
void rhm_samples_path(const rhm_rotation *rotation, uint64_t number, char path[RHM_CHECKPOINT_PATH_NBYTES]);

/* RHM_IO, with the numbers, where the file system has no room for `nbytes` more. */
rhm_status rhm_rotation_room(const rhm_rotation *rotation, uint64_t nbytes, rhm_error *error);

/* A checkpoint was written: it becomes the newest, and whatever RHM_CHECKPOINTS_KEPT do not need is removed. */
rhm_status rhm_rotation_add(rhm_rotation *rotation, rhm_kept_files fresh, rhm_error *error);

#endif
