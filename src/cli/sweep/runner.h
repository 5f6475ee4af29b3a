/*
 * Cells side by side, each on cores of its own, the longest first. What a cell said is in the store soon after it has
 * ended.
 */
#ifndef RHM_CLI_SWEEP_RUNNER_H
#define RHM_CLI_SWEEP_RUNNER_H

#include "cli/progress.h"
#include "cli/sweep/forecast.h"
#include "cli/sweep/remote.h"
#include "cli/sweep/store.h"

typedef struct rhm_sweep_job {
    rhm_sweep_cell cell; /* owned */
    size_t class;
    size_t number; /* in the order of adding */
} rhm_sweep_job;

/* Cores, and who is on them. */
typedef struct rhm_sweep_place {
    const rhm_core_set *cores;
    int rank, number;   /* whose cores, and which set of its */
    rhm_sweep_job *job; /* NULL: nobody */
    rhm_sweep_process process;
    double nbytes; /* that it may take */
} rhm_sweep_place;

typedef struct rhm_sweep_runner {
    rhm_sweep_store *store;
    rhm_sweep_forecast *forecast;
    rhm_progress_bar *bar;
    double memory_nbytes; /* for all cells of a rank together */
    rhm_ranks *ranks;     /* NULL: this process is alone */

    rhm_core_sets sets;     /* owned */
    rhm_sweep_place *place; /* (sets.count), owned */
    int running;

    rhm_sweep_job **job;        /* (jobs), owned with what they point to; there is memory for `room` */
    size_t jobs, room, started; /* the first `started` of them have been */
    size_t done, failed;        /* in this run */
    double began, busy_seconds; /* core-seconds in which cells had their cores */
    double shown;               /* when progress was last looked at */

    /* Called when a cell has its row or its failure; may add jobs. May be NULL. */
    rhm_status (*ended)(void *user, struct rhm_sweep_runner *runner, const rhm_sweep_cell *cell, rhm_error *error);
    rhm_progress (*progress)(void *user); /* what to show instead of the number of cells. May be NULL */
    void *user;
} rhm_sweep_runner;

/* Another cell to run; what the cell owns is taken over, also on failure. */
rhm_status rhm_sweep_runner_add(rhm_sweep_runner *runner, rhm_sweep_cell *cell, rhm_error *error);

/*
 * Run all jobs on `sets`, which are taken over; owner[i] is the rank of set i, whose sets follow each other, NULL: all
 * are this one's. RHM_INTERRUPTED, or a store that cannot be written, ends the cells that
 * run, which keep what they have; a cell that fails ends nothing.
 */
rhm_status rhm_sweep_runner_run(rhm_sweep_runner *runner, rhm_core_sets *sets, const int *owner, rhm_error *error);

/* Accepts a zeroed one. */
void rhm_sweep_runner_clear(rhm_sweep_runner *runner);

#endif
