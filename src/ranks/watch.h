/* Signs of life, where silence is limited. */
#ifndef RHM_RANKS_WATCH_H
#define RHM_RANKS_WATCH_H

#include "ranks/group.h"

/* A process that has not looked for so long was stopped, or busy: others may have been, too. */
#define RHM_AWAY_SECONDS 1.0

/* Take in signs of life: fails where a rank has been silent for too long. To be called again and again. */
rhm_status rhm_watch_look(rhm_ranks *ranks, rhm_error *error);

/* Something else has come from a rank. */
void rhm_watch_heard(rhm_ranks *ranks, int from);

#endif
