/* What held-out samples say of a fit. */
#ifndef RHM_LEARNERS_LAYERWISE_SCORE_H
#define RHM_LEARNERS_LAYERWISE_SCORE_H

#include "learners/layerwise/stage.h"

/* Loss, accuracy and evidence of `fit`, from its centred outputs (own patches of the set as of held_out.h, positions,
 * classes): means over the positions. */
rhm_status rhm_score_outputs(rhm_fit *fit, const rhm_engine *engine, const rhm_sample_set *set, const float *outputs,
                             rhm_error *error);

#endif
