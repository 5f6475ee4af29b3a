/* Which thread goes where: a pure function of topology, policy and number of threads. */
#ifndef RHM_ENGINE_PLACEMENT_H
#define RHM_ENGINE_PLACEMENT_H

#include "engine/topology.h"

typedef enum rhm_policy {
    RHM_PLACE_COMPACT,     /* neighbouring cores first */
    RHM_PLACE_SCATTER,     /* round-robin over NUMA nodes, inside a node over its L3 caches */
    RHM_PLACE_NONE,        /* the operating system moves threads as it likes */
    RHM_PLACE_LIST,        /* the caller's list of PUs */
    RHM_PLACE_ENVIRONMENT, /* OMP_PROC_BIND and its kin rule */
} rhm_policy;

const char *rhm_policy_name(rhm_policy policy);

/* One processing unit and what it belongs to, -1 where the machine has no such thing. Logical numbers are hwloc's. */
typedef struct rhm_place {
    int pu;    /* logical, within the allowed set */
    int pu_os; /* as in /proc/cpuinfo and taskset */
    int core;
    int l3;
    int package;
    int node; /* index into rhm_topology.node */
    int kind; /* of core: 0 for the fastest */
} rhm_place;

typedef struct rhm_plan {
    rhm_policy policy;
    int threads;
    rhm_place *place;   /* (threads), owned; NULL when threads are not placed */
    int threads_per_pu; /* most threads on one PU; more than 1 is oversubscription. 0 when threads are not placed */
} rhm_plan;

/*
 * Plan `threads` threads; 0 means as many as a list names, or else `default_threads` (at least 1). `placement` is
 * "compact", "scatter", "none", or a list of logical PU numbers such as "0,2,4-7" (NULL: compact). Both policies give
 * every core one thread before any gets a second, fast kinds of core before slow ones. More threads than PUs start
 * over with the first. RHM_INVALID for a placement that makes no sense here.
 */
rhm_status rhm_plan_make(rhm_plan *out, const rhm_topology *topology, const char *placement, int threads,
                         int default_threads, rhm_error *error);

/*
 * "compact" for fewer threads than there are cores, off the cores with PUs (operating-system numbers) in `busy` and in
 * `claimed` as far as others are left, and then rather on busy ones. Of several stretches of free cores the first one
 * on the fewest NUMA nodes, then on the fewest L3 caches, is taken.
 */
rhm_status rhm_plan_make_beside(rhm_plan *out, const rhm_topology *topology, int threads, hwloc_const_bitmap_t busy,
                                hwloc_const_bitmap_t claimed, rhm_error *error);

/* A plan that leaves its threads alone: RHM_PLACE_NONE or RHM_PLACE_ENVIRONMENT. */
rhm_plan rhm_plan_unplaced(rhm_policy policy, int threads);

/* Accepts a zeroed plan. */
void rhm_plan_clear(rhm_plan *plan);

#endif
