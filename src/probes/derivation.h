/* Sequences with all their symbols, and the same with some patches exchanged. */
#ifndef RHM_PROBES_DERIVATION_H
#define RHM_PROBES_DERIVATION_H

#include "core/philox.h"
#include "rhm/grammar.h"

/* Symbols of a sequence: symbol[l] is (nodes of level l), owned by whoever made it; symbol[L] are the tokens. */
typedef struct rhm_derivation {
    const rhm_grammar *grammar;
    uint16_t *symbol[RHM_MAX_LEVELS + 1];
} rhm_derivation;

/* Draw all of it. */
void rhm_derivation_draw(const rhm_derivation *out, rhm_random *random);

/* Draw again all below the symbol `node` of `level` < L. */
void rhm_derivation_redraw(const rhm_derivation *out, uint32_t level, size_t node, rhm_random *random);

/*
 * Exchange the patch of level `level` under the symbol `node` of the level above it for another one of that symbol, by
 * their probabilities, and draw again what is below symbols that changed. False where the symbol has no other patch.
 */
bool rhm_derivation_exchange(const rhm_derivation *out, uint32_t level, size_t node, rhm_random *random);

#endif
