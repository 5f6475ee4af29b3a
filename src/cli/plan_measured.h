/* A plan from times that were measured elsewhere, and written down. */
#ifndef RHM_CLI_PLAN_MEASURED_H
#define RHM_CLI_PLAN_MEASURED_H

#include "cli/settings.h"

/* rhm plan --measured FILE: all of it. */
rhm_status rhm_plan_measured(const rhm_settings *settings, rhm_error *error);

#endif
