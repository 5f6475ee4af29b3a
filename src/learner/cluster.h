/*
 * Clusters of a level's outputs: what the learner can know, without an oracle, of how well it tells parent symbols
 * apart (paper.md section 5). Lloyd's k-means in double precision from several deterministic starts, then with
 * centres moved one at a time.
 */
#ifndef RHM_LEARNER_CLUSTER_H
#define RHM_LEARNER_CLUSTER_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

typedef struct rhm_clusters {
    double separation; /* smallest distance between two centres; 0 with a single cluster */
    double radius;     /* 99th percentile of the distances to the own centre */
} rhm_clusters;

/*
 * Group `points` (count, width) into k clusters; more than 4096 points are thinned evenly. Fewer distinct points than k
 * yield separation 0. A pure function of its arguments.
 */
rhm_status rhm_cluster(rhm_clusters *out, const float *points, size_t count, size_t width, size_t k, uint64_t seed,
                       rhm_error *error);

#endif
