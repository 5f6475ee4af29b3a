#include "learners/layerwise/forecast.h"

#include <math.h>

#include "core/fail.h"
#include "engine/parallel.h"
#include "learners/layerwise/bound.h"
#include "learners/layerwise/budget.h"
#include "learners/layerwise/cluster.h"
#include "learners/layerwise/distances.h"
#include "learners/layerwise/positions.h"
#include "learners/layerwise/prices.h"
#include "learners/layerwise/sample_sizes.h"
#include "learners/layerwise/search.h"
#include "linear/plan.h"
#include "linear/solvers.h"
#include "patches/patches.h"
#include "rhm/theory.h"
#include "sampling/source.h"

/*
 * radius^2 / separation^2 of a fit, in three parts that add up: its own noise, OWN |P_l| / (N rho^2); what it inherits,
 * INHERITED (rho of the level below / rho)^1.5 times that of the level below; and cross-talk of the features. Fitted to
 * levels of (8, 4, 2, 8), (8, 4, 2, 10), (16, 4, 2, 4..8) with gaps from 1 to 37, which they give within a factor 1.5.
 */
static const double OWN = 1.1, INHERITED = 6.5, CROSS_TALK = 1 / 1600.0;
static const double WIDTH_EXPONENT = 0.1; /* of the gap */
static const double AXIS_GAIN = 1.1;      /* of the gap, from a search along bandwidths or along ridges */

/* What the model of a stage knows. */
typedef struct outlook {
    double samples, held_out;
    double bandwidth, ridge; /* that fit best: one step from where the search begins */
} outlook;

static double expected_gap(const rhm_forecasting *f, const rhm_forecast *s, double samples) {
    const double rho = f->rho[s->level];
    double square = OWN * f->task.patches[s->level] / (samples * rho * rho) + CROSS_TALK;
    if (s->level < f->shape->levels)
        square += INHERITED * pow(f->rho[s->level + 1] / rho, 1.5) / pow(f->stage[s->level + 1].gap, 2);
    return pow(s->width / (double)rhm_tuning_default.first_width, WIDTH_EXPONENT) / sqrt(square);
}

/* Steps between a value and the best one, and no more than one: farther off no gain is left to lose. */
static double steps_off(double value, double best, double ratio) {
    return best > 0 ? fabs(log(value / best)) / log(ratio) : 0;
}

/* What a fit would say of itself. */
static rhm_outcome imagine(const rhm_forecasting *f, const rhm_forecast *s, const outlook *r,
                           const rhm_search_request *ask) {
    const double off[2] = {steps_off(ask->bandwidth, r->bandwidth, rhm_tuning_default.bandwidth_ratio),
                           steps_off(ask->ridge, r->ridge, rhm_tuning_default.ridge_ratio)};
    double gap = expected_gap(f, s, r->samples);
    for (int axis = 0; axis < 2; axis++)
        gap *= pow(AXIS_GAIN, 1 - fmin(1, off[axis]));
    const uint32_t symbols = f->task.parents[s->level];
    return (rhm_outcome){
        .iterations = (uint32_t)fmax(1, rhm_solver_products(f->options->solver, 1)),
        .route = rhm_price_route(f, s, s->distinct, ask->solves),
        .loss = off[0] + off[1],
        .accuracy = s->level == 1,
        .evidence = HUGE_VAL,
        .clusters = {.count = symbols, .separation = gap, .radius = 1, .fewer = symbols},
    };
}

static void imagine_draw(const rhm_forecasting *f, rhm_forecast *s, outlook *r, const rhm_search_request *ask) {
    r->samples = (double)ask->samples;
    r->held_out = (double)ask->held_out;
    s->samples = r->samples;
    s->distinct = f->options->raw ? r->samples * s->positions : rhm_price_distinct(f, s->level, s->level, r->samples);
}

/* What several ranks would make of it. */
static void share_fit(const rhm_forecasting *f, rhm_forecast *s, const rhm_fit_price *price, rhm_route route,
                      double held_out) {
    bool divide = true;
    const double leaves = rhm_price_leaves(f, s, &divide);
    s->shared_fit_seconds += price->shared;
    s->shared_parts = route == RHM_ROUTE_GRAM ? 0 : leaves;
    s->parts_divide = divide;
    s->sums += price->sums;
    s->sum_rows = leaves;
    s->sum_nbytes = s->product_nbytes = rhm_price_sum_nbytes(f, s);
    s->products += price->products;
    const double distinct = rhm_price_distinct(f, s->level, s->level, held_out);
    const double inputs = rhm_price_raw_inputs_memory(f, s, held_out) +
                          (s->route == RHM_ROUTE_GRAM ? 0 : rhm_price_raw_inputs_memory(f, s, s->samples));
    s->passes_nbytes = fmax(s->passes_nbytes, rhm_price_pass_memory(f, s));
    s->divided_nbytes = fmax(s->divided_nbytes, inputs + rhm_price_held_out_memory(f, s, held_out, distinct));
    s->features_nbytes = fmax(s->features_nbytes, rhm_price_features_memory(f, s));
    s->gram_nbytes = rhm_price_gram_memory(f, s);
}

