/*
 * Clusters of a level's outputs: what the learner can know, without an oracle, of how well it tells parent symbols
 * apart (docs/training.md).
 */
#ifndef RHM_LEARNERS_LAYERWISE_CLUSTER_H
#define RHM_LEARNERS_LAYERWISE_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"

typedef struct rhm_clusters {
    uint32_t count;    /* clusters that were asked for */
    double separation; /* smallest distance between two centres; 0 with a single cluster */
    double radius;     /* 99th percentile of the distances to the own centre */

    /* The same for the number of clusters, from 2 on, at which separation / radius is largest, looked for where the
     * clusters above touch. */
    uint32_t fewer;
    double fewer_separation, fewer_radius;
} rhm_clusters;

/* separation / radius from which on clusters are certain: halves of a split one have been seen 3 apart. */
#define RHM_CLEAR_GAP 4.0

/* separation / radius; infinite for a single cluster, which has none to be told from, and for clusters of one point. */
double rhm_clusters_gap(const rhm_clusters *clusters);

/*
 * Fewer clusters than were asked for are what the points form, and these are split: they are clearly apart, and far
 * more so than those that were asked for.
 */
bool rhm_clusters_are_fewer(const rhm_clusters *clusters);

/* The clusters that the points form: those that were asked for, or fewer. `fewer` is count then. */
rhm_clusters rhm_clusters_formed(const rhm_clusters *clusters);

/*
 * Bring back centred outputs (count, blocks, classes) that the normalisation threw far away: posteriors are less than 1
 * away from the uniform distribution, so blocks that are much farther say nothing, and count as being just outside.
 */
void rhm_cluster_bound(float *points, size_t count, size_t blocks, size_t classes);

enum { RHM_CLUSTER_POINTS = 4096 }; /* at most */

/*
 * Group `points` (count, width) into k clusters; more than RHM_CLUSTER_POINTS are thinned evenly. Fewer distinct points
 * than k yield separation 0. A pure function of its arguments, whatever the threads of the engine.
 */
rhm_status rhm_cluster(rhm_clusters *out, const rhm_engine *engine, const float *points, size_t count, size_t width,
                       size_t k, uint64_t seed, rhm_error *error);

#endif
