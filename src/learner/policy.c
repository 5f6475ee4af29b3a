#include "learner/policy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "learner/budget.h"
#include "learner/watch.h"

enum {
    SAMPLES_PER_RULE = 16, /* N = c V m^l: the field's scaling law, with a modest constant */
    SAMPLES_PER_NOISE = 8, /* N rho^2 / |P|: noise is about a third of the distance between neighbours */
    LEAST_SAMPLES = 2000,
    MOST_HELD_OUT = 100000,
    MOST_STEPS = 8,  /* of a search along one axis */
    FREE_LEVELS = 3, /* at the top: their noise is passed on to none that is costly */
};

static const double BANDWIDTH_OF_SEPARATION = 0.65; /* docs/training.md */
static const double BOTTOM_BANDWIDTH = 0.35;        /* one-hot inputs: any value around it works */
static const double BANDWIDTH_RATIO = 1.4;
static const double RIDGE_RATIO = 3.2; /* about half a decade */
static const double FIRST_RIDGE = 0.1; /* times 1/|P_l| */
static const double FREE_RIDGE = 1e-4; /* the same, where noise is no concern any more */
static const double LEAST_RIDGE = 1e-5;
static const double NOISE_RIDGE = 0.6;        /* times 1 / (N rho^2), where samples are costly */
static const double LEAST_NOISE_RIDGE = 1e-3; /* times 1/|P_l| */
static const double MOST_RIDGE = 3;
static const double COSTLY_RATIO = 1.35; /* of targets from a costly level to the one below */

typedef struct search {
    rhm_stage *stage;

    const rhm_train_options *options;
    double deadline;
    uint32_t width;
    double bandwidth, ridge; /* of the best fit, or the starting point */
    double separation;       /* of neighbouring outputs, as far as is known */
    uint64_t samples, most;
    rhm_fit best;
    double widest;           /* gap of earlier rounds */
    uint64_t widest_samples; /* that gave it */
    int stalls;              /* rounds in a row that did not widen it */
    bool helped, can_draw, can_widen, widen_next;
    bool drew_more, widened;
    double work, foreseen, allowed; /* multiply-adds (budget.h) */
    double drawn_work, last_fit;    /* of the sets at hand; of the last fit */
} search;

static double gap(const rhm_fit *fit) {
    return rhm_clusters_gap(&fit->clusters);
}

/* Every patch of the level has occurred and counts are drawn: more samples cost nothing. */
static bool saturated(const search *s) {
    const rhm_sample_set *set = &s->stage->training;
    return set->draw.counted && set->patches.samples >= RHM_SATURATION * (uint64_t)rhm_patches_distinct(&set->patches);
}

/* Where all patches have occurred only noise is left to smooth, and its variance falls like 1/N. */
static double free_ridge(const search *s) {
    const rhm_sample_set *set = &s->stage->training;
    const double share = RHM_SATURATION * (double)rhm_patches_distinct(&set->patches) / (double)set->patches.samples;
    return fmax(FREE_RIDGE, FIRST_RIDGE * share);
}

/*
 * Where samples are costly the ridge is not searched but follows from what it is there for: noise of 1/N in directions
 * in which outputs rho apart have something to say. A larger one passes the inputs' noise on, because it smooths away
 * the plateaus on which synonyms would meet; a smaller one adds noise of its own.
 */
static double noise_ridge(const search *s) {
    const double patches = s->stage->task->patches[s->stage->level];
    const double ridge = NOISE_RIDGE / ((double)s->samples * s->separation * s->separation); /* no separation: inf */
    return fmin(FIRST_RIDGE / patches, fmax(LEAST_NOISE_RIDGE / patches, ridge));
}

static bool costly(const search *s) {
    return rhm_patches_distinct(&s->stage->training.patches) > RHM_COMFORT;
}

/* Noise falls like N^(-1/2): a gap that grows by less than half of that is held back by something else. */
bool rhm_gap_helped(double gap, double widest, double enlargement) {
    return gap > widest * fmax(RHM_LEAST_GAIN, sqrt(sqrt(enlargement)));
}

