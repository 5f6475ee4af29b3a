/* Which labels can stand with which symbols of a level, by position: what occurs, not how often. */
#ifndef RHM_SAMPLING_REACH_H
#define RHM_SAMPLING_REACH_H

#include "rhm/grammar.h"

/*
 * pairs (vocab[level - 1]), of the caller: for each symbol, at how many of the positions 0..positions-1 of `level` it
 * stands for how many labels as they are recorded, all added up. Sets of labels are words of bits, and positions that
 * follow each other share the way from the root.
 */
rhm_status rhm_reach_pairs(uint64_t *pairs, const rhm_grammar *grammar, uint32_t level, size_t positions,
                           rhm_error *error);

#endif
