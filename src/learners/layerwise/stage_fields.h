/* The members of a stage that a checkpoint keeps, beside arrays: tests/test_fields.c sees that none is left out. */
#ifndef RHM_LEARNERS_LAYERWISE_STAGE_FIELDS_H
#define RHM_LEARNERS_LAYERWISE_STAGE_FIELDS_H

#include "core/fields.h"

extern const rhm_fields rhm_stage_cost_fields; /* rhm_stage_costs */
extern const rhm_fields rhm_search_fields;     /* rhm_search */
extern const rhm_fields rhm_fit_fields;        /* rhm_fit, of whose layer only what its task does not say */
extern const rhm_fields rhm_drawn_fields;      /* rhm_drawn */

#endif
