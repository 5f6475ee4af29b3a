/* The members of a level's report: reports, checkpoints and their documentation follow from this table alone. */
#ifndef RHM_TRAINING_LEVEL_REPORT_H
#define RHM_TRAINING_LEVEL_REPORT_H

#include "core/fields.h"
#include "rhm/learner.h"

extern const rhm_fields rhm_level_report_fields;

/* Of a level of which nothing is known yet: NaN wherever a learner may have nothing to say. */
rhm_level_report rhm_level_report_unknown(void);

#endif
