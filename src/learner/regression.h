/*
 * The ridge regression of one level (paper, eq. 3) on distinct patches: minimise over W
 *     1/2 sum_mu p_mu ||q_mu - W x_mu||^2 + lambda/2 ||W||^2,   p_mu = n_mu / N,  q_mu = label frequencies of patch mu,
 * whose normal equations are (C + lambda I) W = B with C = sum p_mu x_mu x_mu^T and B = sum p_mu q_mu x_mu^T. Exactly
 * the regression on the N samples.
 *
 * Matrices with one row per class are (classes, stride) doubles in feature order (kernels/README.md); padding is zero.
 */
#ifndef RHM_LEARNER_REGRESSION_H
#define RHM_LEARNER_REGRESSION_H

#include "engine/memory.h"
#include "kernels/operator.h"
#include "learner/runs.h"
#include "learner/solve_state.h"
#include "model/layer.h"
#include "patches/patches.h"

/* C itself, where it was formed (learner/gram.h). */
typedef struct rhm_gram {
    rhm_buffer
        matrix;      /* tiles of RHM_GRAM_SIDE x RHM_GRAM_SIDE blocks, (0, 0), (0, 1), (1, 1), (0, 2), ...; or zeroed */
    size_t groups;   /* of RHM_LANES features */
    size_t columns;  /* classes, rounded up to whole RHM_GRAM_CLASSES */
    double *operand; /* (16 groups, columns) */
    double *product; /* (16 groups, columns) */
} rhm_gram;

typedef struct rhm_regression {
    const rhm_engine *engine;
    rhm_operator op;
    const rhm_phase_map *map;
    size_t width;   /* M */
    size_t classes; /* |V_0| */
    size_t stride;
    rhm_patch_rows rows;            /* the distinct patches, in the order in which they are visited */
    rhm_runs runs;                  /* that order where it is not theirs: op.turned; else zeroed */
    float *share;                   /* p_mu in that order, which is not theirs in memory either; with runs only */
    const rhm_patch_counts *counts; /* how often each distinct patch came with each label */
    uint64_t samples;               /* N */

    rhm_gram gram;         /* zeroed: products visit the patches */
    rhm_buffer kept;       /* (count, stride): features, or zeroed: recomputed in every pass, to the same bits */
    size_t leaves;         /* fixed partial sums, a function of the problem's sizes alone */
    rhm_buffer partial;    /* doubles (leaves, classes, stride) */
    float *operand;        /* (classes, stride): what a pass multiplies with */
    rhm_scratch workspace; /* per thread: features of a block at least, then factors */
    const char *stage;     /* what solvers call their passes on the progress display, or NULL: the caller's to set */
    const rhm_solve_watch *watch; /* of solvers, or NULL: the caller's to set */
    double flops;                 /* so far */
    double kernel_seconds;        /* likewise, in the loops over patches */
} rhm_regression;

/* Features that are kept come from memory where they take more than this: then phasors are the faster way to have them.
 */
enum { RHM_KEPT_IN_CACHE_NBYTES = 1 << 25 };

/* Borrows everything it is given; features are kept if they take at most `keep_nbytes` and no faster way is known:
 * where many patches have the same first tokens, there is one that makes none (op.turned). */
rhm_status rhm_regression_init(rhm_regression *problem, const rhm_engine *engine, const rhm_ready_layer *layer,
                               const rhm_embeddings *inputs, const rhm_intern *patches, const rhm_patch_counts *counts,
                               uint64_t samples, size_t keep_nbytes, rhm_error *error);
void rhm_regression_clear(rhm_regression *problem); /* accepts a zeroed one */

/* out = B */
rhm_status rhm_regression_target(rhm_regression *problem, double *out, rhm_error *error);

/* out = C w */
rhm_status rhm_regression_apply(rhm_regression *problem, const double *w, double *out, rhm_error *error);

/* residual = target - (C + lambda I) w; without a pass where w is zero. */
rhm_status rhm_regression_residual(rhm_regression *problem, double lambda, const double *target, const double *w,
                                   double *residual, rhm_error *error);

/* The distinct patch that is visited at `place`, */
static inline size_t rhm_regression_patch(const rhm_regression *problem, size_t place) {
    return problem->runs.order ? problem->runs.order[place] : place;
}

/* and its p_mu. */
double rhm_regression_share(const rhm_regression *problem, size_t place);

/* Floats in a matrix with a row per class. */
static inline size_t rhm_regression_size(const rhm_regression *problem) {
    return problem->classes * problem->stride;
}

#endif
