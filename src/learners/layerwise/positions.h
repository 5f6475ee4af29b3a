/* How many patches of a sequence a level looks at. */
#ifndef RHM_LEARNERS_LAYERWISE_POSITIONS_H
#define RHM_LEARNERS_LAYERWISE_POSITIONS_H

#include "learners/layerwise/task.h"
#include "rhm/learner.h"

/* RHM_INVALID where the given numbers make for too many outputs. */
rhm_status rhm_positions_check(const rhm_task *task, const rhm_train_options *options, rhm_error *error);

/* With which a search begins: the given number, or all where there are fewer; auto: one. */
uint32_t rhm_positions_first(const rhm_task *task, const rhm_train_options *options, uint32_t level);

/* With which an automatic search goes on where `positions` did not tell all symbols apart: twice as many; 0: there are
 * no more to try, or everything else is given and nothing is searched. */
uint32_t rhm_positions_more(const rhm_task *task, const rhm_train_options *options, uint32_t level, uint32_t positions);

#endif
