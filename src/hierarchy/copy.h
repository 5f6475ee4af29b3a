/* Copies of grammars. */
#ifndef RHM_HIERARCHY_COPY_H
#define RHM_HIERARCHY_COPY_H

#include "rhm/grammar.h"

/* An independent copy, origin included. */
rhm_status rhm_grammar_copy(rhm_grammar **out, const rhm_grammar *grammar, rhm_error *error);

#endif
