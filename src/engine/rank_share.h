/* What of a node each of its ranks may use. */
#ifndef RHM_ENGINE_RANK_SHARE_H
#define RHM_ENGINE_RANK_SHARE_H

#include "engine/topology.h"
#include "rhm/ranks.h"

/*
 * Launchers that bind ranks have given each its own PUs; where they have not, and several ranks of a node may use the
 * same ones, they part the cores of their topology, in hwloc's order. Without enough of them several share one. All
 * ranks must call; no effect where `ranks` is NULL.
 */
rhm_status rhm_rank_share(rhm_topology *topology, rhm_ranks *ranks, rhm_error *error);

/* The smallest of all ranks' values, on all of them: what they decide by it they decide alike. */
rhm_status rhm_rank_least(rhm_ranks *ranks, uint64_t *value, rhm_error *error);

#endif
