/*
 * rhm sweep --find-threshold: for each cell of the grid, trainings of several sizes and data seeds, chosen by what the
 * earlier ones came to. A search that is begun again takes the trainings that the store has and goes on to the same
 * end.
 */
#ifndef RHM_CLI_SWEEP_THRESHOLDS_H
#define RHM_CLI_SWEEP_THRESHOLDS_H

#include "cli/sweep/runner.h"
#include "cli/sweep/tables.h"

typedef enum rhm_sweep_size {
    RHM_SWEEP_NO_SIZE,
    RHM_SWEEP_SAMPLES,   /* N, the same for all stages */
    RHM_SWEEP_SEQUENCES, /* P */
    RHM_SWEEP_C,         /* N^(l) = c V m^l */
} rhm_sweep_size;

/* The search of a cell. */
typedef struct rhm_sweep_search {
    const rhm_sweep_cell *cell;
    double unit[RHM_MAX_LEVELS + 1]; /* V m^l of levels 1..L */
    uint32_t levels;
    double labels, ways;         /* n_c; m_1 ... m_L */
    rhm_threshold_trials *tried; /* (count), by step; owned */
    size_t count;
    int step;                 /* of the trials that are waited for, */
    uint32_t wanted, pending; /* so many in all, and so many of them not there yet */
    bool over;
    const char *failure; /* the store's reason of a trial that failed, or NULL */
} rhm_sweep_search;

typedef struct rhm_sweep_thresholds {
    rhm_sweep_size size;
    rhm_threshold_options options;
    double bound; /* of the error, as a share of that of guessing */
    rhm_sweep_store *store;
    rhm_sweep_search *search; /* (searches), owned */
    size_t searches, over;
    json_t *owner; /* numbers of searches by keys of trials that run; owned */
} rhm_sweep_thresholds;

/* A search for every cell; refuses what no trial could run with. Clear it on failure too. */
rhm_status rhm_sweep_thresholds_open(rhm_sweep_thresholds *out, const rhm_settings *settings, rhm_sweep_cell *cells,
                                     size_t count, rhm_error *error);

/* Add the first trials that the runner's store does not have to the runner, whose callbacks are set. */
rhm_status rhm_sweep_thresholds_begin(rhm_sweep_thresholds *thresholds, rhm_sweep_runner *runner, rhm_error *error);
void rhm_sweep_thresholds_clear(rhm_sweep_thresholds *thresholds); /* accepts a zeroed one */

/* The cells of all trials that were wanted so far, by search, size and seed; (count), the caller's with all it owns. */
rhm_status rhm_sweep_thresholds_trials(rhm_sweep_cell **cells, size_t *count, const rhm_sweep_thresholds *thresholds,
                                       rhm_error *error);

/* thresholds.csv, a row a search, and curves.csv, a row for each size that was tried. */
rhm_status rhm_sweep_thresholds_write(const rhm_sweep_thresholds *thresholds, const rhm_sweep_table *table,
                                      rhm_error *error);

/* What --find-threshold is called: "samples", "sequences", "c". */
const char *rhm_sweep_size_name(rhm_sweep_size size);

#endif
