/* What a training shows of itself while it runs (rhm_train_state). Nothing here feeds it. */
#ifndef RHM_LEARNERS_LAYERWISE_WATCH_H
#define RHM_LEARNERS_LAYERWISE_WATCH_H

#include "learners/layerwise/trainer.h"

typedef struct rhm_watch {
    const rhm_training_setup *setup;
    const rhm_train_options *options;
    rhm_train_state state;
} rhm_watch;

/* Nothing is shown where the options name no watcher. `report` fills up as levels are finished. */
void rhm_watch_begin(rhm_watch *watch, const rhm_training_setup *setup, const rhm_train_options *options,
                     const rhm_train_report *report);

/* `level` is in hand; the one below came out with neighbouring outputs `separation` apart, or 0. */
void rhm_watch_enter(rhm_watch *watch, uint32_t level, double separation);

/* Its search has done so much of what was foreseen. */
void rhm_watch_work(rhm_watch *watch, double work);

/* The report of `level` is complete. */
void rhm_watch_finished(rhm_watch *watch, uint32_t level);

#endif
