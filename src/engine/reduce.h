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

#endif
