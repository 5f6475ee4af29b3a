/*
 * Many runs: the cells of a grid of options, cores for runs side by side, and the search for the smallest size with
 * which a learner succeeds. Everything here is a pure function of its arguments; `rhm sweep` does the running.
 */
#ifndef RHM_SWEEP_H
#define RHM_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- grids ----------------------------------------------------------------------------------------------- */

enum {
    RHM_GRID_MAX_AXES = 32,
    RHM_GRID_MAX_CELLS = 1000000,
};

/* Products of axes, side by side. Immutable: threads may share it. */
typedef struct rhm_grid rhm_grid;

/* One option of a cell, as one would type it; both texts are the grid's. */
typedef struct rhm_grid_setting {
    const char *name, *value;
} rhm_grid_setting;

/*
 * "vocab=8,16; levels=2..4; learner=table | vocab=8; learner=latent; samples=1000..64000*4": products are separated by
 * "|", axes by ";", values by ",". A value is a word or number, a range FIRST..LAST, FIRST..LAST+STEP or
 * FIRST..LAST*FACTOR of numbers, or a list in parentheses, such as (8,16,16), which is one value. Names are not looked
 * at. RHM_INVALID names what is malformed; a product has each axis once, and every axis a value.
 */
RHM_API rhm_status rhm_grid_parse(rhm_grid **out, const char *text, rhm_error *error);

/*
 * The same as JSON in a file: an object {"vocab": [8, 16], "levels": "2..4", "learner": "table"} or a list of them.
 * A member is a number, true or false ("on", "off"), a text as above, or a list of these, in which a list is one value.
 */
RHM_API rhm_status rhm_grid_load(rhm_grid **out, const char *path, rhm_error *error);

RHM_API void rhm_grid_destroy(rhm_grid *grid); /* accepts NULL */

/* How many cells there are, equal ones included. */
RHM_API uint64_t rhm_grid_count(const rhm_grid *grid);

/* Names of all axes in the order in which they come first; the texts are the grid's. */
RHM_API size_t rhm_grid_axes(const rhm_grid *grid, const char *names[RHM_GRID_MAX_AXES]);

/* The options of a cell below rhm_grid_count, and how many; the last axis of a product changes first. */
RHM_API size_t rhm_grid_cell(const rhm_grid *grid, uint64_t index, rhm_grid_setting settings[RHM_GRID_MAX_AXES]);

/* ---- cores ----------------------------------------------------------------------------------------------- */

/* CPUs (operating-system numbers) of `threads` cores, every SMT sibling of theirs included. */
typedef struct rhm_core_set {
    int *cpu; /* (count), owned by the sets */
    int count;
    int node; /* its NUMA node among those of the engine; -1: of several */
} rhm_core_set;

typedef struct rhm_core_sets {
    rhm_core_set *set; /* (count), owned */
    int count;
    int threads; /* cores of each */
} rhm_core_sets;

/*
 * Deal the cores that an engine may use out in sets of `threads`, at most one engine's threads in all: no two sets
 * share a core, and a set is within an L3 cache where that has as many cores left, else within a NUMA node. RHM_INVALID
 * where there are not as many cores. Release with rhm_core_sets_clear, which accepts a zeroed one.
 */
RHM_API rhm_status rhm_core_sets_deal(rhm_core_sets *out, const rhm_engine *engine, int threads, rhm_error *error);
RHM_API void rhm_core_sets_clear(rhm_core_sets *sets);

/* ---- thresholds ------------------------------------------------------------------------------------------ */

/*
 * The smallest size x at which a training passes (reaches the accuracy that is asked for) with probability 1/2, which
 * is taken not to decrease with x. Sizes are powers x = 2^(step / RHM_THRESHOLD_STEPS).
 */
enum { RHM_THRESHOLD_STEPS = 4 }; /* per factor of 2 */

/* What was found at a size. */
typedef struct rhm_threshold_trials {
    int step;
    uint32_t trials, passed;
} rhm_threshold_trials;

typedef struct rhm_threshold_options {
    int first;            /* step to begin with */
    int least, greatest;  /* steps that may be tried */
    uint32_t agree;       /* trials at a size before it is judged, and again where that leaves it open. 0: 6 */
    uint32_t most_trials; /* at a size; 0: 12 */
    double score;         /* z of the Wilson intervals. 0: 2.4, at which low..high, for which sizes are looked at again
                             and again, has held the threshold of known learners in 95 % of searches or more */
} rhm_threshold_options;

typedef enum rhm_threshold_state {
    RHM_THRESHOLD_FOUND,
    RHM_THRESHOLD_BELOW, /* even the least size passes: the threshold is not above `high` */
    RHM_THRESHOLD_ABOVE, /* not even the greatest passes: the threshold is not below `low` */
} rhm_threshold_state;

typedef struct rhm_threshold {
    rhm_threshold_state state;
    double size;      /* where the monotone fit crosses 1/2; NAN where it does not */
    double low, high; /* the largest size at which a Wilson interval excludes 1/2 from below, and the smallest at which
                         one excludes it from above; 0 and infinity where none does */
} rhm_threshold;

/*
 * What to try next after `tried`, sorted by step: so many trials in all at *step. False when enough is known. Looks for
 * a bracket by factors of 4, halves it down to neighbouring steps, then repeats there as long as trials disagree.
 */
RHM_API bool rhm_threshold_next(int *step, uint32_t *trials, const rhm_threshold_options *options,
                                const rhm_threshold_trials *tried, size_t count);

/* What `tried` says, sorted by step. RHM_NO_MEMORY without memory; RHM_INVALID where nothing was tried. */
RHM_API rhm_status rhm_threshold_estimate(rhm_threshold *out, const rhm_threshold_options *options,
                                          const rhm_threshold_trials *tried, size_t count, rhm_error *error);

/* The Wilson score interval of a probability from `passed` of `trials`; 0 and 1 without trials. */
RHM_API void rhm_wilson_interval(double *low, double *high, uint64_t passed, uint64_t trials, double score);

#ifdef __cplusplus
}
#endif
#endif
