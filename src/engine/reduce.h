/* Sums of partial results whose bits depend on their number and order alone. */
#ifndef RHM_ENGINE_REDUCE_H
#define RHM_ENGINE_REDUCE_H

#include <stddef.h>

#include "rhm/engine.h"

/*
 * Add `count` rows of `size` doubles, each `stride` >= size apart, into the first; the others are left as scratch.
 * Element by element the rows are added in one binary tree: in step j = 0, 1, ... row i, a multiple of 2^(j+1), takes
 * row i + 2^j where there is one. So whoever holds a block of 2^j rows, begun at a multiple of that, can reduce it
 * alone, and the blocks' first rows are then the leaves of the same tree: threads today, processes another day.
 * Fails only by interruption.
 */
rhm_status rhm_reduce(const rhm_engine *engine, double *rows, size_t count, size_t size, size_t stride,
                      rhm_error *error);

/*
 * The same sum of rows that one thread makes one after another, without keeping all of them: it holds one row for each
 * complete subtree that waits for its neighbour. Begin with the first three members alone.
 */
typedef struct rhm_running_sum {
    double *sum;    /* (size): holds the result in the end */
    double *spare;  /* (levels, size), where at most 2^levels rows come */
    size_t size;    /* of a row */
    size_t count;   /* of rows so far */
    size_t waiting; /* subtrees */
} rhm_running_sum;

/* Where the next row is to be written, and that it has been. */
double *rhm_running_next(const rhm_running_sum *running);
void rhm_running_add(rhm_running_sum *running);

/* No more rows come, of which there was one at least: their sum is in `sum`. */
void rhm_running_end(rhm_running_sum *running);

#endif
