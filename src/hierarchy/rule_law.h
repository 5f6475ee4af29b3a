/* Drawing how probable the rules of a symbol are. */
#ifndef RHM_HIERARCHY_RULE_LAW_H
#define RHM_HIERARCHY_RULE_LAW_H

#include "rhm/grammar.h"

/* Whether it is one that has to be named: drawn, and not uniform. */
bool rhm_rule_law_is_particular(const rhm_rule_law *law);

/* Whether the law can be drawn. */
rhm_status rhm_rule_law_check(const rhm_rule_law *law, rhm_error *error);

/*
 * Fill probability (rows, count), rows independent of each other, for the rules of `level` or, at level 0, the labels.
 * Every entry is positive. A pure function of all arguments, the same on every machine.
 */
void rhm_rule_law_draw(double *probability, size_t rows, size_t count, const rhm_rule_law *law, uint64_t seed,
                       uint32_t level);

#endif
