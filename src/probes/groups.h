/* Groups of points against the symbols that they have. */
#ifndef RHM_PROBES_GROUPS_H
#define RHM_PROBES_GROUPS_H

#include "rhm/engine.h"

/* Outputs and what they should tell. */
typedef struct rhm_probe_points {
    size_t count, width;
    float *output;    /* (count, width); owned */
    uint32_t *symbol; /* (count), below `symbols`; owned */
    uint32_t *label;  /* (count), below `labels`; owned */
    uint32_t symbols, labels;
} rhm_probe_points;

typedef struct rhm_group_agreement {
    double error; /* share of points outside of the majority of their group */
    double adjusted_rand;
} rhm_group_agreement;

/* Of groups 0..groups-1 with classes 0..classes-1 of `count` points. */
rhm_status rhm_group_agree(rhm_group_agreement *out, const uint32_t *group, uint32_t groups, const uint32_t *class,
                           uint32_t classes, size_t count, rhm_error *error);

/* k-means of the outputs into as many groups as there are symbols; NAN where that is too much work. */
rhm_status rhm_probe_group(rhm_group_agreement *out, const rhm_engine *engine, const rhm_probe_points *points,
                           uint64_t seed, rhm_error *error);

/*
 * Ridge regression of classes on the outputs and a constant, fitted to the points with even numbers, read at the odd
 * ones: the share that is right, the smallest class among equals. NAN where there are more outputs than it takes.
 */
rhm_status rhm_probe_read(double *accuracy, const rhm_probe_points *points, const uint32_t *class, uint32_t classes,
                          rhm_error *error);

#endif
