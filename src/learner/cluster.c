#include "learner/cluster.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/philox.h"

enum { MOST_POINTS = 4096, STARTS = 4, SWAPS = 8, CANDIDATES = 5, MOST_STEPS = 60, AGREEMENTS = 2 };

static const double SAME = 1e-9; /* relative: costs of one optimum */

/* Fewer clusters are what the points form if they are so many times as far apart as those that were asked for. */
static const double CLEARER = 4;

typedef struct grouping {
    size_t count, width, k;
    double *point;    /* (count, width) */
    double *centre;   /* (k, width) */
    double *best;     /* (k, width): centres of the cheapest start */
    double *distance; /* (count): squared, to the own centre */
    uint32_t *owner;  /* (count) */
    size_t *members;  /* (k) */
    rhm_random random;
} grouping;

static double squared_distance(const double *a, const double *b, size_t width) {
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

/* Lower distance[] to what centre c offers. */
static void offer(grouping *g, size_t c) {
    for (size_t i = 0; i < g->count; i++) {
        const double d = squared_distance(g->point + i * g->width, g->centre + c * g->width, g->width);
        if (c == 0 || d < g->distance[i])
            g->distance[i] = d;
    }
}

/* A point, drawn in proportion to its squared distance to what centres there are. */
static size_t draw_point(grouping *g) {
    double total = 0;
    for (size_t i = 0; i < g->count; i++)
        total += g->distance[i];
    double left = total * ((double)rhm_random_word(&g->random) * 0x1p-32);
    size_t pick = 0;
    while (pick + 1 < g->count && left >= g->distance[pick])
        left -= g->distance[pick++];
    return pick;
}

/* What all distances would sum to with a centre on that point. */
static double cost_with(const grouping *g, size_t pick) {
    double sum = 0;
    for (size_t i = 0; i < g->count; i++)
        sum += fmin(g->distance[i], squared_distance(g->point + i * g->width, g->point + pick * g->width, g->width));
    return sum;
}

static size_t best_of_some(grouping *g) {
    size_t best = 0;
    double least = INFINITY;
    for (int i = 0; i < CANDIDATES; i++) {
        const size_t pick = draw_point(g);
        const double cost = cost_with(g, pick);
        if (cost < least) {
            least = cost;
            best = pick;
        }
    }
    return best;
}

/*
 * Start 0 takes the farthest point each time, which hits every cluster once when they are well apart; the others the
 * best of some points drawn in proportion to squared distance (greedy k-means++), which outliers mislead less.
 */
static void seed_centres(grouping *g, int start) {
    for (size_t c = 0; c < g->k; c++) {
        size_t pick = 0;
        if (c == 0) {
            pick = start == 0 ? 0 : rhm_random_below(&g->random, (uint32_t)g->count);
        } else if (start == 0) {
            for (size_t i = 1; i < g->count; i++)
                if (g->distance[i] > g->distance[pick])
                    pick = i;
        } else {
            pick = best_of_some(g);
        }
        memcpy(g->centre + c * g->width, g->point + pick * g->width, sizeof(double) * g->width);
        offer(g, c);
    }
}

/* Give every point to its nearest centre; true when an owner changed. *cost is the sum of squared distances. */
static bool assign(grouping *g, double *cost) {
    bool changed = false;
    *cost = 0;
    for (size_t i = 0; i < g->count; i++) {
        uint32_t owner = 0;
        double nearest = INFINITY;
        for (size_t c = 0; c < g->k; c++) {
            const double d = squared_distance(g->point + i * g->width, g->centre + c * g->width, g->width);
            if (d < nearest) {
                nearest = d;
                owner = (uint32_t)c;
            }
        }
        changed |= owner != g->owner[i];
        g->owner[i] = owner;
        g->distance[i] = nearest;
        *cost += nearest;
    }
    return changed;
}

static void update_centres(grouping *g) {
    memset(g->members, 0, sizeof *g->members * g->k);
    for (size_t i = 0; i < g->count; i++)
        g->members[g->owner[i]]++;
    for (size_t c = 0; c < g->k; c++) /* a centre that lost all its points stays where it was */
        if (g->members[c])
            memset(g->centre + c * g->width, 0, sizeof(double) * g->width);
    for (size_t i = 0; i < g->count; i++)
        for (size_t j = 0; j < g->width; j++)
            g->centre[g->owner[i] * g->width + j] += g->point[i * g->width + j];
    for (size_t c = 0; c < g->k; c++)
        for (size_t j = 0; j < g->width && g->members[c]; j++)
            g->centre[c * g->width + j] /= (double)g->members[c];
}

/* Lloyd's iterations from the centres at hand. */
static double lloyd(grouping *g) {
    memset(g->owner, 0xff, sizeof *g->owner * g->count);
    double cost = 0;
    for (int step = 0; step < MOST_STEPS && assign(g, &cost); step++)
        update_centres(g);
    return cost;
}

/* The closest two centres; infinity with a single one. */
static double closest_pair(const grouping *g, size_t pair[2]) {
    double nearest = INFINITY;
    for (size_t a = 1; a < g->k; a++)
        for (size_t b = 0; b < a; b++) {
            const double d = squared_distance(g->centre + a * g->width, g->centre + b * g->width, g->width);
            if (d < nearest) {
                nearest = d;
                pair[0] = b;
                pair[1] = a;
            }
        }
    return nearest;
}

/* The wrong optimum that is left most often has two centres in one cluster and one in the middle of two others: move a
 * centre of the closest pair to where distances are large. */
static void move_one(grouping *g) {
    size_t pair[2] = {0};
    double cost;
    closest_pair(g, pair);
    assign(g, &cost);
    memcpy(g->centre + pair[1] * g->width, g->point + best_of_some(g) * g->width, sizeof(double) * g->width);
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Points of cluster `b` go to `a`, and the last cluster takes its number. */
static void merge(grouping *g, size_t a, size_t b) {
    const size_t width = g->width, last = g->k - 1, both = g->members[a] + g->members[b];
    double *into = g->centre + a * width, *from = g->centre + b * width;
    for (size_t j = 0; j < width && both; j++)
        into[j] = ((double)g->members[a] * into[j] + (double)g->members[b] * from[j]) / (double)both;
    memmove(from, g->centre + last * width, sizeof *from * width);
    g->members[a] = both;
    g->members[b] = g->members[last];
    g->k = last;
    for (size_t i = 0; i < g->count; i++) {
        if (g->owner[i] == b)
            g->owner[i] = (uint32_t)a;
        if (g->owner[i] == last)
            g->owner[i] = (uint32_t)b;
        if (g->owner[i] == a)
            g->distance[i] = squared_distance(g->point + i * width, into, width);
    }
}

static double ratio(double separation, double radius) {
    return radius > 0 ? separation / radius : separation > 0 ? HUGE_VAL : 0;
}

/* 99th percentile of the distances; `sorted` is scratch. */
static double radius_of(const grouping *g, double *sorted) {
    memcpy(sorted, g->distance, sizeof *sorted * g->count);
    qsort(sorted, g->count, sizeof *sorted, ascending);
    return sqrt(sorted[(g->count - 1) * 99 / 100]);
}

/* Merge the closest two clusters again and again, and keep the number at which they are widest apart. */
static void merge_clusters(grouping *g, double *sorted, rhm_clusters *out) {
    double widest = 0;
    size_t pair[2] = {0};
    memset(g->members, 0, sizeof *g->members * g->k);
    for (size_t i = 0; i < g->count; i++)
        g->members[g->owner[i]]++;
    for (size_t c = g->k; c-- > 1;)
        if (g->members[c] == 0)
            merge(g, 0, c);
    for (;;) {
        const double separation = sqrt(closest_pair(g, pair)), radius = radius_of(g, sorted);
        if (g->k > 1 && g->k < out->count && ratio(separation, radius) > widest) {
            widest = ratio(separation, radius);
            out->fewer = (uint32_t)g->k;
            out->fewer_separation = separation;
            out->fewer_radius = radius;
        }
        if (g->k <= 2)
            return;
        merge(g, pair[0], pair[1]);
    }
}

static void measure(grouping *g, double *sorted, rhm_clusters *out) {
    double cost;
    size_t pair[2] = {0};
    memcpy(g->centre, g->best, sizeof(double) * g->k * g->width);
    assign(g, &cost);
    *out = (rhm_clusters){
        .count = (uint32_t)g->k,
        .separation = g->k > 1 ? sqrt(closest_pair(g, pair)) : 0,
        .radius = radius_of(g, sorted),
        .fewer = (uint32_t)g->k,
    };
    out->fewer_separation = out->separation;
    out->fewer_radius = out->radius;
    if (rhm_clusters_gap(out) < RHM_CLEAR_GAP)
        merge_clusters(g, sorted, out);
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

rhm_status rhm_cluster(rhm_clusters *out, const float *points, size_t count, size_t width, size_t k, uint64_t seed,
                       rhm_error *error) {
    *out = (rhm_clusters){0};
    if (count == 0 || k == 0)
        return RHM_OK;
    const size_t used = count < MOST_POINTS ? count : MOST_POINTS;
    double *sorted = NULL;
    grouping g = {.count = used, .width = width, .k = k, .random = {.seed = seed, .stream = UINT32_C(1) << 18}};
    rhm_status status = RHM_NO_MEMORY;
    if (!(g.point = RHM_NEW(double, used, width, 1, "points to cluster", error)) ||
        !(g.centre = RHM_NEW(double, k, width, 1, "cluster centres", error)) ||
        !(g.best = RHM_NEW(double, k, width, 1, "cluster centres", error)) ||
        !(g.distance = RHM_NEW(double, used, 1, 1, "cluster distances", error)) ||
        !(g.owner = RHM_NEW(uint32_t, used, 1, 1, "cluster owners", error)) ||
        !(g.members = RHM_NEW(size_t, k, 1, 1, "cluster sizes", error)) ||
        !(sorted = RHM_NEW(double, used, 1, 1, "cluster distances", error)))
        goto done;
    for (size_t i = 0; i < used; i++)
        for (size_t j = 0; j < width; j++)
            g.point[i * width + j] = (double)points[(count > used ? i * count / used : i) * width + j];
    double cheapest = INFINITY;
    int agreements = 0; /* an optimum that is found again and again is the one */
    for (int attempt = 0; attempt < STARTS + (k > 1 ? SWAPS : 0) && agreements < AGREEMENTS; attempt++) {
        if (attempt < STARTS) {
            seed_centres(&g, attempt);
        } else {
            memcpy(g.centre, g.best, sizeof(double) * k * width);
            move_one(&g);
        }
        const double cost = lloyd(&g);
        const bool same = attempt > 0 && fabs(cost - cheapest) <= SAME * cheapest;
        agreements = same ? agreements + 1 : cost < cheapest ? 0 : agreements;
        if (cost < cheapest) {
            cheapest = cost;
            memcpy(g.best, g.centre, sizeof(double) * k * width);
        }
    }
    measure(&g, sorted, out);
    status = RHM_OK;
done:
    rhm_free(g.point);
    rhm_free(g.centre);
    rhm_free(g.best);
    rhm_free(g.distance);
    rhm_free(g.owner);
    rhm_free(g.members);
    rhm_free(sorted);
    return status;
}
