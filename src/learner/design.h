/*
 * All of a fit that does not depend on the ridge: random frequencies, the regression with what it keeps (features or
 * the Gram matrix), and its right-hand side. A walk along ridges makes it once.
 */
#ifndef RHM_LEARNER_DESIGN_H
#define RHM_LEARNER_DESIGN_H

#include "learner/coarse.h"
#include "learner/regression.h"
#include "learner/route.h"
#include "model/layer.h"

/* What a design is made for; two fits with equal keys and equal patches share one. */
typedef struct rhm_design_key {
    uint64_t samples, seed;
    uint32_t level, width;
    double bandwidth;
    rhm_route route;
    size_t sample;          /* patches that precondition the others (coarse.h), or 0 */
    rhm_route sample_route; /* theirs */
} rhm_design_key;

/*
 * Fill in how the equations are to be solved: route and sample. A function of the problem's sizes (`products` of which
 * is not read) and of the `solves` that the policy expects with this design, for the reasons given in route.h.
 */
void rhm_design_choose(rhm_design_key *key, const rhm_route_sizes *sizes, rhm_solver solver, double solves);

/* Does not move while in use: its parts point to each other. */
typedef struct rhm_design {
    bool made;
    rhm_design_key key;
    struct rhm_layer layer; /* shape, bandwidth and frequencies; its weights are scratch */
    rhm_ready_layer ready;
    rhm_regression problem;
    rhm_coarse coarse; /* where the key has a sample */
    double *target;    /* B (classes, stride) */
    double *solution;  /* W (classes, stride), whatever the last fit left */
} rhm_design;

/*
 * Make `design`, unless it was made for the same key: then it stays as it is. `shape` has the layer's sizes. Borrows
 * inputs, patches and counts, as rhm_regression_init does: clear the design before they change.
 */
rhm_status rhm_design_make(rhm_design *design, const rhm_engine *engine, const rhm_design_key *key,
                           const struct rhm_layer *shape, bool one_hot, const rhm_embeddings *inputs,
                           const rhm_intern *patches, const rhm_patch_counts *counts, const char *stage,
                           const rhm_solve_watch *watch, rhm_error *error);
void rhm_design_clear(rhm_design *design); /* accepts a zeroed one */

/* The random frequencies of a layer whose sizes and bandwidth are set: the same directions for every bandwidth, a
 * longer list for a larger width. */
void rhm_design_frequencies(struct rhm_layer *layer, uint64_t seed, uint32_t level);

#endif
