/* The readable account of a training run. */
#ifndef RHM_CLI_TABLE_H
#define RHM_CLI_TABLE_H

#include <stdio.h>

#include "rhm/grammar.h"
#include "rhm/learner.h"

/* One row per level, L first, and a line for every level that was left unresolved or met a limit. analysis may be NULL.
 */
void rhm_table_levels(FILE *stream, const rhm_train_report *report, const rhm_analysis *analysis);

/* Where the time went, summed over the levels. */
void rhm_table_seconds(FILE *stream, const rhm_train_report *report);

#endif
