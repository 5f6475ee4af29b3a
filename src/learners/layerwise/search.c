#include "learners/layerwise/search.h"

#include <math.h>

#include "learners/layerwise/budget.h"
#include "learners/layerwise/sample_sizes.h"
#include "linear/plan.h"

static const rhm_tuning *const tuning = &rhm_tuning_default;

static double gap_of(const rhm_outcome *fit) {
    return rhm_clusters_gap(&fit->clusters);
}

static double patches_of(const rhm_search_problem *p) {
    return p->task->patches[p->level];
}

bool rhm_search_saturated(const rhm_search *s, const rhm_search_problem *p) {
    return p->draw.counted && s->drawn >= tuning->saturation * s->distinct;
}

static bool costly(const rhm_search *s) {
    return s->distinct > tuning->comfort;
}

/* Where all patches have occurred only noise is left to smooth, and its variance falls like 1/N. */
static double free_ridge(const rhm_search *s) {
    return fmax(tuning->free_ridge, tuning->first_ridge * (tuning->saturation * s->distinct / s->drawn));
}

/*
 * Where samples are costly the ridge is not searched but follows from what it is there for: noise of 1/N in directions
 * in which outputs rho apart have something to say. A larger one passes the inputs' noise on, because it smooths away
 * the plateaus on which synonyms would meet; a smaller one adds noise of its own.
 */
static double noise_ridge(const rhm_search *s, const rhm_search_problem *p) {
    const double square = s->separation * s->separation / rhm_task_positions(p->task, p->level); /* in each block */
    const double ridge = tuning->noise_ridge / ((double)s->samples * square);                    /* or infinite */
    return fmin(tuning->first_ridge / patches_of(p), fmax(tuning->least_noise_ridge / patches_of(p), ridge));
}

/* Noise is passed on: what a costly level asks for, given what the highest of them would, since all levels above
 * inherit what it leaves. */
static double costly_gap(double gap, uint32_t level) {
    for (uint32_t l = tuning->free_levels; l < level; l++) /* not pow(): its last bit is not the same everywhere */
        gap *= tuning->costly_ratio;
    return gap;
}

/* Samples of a data set are there: as long as what was done is what any search may do, more of them cost nothing, and
 * levels above inherit the noise of this one. */
static bool given_and_cheap(const rhm_search *s, const rhm_search_problem *p) {
    return p->available < UINT64_MAX && s->work < tuning->budget_least;
}

double rhm_search_target(const rhm_search *s, const rhm_search_problem *p) {
    return rhm_search_saturated(s, p) ? tuning->saturated_gap
           : costly(s)                ? costly_gap(tuning->costly_gap, p->level)
           : given_and_cheap(s, p)    ? tuning->given_gap
                                      : tuning->target_gap;
}

/* Good enough for the level above; at the top the label itself says so, on held-out samples. */
static bool good(const rhm_search *s, const rhm_search_problem *p) {
    return gap_of(&s->best) >= rhm_search_target(s, p) ||
           (p->level == 1 && s->best.accuracy >= tuning->good_accuracy) || p->task->classes == 1;
}

/* The targets of free and of costly samples are worth trying for; where that stopped helping, or costs too much, less
 * will do. */
static bool enough(const rhm_search *s, const rhm_search_problem *p) {
    const double least =
        !rhm_search_saturated(s, p) && costly(s) ? costly_gap(tuning->costly_least, p->level) : tuning->target_gap;
    const bool dear = s->distinct * s->width > tuning->dear;
    return good(s, p) || ((!s->helped || dear) && gap_of(&s->best) >= least);
}

double rhm_search_clear(const rhm_search *s, const rhm_search_problem *p) {
    return fmin(tuning->target_gap, rhm_search_target(s, p));
}

/* Noise falls like N^(-1/2): a gap that grows by less than half of that is held back by something else. */
static bool gap_helped(double gap, double best_gap, double enlargement) {
    return gap > best_gap * fmax(tuning->least_gain, sqrt(sqrt(enlargement)));
}

static double allowance(const rhm_search *s, const rhm_search_problem *p) {
    return p->positions_left ? rhm_search_trial(s->foreseen, rhm_clusters_are_fewer(&s->best.clusters)) : s->allowed;
}

/* Fits that are expected with the bandwidth of a step. */
static double solves_of(rhm_search_step step) {
    return step == RHM_STEP_RIDGES ? RHM_RIDGE_FITS : 1;
}

