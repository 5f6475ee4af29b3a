/* What latent clustering will take: the search of search.c played through, at measured rates. */
#ifndef RHM_LEARNERS_LATENT_PLAN_H
#define RHM_LEARNERS_LATENT_PLAN_H

#include "rhm/plan.h"
#include "training/problem.h"

/* As struct rhm_learner has it. */
rhm_status rhm_latent_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                           const rhm_problem *problem, const rhm_train_options *options, rhm_error *error);

#endif
