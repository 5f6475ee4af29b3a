/* A run of `rhm train`, and what it shows: rows as levels are finished, progress, and the account at the end. */
#ifndef RHM_CLI_TRAINING_H
#define RHM_CLI_TRAINING_H

#include "cli/progress.h"
#include "cli/settings.h"
#include "rhm/data.h"
#include "rhm/learner.h"

/* What a run holds; everything is released at the end whatever happened. */
typedef struct rhm_training {
    rhm_grammar *grammar;     /* drawn or read; NULL with --data */
    rhm_data data;            /* empty without --data */
    const rhm_grammar *known; /* either's grammar, or NULL */
    rhm_analysis analysis;
    double most_analysis; /* multiply-adds of it beyond which posteriors are left out; 0: none */
    uint32_t levels;
    uint32_t parents[RHM_MAX_LEVELS + 1]; /* |V_{l-1}| at l = 1..L */
    rhm_engine *engine;
    rhm_progress_bar bar;
    const rhm_settings *settings;
    uint32_t shown; /* rows down to this level are on the screen; 0: none */
    rhm_model *model;
    rhm_train_report report;
    double bayes; /* accuracy on the test sequences; NAN where the grammar is not known */
} rhm_training;

extern const rhm_option_group rhm_training_data_options; /* --data, --parents, --shuffle, --slices */

/* The grammar or data of a command line of `rhm train` or `rhm plan`, with what is known of them, and the options of
 * the training. */
rhm_status rhm_training_open(rhm_training *t, rhm_train_options *options, const rhm_settings *settings,
                             rhm_error *error);

/*
 * Everything that a command line of `rhm train` can be refused for before it begins to work. *grammar becomes what it
 * would train on, the caller's, or NULL with --data; both may be NULL.
 */
rhm_status rhm_training_check(rhm_grammar **grammar, rhm_train_options *options, const rhm_settings *settings,
                              rhm_error *error);

/*
 * To be an rhm_train_options.watch, with the run as `watcher`. On a terminal a level's row is there when the level is
 * finished: below the results of this command, or else of the display of progress.
 */
void rhm_training_watch(void *watcher, const rhm_train_state *state);

/* The grammar, or the data where none is known. */
void rhm_training_print_instance(FILE *words, const rhm_training *t);

/* What an interrupted run knew: the levels that it had finished. */
void rhm_training_print_finished(rhm_training *t);

/* The account at the end, with the rows that are not there yet. */
void rhm_training_print_results(rhm_training *t);

#endif
