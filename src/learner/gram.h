/*
 * The matrix C = sum_mu p_mu x_mu x_mu^T of a regression, formed once so that products C w no longer visit the patches
 * (README.md, "Two routes to C w"; learner/route.h says when it pays).
 *
 * Entry (f, g) is a sum over chunks of RHM_GRAM_CHUNK patches in order, in double; a chunk is a chain of fused
 * multiply-adds in float over (sqrt(p) x_f) (sqrt(p) x_g). Threads share the matrix, never a sum: the same bits for any
 * number of them and any instruction set. Only tiles on and above the diagonal are stored, diagonal tiles in full.
 */
#ifndef RHM_LEARNER_GRAM_H
#define RHM_LEARNER_GRAM_H

#include "learner/regression.h"

/* Products with C of `problem` use its Gram matrix from now on. RHM_NO_MEMORY, with numbers, beyond the limit. */
rhm_status rhm_gram_form(rhm_regression *problem, rhm_error *error);

/* out = C w; what rhm_regression_apply does for a problem that has its Gram matrix. */
rhm_status rhm_gram_apply(rhm_regression *problem, const double *w, double *out, rhm_error *error);

void rhm_gram_clear(rhm_gram *gram, const rhm_engine *engine); /* accepts a zeroed one */

/* Bytes of C for 2M features. */
double rhm_gram_nbytes(size_t width);

#endif
