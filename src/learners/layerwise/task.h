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

static inline rhm_task rhm_task_of_grammar(const rhm_grammar *grammar) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_task task = {
        .tree = *rhm_grammar_tree(grammar), .classes = shape->vocab[0], .token_vocab = shape->vocab[shape->levels]};
    for (uint32_t l = 1; l <= shape->levels; l++) {
        task.parents[l] = shape->vocab[l - 1];
        task.patches[l] = (double)rhm_grammar_patch_count(grammar, l);
    }
    return task;
}

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
