/*
 * What training on an instance will take, stage by stage: the search of policy.c played through with the gap that exact
 * posteriors let one expect, and its operations priced at rates measured on this machine.
 */
#ifndef RHM_LEARNER_FORECAST_H
#define RHM_LEARNER_FORECAST_H

#include <stdbool.h>

#include "rhm/engine.h"
#include "rhm/grammar.h"
#include "rhm/learner.h"

typedef struct rhm_forecast {
    uint32_t level;
    rhm_draw draw;         /* RHM_DRAW_SAMPLES or RHM_DRAW_COUNTS */
    double kept_share;     /* where counts are thinned, else 1: samples below are the kept ones (rhm/learner.h) */
    double first_samples;  /* with which the search begins */
    double wanted_samples; /* after which the outputs should be far enough apart; infinite where rho = 0 */
    double samples;        /* where the search is expected to end, or the given number */
    bool capped;           /* fewer than wanted are allowed */
    double possible;       /* different first patches that exist */
    double distinct;       /* and that are expected among the samples */
    uint32_t width;        /* M: given, or where the search is expected to end */
    double gap;            /* separation / radius that is expected to come out */
    double fits;           /* attempts */
    rhm_route route;       /* how one fit at a bandwidth multiplies with C */
    rhm_route ridge_route; /* and the fits of a walk along ridges */
    double nbytes;         /* largest memory held by the stage, threads' workspaces aside */
    double draw_seconds, embed_seconds, fit_seconds;
    double allowed_work;    /* multiply-adds after which the search ends in any case (budget.h), */
    double allowed_seconds; /* and about how long they take */
} rhm_forecast;

/*
 * out[1..levels], and in *test_seconds the time to push options->test_samples fresh sequences through all levels. With
 * `engine` NULL nothing is measured and all seconds are NAN. Takes a second or two otherwise.
 */
rhm_status rhm_forecast_training(rhm_forecast *out, double *test_seconds, const rhm_engine *engine,
                                 const rhm_grammar *grammar, const rhm_analysis *analysis,
                                 const rhm_train_options *options, rhm_error *error);

#endif
