/*
 * What training would really do with an instance, stage by stage, as far as that can be said beforehand: the learner's
 * own starting point, the samples after which its outputs should be apart, the distinct patches among them, the memory
 * held.
 */
#ifndef RHM_CLI_PLAN_H
#define RHM_CLI_PLAN_H

#include <stdbool.h>

#include "rhm/grammar.h"
#include "rhm/learner.h"

typedef struct rhm_plan_stage {
    uint32_t level;
    double first_samples;  /* with which an automatic search begins */
    double wanted_samples; /* after which the outputs should be far enough apart; infinite where rho = 0 */
    double samples;        /* given, or the wanted ones within max_samples */
    bool capped;           /* max_samples is less than wanted */
    double possible;       /* different first patches that exist */
    double distinct;       /* and that are expected among the samples */
    uint32_t width;        /* M: given, or where an automatic search begins */
    rhm_route route;       /* how one fit at a bandwidth multiplies with C */
    rhm_route ridge_route; /* and the fits of a walk along ridges */
    double nbytes;         /* largest memory held by the stage, threads' workspaces aside */
} rhm_plan_stage;

/* Stage `level` of training on the analysed grammar with these sizes. */
rhm_plan_stage rhm_plan(const rhm_grammar *grammar, const rhm_analysis *analysis, const rhm_train_options *options,
                        uint32_t level);

#endif
