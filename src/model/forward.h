/* Whole sequences through all levels of random features: a sequence is its own first level-1 patch. */
#ifndef RHM_MODEL_FORWARD_H
#define RHM_MODEL_FORWARD_H

#include "model/layer.h"
#include "patches/patches.h"

/* All levels of a model in the kernels' layout: ready[1..levels]. Clear each on failure or after use. */
rhm_status rhm_ready_model(rhm_ready_layer *ready, const rhm_model *model, rhm_error *error);
void rhm_ready_model_clear(rhm_ready_layer *ready);

/* Sequences that are pushed through at a time. */
size_t rhm_forward_block(const rhm_tree *tree);

/* Push a batch through levels that are ready; adds to outputs->score. */
rhm_status rhm_run_sequences(const rhm_engine *engine, const rhm_model *model, const rhm_ready_layer *ready,
                             const rhm_batch *batch, rhm_outputs *outputs, rhm_error *error);

#endif
