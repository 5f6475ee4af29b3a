/* The monotone fit that both the search and the estimate look at. */
#ifndef RHM_SWEEP_THRESHOLD_H
#define RHM_SWEEP_THRESHOLD_H

#include "rhm/sweep.h"

/* A size, with the trials of all sizes that the fit does not tell apart from it. */
typedef struct rhm_threshold_point {
    int step;
    uint32_t own;              /* trials at this very size */
    uint64_t trials, passed;   /* of its block */
    double share, least, most; /* passed / trials, and its Wilson interval */
} rhm_threshold_point;

/* `options` with defaults filled in. */
rhm_threshold_options rhm_threshold_defaults(const rhm_threshold_options *options);

/* The isotonic least-squares fit (pool adjacent violators) of `tried`, sorted by step, into point[0..count-1]. */
void rhm_threshold_fit(rhm_threshold_point *point, const rhm_threshold_trials *tried, size_t count, double score);

/* How many points at the beginning are below 1/2: the fit crosses it before point[this]. */
size_t rhm_threshold_crossing(const rhm_threshold_point *point, size_t count);

#endif
