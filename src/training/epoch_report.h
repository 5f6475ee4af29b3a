/* The members of an epoch's report: checkpoints and documentation follow from this table alone. */
#ifndef RHM_TRAINING_EPOCH_REPORT_H
#define RHM_TRAINING_EPOCH_REPORT_H

#include "core/fields.h"
#include "rhm/learner.h"

extern const rhm_fields rhm_epoch_report_fields;

#endif
