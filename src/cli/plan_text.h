/* What training would take, in tables for people. */
#ifndef RHM_CLI_PLAN_TEXT_H
#define RHM_CLI_PLAN_TEXT_H

#include <stdio.h>

#include "rhm/plan.h"

void rhm_plan_print(FILE *out, const rhm_training_plan *plan);

/* Of a plan for several ranks; nothing of others. `seconds_alone` is what one process on such a node would take. */
void rhm_plan_print_ranks(FILE *out, const rhm_training_plan *plan, double seconds_alone);

#endif
