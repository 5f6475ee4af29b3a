/* What launchers make of the end of a process that they started as one of several ranks. */
#ifndef RHM_RANKS_UNJOINED_H
#define RHM_RANKS_UNJOINED_H

#include <stdbool.h>

/* Of one that could not join the others, so that the launcher ends them, too. Returns in a process that was started
 * alone. */
void rhm_unjoined_end(int exit_status);

/* Whether a job that MPI_Abort ends has another status than it asks for. */
bool rhm_launcher_drops_status(void);

#endif
