/*
 * The published step (PRX 14, 031001, appendix on layerwise training): a network of one hidden layer of h units reads a
 * patch one-hot, D = |V_l|^s numbers,
 *
 *     o = W2 relu(W1 x / sqrt(D)) / h,   W1 (h, D) all ones, W2 (n_c, h) standard normal,
 *
 * and takes one full-batch step of size rate h on the cross-entropy's gradient of W1. All patches have the same output
 * before it, so that the gradient needs their counts only: with p = softmax(o), the column of patch mu becomes
 *
 *     1 + rate / sqrt(D) sum_z W2[z, .] (n(mu, z) - n(mu) p_z) / N.
 *
 * k-means of the columns gives ids. It sees distances alone, and these are the same for L^T (n(mu, .) - n(mu) p) with
 * L L^T = W2 W2^T: fewer numbers a column where there are fewer labels than hidden units.
 */
#ifndef RHM_LEARNERS_ONE_STEP_STEP_H
#define RHM_LEARNERS_ONE_STEP_STEP_H

#include "counts/counts.h"

typedef struct rhm_one_step {
    size_t classes, width; /* n_c, h */
    double root;           /* sqrt(D) */
    double *readout;       /* W2 (classes, width); owned */
    double *prior;         /* p (classes): what every patch is answered before the step; owned */
    size_t numbers;        /* of a column as k-means gets it: min(n_c, h) */
    double *projection;    /* (classes, numbers): L, or W2; owned */
} rhm_one_step;

/* The stream of W2 under the seed of the samples, with the level added; element (z, k) is normal number z h + k of it.
 */
#define RHM_ONE_STEP_STREAM (UINT32_C(1) << 19)

/* Of a level whose patches are `branching` of `inputs` ids; clear it on failure too. */
rhm_status rhm_one_step_init(rhm_one_step *out, size_t classes, size_t width, uint32_t inputs, uint32_t branching,
                             uint64_t seed, uint32_t level, rhm_error *error);
void rhm_one_step_clear(rhm_one_step *step);

/* Softmax of o (classes) in place. */
void rhm_one_step_softmax(double *o, size_t classes);

/* residual (classes) = (n(mu, .) - n(mu) p) times `scale`, of a patch's counts at one position. */
void rhm_one_step_residual(double *residual, const rhm_one_step *step, const uint64_t *count, double scale);

/* Times L: column (numbers). */
void rhm_one_step_column(double *column, const rhm_one_step *step, const double *residual);

/* o (classes) of a patch after a step of `rate` h, from its residual over N. */
void rhm_one_step_output(double *o, const rhm_one_step *step, const double *residual, double rate);

#endif
