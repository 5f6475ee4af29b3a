/*
 * Eigenvectors of symmetric matrices in double precision, by a fixed sequence of operations: the same bits for any
 * number of threads and on any machine, which LAPACK does not promise.
 */
#ifndef RHM_COUNTS_EIGEN_H
#define RHM_COUNTS_EIGEN_H

#include <stddef.h>

#include "rhm/engine.h"

/* Of the random numbers with which a subspace begins. */
#define RHM_EIGEN_STREAM UINT32_C(0x00010100)

/*
 * Eigenvalues of a symmetric matrix (n, n), largest first, and its eigenvectors as columns of `vector` (n, n), by
 * Jacobi's rotations in the order of rows. `matrix` is destroyed.
 */
void rhm_eigen(double *matrix, double *vector, double *value, size_t n);

/* out (rows, rows) = x x^T, x (rows, width). */
rhm_status rhm_gram(double *out, const rhm_engine *engine, const double *x, size_t rows, size_t width,
                    rhm_error *error);

/*
 * Rows whose Gram matrix is `matrix` (n, n), which is destroyed, on the `rank` <= n directions that have most of them:
 * out (n, rank) is the n first rows of U S of the singular value decomposition. A small matrix is taken apart; of a
 * larger one the leading subspace is found by iteration (Halko, Martinsson, Tropp, SIAM Review 53 (2011) 217) and taken
 * apart.
 */
rhm_status rhm_leading(double *out, const rhm_engine *engine, double *matrix, size_t n, size_t rank, rhm_error *error);

#endif
