#include "counts/group.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "counts/rows.h"
#include "engine/parallel.h"

enum { MOST_MOVES = 50 };

/* Groups as they are merged: group i is where patch i began. */
typedef struct merging {
    const rhm_engine *engine;
    const rhm_rows *rows;
    double *centre, *weight; /* (count, width), (count) */
    uint32_t *into;          /* (count): itself while it is a group */
    uint32_t *nearest;       /* (count): the group after this one that is the least apart, or itself */
    double *apart;           /* (count): by how much */
    size_t *members;         /* (count) */
    bool chosen;             /* see group.h */
    size_t groups;
} merging;

static double squared(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static double apart(const merging *m, size_t a, size_t b) {
    const size_t width = m->rows->width;
    return m->weight[a] / (m->weight[a] + m->weight[b]) * m->weight[b] *
           squared(m->centre + a * width, m->centre + b * width, width);
}

static void find_nearest(merging *m, size_t i) {
    m->nearest[i] = (uint32_t)i;
    m->apart[i] = HUGE_VAL;
    for (size_t j = i + 1; j < m->rows->count; j++) {
        if (m->into[j] != j)
            continue;
        const double d = apart(m, i, j);
        if (d < m->apart[i]) {
            m->apart[i] = d;
            m->nearest[i] = (uint32_t)j;
        }
    }
}

static rhm_status find_first_nearest(void *context, size_t i, int thread, rhm_error *error) {
    (void)thread, (void)error;
    find_nearest(context, i);
    return RHM_OK;
}

/* Group b into group a < b. */
static void merge(merging *m, size_t a, size_t b) {
    const size_t width = m->rows->width;
    const double share = m->weight[b] / (m->weight[a] + m->weight[b]);
    for (size_t j = 0; j < width; j++)
        m->centre[a * width + j] += share * (m->centre[b * width + j] - m->centre[a * width + j]);
    m->weight[a] += m->weight[b];
    m->members[a] += m->members[b];
    m->into[b] = (uint32_t)a;
    m->groups--;
    find_nearest(m, a);
    for (size_t i = 0; i < b; i++) {
        if (m->into[i] != i || i == a)
            continue;
        if (m->nearest[i] == a || m->nearest[i] == b) {
            find_nearest(m, i);
        } else if (i < a) {
            const double d = apart(m, i, a);
            if (d < m->apart[i]) {
                m->apart[i] = d;
                m->nearest[i] = (uint32_t)a;
            }
        }
    }
}

/*
 * What two groups of one symbol are apart, at most, but for one pair in a thousand: chi-square of so many numbers. Or,
 * where columns are chosen, the largest eigenvalue of as many rows of noise (Johnstone, Ann. Statist. 29 (2001) 295).
 */
static double noise(const merging *m, size_t a) {
    const double width = (double)m->rows->width, rows = (double)(m->members[a] + m->members[m->nearest[a]]);
    const double edge = sqrt(rows) + sqrt(width);
    return m->chosen ? edge * edge + 2 * edge + 8 : width + 4 * sqrt(2 * width) + 6;
}

static rhm_status merge_all(merging *m, size_t most, rhm_error *error) {
    const size_t count = m->rows->count;
    RHM_TRY(rhm_parallel(m->engine, count, find_first_nearest, m, error));
    while (m->groups > 1) {
        RHM_TRY(rhm_engine_check(m->engine, error));
        size_t least = 0;
        for (size_t i = 1; i < count; i++)
            if (m->into[i] == i && (m->into[least] != least || m->apart[i] < m->apart[least]))
                least = i;
        if (m->groups <= most && m->apart[least] > noise(m, least))
            break;
        merge(m, least, m->nearest[least]);
    }
    return RHM_OK;
}

/* Groups numbered by their first patch; merged groups lead to ones of smaller numbers. */
static void number(rhm_groups *out, merging *m) {
    const size_t count = m->rows->count, width = m->rows->width;
    for (size_t i = 0; i < count; i++) {
        if (m->into[i] != i) {
            out->own[i] = out->own[m->into[i]];
            continue;
        }
        out->own[i] = out->count;
        memmove(m->centre + out->count * width, m->centre + i * width, sizeof(double) * width);
        out->count++;
    }
}

/* Means of the groups. */
static void find_centres(const rhm_groups *groups, const rhm_rows *rows, double *centre, double *weight) {
    const size_t width = rows->width;
    memset(centre, 0, sizeof *centre * groups->count * width);
    memset(weight, 0, sizeof *weight * groups->count);
    for (size_t i = 0; i < rows->count; i++) {
        weight[groups->own[i]] += rows->weight[i];
        for (size_t j = 0; j < width; j++)
            centre[groups->own[i] * width + j] += rows->weight[i] * rows->value[i * width + j];
    }
    for (size_t g = 0; g < groups->count; g++)
        for (size_t j = 0; j < width; j++)
            centre[g * width + j] /= weight[g];
}

/* Patches to the nearest centre, centres to their means; a group keeps its last patch. False when nothing moved. */
static bool move(rhm_groups *out, const rhm_rows *rows, double *centre, double *weight, size_t *members) {
    const size_t width = rows->width;
    bool moved = false;
    memset(members, 0, sizeof *members * out->count);
    for (size_t i = 0; i < rows->count; i++)
        members[out->own[i]]++;
    for (size_t i = 0; i < rows->count; i++) {
        uint32_t best = out->own[i];
        double least = squared(rows->value + i * width, centre + best * width, width);
        for (uint32_t g = 0; g < out->count && members[out->own[i]] > 1; g++) {
            const double d = squared(rows->value + i * width, centre + g * width, width);
            if (d < least) {
                least = d;
                best = g;
            }
        }
        moved = moved || best != out->own[i];
        members[out->own[i]]--;
        members[out->own[i] = best]++;
    }
    find_centres(out, rows, centre, weight);
    return moved;
}

static rhm_status allocate(merging *m, rhm_groups *out, const rhm_rows *rows, rhm_error *error) {
    const size_t count = rows->count;
    if (!(out->own = RHM_NEW(uint32_t, count, 1, 1, "groups of patches", error)) ||
        !(m->centre = RHM_NEW(double, count, rows->width, 1, "centres of groups", error)) ||
        !(m->weight = RHM_NEW(double, count, 1, 1, "centres of groups", error)) ||
        !(m->into = RHM_NEW(uint32_t, count, 1, 1, "groups of patches", error)) ||
        !(m->nearest = RHM_NEW(uint32_t, count, 1, 1, "groups of patches", error)) ||
        !(m->apart = RHM_NEW(double, count, 1, 1, "groups of patches", error)) ||
        !(m->members = RHM_NEW(size_t, count, 1, 1, "groups of patches", error)))
        return RHM_NO_MEMORY;
    memcpy(m->centre, rows->value, sizeof *m->centre * count * rows->width);
    memcpy(m->weight, rows->weight, sizeof *m->weight * count);
    for (size_t i = 0; i < count; i++) {
        m->into[i] = (uint32_t)i;
        m->members[i] = 1;
    }
    return RHM_OK;
}

static double certain(const rhm_groups *groups, const rhm_rows *rows, const double *centre) {
    const size_t width = rows->width;
    double sure = 0, all = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const double *value = rows->value + i * width, own = squared(value, centre + groups->own[i] * width, width);
        double next = HUGE_VAL;
        for (size_t g = 0; g < groups->count; g++)
            if (g != groups->own[i])
                next = fmin(next, squared(value, centre + g * width, width));
        all += rows->weight[i];
        sure += rows->weight[i] * (next - own) >= 2 * RHM_SURE ? rows->weight[i] : 0;
    }
    return all > 0 ? sure / all : 0;
}