double rhm_costly_gap(double gap, uint32_t level) {
    for (uint32_t l = FREE_LEVELS; l < level; l++) /* not pow(): its last bit is not the same everywhere */
        gap *= COSTLY_RATIO;
    return gap;
}

static double target(const search *s) {
    return saturated(s) ? RHM_SATURATED_GAP
           : costly(s)  ? rhm_costly_gap(RHM_COSTLY_GAP, s->stage->level)
                        : RHM_TARGET_GAP;
}

/* Good enough for the level above; at the top the label itself says so, on held-out samples. */
static bool good(const search *s) {
    return gap(&s->best) >= target(s) || (s->stage->level == 1 && s->best.accuracy >= RHM_GOOD_ACCURACY) ||
           s->stage->task->classes == 1;
}

/* The targets of free and of costly samples are worth trying for; where that stopped helping, or costs too much, less
 * will do. */
static bool enough(const search *s) {
    const double least = saturated(s) ? RHM_TARGET_GAP
                         : costly(s)  ? rhm_costly_gap(RHM_COSTLY_LEAST, s->stage->level)
                                      : HUGE_VAL;
    const bool dear = (double)rhm_patches_distinct(&s->stage->training.patches) * s->width > RHM_DEAR;
    return good(s) || ((!s->helped || dear) && gap(&s->best) >= least);
}

static bool late(const search *s) {
    return rhm_stage_seconds(s->stage) > s->deadline;
}

/* No work is left for another fit like the last one. */
static bool spent(const search *s) {
    return s->work + s->last_fit > s->allowed;
}

static rhm_status fit_at(search *s, double bandwidth, double ridge, rhm_fit *fit, rhm_error *error) {
    const rhm_stage *stage = s->stage;
    RHM_TRY(rhm_stage_fit(s->stage, s->width, bandwidth, ridge, fit, error));
    const rhm_fit_sizes sizes = {
        .patches = (double)rhm_patches_distinct(&stage->training.patches),
        .held_out = (double)rhm_patches_distinct(&stage->validation.patches),
        .width = s->width,
        .iterations = fit->solve.iterations,
    };
    s->last_fit = rhm_fit_work(stage->task, s->options, stage->level, fit->route, &sizes);
    s->work += s->last_fit;
    rhm_watch_work(stage->watch, s->work);
    return RHM_OK;
}

/* Fit at a point; keep it, and return true, if its held-out loss is smaller than the best one's. */
static rhm_status attempt(search *s, double bandwidth, double ridge, bool *better, rhm_error *error) {
    rhm_fit fit;
    RHM_TRY(fit_at(s, bandwidth, ridge, &fit, error));
    *better = !s->best.layer.weights || fit.loss < s->best.loss;
    if (*better) {
        rhm_fit_clear(&s->best);
        s->best = fit;
        s->bandwidth = bandwidth;
        s->ridge = ridge;
    } else {
        rhm_fit_clear(&fit);
    }
    return RHM_OK;
}

/* Walk along one axis, down first, in the direction in which the held-out loss falls, as long as it does. */
static rhm_status descend(search *s, bool along_bandwidth, double ratio, double least, double most, rhm_error *error) {
    for (int direction = 0; direction < 2; direction++) {
        const double factor = direction ? ratio : 1 / ratio;
        bool better = true;
        int steps = 0;
        while (better && steps < MOST_STEPS && !good(s) && !late(s) && !spent(s)) {
            const double bandwidth = along_bandwidth ? s->bandwidth * factor : s->bandwidth;
            const double ridge = along_bandwidth ? s->ridge : s->ridge * factor;
            if ((along_bandwidth ? bandwidth : ridge) < least || (along_bandwidth ? bandwidth : ridge) > most)
                break;
            rhm_status status = attempt(s, bandwidth, ridge, &better, error);
            if (status != RHM_OK)
                return status;
            steps += better;
        }
        if (steps > 0)
            break; /* the other side was left behind */
    }
    return RHM_OK;
}

/* One fit with the bandwidth and ridge at which the last search ended. */
static rhm_status probe(search *s, rhm_error *error) {
    bool better;
    rhm_fit_clear(&s->best);
    s->best = (rhm_fit){0};
    s->stage->solves = 1;
    return attempt(s, s->bandwidth, s->ridge, &better, error);
}

