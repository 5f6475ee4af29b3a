/* What the learner is told about the problem; nothing of it comes from the rules. */
#ifndef RHM_LEARNERS_LAYERWISE_TASK_H
#define RHM_LEARNERS_LAYERWISE_TASK_H

#include "rhm/grammar.h"
#include "rhm/model.h"

typedef struct rhm_task {
    rhm_tree tree;
    uint32_t classes, token_vocab;
    uint32_t parents[RHM_MAX_LEVELS + 1];   /* |V_{l-1}| */
    double patches[RHM_MAX_LEVELS + 1];     /* |P_l|; 0: unknown, estimated from the level-L patches that occur */
    uint32_t positions[RHM_MAX_LEVELS + 1]; /* K_l of levels that are trained or in hand; 0: one */
} rhm_task;

static inline uint32_t rhm_task_positions(const rhm_task *task, uint32_t level) {
    return task->positions[level] ? task->positions[level] : 1;
}

/* As many as a level has patches in a sequence, and as outputs are allowed. */
static inline uint32_t rhm_task_most_positions(const rhm_task *task, uint32_t level) {
    const size_t patches = task->tree.nodes[level - 1], most = RHM_MAX_OUTPUTS / task->classes;
    return (uint32_t)(patches < most ? patches : most > 0 ? most : 1);
}

/* Outputs of a level: a block of |V_0| for every position. */
static inline uint32_t rhm_task_outputs(const rhm_task *task, uint32_t level) {
    return rhm_task_positions(task, level) * task->classes;
}

/* Numbers that stand for a token of a level's patches. */
static inline uint32_t rhm_task_embedding(const rhm_task *task, uint32_t level) {
    return level == task->tree.levels ? task->token_vocab : rhm_task_outputs(task, level + 1);
}

#endif
