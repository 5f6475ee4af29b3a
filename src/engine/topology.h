/*
 * What the process may run on: hwloc's view of the machine, loaded once and cut down to the allowed processing units.
 * A topology does not change once restricted; threads may share it.
 */
#ifndef RHM_ENGINE_TOPOLOGY_H
#define RHM_ENGINE_TOPOLOGY_H

#include <hwloc.h>
#include <stdbool.h>
#include <stdint.h>

#include "rhm/status.h"

/* A NUMA node with processing units of its own. Memory-only nodes (CXL, high-bandwidth memory) are never a home. */
typedef struct rhm_node {
    unsigned os_index;
    uint64_t memory_nbytes;
    int pus;
} rhm_node;

typedef struct rhm_topology {
    hwloc_topology_t hwloc;
    bool
        this_system; /* false for synthetic and imported topologies: hwloc's binding calls then succeed doing nothing */
    int pus;         /* allowed ones, as are the counts below */
    int cores;
    int packages;
    int node_count; /* at least 1 */
    rhm_node *node; /* (node_count), by operating-system index */
} rhm_topology;

/*
 * Load with everything that the cgroup allows. One of `synthetic` (hwloc's notation) and `xml_path` names a made-up
 * machine; both NULL: this one, or what HWLOC_SYNTHETIC or HWLOC_XMLFILE say in its place. The calling thread is never
 * rebound, as hwloc's own discovery would do.
 */
rhm_status rhm_topology_load(rhm_topology *out, const char *synthetic, const char *xml_path, rhm_error *error);

/* Leave only these PUs (operating-system numbers). */
rhm_status rhm_topology_restrict(rhm_topology *topology, hwloc_const_cpuset_t allowed, rhm_error *error);

/* Accepts a zeroed topology. */
void rhm_topology_clear(rhm_topology *topology);

/* Index in `node` of the home of a PU (operating-system number), or of a set of PUs that lie on one node; else -1. */
int rhm_topology_node_of_pu(const rhm_topology *topology, unsigned pu_os);
int rhm_topology_node_of_set(const rhm_topology *topology, hwloc_const_cpuset_t set);

#endif
