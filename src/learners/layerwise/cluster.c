#include "learners/layerwise/cluster.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "clustering/kmeans.h"
#include "core/memory.h"

/* Fewer clusters are what the points form if they are so many times as far apart as those that were asked for. */
static const double CLEARER = 4;

/* Distance from the uniform distribution of outputs that need not be brought back. */
static const double FARTHEST = 1.5;

/* The groups while they are merged: `apart` (k, k) has the squared distances of centres, both ways round. */
typedef struct merging {
    rhm_kmeans *g;
    size_t k; /* clusters that are left */
    size_t stride;
    double *apart;   /* (stride, stride) */
    double *scratch; /* (count) */
} merging;

static double *centre_at(const rhm_kmeans *g, size_t c) {
    return g->centre + c * g->width;
}

static void measure_row(const merging *m, size_t a) {
    for (size_t b = 0; b < m->k; b++)
        m->apart[a * m->stride + b] = m->apart[b * m->stride + a] =
            rhm_squared_distance(centre_at(m->g, a), centre_at(m->g, b), m->g->width);
}

/* The closest two centres; infinity with a single one. */
static double closest_pair(const merging *m, size_t pair[2]) {
    double nearest = INFINITY;
    for (size_t a = 1; a < m->k; a++)
        for (size_t b = 0; b < a; b++)
            if (m->apart[a * m->stride + b] < nearest) {
                nearest = m->apart[a * m->stride + b];
                pair[0] = b;
                pair[1] = a;
            }
    return nearest;
}

static void swap(double *a, double *b) {
    const double kept = *a;
    *a = *b;
    *b = kept;
}

/*
 * The value that would be at `place` if `values` were sorted, which they need not be for it: sorting all of them for
 * every number of clusters is what one thread would spend most of its time on. Hoare's selection, the middle of three
 * as pivot.
 */
static double select_value(double *values, size_t count, size_t place) {
    size_t first = 0, last = count - 1;
    while (first < last) {
        const size_t middle = first + (last - first) / 2;
        if (values[middle] < values[first])
            swap(&values[middle], &values[first]);
        if (values[last] < values[first])
            swap(&values[last], &values[first]);
        if (values[last] < values[middle])
            swap(&values[last], &values[middle]);
        const double pivot = values[middle];
        size_t i = first, j = last;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (pivot < values[j])
                j--;
            if (i > j)
                break;
            swap(&values[i++], &values[j]);
            if (j-- == 0)
                break;
        }
        if (place <= j && j < last)
            last = j;
        else if (place >= i)
            first = i;
        else
            return values[place];
    }
    return values[place];
}

/* Points of cluster `b` go to `a`, and the last cluster takes its number. */
static void merge(merging *m, size_t a, size_t b) {
    rhm_kmeans *g = m->g;
    const size_t width = g->width, last = m->k - 1, both = g->members[a] + g->members[b];
    double *into = centre_at(g, a), *from = centre_at(g, b);
    for (size_t j = 0; j < width && both; j++)
        into[j] = ((double)g->members[a] * into[j] + (double)g->members[b] * from[j]) / (double)both;
    memmove(from, centre_at(g, last), sizeof *from * width);
    g->members[a] = both;
    g->members[b] = g->members[last];
    m->k = last;
    for (size_t i = 0; i < g->count; i++) {
        if (g->owner[i] == b)
            g->owner[i] = (uint32_t)a;
        if (g->owner[i] == last)
            g->owner[i] = (uint32_t)b;
        if (g->owner[i] == a)
            g->distance[i] = rhm_squared_distance(g->point + i * width, into, width);
    }
    measure_row(m, a);
    if (b < last)
        measure_row(m, b);
}

static double ratio(double separation, double radius) {
    return radius > 0 ? separation / radius : separation > 0 ? HUGE_VAL : 0;
}

/* 99th percentile of the distances. */
static double radius_of(const rhm_kmeans *g, double *scratch) {
    memcpy(scratch, g->distance, sizeof *scratch * g->count);
    return sqrt(select_value(scratch, g->count, (g->count - 1) * 99 / 100));
}

