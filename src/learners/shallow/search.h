/* Samples, bandwidth and ridge of the shallow learner, and what they will take. */
#ifndef RHM_LEARNERS_SHALLOW_SEARCH_H
#define RHM_LEARNERS_SHALLOW_SEARCH_H

#include "learners/shallow/fit.h"
#include "rhm/plan.h"
#include "rhm/sampling.h"

enum {
    RHM_SHALLOW_FIRST = 1 << 12,
    RHM_SHALLOW_MOST = 1 << 16,
    RHM_SHALLOW_GROWTH = 4,
    RHM_SHALLOW_HELD_OUT = 5, /* training samples for one that is held out */
    RHM_SHALLOW_WIDTH = 1024,
    RHM_SHALLOW_RIDGES = 3,
    RHM_SHALLOW_BANDWIDTHS = 3,
};

/*
 * Samples grow fourfold from 4096 on until the held-out accuracy is .999 or --max-samples, at most 65536 unless given,
 * is reached; a fifth as many are held out. The first ones choose the bandwidth, each of them the ridge. On failure too
 * *task is the caller's to clear, and best->layer.
 */
rhm_status rhm_shallow_search(rhm_shallow_fit *best, rhm_shallow_task *task, const rhm_engine *engine,
                              const rhm_problem *problem, const rhm_train_options *options, rhm_error *error);

/* Where samples come from: training, held out. */
typedef struct rhm_shallow_sources {
    rhm_sampler *sampler; /* owned; NULL of data */
    rhm_grammar_source fresh[2];
    rhm_data_source rows[2];
    uint64_t most; /* training samples that there are */
} rhm_shallow_sources;

rhm_status rhm_shallow_open(rhm_shallow_sources *out, const rhm_problem *problem, const rhm_train_options *options,
                            rhm_error *error);
rhm_status rhm_shallow_draw_both(rhm_shallow_task *task, const rhm_shallow_sources *from, uint64_t samples,
                                 rhm_error *error);

/* Of so many that there are, those that a search goes up to. */
uint64_t rhm_shallow_most(const rhm_train_options *options, uint64_t there);

/* Refuses what the levels have for themselves. */
rhm_status rhm_shallow_check(const rhm_train_options *options, uint32_t levels, rhm_error *error);

/* As struct rhm_learner has it; all of it is level 1. In plan.c. */
rhm_status rhm_shallow_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                            const rhm_problem *problem, const rhm_train_options *options, rhm_error *error);

#endif
