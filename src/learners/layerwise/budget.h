/*
 * What a search of one level does and may do, in multiply-adds. Never in seconds: the model must not depend on the
 * machine. A search is foreseen to take some fits with the samples after which neighbouring outputs should be far
 * enough apart, by what the level below has shown; where the data are not what that assumes (symbols with the same
 * posterior are the common case) it ends after a multiple of it (tuning.h).
 */
#ifndef RHM_LEARNERS_LAYERWISE_BUDGET_H
#define RHM_LEARNERS_LAYERWISE_BUDGET_H

#include "learners/layerwise/draw_choice.h"
#include "learners/layerwise/task.h"
#include "rhm/learner.h"

/* Whether anything of a level is left to choose. */
bool rhm_level_is_searched(const rhm_train_options *options, uint32_t level);

/* One fit: its solution in `iterations` steps, and its evaluation on `held_out` distinct patches. */
typedef struct rhm_fit_sizes {
    double patches, held_out; /* distinct */
    double width, iterations;
} rhm_fit_sizes;

double rhm_fit_work(const rhm_task *task, const rhm_train_options *options, uint32_t level, rhm_route route,
                    const rhm_fit_sizes *sizes);

/* How many iterations of a fit so much work pays for, as many as the solver may take at most; sizes->iterations is not
 * read. */
uint32_t rhm_fit_iterations(const rhm_task *task, const rhm_train_options *options, uint32_t level, rhm_route route,
                            const rhm_fit_sizes *sizes, double work);

/* The route of a fit, of which so many are expected at its bandwidth (linear/plan.h). */
rhm_route rhm_fit_route(const rhm_task *task, const rhm_train_options *options, uint32_t level,
                        const rhm_fit_sizes *sizes, double solves);

/* Drawing samples and pushing their patches through the levels below. `counted`: counts are drawn. */
double rhm_draw_work(const rhm_task *task, uint32_t level, bool counted, double samples, double width);

/* Distinct first patches of a level among `samples`, as far as the sizes of the task tell. */
double rhm_task_distinct(const rhm_task *task, uint32_t level, double samples);

/* What the search of a level is foreseen to take. `separation` of neighbouring outputs at the level below, or 0. */
double rhm_search_foreseen(const rhm_task *task, const rhm_train_options *options, uint32_t level,
                           const rhm_draw_choice *draw, double most_samples, double separation);

/* Iterations that the first fit of a search may take whatever it was foreseen to take, since without one there is
 * nothing to go on with; 0: as many as the solver may, where nothing is searched, or descents take as long as they do.
 */
uint32_t rhm_first_iterations(const rhm_train_options *options, uint32_t level);

/* What it may take after searches with fewer positions have `spent` so much, */
double rhm_search_allowed(double foreseen, double spent);

/* and no more than this where more positions can be tried: several symbols that come out as one group, as they do if
 * `fewer`, seldom come apart with more samples, and often with more positions. */
double rhm_search_trial(double foreseen, bool fewer);

#endif
