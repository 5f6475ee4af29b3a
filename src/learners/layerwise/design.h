/*
 * All of a fit that does not depend on the ridge: random frequencies, the normal equations as they are
 * represented, and their right-hand side. Fits at successive ridges make it once.
 */
#ifndef RHM_LEARNERS_LAYERWISE_DESIGN_H
#define RHM_LEARNERS_LAYERWISE_DESIGN_H

#include "linear/plan.h"
#include "linear/preconditioner.h"
#include "model/layer.h"

/* What a design is made for; two fits with equal keys and equal patches share one. */
typedef struct rhm_design_key {
    uint64_t samples, seed;
    uint32_t level, width;
    double bandwidth;
    rhm_linear_plan plan;
} rhm_design_key;

/* Samples of all positions for each one of a position's own, where there are several (linear/data.h). */
#define RHM_POOLED 0.25

/* Of what a block learns of a symbol, the share that is due to its own samples, if the symbol occurs `often` times as
 * often at its position as on average. */
static inline double rhm_pooled_own(double often) {
    return often / (often + RHM_POOLED);
}

/* Does not move while in use: its parts point to each other. */
typedef struct rhm_design {
    bool made;
    rhm_design_key key;
    struct rhm_layer layer; /* shape, bandwidth and frequencies; its weights are scratch */
    rhm_ready_layer ready;
    double *frequency; /* (classes): of labels in each block, where there are several */
    rhm_normal *normal;
    rhm_preconditioner preconditioner; /* where the plan has a sample */
    double *target;                    /* B (classes, stride) */
    double *solution;                  /* W (classes, stride), whatever the last fit left */
} rhm_design;

/*
 * Make `design`, unless it was made for the same key: then it stays as it is. `shape` has the layer's sizes. Borrows
 * inputs, patches and counts, as rhm_normal_create does: clear the design before they change.
 */
rhm_status rhm_design_make(rhm_design *design, const rhm_engine *engine, const rhm_design_key *key,
                           const struct rhm_layer *shape, bool one_hot, const rhm_embeddings *inputs,
                           const rhm_intern *patches, const rhm_patch_counts *counts, const char *label,
                           const rhm_solve_watch *watch, rhm_error *error);
void rhm_design_clear(rhm_design *design); /* accepts a zeroed one */

/* What the kernels did for the design since the last call. */
typedef struct rhm_design_work {
    double flops, kernel_seconds;
} rhm_design_work;

rhm_design_work rhm_design_take_work(rhm_design *design);

/* Patches and labels as the linear system has them, features by the layer's frequencies, blocks without samples of
 * others. Borrows all of it. */
rhm_linear_data rhm_design_data(const rhm_ready_layer *layer, const rhm_embeddings *inputs, const rhm_intern *patches,
                                const rhm_patch_counts *counts, uint64_t samples);

#endif
