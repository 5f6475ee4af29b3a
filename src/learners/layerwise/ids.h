/*
 * The layerwise learner with hard ids between its levels: outputs are grouped, and the level above reads the groups'
 * numbers one-hot, so that noise is not inherited and every level has some V m patches. On the levels of ../../counts;
 * the model is a table of ids.
 */
#ifndef RHM_LEARNERS_LAYERWISE_IDS_H
#define RHM_LEARNERS_LAYERWISE_IDS_H

#include "rhm/plan.h"
#include "training/problem.h"

rhm_status rhm_ids_fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                       const rhm_train_options *options, rhm_error *error);
rhm_status rhm_ids_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                        const rhm_train_options *options, rhm_error *error);

#endif
