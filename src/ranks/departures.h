/* Ranks that have ended, and what those that have not are told of it. */
#ifndef RHM_RANKS_DEPARTURES_H
#define RHM_RANKS_DEPARTURES_H

#include "ranks/group.h"

/* Take in who has ended. */
void rhm_departures_hear(rhm_ranks *ranks);

/* The same. The failure of a rank that did so with one, and its sentence. */
rhm_status rhm_departures_look(rhm_ranks *ranks, rhm_error *error);

/* A rank has been waited for in vain: it counts as one that has failed. */
void rhm_departures_silent(rhm_ranks *ranks, int rank);

/* What a rank knows of the others; MPI has ended, or never began. */
void rhm_ranks_release(rhm_ranks *ranks);

#endif
