/* Which patches of a level occur at which positions. */
#ifndef RHM_LEARNERS_LAYERWISE_OCCURRENCE_H
#define RHM_LEARNERS_LAYERWISE_OCCURRENCE_H

#include "learners/layerwise/stage.h"

/*
 * The smallest number of positions, of those that a search of the level tries, at which all patches occur that do so at
 * the last of them: a regression knows nothing of others, and its held-out samples, of the same positions, would not
 * show it. Patches of a few thousand of the stage's sequences are told apart by their children, and these by their
 * outputs, `separation` apart. Where that says too little the answer is stage->positions.
 */
rhm_status rhm_positions_showing_all(uint32_t *positions, const rhm_stage *stage, double separation, rhm_error *error);

#endif
