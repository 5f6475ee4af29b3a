/* What a learner makes of a level's counts: the ids that patches get. */
#ifndef RHM_COUNTS_GROUPS_H
#define RHM_COUNTS_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

typedef struct rhm_groups {
    uint32_t count;    /* groups that have patches */
    uint32_t ids;      /* ids are below it; more than `count` where some go to no patch */
    uint32_t other;    /* id of patches that did not occur; UINT32_MAX: that of the most frequent group */
    uint32_t *own;     /* (patches): the id of each; released by rhm_free */
    double separation; /* smallest distance between two centres; units are the learner's */
    double radius;     /* 99th percentile of the distances to the own centre */
    double certain;    /* share of the patches that surely belong to their group; 0 where a learner does not say */
} rhm_groups;

/* Separation over radius; infinite where groups have no radius. */
double rhm_groups_gap(const rhm_groups *groups);

/* Count, separation and radius of what ids and own say; points (count, width), centres (ids, width). */
rhm_status rhm_groups_measure(rhm_groups *groups, const double *point, size_t count, const double *centre, size_t width,
                              rhm_error *error);

#endif
