#include "learners/layerwise/budget.h"

#include <math.h>

#include "learners/layerwise/sample_sizes.h"
#include "linear/plan.h"
#include "linear/solvers.h"
#include "rhm/theory.h"

static const rhm_tuning *const tuning = &rhm_tuning_default;

static const double TRIGONOMETRY = 14; /* linear/plan.h */
static const double SETTING_UP = 2;    /* products: the right-hand side and the final residual */

static double inputs_of(const rhm_task *task, uint32_t level) {
    return task->tree.branching[level] * (double)rhm_task_embedding(task, level);
}

bool rhm_level_is_searched(const rhm_train_options *options, uint32_t level) {
    return options->samples[level] == 0 || options->width == 0 || options->bandwidth[level] == 0 ||
           options->ridge[level] == 0;
}

uint32_t rhm_first_iterations(const rhm_train_options *options, uint32_t level) {
    const bool conjugate = options->solver == RHM_CG && rhm_level_is_searched(options, level);
    return conjugate ? (uint32_t)(tuning->first_products * rhm_solver_products(RHM_CG, 1)) : 0;
}

double rhm_fit_work(const rhm_task *task, const rhm_train_options *options, uint32_t level, rhm_route route,
                    const rhm_fit_sizes *sizes) {
    const bool factors = rhm_solver_factors(options->solver);
    const rhm_route_sizes all = {
        .patches = sizes->patches,
        .width = sizes->width,
        .classes = rhm_task_outputs(task, level),
        .inputs = inputs_of(task, level),
        .products = (factors ? 0 : sizes->iterations) + SETTING_UP,
        .blocks = rhm_task_positions(task, level),
    };
    double work = rhm_route_cost(route, &all) + (factors ? sizes->iterations * rhm_factoring_cost(&all) : 0);
    const double sample = options->solver == RHM_CG && route == RHM_ROUTE_PASSES
                              ? (double)rhm_sample_size((size_t)fmin(sizes->patches, 1e15), (size_t)sizes->width)
                              : 0;
    if (sample > 0) {
        rhm_route_sizes some = all;
        some.patches = sample;
        some.products = sizes->iterations * rhm_sample_products(1) / rhm_sample_passes(1);
        work += rhm_route_cost(rhm_route_choose(&some), &some);
    }
    return work + sizes->held_out * sizes->width * (all.inputs + TRIGONOMETRY + 2 * all.classes);
}

uint32_t rhm_fit_iterations(const rhm_task *task, const rhm_train_options *options, uint32_t level, rhm_route route,
                            const rhm_fit_sizes *sizes, double work) {
    rhm_fit_sizes some = *sizes;
    some.iterations = 0;
    const double none = rhm_fit_work(task, options, level, route, &some);
    some.iterations = 1; /* those after it never cost more: a sample may come to take its Gram matrix */
    const double each = rhm_fit_work(task, options, level, route, &some) - none;
    const double most = rhm_solver_most_iterations(options->solver);
    return work <= none ? 0 : (uint32_t)fmin(most, floor((work - none) / each));
}

rhm_route rhm_fit_route(const rhm_task *task, const rhm_train_options *options, uint32_t level,
                        const rhm_fit_sizes *sizes, double solves) {
    const rhm_route_sizes all = {
        .patches = sizes->patches,
        .width = sizes->width,
        .classes = rhm_task_outputs(task, level),
        .inputs = inputs_of(task, level),
        .blocks = rhm_task_positions(task, level),
    };
    return rhm_linear_plan_choose(&all, options->solver, solves).route;
}

double rhm_task_distinct(const rhm_task *task, uint32_t level, double samples) {
    double possible = 1; /* forms of a token */
    for (uint32_t l = task->tree.levels; l >= level; l--) {
        const double rules = task->patches[l] / task->parents[l];
        double forms = rules;
        for (uint32_t t = 0; t < task->tree.branching[l]; t++)
            forms *= possible;
        possible = forms;
    }
    return rhm_theory_expected_distinct(fmax(1, possible * task->parents[level]), samples);
}

double rhm_draw_work(const rhm_task *task, uint32_t level, bool counted, double samples, double width) {
    const double tokens = (double)task->tree.leaves[level - 1], outputs = rhm_task_outputs(task, level);
    double work = 0;
    samples *= rhm_task_positions(task, level);
    for (uint32_t l = level + 1; l <= task->tree.levels; l++) {
        const double patches = samples * (double)rhm_tree_below(&task->tree, level - 1, l - 1);
        work += rhm_task_distinct(task, l, patches) * width *
                (inputs_of(task, l) + TRIGONOMETRY + 2 * rhm_task_outputs(task, l));
    }
    return work + (counted ? fmin(samples, rhm_task_distinct(task, level, samples) * outputs) * tuning->cell_work
                           : samples * tokens * tuning->token_work);
}

double rhm_search_foreseen(const rhm_task *task, const rhm_train_options *options, uint32_t level,
                           const rhm_draw_choice *draw, double most_samples, double separation) {
    const double width = options->width ? options->width : fmin(tuning->first_width, options->max_width);
    double samples = (double)rhm_first_look(task, options, level, separation);
    if (!options->samples[level])
        samples *= tuning->foreseen_growth;
    samples = fmin(samples, most_samples);
    const double first = samples * rhm_task_positions(task, level);
    double patches = options->raw    ? first
                     : draw->thinned ? rhm_theory_expected_distinct((double)draw->thinned, first)
                                     : rhm_task_distinct(task, level, first);
    patches = fmin(patches, first);
    const rhm_route_sizes sizes = {
        .patches = patches,
        .width = width,
        .classes = rhm_task_outputs(task, level),
        .inputs = inputs_of(task, level),
        .blocks = rhm_task_positions(task, level),
    };
    const rhm_linear_plan plan = rhm_linear_plan_choose(&sizes, options->solver, 1);
    const double iterations = plan.sample ? rhm_sample_passes(1) : fmax(1, rhm_solver_products(options->solver, 1));
    const rhm_fit_sizes fit = {patches, patches, width, iterations};
    const bool saturated = draw->counted && samples >= tuning->saturation * patches;
    const double fits = saturated || patches > tuning->comfort ? tuning->many_fits : tuning->few_fits;
    return fits * rhm_fit_work(task, options, level, plan.route, &fit) +
           2 * rhm_draw_work(task, level, draw->counted, samples, width);
}

double rhm_search_allowed(double foreseen, double spent) {
    return fmax(tuning->budget_least, tuning->budget_multiple * foreseen - spent);
}

double rhm_search_trial(double foreseen, bool fewer) {
    return fmax(tuning->budget_least, (fewer ? tuning->fewer_multiple : tuning->trial_multiple) * foreseen);
}
