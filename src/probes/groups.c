#include "probes/groups.h"

#include <math.h>

#include "clustering/kmeans.h"
#include "core/memory.h"

static const double most_work = 2e10; /* multiply-adds of a pass of k-means, times its passes, roughly */

static double pairs(double n) {
    return n * (n - 1) / 2;
}

rhm_status rhm_group_agree(rhm_group_agreement *out, const uint32_t *group, uint32_t groups, const uint32_t *class,
                           uint32_t classes, size_t count, rhm_error *error) {
    size_t *table = RHM_NEW(size_t, groups, classes, 1, "groups by symbols", error);
    size_t *column = RHM_NEW(size_t, classes, 1, 1, "points by symbol", error);
    rhm_status status = table && column ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK) {
        double together = 0, of_groups = 0, of_classes = 0;
        size_t right = 0;
        for (size_t i = 0; i < count; i++) {
            table[group[i] * (size_t)classes + class[i]]++;
            column[class[i]]++;
        }
        for (uint32_t g = 0; g < groups; g++) {
            size_t most = 0, all = 0;
            for (uint32_t c = 0; c < classes; c++) {
                const size_t n = table[g * (size_t)classes + c];
                together += pairs((double)n);
                most = n > most ? n : most;
                all += n;
            }
            right += most;
            of_groups += pairs((double)all);
        }
        for (uint32_t c = 0; c < classes; c++)
            of_classes += pairs((double)column[c]);
        const double expected = of_groups * of_classes / pairs((double)count);
        const double most = (of_groups + of_classes) / 2;
        out->error = 1 - (double)right / (double)count;
        out->adjusted_rand = most > expected ? (together - expected) / (most - expected) : 1;
    }
    rhm_free(table);
    rhm_free(column);
    return status;
}

rhm_status rhm_probe_group(rhm_group_agreement *out, const rhm_engine *engine, const rhm_probe_points *points,
                           uint64_t seed, rhm_error *error) {
    rhm_kmeans g;
    *out = (rhm_group_agreement){NAN, NAN};
    const double work = (double)points->count * (double)points->width * points->symbols;
    if (points->symbols > points->count || 200 * work > most_work)
        return RHM_OK;
    rhm_status status = rhm_kmeans_create(&g, engine, points->count, points->width, points->symbols, seed, error);
    for (size_t i = 0; status == RHM_OK && i < points->count * points->width; i++)
        g.point[i] = points->output[i];
    if (status == RHM_OK)
        status = rhm_kmeans_run(&g, error);
    if (status == RHM_OK)
        status = rhm_group_agree(out, g.owner, points->symbols, points->symbol, points->symbols, points->count, error);
    rhm_kmeans_clear(&g);
    return status;
}
