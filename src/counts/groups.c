#include "counts/groups.h"

#include <math.h>
#include <stdlib.h>

#include "core/fail.h"
#include "core/memory.h"

double rhm_groups_gap(const rhm_groups *groups) {
    return groups->radius > 0 ? groups->separation / groups->radius : groups->separation > 0 ? HUGE_VAL : 0;
}

static double squared(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double closest(const rhm_groups *groups, const double *centre, const uint32_t *members, size_t width) {
    double least = HUGE_VAL;
    for (size_t a = 0; a < groups->ids; a++)
        for (size_t b = 0; b < a && members[a]; b++)
            if (members[b])
                least = fmin(least, squared(centre + a * width, centre + b * width, width));
    return sqrt(least);
}

rhm_status rhm_groups_measure(rhm_groups *groups, const double *point, size_t count, const double *centre, size_t width,
                              rhm_error *error) {
    double *distance = RHM_NEW(double, count, 1, 1, "distances in groups", error);
    uint32_t *members = distance ? RHM_NEW(uint32_t, groups->ids, 1, 1, "members of groups", error) : NULL;
    if (members) {
        for (size_t i = 0; i < count; i++) {
            members[groups->own[i]]++;
            distance[i] = sqrt(squared(point + i * width, centre + groups->own[i] * width, width));
        }
        groups->count = 0;
        for (size_t g = 0; g < groups->ids; g++)
            groups->count += members[g] > 0;
        groups->separation = groups->count > 1 ? closest(groups, centre, members, width) : 0;
        qsort(distance, count, sizeof *distance, compare);
        groups->radius = count ? distance[(count * 99 + 99) / 100 - 1] : 0;
    }
    rhm_free(distance);
    rhm_free(members);
    return members ? RHM_OK : RHM_NO_MEMORY;
}
