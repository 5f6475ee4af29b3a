/* What of a node each of its ranks may use. */
#ifndef RHM_ENGINE_RANK_SHARE_H
#define RHM_ENGINE_RANK_SHARE_H

#include "engine/cgroup.h"
#include "engine/topology.h"
#include "rhm/engine.h"
#include "rhm/ranks.h"

/*
 * Launchers that bind ranks have given each its own PUs; where they have not, and several ranks of a machine may use
 * the same ones, they part the cores of their topology, in hwloc's order. Without enough of them several share one. All
 * ranks must call; no effect where `ranks` is NULL.
 */
rhm_status rhm_rank_share(rhm_topology *topology, rhm_ranks *ranks, rhm_error *error);

/* Ranks, this one included, with which it divides what there is. */
typedef struct rhm_rank_sharing {
    int machine; /* its memory */
    int memory;  /* of the control group that limits it */
    int quota;   /* of the control group that limits it */
} rhm_rank_sharing;

/* All ranks must call. Ones where `ranks` is NULL. */
rhm_status rhm_rank_find_sharing(rhm_rank_sharing *out, const rhm_cgroup *cgroup, rhm_ranks *ranks, rhm_error *error);

/* Where a rank is, as the reports say it. */
typedef struct rhm_rank_place {
    char cpus[96]; /* PUs it may use, operating-system numbers such as "0-3" */
    int threads;
} rhm_rank_place;

/* Those of all ranks, on all of them: (ranks), to be released with rhm_free. NULL where `ranks` is. */
rhm_status rhm_rank_places(rhm_rank_place **out, const rhm_topology *topology, int threads, rhm_ranks *ranks,
                           rhm_error *error);

/* Of the engine's ranks. */
const rhm_rank_place *rhm_engine_rank_place(const rhm_engine *engine, int rank);

/* The smallest of all ranks' values, on all of them: what they decide by it they decide alike. */
rhm_status rhm_rank_least(rhm_ranks *ranks, uint64_t *value, rhm_error *error);

#endif
