/* What learning tables will take: the search for positions played through with exact posteriors, at measured rates. */
#ifndef RHM_LEARNERS_TABLE_PLAN_H
#define RHM_LEARNERS_TABLE_PLAN_H

#include "learners/learner.h"

enum {
    RHM_TABLE_POSITIONS = 256, /* most that are chosen automatically */
    RHM_TABLE_CELLS = 1 << 24, /* of counts, when positions are chosen automatically */
};

/* Separation / radius at which a search ends, and below which groups overlap. */
#define RHM_TABLE_TARGET 3.0
#define RHM_TABLE_LEAST  1.5

rhm_status rhm_table_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                          const rhm_grammar *grammar, const rhm_train_options *options, rhm_error *error);

#endif
