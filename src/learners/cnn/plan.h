/* What a training of a convolutional network will take: sizes, and steps of each stage that are really made. */
#ifndef RHM_LEARNERS_CNN_PLAN_H
#define RHM_LEARNERS_CNN_PLAN_H

#include "rhm/plan.h"
#include "training/problem.h"

/* As rhm_learner.plan. */
rhm_status rhm_cnn_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                        const rhm_train_options *options, rhm_error *error);

#endif
