/*
 * The state of a stage in a checkpoint, beside its sample sets:
 *
 *     /stage      costs, search, draws: tables; where there is a fit, best: a table with one row, and best_weights
 */
#ifndef RHM_LEARNERS_LAYERWISE_STAGE_FILE_H
#define RHM_LEARNERS_LAYERWISE_STAGE_FILE_H

#include "core/h5file.h"
#include "learners/layerwise/stage.h"

rhm_status rhm_stage_write(rhm_h5 *file, const rhm_stage *stage, rhm_error *error);
uint64_t rhm_stage_nbytes(const rhm_stage *stage);

/* Into a zeroed stage, of which nothing else is set; the frequencies of its best fit are left out. `level` of `task`,
 * whose positions at that level become those of the stage.
 */
rhm_status rhm_stage_read(rhm_stage *stage, const rhm_h5 *file, rhm_task *task, uint32_t level, rhm_error *error);

/* What was read goes on in `stage`; `read` keeps none of it. */
void rhm_stage_take(rhm_stage *stage, rhm_stage *read);

#endif
