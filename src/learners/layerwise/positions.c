#include "learners/layerwise/positions.h"

#include "core/fail.h"
#include "learners/layerwise/budget.h"

enum { MOST_AUTO = 16 };

rhm_status rhm_positions_check(const rhm_task *task, const rhm_train_options *options, rhm_error *error) {
    for (uint32_t l = 1; l <= task->tree.levels; l++) {
        const size_t patches = task->tree.nodes[l - 1], given = options->positions[l];
        if ((given < patches ? given : patches) > rhm_task_most_positions(task, l))
            return rhm_fail(error, RHM_INVALID,
                            "%zu positions at level %u: with %u labels they have more than %d outputs; allowed are %u",
                            given, l, task->classes, RHM_MAX_OUTPUTS, rhm_task_most_positions(task, l));
    }
    return RHM_OK;
}

uint32_t rhm_positions_first(const rhm_task *task, const rhm_train_options *options, uint32_t level) {
    const uint32_t given = options->positions[level], most = rhm_task_most_positions(task, level);
    return given == 0 ? 1 : given < most ? given : most;
}

uint32_t rhm_positions_more(const rhm_task *task, const rhm_train_options *options, uint32_t level,
                            uint32_t positions) {
    const uint32_t all = rhm_task_most_positions(task, level), most = all < MOST_AUTO ? all : MOST_AUTO;
    if (options->positions[level] || !rhm_level_is_searched(options, level) || positions >= most)
        return 0;
    return 2 * positions < most ? 2 * positions : most;
}
