/* Where a rank is, as it finds out itself. */
#ifndef RHM_RANKS_HOME_H
#define RHM_RANKS_HOME_H

#include "ranks/group.h"

/* Of this process, of which MPI has said the node (rhm_transport.node). */
rhm_rank_home rhm_rank_home_here(int node);

/* When what all say of themselves is known: who is on whose node and machine. */
void rhm_rank_homes_join(rhm_ranks *ranks);

#endif
