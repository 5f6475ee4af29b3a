#include "learners/layerwise/watch.h"

#include <math.h>

#include "learners/layerwise/budget.h"
#include "learners/layerwise/sample_sizes.h"

static const double MORE_TO_COME = 1.05; /* of a search that has done all that was foreseen, and goes on */

static double foreseen(const rhm_watch *watch, uint32_t level, double separation) {
    const rhm_stream_of_samples *stream = &watch->setup->training[level];
    const rhm_task *task = &watch->setup->task;
    const double first = (double)rhm_first_look(task, watch->options, level, separation);
    rhm_draw_choice draw = {.share = 1};
    if (rhm_draw_choose(&draw, stream->grammar ? stream->grammar->grammar : NULL, watch->options, level,
                        rhm_task_positions(task, level), first, NULL) != RHM_OK)
        draw = (rhm_draw_choice){.share = 1}; /* the stage will refuse it */
    const double most = fmin((double)watch->options->max_samples, (double)stream->available) * draw.share;
    return rhm_search_foreseen(task, watch->options, level, &draw, most, separation);
}

static void show(rhm_watch *watch) {
    if (watch->options->watch)
        watch->options->watch(watch->options->watcher, &watch->state);
}

void rhm_watch_begin(rhm_watch *watch, const rhm_training_setup *setup, const rhm_train_options *options,
                     const rhm_train_report *report) {
    const uint32_t levels = setup->task.tree.levels;
    *watch = (rhm_watch){.setup = setup, .options = options, .state = {.level = levels, .finished = levels + 1}};
    watch->state.report = report;
    for (uint32_t level = 1; level <= levels && options->watch; level++)
        watch->state.expected[level] = foreseen(watch, level, 0);
}

void rhm_watch_enter(rhm_watch *watch, uint32_t level, double separation) {
    watch->state.level = level;
    if (watch->options->watch)
        watch->state.expected[level] = foreseen(watch, level, separation);
    show(watch);
}

void rhm_watch_work(rhm_watch *watch, double work) {
    rhm_train_state *state = &watch->state;
    state->done[state->level] = work;
    state->expected[state->level] = fmax(state->expected[state->level], MORE_TO_COME * work);
    show(watch);
}

void rhm_watch_finished(rhm_watch *watch, uint32_t level) {
    rhm_train_state *state = &watch->state;
    state->done[level] = state->expected[level] = state->report->level[level].work;
    state->finished = level;
    state->level = level - 1;
    show(watch);
}
