/* Files that ranks of an MPI job read, each for itself: they must be the same. */
#ifndef RHM_CLI_INPUTS_H
#define RHM_CLI_INPUTS_H

#include "cli/settings.h"

/* RHM_INVALID, naming the file and the rank, where the contents differ, or one rank has none. Nothing
 * for one process. */
rhm_status rhm_inputs_compare(const rhm_settings *settings, rhm_error *error);

#endif
