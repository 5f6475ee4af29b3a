/*
 * The search for bandwidth, ridge, sample size and width of a level, from its data alone (docs/training.md), as a
 * step: given what came out of the last request it says what to do next. It knows nothing of who does it: a stage does
 * (choose.h), and the forecast plays it through on a model of costs and gaps (forecast.h).
 *
 * Every decision depends on counts, losses and cluster gaps, never on the machine, so the model does not depend on
 * where it was trained; only the caller's max_seconds can cut a search short, and the report then says so. The state is
 * plain: a copy of it goes on as the original would.
 */
#ifndef RHM_LEARNERS_LAYERWISE_SEARCH_H
#define RHM_LEARNERS_LAYERWISE_SEARCH_H

#include "learners/layerwise/cluster.h"
#include "learners/layerwise/draw_choice.h"
#include "learners/layerwise/task.h"
#include "learners/layerwise/tuning.h"
#include "rhm/learner.h"

/* What does not change during a search. */
typedef struct rhm_search_problem {
    const rhm_task *task;
    const rhm_train_options *options;
    uint32_t level;
    rhm_draw_choice draw;
    uint64_t available, held_out_available; /* samples; UINT64_MAX: no end */
    double separation;                      /* of neighbouring outputs of the level below, or 0 */
    bool positions_left;                    /* another search, with more positions, can follow */
    double spent;                           /* multiply-adds of searches with fewer positions */
} rhm_search_problem;

typedef enum rhm_search_action {
    RHM_SEARCH_DRAW, /* until there are `samples` and `held_out` */
    RHM_SEARCH_FIT,  /* with width, bandwidth and ridge */
    RHM_SEARCH_END,
} rhm_search_action;

typedef struct rhm_search_request {
    rhm_search_action action;
    uint64_t samples, held_out;
    uint32_t width;
    double bandwidth, ridge;
    double solves;       /* fits expected at this bandwidth (linear/plan.h) */
    uint32_t iterations; /* of the solver, at most; 0: as many as it may take */
} rhm_search_request;

/* What a fit says of itself. */
typedef struct rhm_outcome {
    uint32_t iterations;
    rhm_route route;
    double loss, accuracy, evidence;
    rhm_clusters clusters;
} rhm_outcome;

/* What came out of a request. */
typedef struct rhm_search_seen {
    double samples, distinct, held_out_distinct; /* of the sets as they are now */
    bool late;                                   /* max_seconds are over */
    rhm_outcome fit;                             /* after RHM_SEARCH_FIT */
} rhm_search_seen;

typedef enum rhm_search_step {
    RHM_STEP_DRAWING,
    RHM_STEP_LOOKING,  /* one fit where the last search ended */
    RHM_STEP_LOWERING, /* the same samples with the ridge that suits the separation now measured */
    RHM_STEP_BANDWIDTHS,
    RHM_STEP_RIDGES,
    RHM_STEP_ENDED,
    RHM_SEARCH_STEPS,
} rhm_search_step;

typedef struct rhm_search {
    rhm_search_step phase;
    rhm_search_request request; /* what is to be done */
    bool keep;                  /* the fit of the last request is the best one so far */
    bool fitted;                /* there is one */
    rhm_outcome best;

    uint32_t width;
    double bandwidth, ridge; /* of the best fit, or the starting point */
    double separation;       /* of neighbouring outputs, as far as is known */
    uint64_t samples, most;
    double drawn, distinct; /* of the training set */
    double held_out_distinct;

    uint32_t direction, steps; /* of a walk along an axis */
    double best_gap;           /* gap of earlier rounds */
    uint64_t best_samples;     /* that gave it */
    uint32_t stalls;           /* rounds in a row that did not widen it */
    bool helped, can_draw, can_widen, widen_next, drew_more, widened;
    bool late, ended; /* ended: short of the target */

    double work, foreseen, allowed; /* multiply-adds (budget.h) */
    double drawn_work, last_fit;    /* of the sets at hand; of the last fit */
} rhm_search;

/* state->request is the first thing to do. */
void rhm_search_begin(rhm_search *state, const rhm_search_problem *problem);

/* state->request is the next thing to do, and state->keep says whether the fit just seen is the best one so far. */
void rhm_search_next(rhm_search *state, const rhm_search_problem *problem, const rhm_search_seen *seen);

/* After the end: whether the level can serve the one above, and in limit[RHM_LIMIT_NBYTES] what kept the search from
 * its target, or "". */
enum { RHM_LIMIT_NBYTES = 160 };
bool rhm_search_resolved(const rhm_search *state, const rhm_search_problem *problem);

/* As many clusters as there are symbols, clearly apart: more positions are not needed. */
bool rhm_search_apart(const rhm_search *state, const rhm_search_problem *problem);
void rhm_search_limit(const rhm_search *state, const rhm_search_problem *problem, char *limit);

/* Every patch of the level has occurred and counts are drawn: more samples cost nothing. */
bool rhm_search_saturated(const rhm_search *state, const rhm_search_problem *problem);

/* Separation / radius at which the search ends. */
double rhm_search_target(const rhm_search *state, const rhm_search_problem *problem);

/* And from which on more positions are not needed. */
double rhm_search_clear(const rhm_search *state, const rhm_search_problem *problem);

#endif
