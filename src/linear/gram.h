/*
 * The matrix C = sum_mu p_mu x_mu x_mu^T of every block, formed once so that products C w no longer visit the patches
 * (README.md, "Two routes to C w"; plan.h says when it pays).
 *
 * Entry (f, g) is a sum over chunks of RHM_GRAM_CHUNK patches in order, in double; a chunk is a chain of fused
 * multiply-adds in float over (sqrt(p) x_f) (sqrt(p) x_g). Threads share the matrix, never a sum: the same bits for any
 * number of them and any instruction set. Only tiles on and above the diagonal are stored, diagonal tiles in full.
 */
#ifndef RHM_LINEAR_GRAM_H
#define RHM_LINEAR_GRAM_H

#include "linear/normal.h"

/* Products come from passes until rhm_normal_prepare has formed the matrix: RHM_NO_MEMORY, with numbers, where it does
 * not fit the limit. */
rhm_status rhm_gram_create(rhm_normal **out, const rhm_engine *engine, const rhm_linear_data *data, rhm_error *error);

/* Bytes of one C for 2M features. */
double rhm_gram_nbytes(size_t width);

#endif
