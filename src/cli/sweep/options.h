/* The options of rhm sweep. */
#ifndef RHM_CLI_SWEEP_OPTIONS_H
#define RHM_CLI_SWEEP_OPTIONS_H

#include "cli/settings.h"

extern const rhm_option_group rhm_sweep_options;
extern const rhm_option_group rhm_sweep_search_options; /* --find-threshold and what goes with it */

#endif
