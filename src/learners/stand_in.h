/* For plans of data without a grammar: one like them. */
#ifndef RHM_LEARNERS_STAND_IN_H
#define RHM_LEARNERS_STAND_IN_H

#include "training/problem.h"

/* The caller's. With as many rules a symbol as the level-L patches of the data show, at all levels. */
rhm_status rhm_stand_in_draw(rhm_grammar **out, const rhm_problem *problem, rhm_error *error);

#endif