/* The same samples with the ridge that suits the separation now measured, if that is another one. */
static rhm_status lower_ridge(search *s, rhm_error *error) {
    static const double WORTH_A_FIT = 0.5;
    if (gap(&s->best) < RHM_LEAST_GAP)
        return RHM_OK; /* the clusters may be wrong ones */
    s->separation = s->best.clusters.separation;
    const double ridge = noise_ridge(s);
    if (ridge > WORTH_A_FIT * s->ridge)
        return RHM_OK;
    rhm_fit fit;
    RHM_TRY(fit_at(s, s->bandwidth, ridge, &fit, error));
    if (gap(&fit) > gap(&s->best)) {
        rhm_fit_clear(&s->best);
        s->best = fit;
        s->ridge = ridge;
    } else {
        rhm_fit_clear(&fit);
    }
    return RHM_OK;
}

/* Best bandwidth and ridge for the samples at hand. */
static rhm_status refine(search *s, rhm_error *error) {
    const uint32_t level = s->stage->level;
    const double patches = s->stage->task->patches[level];
    rhm_status status = RHM_OK;
    s->stage->solves = 1;
    if (s->options->bandwidth[level] == 0)
        status = descend(s, true, BANDWIDTH_RATIO, 1e-9, 1e3, error);
    s->stage->solves = RHM_RIDGE_FITS;
    if (status == RHM_OK && !good(s) && s->options->ridge[level] == 0)
        status = descend(s, false, RIDGE_RATIO, LEAST_RIDGE / patches, MOST_RIDGE / patches, error);
    return status;
}

uint64_t rhm_first_samples(const rhm_task *task, const rhm_train_options *options, uint32_t level) {
    if (options->samples[level])
        return options->samples[level];
    double n = SAMPLES_PER_RULE * task->patches[level];
    for (uint32_t l = 1; l < level; l++)
        n *= task->patches[l] / task->parents[l];
    n = n < LEAST_SAMPLES ? LEAST_SAMPLES : n;
    return n > (double)options->max_samples ? options->max_samples : (uint64_t)n;
}

uint64_t rhm_held_out_samples(uint64_t samples, uint64_t available) {
    const uint64_t n = samples < LEAST_SAMPLES ? LEAST_SAMPLES : samples > MOST_HELD_OUT ? MOST_HELD_OUT : samples;
    return n < available ? n : available;
}

uint64_t rhm_next_samples(uint64_t samples, double gap, double target, bool saturated) {
    /* The noise of the outputs, and so the radius, falls like N^(-1/2). */
    const double factor = target / fmax(gap, 0.1);
    const double margin = saturated ? 1.2 : 1.5; /* what is inherited does not fall */
    const double next = (double)samples * fmin(saturated ? 1e4 : 8, fmax(2, margin * factor * factor));
    return next < 0x1p53 ? (uint64_t)next : UINT64_C(1) << 53;
}

uint64_t rhm_first_look(const rhm_task *task, const rhm_train_options *options, uint32_t level, double separation) {
    const uint64_t usual = rhm_first_samples(task, options, level);
    if (options->samples[level] || level == task->tree.levels || !(separation > 0))
        return usual;
    const double rules = task->patches[level] / task->parents[level];
    const double wanted = SAMPLES_PER_NOISE * task->patches[level] / (rules * separation * separation);
    return wanted <= (double)usual                 ? usual
           : wanted < (double)options->max_samples ? (uint64_t)wanted
                                                   : options->max_samples;
}

