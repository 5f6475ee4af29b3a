/* The readable account of a training run. */
#ifndef RHM_CLI_TABLE_H
#define RHM_CLI_TABLE_H

#include <stdio.h>

#include "rhm/grammar.h"
#include "rhm/learner.h"

/* The names of the columns. */
void rhm_table_head(FILE *stream, const rhm_train_report *report);

/* A row for each of the levels `first`, first - 1, ..., `last`. analysis may be NULL. */
void rhm_table_rows(FILE *stream, const rhm_train_report *report, const rhm_analysis *analysis, uint32_t first,
                    uint32_t last);

/*
 * A line for every level L, ..., `last` that was left unresolved or met a limit. accuracy is that of the test and
 * possible the best one; NAN where they are not known.
 */
void rhm_table_notes(FILE *stream, const rhm_train_report *report, uint32_t last, double accuracy, double possible);

/* Where the time went, summed over the levels. */
void rhm_table_seconds(FILE *stream, const rhm_train_report *report);

#endif
