/* The table learner: the levels of ../../counts, patches grouped by how their labels are distributed. */
#include <math.h>

#include "counts/group.h"
#include "counts/levels.h"
#include "counts/rows.h"
#include "learners/learner.h"

static rhm_status group(rhm_groups *out, const rhm_table_learning *l, uint32_t level, const rhm_table_counts *counts,
                        rhm_error *error) {
    return rhm_table_group(out, l->engine, counts, l->problem->parents[level], error);
}

/* About what rows.c and group.c do. */
static double work(const rhm_train_options *options, double patches, double positions, double classes, double symbols) {
    (void)options;
    const double width = positions * classes, smaller = fmin(patches, width);
    const bool projected = 2 * symbols < smaller && smaller <= RHM_MOST_EIGEN;
    const double product = projected ? smaller * smaller * fmax(patches, width) / 2 : 0;
    const double eigen = projected ? 8 * 3 * smaller * smaller * smaller : 0;
    return product + eigen + 2 * patches * patches * (projected ? symbols : width);
}

static double nbytes(const rhm_train_options *options, double patches, double positions, double classes) {
    (void)options;
    return 16 * patches * positions * classes;
}

static const rhm_table_method method = {.group = group, .work = work, .nbytes = nbytes};

static rhm_status fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                      const rhm_train_options *options, rhm_error *error) {
    return rhm_table_fit(out, report, engine, problem, options, &method, error);
}

static rhm_status plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                       const rhm_train_options *options, rhm_error *error) {
    return rhm_table_plan(out, test_seconds, engine, problem, options, &method, error);
}

static const char *const options_taken[] = {"samples", "max-samples", "draw", "positions", NULL};

const struct rhm_learner rhm_table_learner = {
    .info = {.name = "table",
             .summary = "a table of label frequencies per level, its rows grouped into ids",
             .source = "arXiv 2601.19756, Construction 2",
             .needs = "labelled samples",
             .model_kind = "table",
             .options = options_taken},
    .spread = RHM_SPREAD_DRAW,
    .fit = fit,
    .plan = plan,
};
