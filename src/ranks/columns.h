/*
 * Sums of long rows in the fixed tree (engine/reduce.h) of which every rank adds up one part of the columns for all: of
 * doubles in sum.c, of floats in sum_floats.c.
 */
#ifndef RHM_RANKS_COLUMNS_H
#define RHM_RANKS_COLUMNS_H

#include "ranks/group.h"

typedef struct rhm_columns {
    rhm_ranks *ranks;
    const size_t *first; /* (ranks + 1): rows of ranks */
    size_t count, size;  /* rows, and numbers of each */
    size_t nbytes;       /* of a number */
    size_t together;     /* columns that stay so */
    char *rows;          /* sums of the own subtrees, `stride` numbers apart: */
    size_t stride;
    bool packed; /* one after the other; else each where its first row would be */
    char *spare; /* rhm_columns_spare numbers */
    void (*add)(void *into, const void *from, size_t count);
} rhm_columns;

/* Where the part of a rank begins, 0..size. */
size_t rhm_columns_begin(const rhm_columns *c, int rank);

/* Of the subtrees of the other ranks the own columns; `rows` and `spare` need not be there yet. */
size_t rhm_columns_spare(const rhm_columns *c);

/* *sum: of the own columns, in `rows` or `spare`, which are left as scratch; NULL without rows. All ranks must call. */
rhm_status rhm_columns_sum(const rhm_columns *c, const char **sum, rhm_error *error);

/* All parts of `sum` (size), of which each rank has its own, on all ranks. */
rhm_status rhm_columns_gather(const rhm_columns *c, void *sum, rhm_account_kind kind, rhm_error *error);

#endif
