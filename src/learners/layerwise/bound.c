#include "learners/layerwise/bound.h"

#include <math.h>

#include "core/fail.h"
#include "learners/layerwise/budget.h"
#include "learners/layerwise/draw_choice.h"
#include "learners/layerwise/positions.h"
#include "learners/layerwise/sample_sizes.h"
#include "linear/plan.h"
#include "linear/solvers.h"
#include "patches/patches.h"
#include "sampling/law.h"

static const rhm_tuning *const tuning = &rhm_tuning_default;

static const double SETTING_UP = 2; /* products: budget.c */
static const double ROUNDING = 1 + 1e-9;

/* Of one number of positions. */
typedef struct bounding {
    const rhm_task *task; /* with that many, and the most at all levels below */
    const rhm_train_options *options;
    uint32_t level;
    rhm_draw_choice draw;
    rhm_law_size table; /* what can occur */
    uint64_t available, held_out_available;
    double width;
} bounding;

/* The cheaper one of the routes that are open. */
static double cheaper(const rhm_route_sizes *sizes) {
    return rhm_route_cost(rhm_route_choose(sizes), sizes);
}

/*
 * Of a fit to any number of patches up to `patches`, by the route that linear/plan.h chooses: it is the cheapest for
 * the usual number of products, so that with more of them it costs at most so many times as much, and either route
 * costs more with more patches.
 */
static double most_fit_work(const bounding *b, double patches, double iterations) {
    rhm_route_sizes all = {
        .patches = patches,
        .width = b->width,
        .classes = rhm_task_outputs(b->task, b->level),
        .inputs = b->task->tree.branching[b->level] * (double)rhm_task_embedding(b->task, b->level),
        .blocks = rhm_task_positions(b->task, b->level),
    };
    const double products = iterations + SETTING_UP, usual = rhm_solver_products(b->options->solver, 1);
    const rhm_fit_sizes evaluated = {0, patches, b->width, 0}, whole = {patches, patches, b->width, iterations};
    if (usual == 0) /* never multiplies with C: there is one route */
        return rhm_fit_work(b->task, b->options, b->level, RHM_ROUTE_PASSES, &whole);
    double work = rhm_fit_work(b->task, b->options, b->level, RHM_ROUTE_PASSES, &evaluated);
    const double sample =
        b->options->solver == RHM_CG ? (double)rhm_sample_size((size_t)fmin(patches, 1e15), (size_t)b->width) : 0;
    all.products = sample > 0 ? fmin(usual, rhm_sample_passes(1)) : usual;
    work += cheaper(&all) * fmax(1, products / all.products);
    if (sample > 0) {
        rhm_route_sizes some = all;
        some.patches = sample;
        some.products = iterations * rhm_sample_products(1) / rhm_sample_passes(1);
        work += cheaper(&some);
    }
    return work;
}

static double patches_of(const bounding *b, double samples) {
    const double first = samples * rhm_task_positions(b->task, b->level);
    return b->options->raw ? first : fmin(first, rhm_task_distinct(b->task, b->level, first));
}

/* Of rhm_search_foreseen, whose sizes grow with the samples of the first look. */
static double most_foreseen(const bounding *b) {
    const rhm_train_options *o = b->options;
    double samples = (double)rhm_most_first_look(b->task, o, b->level);
    if (!o->samples[b->level])
        samples *= tuning->foreseen_growth;
    samples = fmin(samples, fmin((double)o->max_samples, (double)b->available));
    const double patches = patches_of(b, samples);
    const bool saturated = b->draw.counted && (b->draw.thinned || samples >= tuning->saturation * patches);
    const double fits = saturated || patches > tuning->comfort ? tuning->many_fits : tuning->few_fits;
    const double iterations = fmax(1, rhm_solver_products(o->solver, 1));
    return fits * most_fit_work(b, patches, iterations) +
           2 * rhm_draw_work(b->task, b->level, b->draw.counted, samples, b->width);
}