/* Iterations that the work left pays for, of a fit to the samples at hand. */
static uint32_t iterations_left(const rhm_search *s, const rhm_search_problem *p, rhm_search_step step) {
    const rhm_fit_sizes sizes = {s->distinct, s->held_out_distinct, s->width, 0};
    const rhm_route route = rhm_fit_route(p->task, p->options, p->level, &sizes, solves_of(step));
    return rhm_fit_iterations(p->task, p->options, p->level, route, &sizes, allowance(s, p) - s->work);
}

/* Work is left for a fit that takes as many iterations as the best one. */
static bool affords(const rhm_search *s, const rhm_search_problem *p, rhm_search_step step) {
    const uint32_t iterations = iterations_left(s, p, step);
    return iterations > 0 && iterations >= s->best.iterations;
}

static uint64_t held_out_of(const rhm_search_problem *p, uint64_t samples) {
    return p->draw.counted ? samples : rhm_held_out_samples(samples, p->held_out_available);
}

/* Of both sets. */
static double draw_work(const rhm_search_problem *p, uint64_t samples, uint32_t width) {
    const bool counted = p->draw.counted;
    return rhm_draw_work(p->task, p->level, counted, (double)samples, width) +
           rhm_draw_work(p->task, p->level, counted, (double)held_out_of(p, samples), width);
}

/* ---- requests ------------------------------------------------------------------------------------------------------
 */

static void ask_draw(rhm_search *s, const rhm_search_problem *p) {
    s->phase = RHM_STEP_DRAWING;
    s->request = (rhm_search_request){
        .action = RHM_SEARCH_DRAW,
        .samples = s->samples,
        .held_out = held_out_of(p, s->samples),
    };
}

/* The first fit is made in any case, since there must be one; a search of which nothing is open consists of it. */
static uint32_t most_iterations(const rhm_search *s, const rhm_search_problem *p, rhm_search_step step) {
    const uint32_t left = iterations_left(s, p, step), first = rhm_first_iterations(p->options, p->level);
    return s->last_fit > 0 || (first > 0 && left > first) ? left : first;
}

static void ask_fit(rhm_search *s, const rhm_search_problem *p, rhm_search_step phase, double bandwidth, double ridge) {
    s->phase = phase;
    s->request = (rhm_search_request){
        .action = RHM_SEARCH_FIT,
        .width = s->width,
        .bandwidth = bandwidth,
        .ridge = ridge,
        .solves = solves_of(phase),
        .iterations = most_iterations(s, p, phase),
    };
}

static void end(rhm_search *s, bool short_of_target) {
    s->phase = RHM_STEP_ENDED;
    s->ended = short_of_target;
    s->request = (rhm_search_request){.action = RHM_SEARCH_END};
}

/* The fit just seen becomes the best one. */
static void keep(rhm_search *s, const rhm_search_seen *seen) {
    s->best = seen->fit;
    s->bandwidth = s->request.bandwidth;
    s->ridge = s->request.ridge;
    s->fitted = s->keep = true;
}

/* ---- rounds --------------------------------------------------------------------------------------------------------
 */

/* What a look costs with so many samples and that width, if its fit takes as many steps as the last one. */
static double look_work(const rhm_search *s, const rhm_search_problem *p, uint64_t enlarged, uint32_t width) {
    const double positions = rhm_task_positions(p->task, p->level), samples = (double)enlarged;
    const double growth = rhm_task_distinct(p->task, p->level, samples * positions) /
                          fmax(1, rhm_task_distinct(p->task, p->level, (double)s->samples * positions));
    const double patches = fmin(p->draw.thinned ? (double)p->draw.thinned : samples * positions, s->distinct * growth);
    const rhm_fit_sizes sizes = {patches, patches, width, s->best.iterations};
    return rhm_fit_work(p->task, p->options, p->level, s->best.route, &sizes) +
           fmax(0, draw_work(p, enlarged, width) - s->drawn_work);
}

/* Samples first; where they stopped helping, width does (cross-talk of the features, docs/training.md). False, and
 * nothing changes, where that would take more work than is allowed. */
static bool enlarge(rhm_search *s, const rhm_search_problem *p) {
    const bool widen_next = !s->helped && !s->widen_next;
    const bool draw = s->can_draw && (!widen_next || !s->can_widen);
    uint64_t samples = s->samples;
    if (draw) {
        const uint64_t next =
            rhm_next_samples(s->samples, gap_of(&s->best), rhm_search_target(s, p), rhm_search_saturated(s, p));
        samples = next > s->most ? s->most : next;
    }
    const uint32_t width = draw ? s->width : 2 * s->width;
    if (s->work + look_work(s, p, samples, width) > allowance(s, p))
        return false;
    s->widen_next = widen_next;
    s->drew_more = s->drew_more || draw;
    s->widened = s->widened || !draw;
    s->samples = samples;
    s->width = width;
    return true;
}

