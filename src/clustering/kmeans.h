/*
 * Lloyd's k-means in double precision from several deterministic starts, then with centres moved one at a time. Work on
 * points and on centres runs in parallel over fixed chunks; sums are taken in the order of the points in blocks of
 * fixed size, and of these, so that bits do not depend on threads.
 */
#ifndef RHM_CLUSTERING_KMEANS_H
#define RHM_CLUSTERING_KMEANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/philox.h"
#include "rhm/engine.h"

typedef struct rhm_kmeans {
    const rhm_engine *engine;
    size_t count, width, k;
    double *point;            /* (count, width) */
    double *centre;           /* (k, width) */
    double *best;             /* (k, width): centres of the cheapest start */
    double *distance;         /* (count): squared, to the own centre */
    double *offered;          /* (RHM_KMEANS_CANDIDATES, count): what distances would become */
    uint32_t *owner;          /* (count) */
    uint32_t *sorted, *spare; /* (count): points by owner; scratch of the same size */
    double *block;            /* (blocks of points): sums */
    double *apart;            /* (k): squared, to the nearest centre before it */
    size_t *members;          /* (k) */
    size_t *end;              /* (k): of the members in `sorted` */
    rhm_random random;
    int starts,
        swaps; /* attempts from fresh centres, then with one centre of the best moved; the caller may change them */
} rhm_kmeans;

enum { RHM_KMEANS_CANDIDATES = 5 };

/* Room for `count` points; the caller fills `point`. Clear it on failure too. */
rhm_status rhm_kmeans_create(rhm_kmeans *out, const rhm_engine *engine, size_t count, size_t width, size_t k,
                             uint64_t seed, rhm_error *error);
void rhm_kmeans_clear(rhm_kmeans *g); /* accepts a zeroed one */

/* Leaves the best centres in `centre`, and owners and distances by them. */
rhm_status rhm_kmeans_run(rhm_kmeans *g, rhm_error *error);

double rhm_squared_distance(const double *a, const double *b, size_t width);

#endif
