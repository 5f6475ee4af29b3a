/* Trainings that are interrupted at a chosen moment, for the tests of checkpoints. */
#ifndef RHM_TESTS_INTERRUPTING_H
#define RHM_TESTS_INTERRUPTING_H

#include "learning.h"

/* A run, how long it is let go on, and what it said. */
typedef struct interrupting {
    volatile sig_atomic_t flag;
    long left; /* signs of progress until it is interrupted; negative: never */
    void (*at_progress)(struct interrupting *run);
    char notes[4096];
    int threads;
    const char *isa, *backend;
    rhm_train_report report;
} interrupting;

static inline void on_progress(void *user, const rhm_progress *progress) {
    interrupting *run = user;
    (void)progress;
    if (run->at_progress)
        run->at_progress(run);
    if (run->left >= 0 && run->left-- == 0)
        run->flag = SIGTERM;
}

static inline void on_note(void *user, const char *sentence) {
    interrupting *run = user;
    const size_t used = strlen(run->notes);
    snprintf(run->notes + used, sizeof run->notes - used, "%s\n", sentence);
}

/* Training with checkpoints in `directory` (NULL: none); `hash` is set where it comes to its end. */
static inline rhm_status run_training(interrupting *run, const rhm_grammar *grammar, const rhm_data *data,
                                      rhm_train_options options, const char *directory, bool resume,
                                      char hash[RHM_HASH_TEXT_NBYTES], rhm_error *error) {
    const rhm_engine_options engine_options = {
        .threads = run->threads,
        .isa = run->isa,
        .backend = run->backend,
        .interrupt = &run->flag,
        .progress = on_progress,
        .user = run,
    };
    rhm_engine *engine;
    rhm_model *model = NULL;
    run->flag = 0;
    run->notes[0] = '\0';
    options.checkpoint.directory = directory;
    options.checkpoint.resume = resume;
    options.checkpoint.note = on_note;
    options.checkpoint.user = run;
    assert_ok(rhm_engine_create(&engine, &engine_options, error), error);
    rhm_train_report_clear(&run->report);
    const rhm_status status = data ? rhm_train_data(&model, &run->report, engine, data, NULL, &options, error)
                                   : rhm_train(&model, &run->report, engine, grammar, &options, error);
    if (status == RHM_OK)
        rhm_model_hash(model, hash);
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
    return status;
}

/* The model of a training that nobody disturbs. */
static inline void train_through(const rhm_grammar *grammar, const rhm_data *data, rhm_train_options options,
                                 char hash[RHM_HASH_TEXT_NBYTES], rhm_train_report *report) {
    interrupting run = {.left = -1, .threads = 1};
    rhm_error error = {0};
    assert_ok(run_training(&run, grammar, data, options, NULL, false, hash, &error), &error);
    *report = run.report;
}

#endif