static void end_round(rhm_search *s, const rhm_search_problem *p) {
    if (enough(s, p)) {
        end(s, false);
        return;
    }
    const double now = gap_of(&s->best);
    s->stalls = now > tuning->least_gain * s->best_gap ? 0 : s->stalls + 1;
    if (now > s->best_gap) {
        s->best_gap = now;
        s->best_samples = s->samples;
    }
    if (s->late || s->stalls == tuning->most_stalls || (!s->can_draw && !s->can_widen) || !enlarge(s, p))
        end(s, true);
    else
        ask_draw(s, p);
}

/* ---- walks along an axis -------------------------------------------------------------------------------------------
 */

static void walk(rhm_search *s, const rhm_search_problem *p, rhm_search_step phase, bool better);

static void begin_walk(rhm_search *s, const rhm_search_problem *p, rhm_search_step phase) {
    s->direction = s->steps = 0;
    walk(s, p, phase, true);
}

static void walk_ridges(rhm_search *s, const rhm_search_problem *p) {
    if (!good(s, p) && p->options->ridge[p->level] == 0)
        begin_walk(s, p, RHM_STEP_RIDGES);
    else
        end_round(s, p);
}

/* Go on along an axis, down first, in the direction in which the held-out loss falls, as long as it does. */
static void walk(rhm_search *s, const rhm_search_problem *p, rhm_search_step phase, bool better) {
    const bool bandwidths = phase == RHM_STEP_BANDWIDTHS;
    const double ratio = bandwidths ? tuning->bandwidth_ratio : tuning->ridge_ratio;
    const double least = bandwidths ? tuning->least_bandwidth : tuning->least_ridge / patches_of(p);
    const double most = bandwidths ? tuning->most_bandwidth : tuning->most_ridge / patches_of(p);
    for (; s->direction < 2; s->direction++, s->steps = 0, better = true) {
        const double factor = s->direction ? ratio : 1 / ratio;
        const double bandwidth = bandwidths ? s->bandwidth * factor : s->bandwidth;
        const double ridge = bandwidths ? s->ridge : s->ridge * factor;
        const double place = bandwidths ? bandwidth : ridge;
        if (better && s->steps < tuning->most_steps && !good(s, p) && !s->late && affords(s, p, phase) &&
            place >= least && place <= most) {
            ask_fit(s, p, phase, bandwidth, ridge);
            return;
        }
        if (s->steps > 0)
            break; /* the other side was left behind */
    }
    if (bandwidths)
        walk_ridges(s, p);
    else
        end_round(s, p);
}

/*
 * Where labels say little about a patch and it came seldom, losses of good and of bad fits differ by less than their
 * errors, and gaps do not: one that is as wide as was aimed at counts, whatever the loss, and one that is half as wide
 * as before does not.
 */
static bool reached(const rhm_search *s, const rhm_search_problem *p, const rhm_outcome *fit) {
    return !rhm_search_saturated(s, p) && !good(s, p) && gap_of(fit) >= rhm_search_target(s, p) &&
           !rhm_clusters_are_fewer(&fit->clusters) && fit->evidence >= tuning->least_evidence;
}

static void walked(rhm_search *s, const rhm_search_problem *p, const rhm_search_seen *seen) {
    const double gap = gap_of(&seen->fit), best = gap_of(&s->best);
    const bool narrower = !rhm_search_saturated(s, p) && gap < tuning->least_of_gap * best;
    const bool better = reached(s, p, &seen->fit) || (seen->fit.loss < s->best.loss && !narrower);
    if (better)
        keep(s, seen);
    s->steps += better;
    walk(s, p, s->phase, better);
}

/* ---- a look at new samples or a new width --------------------------------------------------------------------------
 */

static void look(rhm_search *s, const rhm_search_problem *p, const rhm_search_seen *seen) {
    const double drawn_work = draw_work(p, s->request.samples, s->width);
    s->work += fmax(0, drawn_work - s->drawn_work);
    s->drawn_work = drawn_work;
    s->drawn = seen->samples;
    s->distinct = seen->distinct;
    s->held_out_distinct = seen->held_out_distinct;
    if (s->fitted && !affords(s, p, RHM_STEP_LOOKING)) { /* more distinct patches came than were expected */
        end(s, true);
        return;
    }
    const bool free_to_choose = p->options->ridge[p->level] == 0;
    if (free_to_choose && rhm_search_saturated(s, p))
        s->ridge = fmin(s->ridge, free_ridge(s) / patches_of(p));
    else if (free_to_choose && costly(s))
        s->ridge = fmin(s->ridge, noise_ridge(s, p));
    s->fitted = false;
    ask_fit(s, p, RHM_STEP_LOOKING, s->bandwidth, s->ridge);
}

