/* How far apart the symbols of a level are by their exact posteriors at several positions. For forecasts only. */
#ifndef RHM_LEARNERS_LAYERWISE_DISTANCES_H
#define RHM_LEARNERS_LAYERWISE_DISTANCES_H

#include <stdbool.h>

#include "rhm/grammar.h"

typedef struct rhm_distances {
    bool apart; /* all symbols that occur in sequences do so at one of the positions, and no two are the same there */
    bool all_occur; /* the first half of that */
    double rho; /* smallest distance between two that are not the same, all positions side by side; 0: there are none */
} rhm_distances;

/* Of the level-(level-1) symbols, at the first `positions` of their level. */
rhm_status rhm_distances_at(rhm_distances *out, const rhm_grammar *grammar, const rhm_analysis *analysis,
                            uint32_t level, size_t positions, rhm_error *error);

/* What that takes in multiply-adds, about 10^9 a second. */
double rhm_distances_work(const rhm_grammar *grammar, uint32_t level, size_t positions);

/* What random rules usually give where that is too much: symbols come apart, as far as if each were written by as many
 * others as it has rules, none of them twice. */
rhm_distances rhm_distances_usual(const rhm_grammar *grammar, uint32_t level);

#endif
