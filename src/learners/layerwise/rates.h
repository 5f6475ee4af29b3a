/*
 * How fast this machine does what stages consist of: each operation timed on random patches of the given shape, on all
 * threads of the engine, in about a tenth of a second. For forecasts; nothing here feeds training.
 */
#ifndef RHM_LEARNERS_LAYERWISE_RATES_H
#define RHM_LEARNERS_LAYERWISE_RATES_H

#include "rhm/learner.h"

/* Seconds for all threads together. */
typedef struct rhm_rates {
    double forward;   /* per patch and frequency: an embedding */
    double pass;      /* the same, a solver pass that recomputes features */
    double kept_pass; /* the same, one over kept features */
    double gram;      /* per patch and squared frequency: forming the Gram matrix */
    double factoring; /* per multiply-add of rhm_factoring_cost; NAN for solvers that do not factor */
} rhm_rates;

/* A level with s tokens of `embedding` numbers each and |V_0| classes. */
rhm_status rhm_rates_measure(rhm_rates *out, const rhm_engine *engine, rhm_solver solver, size_t tokens,
                             size_t embedding, size_t classes, rhm_error *error);

#endif