/* The fit at the starting point is there: search around it if that is the thing to do. */
static void looked(rhm_search *s, const rhm_search_problem *p) {
    const double gap = gap_of(&s->best);
    s->helped = gap_helped(gap, s->best_gap, (double)s->samples / (double)s->best_samples);
    s->can_draw = p->options->samples[p->level] == 0 && s->samples < s->most && s->distinct < tuning->most_distinct;
    s->can_widen = p->options->width == 0 && s->width * 2 <= p->options->max_width;
    /* Far from the target, samples are what is missing; a search now would only be repeated with more of them. */
    const bool near = !s->helped || gap > rhm_search_target(s, p) / 2;
    if (good(s, p) || (s->can_draw && !(s->distinct <= tuning->most_refined && near)))
        end_round(s, p);
    else if (p->options->bandwidth[p->level] == 0)
        begin_walk(s, p, RHM_STEP_BANDWIDTHS);
    else
        walk_ridges(s, p);
}

/* Whether the separation now measured suits another ridge; in s->ridge stays the one of the best fit. */
static bool lower(rhm_search *s, const rhm_search_problem *p) {
    if (p->options->ridge[p->level] != 0 || !costly(s) || rhm_search_saturated(s, p) || good(s, p) ||
        gap_of(&s->best) < tuning->least_gap /* the clusters may be wrong ones */ || !affords(s, p, RHM_STEP_LOWERING))
        return false;
    s->separation = s->best.clusters.separation;
    const double ridge = noise_ridge(s, p);
    if (ridge > tuning->ridge_worth_a_fit * s->ridge)
        return false;
    ask_fit(s, p, RHM_STEP_LOWERING, s->bandwidth, ridge);
    return true;
}

void rhm_search_begin(rhm_search *state, const rhm_search_problem *problem) {
    const rhm_train_options *o = problem->options;
    const uint32_t level = problem->level;
    const double patches = patches_of(problem), separation = problem->separation;
    rhm_search s = {.width = o->width ? o->width : tuning->first_width};
    if (s.width > o->max_width && !o->width)
        s.width = o->max_width;
    s.bandwidth = o->bandwidth[level] > 0               ? o->bandwidth[level]
                  : level == problem->task->tree.levels ? tuning->bottom_bandwidth
                  : separation > 0                      ? tuning->bandwidth_of_separation * separation
                                                        : tuning->bottom_bandwidth;
    s.ridge = o->ridge[level] > 0                  ? o->ridge[level]
              : o->ridge[level] == RHM_RIDGE_PAPER ? 1 / patches
                                                   : tuning->first_ridge / patches;
    s.most = o->max_samples < problem->available ? o->max_samples : problem->available;
    s.most = (uint64_t)((double)s.most * problem->draw.share);
    s.samples = rhm_first_look(problem->task, o, level, separation);
    if (s.samples > problem->available)
        s.samples = problem->available;
    s.best_samples = s.samples;
    s.separation = separation * sqrt(patches / problem->task->parents[level]); /* about sqrt(m) times that below */
    s.foreseen = rhm_search_foreseen(problem->task, o, level, &problem->draw, (double)s.most, separation);
    s.allowed = rhm_search_allowed(s.foreseen, problem->spent);
    ask_draw(&s, problem);
    *state = s;
}

void rhm_search_next(rhm_search *state, const rhm_search_problem *problem, const rhm_search_seen *seen) {
    state->late = seen->late;
    state->keep = false;
    if (state->request.action == RHM_SEARCH_FIT) {
        const rhm_fit_sizes sizes = {seen->distinct, seen->held_out_distinct, state->width, seen->fit.iterations};
        state->last_fit = rhm_fit_work(problem->task, problem->options, problem->level, seen->fit.route, &sizes);
        state->work += state->last_fit;
    }
    switch (state->phase) {
    case RHM_STEP_DRAWING: look(state, problem, seen); break;
    case RHM_STEP_LOOKING:
        keep(state, seen);
        if (!lower(state, problem))
            looked(state, problem);
        break;
    case RHM_STEP_LOWERING:
        if (gap_of(&seen->fit) > gap_of(&state->best))
            keep(state, seen);
        looked(state, problem);
        break;
    case RHM_STEP_BANDWIDTHS:
    case RHM_STEP_RIDGES: walked(state, problem, seen); break;
    default: break;
    }
}