static void imagine_fit(const rhm_forecasting *f, rhm_forecast *s, outlook *r, const rhm_search_request *ask,
                        rhm_search_seen *seen) {
    s->width = ask->width;
    if (r->bandwidth == 0) {
        r->bandwidth = ask->bandwidth * (f->options->bandwidth[s->level] != 0 ? 1 : rhm_tuning_default.bandwidth_ratio);
        r->ridge = ask->ridge * (f->options->ridge[s->level] != 0 ? 1 : rhm_tuning_default.ridge_ratio);
    }
    seen->fit = imagine(f, s, r, ask);
    s->route = rhm_price_route(f, s, s->distinct, 1);
    s->ridge_route = rhm_price_route(f, s, s->distinct, f->options->ridge[s->level] == 0 ? RHM_RIDGE_FITS : 1);
    s->fits++;
    const rhm_fit_price price = rhm_price_fit(f, s, s->distinct, r->held_out, seen->fit.route, ask->solves);
    s->fit_seconds += price.seconds;
    share_fit(f, s, &price, seen->fit.route, r->held_out);
    /* A round may hold more than the last one: kept features stop where they no longer fit. */
    s->nbytes = fmax(s->nbytes, rhm_price_memory(f, s, r->samples, r->held_out));
}

/* Play the search through on the model. */
static void play(const rhm_forecasting *f, rhm_forecast *s, const rhm_search_problem *problem) {
    rhm_search search;
    outlook r = {0};
    rhm_search_begin(&search, problem);
    while (search.request.action != RHM_SEARCH_END) {
        rhm_search_seen seen = {0};
        const rhm_search_request ask = search.request;
        if (ask.action == RHM_SEARCH_DRAW)
            imagine_draw(f, s, &r, &ask);
        else
            imagine_fit(f, s, &r, &ask, &seen);
        seen.samples = r.samples;
        seen.distinct = s->distinct;
        seen.held_out_distinct = fmin(r.held_out, s->distinct);
        rhm_search_next(&search, problem, &seen);
    }
    s->gap = rhm_clusters_gap(&search.best.clusters);
    s->width = search.width;
    const double each = search.work > 0 ? s->fit_seconds / search.work : 0;
    s->budget_seconds = each * s->budget_work;
    s->allowed_seconds = each * s->allowed_work;
}

static uint64_t available(const rhm_forecasting *f, const rhm_slice *slices, uint32_t level) {
    return f->problem->data ? slices[level].count : UINT64_MAX;
}

static const rhm_grammar *drawn_from(const rhm_forecasting *f) {
    return f->problem->data ? NULL : f->grammar;
}

/* The search of a level at f->task.positions. */
static rhm_status pose(rhm_search_problem *out, const rhm_forecasting *f, uint32_t level, rhm_error *error) {
    const rhm_train_options *o = f->options;
    const double below = level < f->shape->levels ? f->rho[level + 1] : 0;
    const uint32_t positions = f->task.positions[level];
    *out = (rhm_search_problem){
        .task = &f->task,
        .options = o,
        .level = level,
        .available = available(f, f->setup->training, level),
        .held_out_available = available(f, f->setup->validation, level),
        .separation = below,
        .positions_left = rhm_positions_more(&f->task, o, level, positions) > 0,
    };
    return rhm_draw_choose(&out->draw, drawn_from(f), o, level, positions,
                           (double)rhm_first_look(&f->task, o, level, below), error);
}

/* Multiply-adds, about a second: beyond them rho is what it usually is. */
static const double MOST_COMPARED = 0x1p29;

static rhm_status find_distances(rhm_distances *out, rhm_forecasting *f, uint32_t level, rhm_error *error) {
    const uint32_t positions = f->task.positions[level];
    const double work = rhm_distances_work(f->grammar, level, positions);
    if (f->compared + work > MOST_COMPARED) {
        *out = rhm_distances_usual(f->grammar, level);
        return RHM_OK;
    }
    f->compared += work;
    return rhm_distances_at(out, f->grammar, f->analysis, level, positions, error);
}

