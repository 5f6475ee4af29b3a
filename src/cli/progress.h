/*
 * One line on standard error that shows the running stage, how far it is, its rate and the time left. Silent in a pipe.
 * Where TERM is unset or "dumb" there are no escape sequences: a new line every ten seconds.
 */
#ifndef RHM_CLI_PROGRESS_H
#define RHM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "rhm/engine.h"

typedef enum rhm_progress_mode { RHM_PROGRESS_AUTO, RHM_PROGRESS_ON, RHM_PROGRESS_OFF } rhm_progress_mode;

/* Zeroed is a valid bar that stays silent. */
typedef struct rhm_progress_bar {
    bool on;
    bool drawn; /* a line is on the screen */
    char stage[64];
    uint64_t stage_first; /* units that were done when the stage began */
    double stage_started; /* seconds of the monotonic clock */
    double last_drawn;
    bool plain; /* a terminal without escape sequences, or none that is known: lines, now and then */

    /* Of the whole job, where it has an end that can be foreseen: see rhm_progress_overall. */
    double done, expected, before, begun; /* work; what had been done when the display began, and when that was */
} rhm_progress_bar;

rhm_progress_bar rhm_progress_open(rhm_progress_mode mode);

/* To be an rhm_engine_options.progress, with the bar as `user`. Redraws at most ten times a second within a stage. */
void rhm_progress_show(void *bar, const rhm_progress *progress);

/* Of a job of several stages `done` of `expected` is done, in units of work. The line shows that from now on, with the
 * time since the first call and the time left, and the stage behind it; 0 expected: the stage alone again. */
void rhm_progress_overall(rhm_progress_bar *bar, double done, double expected);

/* Erase the line, so that other text starts on a clean one. */
void rhm_progress_clear(rhm_progress_bar *bar);

/* Seconds of the monotonic clock. */
double rhm_progress_seconds(void);

#endif
