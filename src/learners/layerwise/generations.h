/*
 * The directory of a training's checkpoints. Files are numbered in the order in which they were written:
 *
 *     checkpoint-7.h5   the state of the training (checkpoint_file.h)
 *     samples-5.h5      the sample sets of the stage in hand, which change less often
 *
 * Two checkpoints are there at any time once there have been two, and the samples that they name. One process at a time
 * uses the directory.
 */
#ifndef RHM_LEARNERS_LAYERWISE_GENERATIONS_H
#define RHM_LEARNERS_LAYERWISE_GENERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

enum { RHM_GENERATIONS = 2 };

typedef struct rhm_generation {
    uint64_t number;  /* of checkpoint-NUMBER.h5 */
    uint64_t samples; /* of samples-NUMBER.h5, or 0: none, or not known */
} rhm_generation;

typedef struct rhm_generations {
    char *directory;       /* owned */
    int descriptor;        /* of the directory, locked; negative: closed */
    rhm_generation *found; /* (count, with places for RHM_GENERATIONS more), owned: newest first */
    size_t count;
    uint64_t next; /* the number for the next file */
} rhm_generations;

/*
 * Make the directory unless it is there, keep other processes out, remove what killed processes left half-written, and
 * look what is there.
 */
rhm_status rhm_generations_open(rhm_generations *out, const char *directory, rhm_error *error);
void rhm_generations_close(rhm_generations *generations); /* accepts one that was not opened, but zeroed */

/* The newest is of no use: the one before it counts as the newest. */
void rhm_generations_forget(rhm_generations *generations);

enum { RHM_GENERATION_PATH_NBYTES = 4096 };

/* DIRECTORY/checkpoint-NUMBER.h5, DIRECTORY/samples-NUMBER.h5; rhm_generations_open has seen that they fit. */
void rhm_checkpoint_path(const rhm_generations *generations, uint64_t number, char path[RHM_GENERATION_PATH_NBYTES]);
void rhm_samples_path(const rhm_generations *generations, uint64_t number, char path[RHM_GENERATION_PATH_NBYTES]);

/* RHM_IO, with the numbers, where the file system has no room for `nbytes` more. */
rhm_status rhm_generations_room(const rhm_generations *generations, uint64_t nbytes, rhm_error *error);

/* A checkpoint was written: it becomes the newest, and whatever RHM_GENERATIONS do not need is removed. */
rhm_status rhm_generations_add(rhm_generations *generations, rhm_generation fresh, rhm_error *error);

#endif
