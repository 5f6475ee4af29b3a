/* Grammars that come from tables yet remember how they were once drawn. */
#ifndef RHM_HIERARCHY_COPY_H
#define RHM_HIERARCHY_COPY_H

#include "rhm/grammar.h"

/* An independent copy, origin included. */
rhm_status rhm_grammar_copy(rhm_grammar **out, const rhm_grammar *grammar, rhm_error *error);

/* rhm_grammar_create, then rhm_grammar_sampling and rhm_grammar_seed as given: what a file says of its rules. */
rhm_status rhm_grammar_restore(rhm_grammar **out, const rhm_shape *shape, const uint32_t *const *patches,
                               const double *const *probability, const double *label_probability,
                               rhm_rule_sampling sampling, uint64_t seed, rhm_error *error);

#endif
