/* The exact law of the symbol at a position of a level, together with the label. */
#ifndef RHM_HIERARCHY_POSITION_LAW_H
#define RHM_HIERARCHY_POSITION_LAW_H

#include <stddef.h>

#include "rhm/grammar.h"

/*
 * P[recorded label, symbol of `level` at position p], p = 0..positions-1, at most as many as the level has nodes:
 * (positions, symbols, labels). Released by rhm_free.
 */
rhm_status rhm_position_law(double **out, const rhm_grammar *grammar, uint32_t level, size_t positions,
                            rhm_error *error);

#endif
