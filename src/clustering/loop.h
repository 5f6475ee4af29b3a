/* Loops of k-means over points or centres, in chunks that their work alone decides. */
#ifndef RHM_CLUSTERING_LOOP_H
#define RHM_CLUSTERING_LOOP_H

#include <stdatomic.h>

#include "clustering/kmeans.h"
#include "engine/spread.h"

/* `offer` is the centre, `pick` the points in question. */
typedef struct rhm_kmeans_loop {
    rhm_kmeans *g;
    void (*body)(struct rhm_kmeans_loop *loop, size_t first, size_t end);
    size_t items, chunk;
    size_t offer;
    size_t pick[RHM_KMEANS_CANDIDATES];
    const double *values; /* (count), to be added up or compared */
    atomic_bool changed;

    /* What is written for each item. With some, ranks share the loop where it is long. */
    rhm_spread_output output[RHM_KMEANS_CANDIDATES];
    size_t outputs;
} rhm_kmeans_loop;

/* The loop writes `nbytes` for each of `items` to data, and no more than RHM_KMEANS_CANDIDATES such arrays. */
void rhm_kmeans_loop_writes(rhm_kmeans_loop *loop, void *data, size_t nbytes, size_t items);

rhm_status rhm_kmeans_loop_run(rhm_kmeans_loop *loop, size_t items, size_t work_per_item, rhm_error *error);

#endif
