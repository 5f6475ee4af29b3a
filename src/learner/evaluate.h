/* Whole sequences through all levels, scored: a sequence is its own first level-1 patch. */
#ifndef RHM_LEARNER_EVALUATE_H
#define RHM_LEARNER_EVALUATE_H

#include "learner/layer.h"
#include "patches/patches.h"

typedef struct rhm_score {
    uint64_t samples, correct, clamped;
    double flops;
    double sample_seconds, kernel_seconds; /* drawing and counting; in the kernels' loops over patches */
} rhm_score;

/* All levels of a model in the kernels' layout: ready[1..levels]. Clear each on failure or after use. */
rhm_status rhm_ready_model(rhm_ready_layer *ready, const rhm_model *model, rhm_error *error);
void rhm_ready_model_clear(rhm_ready_layer *ready);

/*
 * Push samples first..first+count-1 of a source through the levels. `score` may be NULL (labels are then ignored);
 * predicted is NULL or (count) and receives the argmax; posterior is NULL or (count, classes). `stage` names the work.
 */
rhm_status rhm_run_sequences(const rhm_engine *engine, const rhm_model *model, const rhm_ready_layer *ready,
                             const char *stage, rhm_patch_source *source, const void *context, uint64_t first,
                             uint64_t count, rhm_score *score, uint16_t *predicted, float *posterior, rhm_error *error);

#endif
