/* What the learner is told about the problem; nothing of it comes from the rules. */
#ifndef RHM_LEARNERS_LAYERWISE_TASK_H
#define RHM_LEARNERS_LAYERWISE_TASK_H

#include "rhm/grammar.h"

typedef struct rhm_task {
    rhm_tree tree;
    uint32_t classes, token_vocab;
    uint32_t parents[RHM_MAX_LEVELS + 1]; /* |V_{l-1}| */
    double patches[RHM_MAX_LEVELS + 1];   /* |P_l|; 0: unknown, estimated from the level-L patches that occur */
} rhm_task;

#endif