/* Bandwidth, ridge and width with which a search begins. */
static search begin(rhm_stage *stage, double separation, double deadline) {
    const rhm_train_options *o = stage->options;
    const uint32_t level = stage->level;
    const double patches = stage->task->patches[level];
    search s = {.stage = stage, .options = o, .deadline = deadline, .width = o->width ? o->width : RHM_FIRST_WIDTH};
    if (s.width > o->max_width && !o->width)
        s.width = o->max_width;
    s.bandwidth = o->bandwidth[level] > 0             ? o->bandwidth[level]
                  : level == stage->task->tree.levels ? BOTTOM_BANDWIDTH
                  : separation > 0                    ? BANDWIDTH_OF_SEPARATION * separation
                                                      : BOTTOM_BANDWIDTH;
    s.ridge = o->ridge[level] > 0                  ? o->ridge[level]
              : o->ridge[level] == RHM_RIDGE_PAPER ? 1 / patches
                                                   : FIRST_RIDGE / patches;
    s.most = o->max_samples < stage->training.stream.available ? o->max_samples : stage->training.stream.available;
    s.most = (uint64_t)((double)s.most * stage->training.draw.share);
    s.samples = rhm_first_look(stage->task, o, level, separation);
    if (s.samples > stage->training.stream.available)
        s.samples = stage->training.stream.available;
    s.widest_samples = s.samples;
    s.separation = separation * sqrt(patches / stage->task->parents[level]); /* about sqrt(m) times that below */
    s.foreseen = rhm_search_foreseen(stage->task, o, level, &stage->training.draw, (double)s.most, separation);
    s.allowed = rhm_search_allowed(s.foreseen);
    return s;
}

static double draw_work(const search *s, double samples) {
    return rhm_draw_work(s->stage->task, s->stage->level, s->stage->training.draw.counted, samples, s->width);
}

/* Draw, fit, and search bandwidth and ridge where that is the thing to do. */
static rhm_status look(search *s, rhm_error *error) {
    const rhm_stage *stage = s->stage;
    const uint64_t held_out = stage->validation.draw.counted
                                  ? s->samples
                                  : rhm_held_out_samples(s->samples, stage->validation.stream.available);
    RHM_TRY(rhm_stage_draw(s->stage, s->samples, held_out, error));
    const double drawn_work = draw_work(s, (double)s->samples) + draw_work(s, (double)held_out);
    s->work += fmax(0, drawn_work - s->drawn_work);
    s->drawn_work = drawn_work;
    rhm_watch_work(stage->watch, s->work);
    const bool free_to_choose = s->options->ridge[stage->level] == 0;
    if (free_to_choose && saturated(s))
        s->ridge = fmin(s->ridge, free_ridge(s) / stage->task->patches[stage->level]);
    else if (free_to_choose && costly(s))
        s->ridge = fmin(s->ridge, noise_ridge(s));
    RHM_TRY(probe(s, error));
    if (free_to_choose && costly(s) && !saturated(s) && !good(s))
        RHM_TRY(lower_ridge(s, error));
    s->helped = rhm_gap_helped(gap(&s->best), s->widest, (double)s->samples / (double)s->widest_samples);
    const size_t distinct = rhm_patches_distinct(&stage->training.patches);
    s->can_draw = s->options->samples[stage->level] == 0 && s->samples < s->most && distinct < RHM_MOST_DISTINCT;
    s->can_widen = s->options->width == 0 && s->width * 2 <= s->options->max_width;
    /* Far from the target, samples are what is missing; a search now would only be repeated with more of them. */
    const bool near = !s->helped || gap(&s->best) > target(s) / 2;
    if (!good(s) && (!s->can_draw || (distinct <= RHM_MOST_REFINED && near)))
        RHM_TRY(refine(s, error));
    return RHM_OK;
}

/* What a look costs with so many samples and that width, if its fit takes as many steps as the last one. */
static double look_work(const search *s, double samples, double width) {
    const rhm_stage *stage = s->stage;
    const double now = (double)rhm_patches_distinct(&stage->training.patches);
    const double growth = rhm_task_distinct(stage->task, stage->level, samples) /
                          fmax(1, rhm_task_distinct(stage->task, stage->level, (double)s->samples));
    const double most = stage->training.draw.thinned ? (double)stage->training.draw.thinned : samples;
    const rhm_fit_sizes sizes = {
        .patches = fmin(most, now * growth),
        .held_out = fmin(most, now * growth),
        .width = width,
        .iterations = s->best.solve.iterations,
    };
    return rhm_fit_work(stage->task, s->options, stage->level, s->best.route, &sizes) +
           fmax(0, draw_work(s, samples) - draw_work(s, (double)s->samples));
}