/*
 * The smallest number of positions at which exact posteriors are apart, in the order of the search, which begins where
 * all symbols occur; or the given one. Into *problem the search with that many, after the multiply-adds that those
 * before it may take.
 */
static rhm_status find_positions(rhm_forecasting *f, uint32_t level, rhm_search_problem *problem, rhm_error *error) {
    uint32_t *positions = &f->task.positions[level];
    rhm_distances distances;
    double spent = 0;
    *positions = rhm_positions_first(&f->task, f->options, level);
    for (;;) {
        RHM_TRY(find_distances(&distances, f, level, error));
        f->rho[level] = distances.rho;
        RHM_TRY(pose(problem, f, level, error));
        problem->spent = spent;
        const uint32_t more = rhm_positions_more(&f->task, f->options, level, *positions);
        if (distances.apart || more == 0)
            return RHM_OK;
        rhm_search search;
        rhm_search_begin(&search, problem);
        spent += distances.all_occur ? rhm_search_trial(search.foreseen, false) : 0;
        *positions = more;
    }
}

/* Where the searches of a level end at the latest, with all numbers of positions that there are to try: in any case,
 * and where the levels below come out as foreseen. */
static rhm_status find_ends(rhm_forecasting *f, rhm_forecast *s, rhm_error *error) {
    const uint32_t level = s->level, expected = f->task.positions[level];
    uint32_t *positions = &f->task.positions[level];
    rhm_level_bound bound;
    RHM_TRY(rhm_level_bound_find(&bound, &f->task, f->options, level, drawn_from(f),
                                 available(f, f->setup->training, level), available(f, f->setup->validation, level),
                                 error));
    s->allowed_work = bound.work;
    s->allowed_searches = bound.searches;
    s->allowed_positions = bound.positions;
    double spent = 0;
    for (*positions = rhm_positions_first(&f->task, f->options, level); *positions > 0;
         *positions = rhm_positions_more(&f->task, f->options, level, *positions)) {
        rhm_search_problem problem;
        rhm_search search;
        if (*positions > bound.positions)
            break;
        RHM_TRY(pose(&problem, f, level, error));
        rhm_search_begin(&search, &problem);
        s->budget_work = spent + rhm_search_allowed(search.foreseen, spent);
        spent += rhm_search_trial(search.foreseen, false);
    }
    *positions = expected;
    return RHM_OK;
}

static rhm_status forecast_stage(rhm_forecasting *f, uint32_t level, rhm_error *error) {
    const rhm_train_options *o = f->options;
    rhm_forecast *s = &f->stage[level];
    rhm_search_problem problem;
    if (f->engine)
        rhm_engine_progress(f->engine, "planning", f->shape->levels - level, f->shape->levels);
    RHM_TRY(find_positions(f, level, &problem, error));
    const double rho = f->rho[level];
    *s = (rhm_forecast){
        .level = level,
        .positions = f->task.positions[level],
        .draw = problem.draw.counted ? RHM_DRAW_COUNTS : RHM_DRAW_SAMPLES,
        .kept_share = problem.draw.share,
        .first_samples =
            fmin((double)rhm_first_look(&f->task, o, level, problem.separation), (double)problem.available),
        .possible = f->possible[level],
        .width = o->width                                        ? o->width
                 : rhm_tuning_default.first_width < o->max_width ? rhm_tuning_default.first_width
                                                                 : o->max_width,
    };
    RHM_TRY(find_ends(f, s, error));
    play(f, s, &problem);
    s->wanted_samples = fmax(s->first_samples, ceil(rhm_tuning_default.target_gap * rhm_tuning_default.target_gap *
                                                    OWN * f->task.patches[level] / (rho * rho)));
    s->capped = s->samples < s->wanted_samples &&
                s->samples >= fmin((double)o->max_samples, (double)problem.available) * s->kept_share;
    const double held_out = s->draw == RHM_DRAW_COUNTS
                                ? s->samples
                                : (double)rhm_held_out_samples((uint64_t)s->samples, problem.held_out_available);
    if (!f->engine) {
        s->draw_seconds = s->embed_seconds = s->fit_seconds = s->budget_seconds = s->allowed_seconds = NAN;
        return RHM_OK;
    }
    s->embed_seconds = rhm_price_embedding(f, level, s->samples) + rhm_price_embedding(f, level, held_out);
    for (uint32_t j = level + 1; j <= f->shape->levels; j++)
        s->embedded_nbytes += sizeof(float) * rhm_task_outputs(&f->task, j) *
                              (rhm_price_distinct(f, level, j, s->samples) + rhm_price_distinct(f, level, j, held_out));
    s->grouped_nbytes = s->fits * sizeof(float) * rhm_task_outputs(&f->task, level) *
                        fmin(rhm_price_distinct(f, level, level, held_out), RHM_CLUSTER_POINTS);
    s->embedded_nbytes += s->grouped_nbytes; /* of outputs no more, on any rank */
    rhm_price_division(f, s, s->samples, held_out);
    s->embeddings = 2.0 * (f->shape->levels - level) + s->fits;
    RHM_TRY(rhm_price_draw(f, s, s->samples, &s->draw_seconds, error));
    RHM_TRY(rhm_price_draw(f, s, held_out, &s->draw_seconds, error));
    rhm_price_merge(f, s, s->samples);
    rhm_price_merge(f, s, held_out);
    return RHM_OK;
}