rhm_status rhm_rows_measure(rhm_groups *groups, const rhm_rows *rows, rhm_error *error) {
    double *centre = RHM_NEW(double, groups->count, rows->width, 1, "centres of groups", error);
    double *weight = centre ? RHM_NEW(double, groups->count, 1, 1, "centres of groups", error) : NULL;
    rhm_status status = RHM_NO_MEMORY;
    if (weight) {
        find_centres(groups, rows, centre, weight);
        groups->certain = certain(groups, rows, centre);
        status = rhm_groups_measure(groups, rows->value, rows->count, centre, rows->width, error);
    }
    rhm_free(centre);
    rhm_free(weight);
    return status;
}

rhm_status rhm_rows_group(rhm_groups *out, const rhm_engine *engine, const rhm_rows *rows, size_t most, bool chosen,
                          rhm_error *error) {
    *out = (rhm_groups){.other = UINT32_MAX};
    merging m = {.engine = engine, .rows = rows, .groups = rows->count, .chosen = chosen};
    rhm_status status = allocate(&m, out, rows, error);
    if (status == RHM_OK)
        status = merge_all(&m, most, error);
    if (status == RHM_OK) {
        number(out, &m);
        for (int i = 0; i < MOST_MOVES && move(out, rows, m.centre, m.weight, m.members); i++)
            ;
        out->ids = out->count;
        status = rhm_groups_measure(out, rows->value, rows->count, m.centre, rows->width, error);
    }
    if (status != RHM_OK) {
        rhm_free(out->own);
        *out = (rhm_groups){0};
    }
    rhm_free(m.centre);
    rhm_free(m.weight);
    rhm_free(m.into);
    rhm_free(m.nearest);
    rhm_free(m.apart);
    rhm_free(m.members);
    return status;
}

rhm_status rhm_table_group(rhm_groups *out, const rhm_engine *engine, const rhm_table_counts *counts, size_t most,
                           rhm_error *error) {
    rhm_rows rows;
    *out = (rhm_groups){0};
    RHM_TRY(rhm_rows_make(&rows, engine, counts, most, error));
    const rhm_status status = rhm_rows_group(out, engine, &rows, most, false, error);
    rhm_rows_clear(&rows);
    return status;
}