/* Samples first; where they stopped helping, width does (cross-talk of the features, docs/training.md). False, and
 * nothing changes, where that would take more work than is allowed. */
static bool enlarge(search *s) {
    const bool widen_next = !s->helped && !s->widen_next;
    const bool draw = s->can_draw && (!widen_next || !s->can_widen);
    uint64_t samples = s->samples;
    if (draw) {
        const uint64_t next = rhm_next_samples(s->samples, gap(&s->best), target(s), saturated(s));
        samples = next > s->most ? s->most : next;
    }
    const uint32_t width = draw ? s->width : 2 * s->width;
    if (s->work + look_work(s, (double)samples, width) > s->allowed)
        return false;
    s->widen_next = widen_next;
    s->drew_more = s->drew_more || draw;
    s->widened = s->widened || !draw;
    s->samples = samples;
    s->width = width;
    return true;
}

static const char *stopped_helping(const search *s) {
    return s->drew_more && s->widened ? "more samples and width stopped helping"
           : s->drew_more             ? "more samples stopped helping"
                                      : "more width stopped helping";
}

static const char *reason(const search *s) {
    const uint64_t available = s->stage->training.stream.available;
    return late(s)                                ? "max-seconds are over"
           : s->stalls == RHM_MOST_STALLS         ? stopped_helping(s)
           : s->can_draw || s->can_widen          ? "the search has done all the work it is allowed"
           : s->options->samples[s->stage->level] ? "the number of samples is fixed"
           : s->samples >= available              ? "the data have no more samples for this level"
           : s->samples >= s->most                ? "no more samples are allowed"
                                                  : "more distinct patches would cost more than they help";
}

/* Outputs whose groups are clearly apart, or that tell held-out labels better than their frequencies do. */
static bool informed(const search *s, const rhm_clusters *formed) {
    return rhm_clusters_gap(formed) >= RHM_CLEAR_GAP || s->best.evidence >= RHM_LEAST_EVIDENCE ||
           s->stage->task->classes == 1;
}

static bool resolved(const search *s, const rhm_clusters *formed) {
    return s->stage->task->classes == 1 || (s->stage->level == 1 && s->best.accuracy >= RHM_GOOD_ACCURACY) ||
           (informed(s, formed) && rhm_clusters_gap(formed) >= RHM_LEAST_GAP);
}

/* Everything is in `s`; the fit goes to `out`. `ended`: short of its target. */
static void conclude(rhm_choice *out, search *s, bool ended) {
    const rhm_clusters formed = rhm_clusters_formed(&s->best.clusters);
    out->fit = s->best;
    out->work = s->work;
    out->foreseen = s->foreseen;
    out->allowed = s->allowed;
    out->resolved = resolved(s, &formed);
    if (ended && !informed(s, &formed))
        snprintf(out->limit, sizeof out->limit, "held-out samples show no gain over the label frequencies: %s",
                 reason(s));
    else if (ended && formed.count < s->best.clusters.count)
        snprintf(out->limit, sizeof out->limit, "the outputs form %u groups, where %u symbols were expected: %s",
                 formed.count, s->best.clusters.count, reason(s));
    else if (ended)
        snprintf(out->limit, sizeof out->limit, "separation / radius %.2f is below %.2f: %s", gap(&s->best), target(s),
                 reason(s));
}

rhm_status rhm_choose(rhm_choice *out, rhm_stage *stage, double separation, double deadline, rhm_error *error) {
    *out = (rhm_choice){0};
    search s = begin(stage, separation, deadline);
    bool ended = false;
    while (!ended) {
        const rhm_status status = look(&s, error);
        if (status != RHM_OK) {
            rhm_fit_clear(&s.best);
            return status;
        }
        if (enough(&s))
            break;
        const double now = gap(&s.best);
        s.stalls = now > RHM_LEAST_GAIN * s.widest ? 0 : s.stalls + 1;
        if (now > s.widest) {
            s.widest = now;
            s.widest_samples = s.samples;
        }
        ended = late(&s) || s.stalls == RHM_MOST_STALLS || (!s.can_draw && !s.can_widen) || !enlarge(&s);
    }
    conclude(out, &s, ended);
    return RHM_OK;
}
