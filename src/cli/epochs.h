/* The readable account of gradient descent. */
#ifndef RHM_CLI_EPOCHS_H
#define RHM_CLI_EPOCHS_H

#include <stdio.h>

#include "rhm/learner.h"

/* What was trained and how, then some of the epochs: 1, 2, 5, 10, 20, ... and the last, of every level where levels
 * were trained one by one. */
void rhm_epochs_print(FILE *stream, const rhm_train_report *report);

/* What the rows mean, and whether the loss came down as far as it should. `ended`: nobody interrupted it. */
void rhm_epochs_notes(FILE *stream, const rhm_train_report *report, bool ended);

/* Where the time went. */
void rhm_epochs_seconds(FILE *stream, const rhm_train_report *report);

#endif
