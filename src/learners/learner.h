/*
 * The interface between learners and everything else: what a learner is to those that do not know it. To add one, make
 * a directory with a `struct rhm_learner` that registry.c names; rhm_train, the command and the documentation of its
 * options find it there.
 */
#ifndef RHM_LEARNERS_LEARNER_H
#define RHM_LEARNERS_LEARNER_H

#include "rhm/plan.h"
#include "training/problem.h"

struct rhm_learner {
    rhm_learner_info info;
    unsigned spread; /* rhm_plan_part: of its work, what ranks share beside the test */

    /*
     * Train a model and report on it: levels, seconds, checkpoint. The model is a function of problem and options
     * alone. `options` are resolved; the report is the caller's, initialised. A learner that knows sequences better to
     * test on than the problem's does so itself (rhm_problem_test_batch).
     */
    rhm_status (*fit)(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                      const rhm_train_options *options, rhm_error *error);

    /*
     * What that will take: out[1..levels], and the time to test. With `engine` NULL nothing is measured and all seconds
     * are NAN. The problem has a grammar in any case: of data without one, one like them (stand_in.h).
     */
    rhm_status (*plan)(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                       const rhm_train_options *options, rhm_error *error);
};

/* What a training and its plan have in common: learner, options with their defaults, and the problem, checked. */
typedef struct rhm_learning {
    const struct rhm_learner *learner;
    rhm_train_options options;
    rhm_problem problem;
    uint32_t levels;
} rhm_learning;

rhm_status rhm_learning_of_grammar(rhm_learning *out, const rhm_grammar *grammar, const rhm_train_options *options,
                                   rhm_error *error);

/* `parents` as rhm_train_data takes it. */
rhm_status rhm_learning_of_data(rhm_learning *out, const rhm_data *data, const uint32_t *parents,
                                const rhm_train_options *options, rhm_error *error);

/* By name, NULL being layerwise; RHM_INVALID, with the names that there are. */
rhm_status rhm_learner_find(const struct rhm_learner **out, const char *name, rhm_error *error);

#endif
