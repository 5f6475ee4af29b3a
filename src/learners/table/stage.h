/* A level of the table learner in hand: its counts, and the search for positions and samples that tell symbols apart.
 */
#ifndef RHM_LEARNERS_TABLE_STAGE_H
#define RHM_LEARNERS_TABLE_STAGE_H

#include "learners/learner.h"
#include "learners/table/group.h"
#include "learners/table/law.h"
#include "rhm/sampling.h"

typedef struct rhm_table_learning {
    const rhm_engine *engine;
    const rhm_problem *problem;
    const rhm_train_options *options;
    struct rhm_table *table;
    rhm_tree tree;
    rhm_sampler *sampler; /* without data */
    rhm_id_law ids;       /* of the level above which we are; empty where it is not known */
    rhm_train_report *report;
    rhm_train_state state; /* for a display: every level counts as one */
} rhm_table_learning;

/* A level in hand. */
typedef struct rhm_table_stage {
    uint32_t level;
    size_t most_positions;
    rhm_patch_law law; /* without patches where samples are counted */
    rhm_table_counts counts;
    rhm_groups groups;
    uint32_t attempts;
    double count_seconds, group_seconds;
} rhm_table_stage;

/* Separation over radius; infinite where groups have no radius. */
double rhm_table_gap(const rhm_groups *groups);

/* Count and group until symbols come apart or nothing is left to try; the stage then has the best that came out. */
rhm_status rhm_table_search(const rhm_table_learning *l, rhm_table_stage *s, rhm_error *error);

void rhm_table_stage_clear(rhm_table_stage *stage); /* accepts a zeroed one */

#endif
