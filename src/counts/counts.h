/*
 * How often each patch of ids occurs with each label, position by position: all that a level of tables is learnt from.
 * Counts come from sequences, or from their exact law where it is known (law.h).
 */
#ifndef RHM_COUNTS_COUNTS_H
#define RHM_COUNTS_COUNTS_H

#include "core/intern.h"
#include "counts/latents.h"
#include "model/table.h"

/* Patches of a level that are told apart; what groups them takes time and memory in proportion to the square. */
enum { RHM_TABLE_MOST_PATCHES = 1 << 15 };

typedef struct rhm_table_counts {
    rhm_intern patch; /* those that occurred, in lexicographic order */
    size_t positions; /* the first so many of a sequence */
    size_t classes;
    uint64_t samples; /* of each position */
    uint64_t *count;  /* (patch.count, positions, classes) */
    const rhm_engine *engine;
    size_t reserved_nbytes;
} rhm_table_counts;

void rhm_table_counts_clear(rhm_table_counts *counts); /* accepts a zeroed one */

/* Zeroed counts for the patches of a set, which are copied in lexicographic order. */
rhm_status rhm_table_counts_init(rhm_table_counts *out, const rhm_engine *engine, const rhm_intern *patches,
                                 size_t positions, size_t classes, uint64_t samples, rhm_error *error);

/* Forget the patches that did not occur. */
rhm_status rhm_table_counts_compact(rhm_table_counts *counts, rhm_error *error);

/* RHM_INVALID where more than RHM_TABLE_MOST_PATCHES are different; also for plans. */
rhm_status rhm_table_check_patches(uint32_t level, size_t patches, rhm_error *error);

/* Numbers of a set's tuples in lexicographic order: order (count). */
rhm_status rhm_table_order(uint32_t **order, const rhm_intern *set, rhm_error *error);

/*
 * Count samples first..first+count-1 of a source, whose level-`level` patches the tables above `level` turn into ids.
 * RHM_INVALID where more than RHM_TABLE_MOST_PATCHES are different.
 */
rhm_status rhm_table_count_samples(rhm_table_counts *out, const rhm_engine *engine, const struct rhm_table *table,
                                   uint32_t level, size_t positions, const rhm_batch *batch, rhm_error *error);

/* Count samples 0..samples-1 whose patches are of true symbols, by the symbol above each, one of `parents`; at level 1
 * that is the label. */
rhm_status rhm_table_count_latents(rhm_table_counts *out, const rhm_engine *engine, const rhm_latents *latents,
                                   uint32_t level, size_t positions, size_t parents, uint64_t samples,
                                   rhm_error *error);

#endif