/* Of the first draw and fit, which are made in any case. */
static double most_first(const bounding *b) {
    const rhm_task *task = b->task;
    const uint64_t look = rhm_most_first_look(task, b->options, b->level);
    const uint64_t samples = look < b->available ? look : b->available;
    const uint64_t held_out = b->draw.counted ? samples : rhm_held_out_samples(samples, b->held_out_available);
    const double first = (double)samples * rhm_task_positions(task, b->level),
                 tested = (double)held_out * rhm_task_positions(task, b->level);
    const uint32_t iterations = rhm_first_iterations(b->options, b->level);
    const double most = b->options->raw ? HUGE_VAL : b->table.patches;
    return rhm_draw_work(task, b->level, b->draw.counted, (double)samples, b->width) +
           rhm_draw_work(task, b->level, b->draw.counted, (double)held_out, b->width) +
           most_fit_work(b, fmin(most, fmax(first, tested)),
                         iterations ? iterations : rhm_solver_most_iterations(b->options->solver));
}

typedef struct search_bound {
    double first, foreseen;
} search_bound;

/* How counts come about depends on the first look, which the level below decides: the worse of both. */
static rhm_status bound_search(search_bound *out, bounding *b, const rhm_grammar *grammar, rhm_error *error) {
    const double looks[] = {(double)rhm_first_samples(b->task, b->options, b->level),
                            (double)rhm_most_first_look(b->task, b->options, b->level)};
    const uint32_t positions = rhm_task_positions(b->task, b->level);
    *out = (search_bound){0};
    b->table = (rhm_law_size){HUGE_VAL, HUGE_VAL};
    if (grammar)
        RHM_TRY(rhm_law_measure(&b->table, grammar, b->level, positions, error));
    for (int i = 0; i < 2; i++) {
        RHM_TRY(rhm_draw_choose(&b->draw, grammar, b->options, b->level, positions, looks[i], error));
        out->first = fmax(out->first, most_first(b));
        out->foreseen = fmax(out->foreseen, most_foreseen(b));
    }
    return RHM_OK;
}

static uint32_t most_positions(const rhm_task *task, const rhm_train_options *options, uint32_t level) {
    uint32_t positions = rhm_positions_first(task, options, level);
    for (uint32_t more = positions; more > 0; more = rhm_positions_more(task, options, level, more))
        positions = more;
    return positions;
}

/*
 * A search does what it is allowed, or its first fit where that alone is more (search.c). All but the last are allowed
 * what a trial may take; the last what is left of its own.
 */
rhm_status rhm_level_bound_find(rhm_level_bound *out, const rhm_task *task, const rhm_train_options *options,
                                uint32_t level, const rhm_grammar *grammar, uint64_t available,
                                uint64_t held_out_available, rhm_error *error) {
    rhm_task worst = *task;
    for (uint32_t l = level + 1; l <= task->tree.levels; l++)
        worst.positions[l] = most_positions(task, options, l);
    bounding b = {
        .task = &worst,
        .options = options,
        .level = level,
        .available = available,
        .held_out_available = held_out_available,
        .width = options->width ? options->width : fmin(tuning->first_width, options->max_width),
    };
    double spent = 0;
    *out = (rhm_level_bound){0};
    for (uint32_t k = rhm_positions_first(task, options, level); k > 0;
         k = rhm_positions_more(task, options, level, k)) {
        search_bound one;
        worst.positions[level] = k;
        const rhm_status status = bound_search(&one, &b, grammar, error);
        if (status == RHM_INVALID && out->searches > 0) /* training is refused there, if it comes so far */
            break;
        RHM_TRY(status);
        out->positions = k;
        out->searches++;
        /* The last is allowed at least what is left of its own after those before it. */
        out->work = fmax(spent + fmax(one.first, tuning->budget_least), tuning->budget_multiple * one.foreseen);
        spent += fmax(one.first, rhm_search_trial(one.foreseen, false));
        if (rhm_positions_more(task, options, level, k) > 0)
            out->work = fmax(out->work, spent);
    }
    out->work *= ROUNDING;
    return RHM_OK;
}
