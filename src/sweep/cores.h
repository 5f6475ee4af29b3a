/* Dealing out the cores of any topology: for tests on made-up machines. */
#ifndef RHM_SWEEP_CORES_H
#define RHM_SWEEP_CORES_H

#include "engine/topology.h"
#include "rhm/sweep.h"

/* As rhm_core_sets_deal, of at most `most_threads` cores. */
rhm_status rhm_core_sets_of(rhm_core_sets *out, const rhm_topology *topology, int threads, int most_threads,
                            rhm_error *error);

#endif
