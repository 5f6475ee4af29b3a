/* The rows that group.h describes. */
#ifndef RHM_LEARNERS_TABLE_ROWS_H
#define RHM_LEARNERS_TABLE_ROWS_H

#include "counts/counts.h"

/* Rows or columns of a matrix that is taken apart; larger ones are left as they are. */
enum { RHM_MOST_EIGEN = 384 };

typedef struct rhm_rows {
    size_t count, width;
    double *value;  /* (count, width) */
    double *weight; /* (count): n(mu) */
} rhm_rows;

/* Residuals over sqrt(n), on at most `rank` directions where that leaves out noise. */
rhm_status rhm_rows_make(rhm_rows *out, const rhm_engine *engine, const rhm_table_counts *counts, size_t rank,
                         rhm_error *error);
void rhm_rows_clear(rhm_rows *rows); /* accepts a zeroed one */

/*
 * Eigenvalues of a symmetric matrix (n, n), largest first, and its eigenvectors as columns of `vector` (n, n), by
 * Jacobi's rotations in the order of rows. `matrix` is destroyed.
 */
void rhm_eigen(double *matrix, double *vector, double *value, size_t n);

#endif