/* Merge the closest two clusters again and again, and keep the number at which they are widest apart. */
static void merge_clusters(merging *m, rhm_clusters *out) {
    rhm_kmeans *g = m->g;
    double widest = 0;
    size_t pair[2] = {0};
    memset(g->members, 0, sizeof *g->members * g->k);
    for (size_t i = 0; i < g->count; i++)
        g->members[g->owner[i]]++;
    for (size_t c = g->k; c-- > 1;)
        if (g->members[c] == 0)
            merge(m, 0, c);
    for (;;) {
        const double separation = sqrt(closest_pair(m, pair)), radius = radius_of(g, m->scratch);
        if (m->k > 1 && m->k < out->count && ratio(separation, radius) > widest) {
            widest = ratio(separation, radius);
            out->fewer = (uint32_t)m->k;
            out->fewer_separation = separation;
            out->fewer_radius = radius;
        }
        if (m->k <= 2)
            return;
        merge(m, pair[0], pair[1]);
    }
}

static void measure(merging *m, rhm_clusters *out) {
    size_t pair[2] = {0};
    for (size_t a = 0; a < m->k; a++)
        measure_row(m, a);
    *out = (rhm_clusters){
        .count = (uint32_t)m->k,
        .separation = m->k > 1 ? sqrt(closest_pair(m, pair)) : 0,
        .radius = radius_of(m->g, m->scratch),
        .fewer = (uint32_t)m->k,
    };
    out->fewer_separation = out->separation;
    out->fewer_radius = out->radius;
    if (rhm_clusters_gap(out) < RHM_CLEAR_GAP)
        merge_clusters(m, out);
}

double rhm_clusters_gap(const rhm_clusters *clusters) {
    return clusters->count == 1 ? HUGE_VAL : ratio(clusters->separation, clusters->radius);
}

bool rhm_clusters_are_fewer(const rhm_clusters *clusters) {
    const double gap = ratio(clusters->fewer_separation, clusters->fewer_radius);
    return clusters->fewer < clusters->count && gap >= RHM_CLEAR_GAP && gap >= CLEARER * rhm_clusters_gap(clusters);
}

rhm_clusters rhm_clusters_formed(const rhm_clusters *clusters) {
    if (!rhm_clusters_are_fewer(clusters))
        return *clusters;
    return (rhm_clusters){
        .count = clusters->fewer,
        .separation = clusters->fewer_separation,
        .radius = clusters->fewer_radius,
        .fewer = clusters->fewer,
        .fewer_separation = clusters->fewer_separation,
        .fewer_radius = clusters->fewer_radius,
    };
}

void rhm_cluster_bound(float *points, size_t count, size_t blocks, size_t classes) {
    for (float *block = points; block < points + count * blocks * classes; block += classes) {
        double square = 0;
        for (size_t c = 0; c < classes; c++)
            square += (double)block[c] * (double)block[c];
        for (size_t c = 0; c < classes && square > FARTHEST * FARTHEST; c++)
            block[c] = (float)((double)block[c] * (FARTHEST / sqrt(square)));
    }
}

rhm_status rhm_cluster(rhm_clusters *out, const rhm_engine *engine, const float *points, size_t count, size_t width,
                       size_t k, uint64_t seed, rhm_error *error) {
    *out = (rhm_clusters){0};
    if (count == 0 || k == 0)
        return RHM_OK;
    const size_t used = count < RHM_CLUSTER_POINTS ? count : RHM_CLUSTER_POINTS;
    rhm_kmeans g;
    merging m = {.g = &g, .k = k, .stride = k};
    rhm_status status = rhm_kmeans_create(&g, engine, used, width, k, seed, error);
    if (status != RHM_OK)
        goto done;
    if (!(m.apart = RHM_NEW(double, k, k, 1, "distances of centres", error)) ||
        !(m.scratch = RHM_NEW(double, used, 1, 1, "cluster distances", error))) {
        status = RHM_NO_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < used; i++)
        for (size_t j = 0; j < width; j++)
            g.point[i * width + j] = (double)points[(count > used ? i * count / used : i) * width + j];
    status = rhm_kmeans_run(&g, error);
    if (status == RHM_OK)
        measure(&m, out);
done:
    rhm_kmeans_clear(&g);
    rhm_free(m.apart);
    rhm_free(m.scratch);
    return status;
}
