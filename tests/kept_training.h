/* Small trainings with checkpoints in the directory "kept". */
#ifndef KEPT_TRAINING_H
#define KEPT_TRAINING_H

#include "interrupting.h"

static const uint64_t SEED = 20260119;

/* Small enough for hundreds of runs, large enough for several draws, widths and fits at a level. */
static inline rhm_train_options quick(void) {
    return (rhm_train_options){
        .seed = 5, .draw = RHM_DRAW_SAMPLES, .max_width = 128, .max_samples = 20000, .test_samples = 500};
}

static inline void remove_directory(const char *name) {
    nftw(name, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int start_afresh(void **state) {
    (void)state;
    remove_directory("kept");
    return 0;
}

/* Leave a training of `grammar` interrupted in "kept", late enough for two checkpoints with samples. */
static inline void leave_interrupted(const rhm_grammar *grammar, const rhm_data *data, rhm_train_options options) {
    interrupting run = {.left = 30, .threads = 1};
    rhm_error error = {0};
    char hash[RHM_HASH_TEXT_NBYTES];
    options.checkpoint.seconds = 1e-9;
    assert_int_equal(run_training(&run, grammar, data, options, "kept", false, hash, &error), RHM_INTERRUPTED);
    assert_true(run.report.checkpoint.written >= 2);
}

static inline rhm_status go_on(const rhm_grammar *grammar, const rhm_data *data, rhm_train_options options, bool resume,
                               interrupting *run, char hash[RHM_HASH_TEXT_NBYTES], rhm_error *error) {
    run->left = -1;
    run->threads = 1;
    return run_training(run, grammar, data, options, "kept", resume, hash, error);
}

#endif
