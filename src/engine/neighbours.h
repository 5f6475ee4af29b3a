/*
 * Which cores others are using, for runs that take fewer than they may. Two runs of this program tell each other; of
 * everything else, what the system shows.
 */
#ifndef RHM_ENGINE_NEIGHBOURS_H
#define RHM_ENGINE_NEIGHBOURS_H

#include "engine/placement.h"

/*
 * What was found, in PUs (operating-system numbers), and what this process has claimed. Others of the same network
 * namespace see a claim until it is released or the process has ended, however it ended, and its children have. All
 * zero: nobody looked.
 */
typedef struct rhm_neighbours {
    hwloc_bitmap_t busy;    /* idle for less than half of a moment; empty where all are */
    hwloc_bitmap_t claimed; /* by others */
    int claims;
    int *socket; /* (claims), owned: own claims */
} rhm_neighbours;

/*
 * Plan fewer threads than there are cores beside what others use (rhm_plan_make_beside), and claim their cores. Where
 * the system does not say what is busy nothing is, and where it knows no claims none are made. Takes 30 ms to see what
 * is busy, but no time when nothing is running besides this thread. Clear it on failure too.
 */
rhm_status rhm_neighbours_plan(rhm_neighbours *out, rhm_plan *plan, const rhm_topology *topology, int threads,
                               rhm_error *error);

/* Ends the claims. Accepts a zeroed one. */
void rhm_neighbours_clear(rhm_neighbours *neighbours);

/* ---- for tests --------------------------------------------------------------------------------------------------- */

/* Idle time of a PU (operating-system number) in a text such as /proc/stat, in ticks; -1 where it is not told. */
long long rhm_neighbours_idle_ticks(const char *text, int pu_os);

#endif
