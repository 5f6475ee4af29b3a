/*
 * Patches in runs that differ in their last token only (kernels.h). Weights rotated by the phasor of what a run has in
 * common meet the phasors of the last tokens where these are, so that no features are made.
 */
#ifndef RHM_KERNELS_LANES_RUNS_H
#define RHM_KERNELS_LANES_RUNS_H

#include "kernels/lanes/phasor.h"

/* Some patches of a run. */
typedef struct run {
    const rhm_phase_map *map;
    const uint32_t *ids; /* (count, s) */
    size_t count;
} run;

/* The first patches of those left, as far as they have the same tokens but for the last, and at most `most`. */
INLINE run run_from(const rhm_phase_map *map, const uint32_t *ids, size_t left, size_t most) {
    run r = {map, ids, 1};
    const size_t tokens = map->tokens;
    while (r.count < least(left, most) && memcmp(ids, ids + r.count * tokens, sizeof *ids * (tokens - 1)) == 0)
        r.count++;
    return r;
}

#endif
