/*
 * What training on a grammar will take, level by level, before it is begun: samples, patches, memory and time on this
 * machine, from rates measured now. Sizes that a learner chooses from its data are estimates.
 */
#ifndef RHM_PLAN_H
#define RHM_PLAN_H

#include "rhm/learner.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is expected of a level. Members that mean nothing to the learner are 0, numbers of them NAN. */
typedef struct rhm_plan_level {
    uint32_t level;       /* 0: the learner has no such level */
    uint32_t positions;   /* patches of a sequence that are looked at */
    rhm_draw draw;        /* RHM_DRAW_SAMPLES or RHM_DRAW_COUNTS */
    double kept_share;    /* where the support is restricted, else 1: samples below are the kept ones (rhm/learner.h) */
    double first_samples; /* with which the search begins */
    double wanted_samples; /* after which the outputs should be far enough apart; infinite where rho = 0 */
    double samples;        /* where the search is expected to end, or the given number */
    bool capped;           /* fewer than wanted are allowed */
    double possible;       /* different first patches that exist */
    double distinct;       /* and that are expected among the samples */
    uint32_t width;        /* M: given, or where the search is expected to end; 0: no regression */
    double gap;            /* separation / radius that is expected to come out */
    double fits;           /* attempts */
    rhm_route route;       /* how one fit at a bandwidth multiplies with C */
    rhm_route ridge_route; /* and the fits of a walk along ridges */
    double nbytes;         /* largest memory held by the stage, threads' workspaces aside */
    double draw_seconds, embed_seconds, fit_seconds;
    double epochs;          /* of gradient descent, at most: fit_seconds are for so many; 0: there are none */
    double epoch_seconds;   /* of an epoch; end to end, the level's share */
    double allowed_work;    /* multiply-adds after which the search ends in any case, */
    double allowed_seconds; /* and about how long they take: */
    double allowed_multiple, allowed_least; /* so many times the work foreseen, but not before so many multiply-adds */
} rhm_plan_level;

typedef struct rhm_training_plan {
    const char *learner; /* static */
    int threads;         /* for which times are */
    uint32_t levels;
    rhm_plan_level level[RHM_MAX_LEVELS + 1]; /* [1..levels] */
    double test_seconds;
    double base_nbytes; /* of the process before a level begins */
} rhm_training_plan;

/* A second or two of measuring, in which nothing else may run. `options` as rhm_train takes them. */
RHM_API rhm_status rhm_plan_training(rhm_training_plan *out, const rhm_engine *engine, const rhm_grammar *grammar,
                                     const rhm_train_options *options, double base_nbytes, rhm_error *error);

RHM_API double rhm_plan_level_seconds(const rhm_training_plan *plan, uint32_t level);
RHM_API double rhm_plan_seconds(const rhm_training_plan *plan); /* test included */
RHM_API double rhm_plan_samples(const rhm_training_plan *plan);
RHM_API double rhm_plan_nbytes(const rhm_training_plan *plan); /* at the largest level */

#ifdef __cplusplus
}
#endif
#endif
