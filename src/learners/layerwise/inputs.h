/*
 * Embeddings that a stage's fits are made from. Of divided samples (patches/division.h) ranks have parts, which are
 * settled here: of held-out ones their own (held_out.h); of those to fit what passes over their own partial sums look
 * at, which is known with the width of a fit.
 */
#ifndef RHM_LEARNERS_LAYERWISE_INPUTS_H
#define RHM_LEARNERS_LAYERWISE_INPUTS_H

#include "learners/layerwise/stage.h"

/* For the counts that a set has by now: what does not wait for a fit. */
rhm_status rhm_inputs_refresh(rhm_stage *stage, rhm_sample_set *set, rhm_error *error);

/* What a fit of this shape needs of the training set, on every rank or on that which needs it. */
rhm_status rhm_inputs_for_fit(rhm_stage *stage, const struct rhm_layer *layer, const rhm_linear_plan *plan,
                              rhm_error *error);

#endif
