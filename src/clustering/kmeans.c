#include "clustering/kmeans.h"

#include <math.h>
#include <string.h>

#include "clustering/loop.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/sort.h"

enum {
    STARTS = 4,
    SWAPS = 8,
    MOST_STEPS = 60,
    AGREEMENTS = 2,
    BLOCK = 1 << 12, /* points that are added up one after the other */
};

static const double SAME = 1e-9; /* relative: costs of one optimum */

double rhm_squared_distance(const double *a, const double *b, size_t width) {
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

static const double *point_at(const rhm_kmeans *g, size_t i) {
    return g->point + i * g->width;
}

static double *centre_at(const rhm_kmeans *g, size_t c) {
    return g->centre + c * g->width;
}

static size_t blocks_of(const rhm_kmeans *g) {
    return (g->count + BLOCK - 1) / BLOCK;
}

static size_t end_of_block(const rhm_kmeans *g, size_t block) {
    return g->count - block * BLOCK < BLOCK ? g->count : (block + 1) * BLOCK;
}

static void add_blocks(rhm_kmeans_loop *loop, size_t first, size_t end) {
    for (size_t b = first; b < end; b++) {
        double sum = 0;
        for (size_t i = b * BLOCK; i < end_of_block(loop->g, b); i++)
            sum += loop->values[i];
        loop->g->block[b] = sum;
    }
}

/* Of one value a point; those of the blocks are left in g->block. */
static rhm_status add_up(rhm_kmeans *g, const double *values, double *sum, rhm_error *error) {
    rhm_kmeans_loop s = {.g = g, .body = add_blocks, .values = values};
    RHM_TRY(rhm_kmeans_loop_run(&s, blocks_of(g), BLOCK, error));
    *sum = 0;
    for (size_t b = 0; b < blocks_of(g); b++)
        *sum += g->block[b];
    return RHM_OK;
}

/* ---- seeding ----------------------------------------------------------------------------------------------------- */

static void offer_to(rhm_kmeans_loop *loop, size_t first, size_t end) {
    const rhm_kmeans *g = loop->g;
    for (size_t i = first; i < end; i++) {
        const double d = rhm_squared_distance(point_at(g, i), centre_at(g, loop->offer), g->width);
        if (loop->offer == 0 || d < g->distance[i])
            g->distance[i] = d;
    }
}

/* A point, drawn in proportion to its squared distance to what centres there are. */
static size_t draw_point(rhm_kmeans *g, double sum) {
    double left = sum * ((double)rhm_random_word(&g->random) * 0x1p-32);
    size_t block = 0;
    while (block + 1 < blocks_of(g) && left >= g->block[block])
        left -= g->block[block++];
    size_t pick = block * BLOCK;
    while (pick + 1 < end_of_block(g, block) && left >= g->distance[pick])
        left -= g->distance[pick++];
    return pick;
}

static void offer_candidates(rhm_kmeans_loop *loop, size_t first, size_t end) {
    const rhm_kmeans *g = loop->g;
    for (size_t c = 0; c < RHM_KMEANS_CANDIDATES; c++)
        for (size_t i = first; i < end; i++)
            g->offered[c * g->count + i] =
                fmin(g->distance[i], rhm_squared_distance(point_at(g, i), point_at(g, loop->pick[c]), g->width));
}

/* Of some points drawn the one whose choice as a centre leaves the smallest sum of distances. */
static rhm_status best_of_some(rhm_kmeans *g, size_t *best, rhm_error *error) {
    rhm_kmeans_loop s = {.g = g, .body = offer_candidates};
    double sum;
    RHM_TRY(add_up(g, g->distance, &sum, error));
    for (size_t c = 0; c < RHM_KMEANS_CANDIDATES; c++)
        s.pick[c] = draw_point(g, sum);
    for (size_t c = 0; c < RHM_KMEANS_CANDIDATES; c++)
        rhm_kmeans_loop_writes(&s, g->offered + c * g->count, sizeof *g->offered, g->count);
    RHM_TRY(rhm_kmeans_loop_run(&s, g->count, RHM_KMEANS_CANDIDATES * g->width, error));
    double least = INFINITY;
    for (size_t c = 0; c < RHM_KMEANS_CANDIDATES; c++) {
        double cost;
        RHM_TRY(add_up(g, g->offered + c * g->count, &cost, error));
        if (cost < least) {
            least = cost;
            *best = s.pick[c];
        }
    }
    return RHM_OK;
}

static void find_farthest(rhm_kmeans_loop *loop, size_t first, size_t end) {
    const rhm_kmeans *g = loop->g;
    for (size_t b = first; b < end; b++) {
        size_t pick = b * BLOCK;
        for (size_t i = pick + 1; i < end_of_block(g, b); i++)
            if (g->distance[i] > g->distance[pick])
                pick = i;
        g->sorted[b] = (uint32_t)pick;
    }
}

/* The first of those that are farthest from their centre. */
static rhm_status farthest_of(rhm_kmeans *g, size_t *pick, rhm_error *error) {
    rhm_kmeans_loop s = {.g = g, .body = find_farthest};
    RHM_TRY(rhm_kmeans_loop_run(&s, blocks_of(g), BLOCK, error));
    *pick = 0;
    for (size_t b = 0; b < blocks_of(g); b++)
        if (g->distance[g->sorted[b]] > g->distance[*pick])
            *pick = g->sorted[b];
    return RHM_OK;
}

/*
 * Start 0 takes the farthest point each time, which hits every cluster once when they are well apart; the others the
 * best of some points drawn in proportion to squared distance (greedy k-means++), which outliers mislead less.
 */
static rhm_status seed_centres(rhm_kmeans *g, int start, rhm_error *error) {
    for (size_t c = 0; c < g->k; c++) {
        size_t pick = 0;
        if (c == 0) {
            pick = start == 0 ? 0 : rhm_random_below(&g->random, (uint32_t)g->count);
        } else if (start == 0) {
            RHM_TRY(farthest_of(g, &pick, error));
        } else {
            RHM_TRY(best_of_some(g, &pick, error));
        }
        memcpy(centre_at(g, c), point_at(g, pick), sizeof(double) * g->width);
        rhm_kmeans_loop s = {.g = g, .body = offer_to, .offer = c};
        RHM_TRY(rhm_kmeans_loop_run(&s, g->count, g->width, error));
    }
    return RHM_OK;
}

/* ---- Lloyd's iterations ------------------------------------------------------------------------------------------ */

static void assign_points(rhm_kmeans_loop *loop, size_t first, size_t end) {
    const rhm_kmeans *g = loop->g;
    bool changed = false;
    for (size_t i = first; i < end; i++) {
        uint32_t owner = 0;
        double nearest = INFINITY;
        for (size_t c = 0; c < g->k; c++) {
            const double d = rhm_squared_distance(point_at(g, i), centre_at(g, c), g->width);
            if (d < nearest) {
                nearest = d;
                owner = (uint32_t)c;
            }
        }
        changed |= owner != g->owner[i];
        g->owner[i] = owner;
        g->distance[i] = nearest;
    }
    if (changed)
        atomic_store_explicit(&loop->changed, true, memory_order_relaxed);
}

/* Give every point to its nearest centre. *cost is the sum of squared distances. */
static rhm_status assign(rhm_kmeans *g, bool *changed, double *cost, rhm_error *error) {
    rhm_kmeans_loop s = {.g = g, .body = assign_points};
    rhm_kmeans_loop_writes(&s, g->owner, sizeof *g->owner, g->count);
    rhm_kmeans_loop_writes(&s, g->distance, sizeof *g->distance, g->count);
    RHM_TRY(rhm_kmeans_loop_run(&s, g->count, g->k * g->width, error));
    *changed = atomic_load(&s.changed);
    return add_up(g, g->distance, cost, error);
}

static uint32_t owner_of(const void *context, uint32_t point) {
    return ((const rhm_kmeans *)context)->owner[point];
}

static void number_points(rhm_kmeans_loop *loop, size_t first, size_t end) {
    for (size_t i = first; i < end; i++)
        loop->g->sorted[i] = (uint32_t)i;
}

/* Where the members of a centre begin and end among the sorted points. */
static void find_ends(rhm_kmeans_loop *loop, size_t first, size_t end) {
    const rhm_kmeans *g = loop->g;
    for (size_t i = first; i < end; i++) {
        const uint32_t c = g->owner[g->sorted[i]];
        if (i == 0 || g->owner[g->sorted[i - 1]] != c)
            g->members[c] = i;
        if (i + 1 == g->count || g->owner[g->sorted[i + 1]] != c)
            g->end[c] = i + 1;
    }
}

static void sort_few(rhm_kmeans *g) {
    memset(g->members, 0, sizeof *g->members * g->k);
    for (size_t i = 0; i < g->count; i++)
        g->members[g->owner[i]]++;
    for (size_t c = 0, end = 0; c < g->k; c++)
        g->end[c] = end += g->members[c];
    for (size_t i = g->count; i-- > 0;)
        g->sorted[--g->end[g->owner[i]]] = (uint32_t)i;
    for (size_t c = 0; c < g->k; c++)
        g->end[c] += g->members[c];
}

/* Points in the order of their owners, then of their numbers. */
static rhm_status sort_by_owner(rhm_kmeans *g, rhm_error *error) {
    rhm_kmeans_loop number = {.g = g, .body = number_points}, ends = {.g = g, .body = find_ends};
    if (g->count <= BLOCK) {
        sort_few(g);
        return RHM_OK;
    }
    RHM_TRY(rhm_kmeans_loop_run(&number, g->count, 1, error));
    RHM_TRY(rhm_sort(g->engine, &g->sorted, &g->spare, g->count, owner_of, g, g->k, error));
    memset(g->members, 0, sizeof *g->members * g->k);
    memset(g->end, 0, sizeof *g->end * g->k);
    RHM_TRY(rhm_kmeans_loop_run(&ends, g->count, 1, error));
    for (size_t c = 0; c < g->k; c++)
        g->members[c] = g->end[c] - g->members[c];
    return RHM_OK;
}

/* A centre that lost all its points stays where it was. */
static void update_centres(rhm_kmeans_loop *loop, size_t first, size_t end) {
    const rhm_kmeans *g = loop->g;
    for (size_t c = first; c < end; c++) {
        if (g->members[c] == 0)
            continue;
        double *centre = centre_at(g, c);
        memset(centre, 0, sizeof *centre * g->width);
        for (size_t i = g->end[c] - g->members[c]; i < g->end[c]; i++)
            for (size_t j = 0; j < g->width; j++)
                centre[j] += point_at(g, g->sorted[i])[j];
        for (size_t j = 0; j < g->width; j++)
            centre[j] /= (double)g->members[c];
    }
}

static rhm_status lloyd(rhm_kmeans *g, double *cost, rhm_error *error) {
    memset(g->owner, 0xff, sizeof *g->owner * g->count);
    *cost = 0;
    for (int step = 0; step < MOST_STEPS; step++) {
        bool changed;
        RHM_TRY(assign(g, &changed, cost, error));
        if (!changed)
            break;
        RHM_TRY(sort_by_owner(g, error));
        rhm_kmeans_loop s = {.g = g, .body = update_centres};
        RHM_TRY(rhm_kmeans_loop_run(&s, g->k, (g->count / g->k + 1) * g->width, error));
    }
    return RHM_OK;
}

static void find_nearest(rhm_kmeans_loop *loop, size_t first, size_t end) {
    const rhm_kmeans *g = loop->g;
    for (size_t a = first; a < end; a++) {
        g->apart[a] = INFINITY;
        for (size_t b = 0; b < a; b++)
            g->apart[a] = fmin(g->apart[a], rhm_squared_distance(centre_at(g, a), centre_at(g, b), g->width));
    }
}

/* The wrong optimum that is left most often has two centres in one cluster and one in the middle of two others: move a
 * centre of the closest pair to where distances are large. */
static rhm_status move_one(rhm_kmeans *g, rhm_error *error) {
    size_t moved = 0, best = 0;
    double nearest = INFINITY, cost;
    bool changed;
    rhm_kmeans_loop s = {.g = g, .body = find_nearest};
    RHM_TRY(rhm_kmeans_loop_run(&s, g->k, g->k / 2 * g->width + 1, error));
    for (size_t a = 1; a < g->k; a++)
        if (g->apart[a] < nearest) {
            nearest = g->apart[a];
            moved = a;
        }
    RHM_TRY(assign(g, &changed, &cost, error));
    RHM_TRY(best_of_some(g, &best, error));
    memcpy(centre_at(g, moved), point_at(g, best), sizeof(double) * g->width);
    return RHM_OK;
}

/* ------------------------------------------------------------------------------------------------------------------ */

rhm_status rhm_kmeans_create(rhm_kmeans *out, const rhm_engine *engine, size_t count, size_t width, size_t k,
                             uint64_t seed, rhm_error *error) {
    *out = (rhm_kmeans){.engine = engine,
                        .count = count,
                        .width = width,
                        .k = k,
                        .random = {.seed = seed, .stream = UINT32_C(1) << 18},
                        .starts = STARTS,
                        .swaps = SWAPS};
    if (!(out->point = RHM_NEW(double, count, width, 1, "points to cluster", error)) ||
        !(out->centre = RHM_NEW(double, k, width, 1, "cluster centres", error)) ||
        !(out->best = RHM_NEW(double, k, width, 1, "cluster centres", error)) ||
        !(out->distance = RHM_NEW(double, count, 1, 1, "cluster distances", error)) ||
        !(out->offered = RHM_NEW(double, RHM_KMEANS_CANDIDATES, count, 1, "cluster distances", error)) ||
        !(out->owner = RHM_NEW(uint32_t, count, 1, 1, "cluster owners", error)) ||
        !(out->sorted = RHM_NEW(uint32_t, count, 1, 1, "cluster owners", error)) ||
        !(out->spare = RHM_NEW(uint32_t, count, 1, 1, "cluster owners", error)) ||
        !(out->block = RHM_NEW(double, count / BLOCK + 1, 1, 1, "cluster distances", error)) ||
        !(out->apart = RHM_NEW(double, k, 1, 1, "cluster centres", error)) ||
        !(out->members = RHM_NEW(size_t, k, 1, 1, "cluster sizes", error)) ||
        !(out->end = RHM_NEW(size_t, k, 1, 1, "cluster sizes", error)))
        return RHM_NO_MEMORY;
    return RHM_OK;
}

void rhm_kmeans_clear(rhm_kmeans *g) {
    rhm_free(g->point);
    rhm_free(g->centre);
    rhm_free(g->best);
    rhm_free(g->distance);
    rhm_free(g->offered);
    rhm_free(g->owner);
    rhm_free(g->sorted);
    rhm_free(g->spare);
    rhm_free(g->block);
    rhm_free(g->apart);
    rhm_free(g->members);
    rhm_free(g->end);
    *g = (rhm_kmeans){0};
}

rhm_status rhm_kmeans_run(rhm_kmeans *g, rhm_error *error) {
    const size_t nbytes = sizeof(double) * g->k * g->width;
    double cheapest = INFINITY, cost;
    int agreements = 0; /* an optimum that is found again and again is the one */
    for (int attempt = 0; attempt < g->starts + (g->k > 1 ? g->swaps : 0) && agreements < AGREEMENTS; attempt++) {
        if (attempt < g->starts) {
            RHM_TRY(seed_centres(g, attempt, error));
        } else {
            memcpy(g->centre, g->best, nbytes);
            RHM_TRY(move_one(g, error));
        }
        RHM_TRY(lloyd(g, &cost, error));
        const bool same = attempt > 0 && fabs(cost - cheapest) <= SAME * cheapest;
        agreements = same ? agreements + 1 : cost < cheapest ? 0 : agreements;
        if (cost < cheapest) {
            cheapest = cost;
            memcpy(g->best, g->centre, nbytes);
        }
    }
    memcpy(g->centre, g->best, nbytes);
    bool changed;
    return assign(g, &changed, &cost, error);
}