static rhm_status measure_rates(rhm_forecasting *f, rhm_error *error) {
    const rhm_shape *shape = f->shape;
    if (!f->engine)
        return RHM_OK;
    const uint32_t bottom = shape->branching[shape->levels];
    uint32_t upper = shape->levels > 1 ? 0 : bottom;
    for (uint32_t level = 1; level < shape->levels; level++)
        upper = shape->branching[level] > upper ? shape->branching[level] : upper;
    RHM_TRY(
        rhm_rates_measure(&f->upper, f->engine, f->options->solver, upper, shape->vocab[0], shape->vocab[0], error));
    f->bottom = f->upper;
    if (shape->vocab[shape->levels] == shape->vocab[0] && bottom == upper)
        return RHM_OK;
    return rhm_rates_measure(&f->bottom, f->engine, f->options->solver, bottom, shape->vocab[shape->levels],
                             shape->vocab[0], error);
}

enum { SHOWN_TOKENS = 1 << 21 }; /* of the sequences whose subtrees are counted */

/*
 * Different subtrees of each level, as many as would let those of some sequences be as many as they are. Of rules that
 * are not equally probable the frequent ones show, so that more samples show more than this says.
 */
static rhm_status count_subtrees(rhm_forecasting *f, rhm_error *error) {
    const rhm_data *data = f->problem->data;
    const rhm_data_source source = {data, 0};
    const rhm_tree *tree = &data->tree;
    const size_t some = SHOWN_TOKENS / tree->leaves[0] + 1, count = data->count < some ? data->count : some;
    rhm_patches patches;
    RHM_TRY(rhm_patches_init(&patches, 1, tree, data->label_vocab, error));
    const rhm_status status =
        rhm_patches_add(&patches, f->engine, NULL, rhm_draw_from_data, &source, 0, count, NULL, error);
    for (uint32_t l = 1; l <= tree->levels && status == RHM_OK; l++) {
        const double seen = (double)count * (double)rhm_tree_below(tree, 0, l - 1),
                     distinct = (double)patches.subtree[l].count;
        double least = distinct, most = 0x1p200;
        while (most > least * (1 + 1e-6)) {
            const double middle = sqrt(least) * sqrt(most);
            *(rhm_theory_expected_distinct(middle, seen) < distinct ? &least : &most) = middle;
        }
        f->possible[l] = most;
    }
    rhm_patches_destroy(&patches);
    return status;
}

static rhm_status find_possible(rhm_forecasting *f, rhm_error *error) {
    for (uint32_t l = 1; l <= f->shape->levels; l++)
        f->possible[l] = rhm_theory_possible_patches(f->shape, l);
    return f->problem->data && f->engine ? count_subtrees(f, error) : RHM_OK;
}

rhm_status rhm_forecast_training(rhm_forecast *out, double *test_seconds, const rhm_engine *engine,
                                 const rhm_forecast_setup *setup, const rhm_train_options *options, rhm_error *error) {
    const rhm_problem *problem = setup->problem;
    const rhm_shape *shape = rhm_grammar_shape(problem->grammar);
    rhm_forecasting f = {
        .engine = engine,
        .problem = problem,
        .setup = setup,
        .grammar = problem->grammar,
        .shape = shape,
        .analysis = setup->analysis,
        .options = options,
        .task = setup->task,
        .stage = out,
    };
    RHM_TRY(find_possible(&f, error));
    RHM_TRY(measure_rates(&f, error));
    for (uint32_t level = shape->levels; level >= 1; level--)
        RHM_TRY(forecast_stage(&f, level, error));
    out[1].nbytes = fmax(out[1].nbytes, rhm_price_test_memory(&f));
    *test_seconds = engine ? rhm_price_embedding(&f, 0, (double)problem->test_samples) : (double)NAN;
    return RHM_OK;
}
