/* The rows that group.h describes. */
#ifndef RHM_COUNTS_ROWS_H
#define RHM_COUNTS_ROWS_H

#include "counts/counts.h"

/* Rows or columns of a matrix that is taken apart; larger ones are left as they are. */
enum { RHM_MOST_EIGEN = 384 };

typedef struct rhm_rows {
    size_t count, width;
    double *value;  /* (count, width) */
    double *weight; /* (count): n(mu) */
} rhm_rows;

/* Residuals, not yet divided: value is (patches, positions classes). */
rhm_status rhm_rows_residuals(rhm_rows *out, const rhm_engine *engine, const rhm_table_counts *counts,
                              rhm_error *error);
void rhm_rows_scale(rhm_rows *rows); /* divide by sqrt(n) */

/* Residuals over sqrt(n), on at most `rank` directions where that leaves out noise. */
rhm_status rhm_rows_make(rhm_rows *out, const rhm_engine *engine, const rhm_table_counts *counts, size_t rank,
                         rhm_error *error);
void rhm_rows_clear(rhm_rows *rows); /* accepts a zeroed one */

#endif
