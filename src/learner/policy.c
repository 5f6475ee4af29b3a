#include "learner/policy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    FIRST_WIDTH = 1024,
    SAMPLES_PER_RULE = 16, /* N = c V m^l: the field's scaling law, with a modest constant */
    SAMPLES_PER_NOISE = 8,
    LEAST_SAMPLES = 2000,
    MOST_HELD_OUT = 100000,
    MOST_DISTINCT = 1 << 27, /* distinct patches beyond which a search no longer asks for more samples */
    MOST_REFINED = 1 << 18,  /* and beyond which bandwidth and ridge are searched last, when nothing else is left */
    MOST_STEPS = 8,          /* of a search along one axis */
    MOST_STALLS = 3,         /* enlargements in a row that may fail to help */
};

static const double BANDWIDTH_OF_SEPARATION = 0.65; /* paper.md section 5 */
static const double BOTTOM_BANDWIDTH = 0.35;        /* one-hot inputs: any value around it works */
static const double BANDWIDTH_RATIO = 1.4;
static const double RIDGE_RATIO = 3.2; /* about half a decade */
static const double FIRST_RIDGE = 0.1; /* times 1/|P_l| */
static const double LEAST_RIDGE = 1e-4;
static const double MOST_RIDGE = 3;

typedef struct search {
    rhm_stage *stage;

    const rhm_train_options *options;
    double deadline;
    uint32_t width;
    double bandwidth, ridge; /* of the best fit, or the starting point */
    rhm_fit best;
} search;

static double gap(const rhm_fit *fit) {
    return fit->clusters.radius > 0       ? fit->clusters.separation / fit->clusters.radius
           : fit->clusters.separation > 0 ? HUGE_VAL
                                          : 0;
}

/* Every patch of the level has occurred and counts are drawn: more samples cost nothing. */
static bool saturated(const search *s) {
    const rhm_sample_set *set = &s->stage->training;
    return set->counted && set->patches.samples >= 4 * (uint64_t)rhm_patches_distinct(&set->patches);
}

static double target(const search *s) {
    return saturated(s) ? RHM_SATURATED_GAP : RHM_TARGET_GAP;
}

/* Good enough for the level above; at the top the label itself says so, on held-out samples. */
static bool good(const search *s) {
    return gap(&s->best) >= target(s) || (s->stage->level == 1 && s->best.accuracy >= 0.9995);
}

static bool late(const search *s) {
    return rhm_seconds() > s->deadline;
}

static double T0;
/* Fit at a point; keep it, and return true, if its held-out loss is smaller than the best one's. */
static rhm_status attempt(search *s, double bandwidth, double ridge, bool *better, rhm_error *error) {
    rhm_fit fit;
    const rhm_status status = rhm_stage_fit(s->stage, s->width, bandwidth, ridge, &fit, error);
    if (status != RHM_OK)
        return status;
    fprintf(stderr, "DBG level %u N %.3g n %zu M %u sigma %.4g ridge %.3g loss %.8f acc %.4f sep %.5g rad %.4g gap %.2f it %u %.1fs tot %.0f\n", s->stage->level, (double)s->stage->training.patches.samples, rhm_patches_distinct(&s->stage->training.patches), s->width, bandwidth, ridge * s->stage->task->patches[s->stage->level], fit.loss, fit.accuracy, fit.clusters.separation, fit.clusters.radius, gap(&fit), fit.solve.iterations, fit.seconds, rhm_seconds() - T0);
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
        while (better && steps < MOST_STEPS && !late(s)) {
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
    return attempt(s, s->bandwidth, s->ridge, &better, error);
}

/* Best bandwidth and ridge for the samples at hand. */
static rhm_status refine(search *s, rhm_error *error) {
    const uint32_t level = s->stage->level;
    const double patches = s->stage->task->patches[level];
    rhm_status status = RHM_OK;
    if (s->options->bandwidth[level] == 0)
        status = descend(s, true, BANDWIDTH_RATIO, 1e-9, 1e3, error);
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

/*
 * The noise of the outputs, and so the radius, falls like N^(-1/2). Counts that are drawn cost nothing more once every
 * patch has occurred: then steps are as large as they like.
 */
static uint64_t more_samples(const search *s, uint64_t samples) {
    const double factor = target(s) / fmax(gap(&s->best), 0.1);
    const double next = (double)samples * fmin(saturated(s) ? 1e4 : 8, fmax(2, 1.2 * factor * factor));
    return next < 0x1p53 ? (uint64_t)next : UINT64_C(1) << 53;
}

/*
 * Samples for a first look: c V m^l, or more where the level below was hard: neighbouring outputs were `separation`
 * apart there, and are about sqrt(m) times as far apart here.
 */
static uint64_t first_samples(const rhm_stage *stage, double separation) {
    const rhm_task *task = stage->task;
    const uint64_t usual = rhm_first_samples(task, stage->options, stage->level);
    if (stage->options->samples[stage->level] || stage->level == task->levels || !(separation > 0))
        return usual;
    const double rules = task->patches[stage->level] / task->parents[stage->level];
    const double wanted = SAMPLES_PER_NOISE * task->patches[stage->level] / (rules * separation * separation);
    return wanted <= (double)usual                        ? usual
           : wanted < (double)stage->options->max_samples ? (uint64_t)wanted
                                                          : stage->options->max_samples;
}

rhm_status rhm_choose(rhm_choice *out, rhm_stage *stage, double separation, double deadline, rhm_error *error) {
    const rhm_train_options *o = stage->options;
    const uint32_t level = stage->level;
    const rhm_task *task = stage->task;
    *out = (rhm_choice){0};
    if (T0 == 0) T0 = rhm_seconds();
    search s = {.stage = stage, .options = o, .deadline = deadline, .width = o->width ? o->width : FIRST_WIDTH};
    if (s.width > o->max_width && !o->width)
        s.width = o->max_width;
    s.bandwidth = o->bandwidth[level] > 0 ? o->bandwidth[level]
                  : level == task->levels ? BOTTOM_BANDWIDTH
                  : separation > 0        ? BANDWIDTH_OF_SEPARATION * separation
                                          : BOTTOM_BANDWIDTH;
    s.ridge = o->ridge[level] > 0                  ? o->ridge[level]
              : o->ridge[level] == RHM_RIDGE_PAPER ? 1 / task->patches[level]
                                                   : FIRST_RIDGE / task->patches[level];

    uint64_t samples = first_samples(stage, separation);
    const uint64_t most =
        o->max_samples < stage->training.stream.available ? o->max_samples : stage->training.stream.available;
    samples = samples > stage->training.stream.available ? stage->training.stream.available : samples;
    rhm_status status = RHM_OK;
    double widest_gap = 0;
    bool helped = true, widen_next = false;
    int stalls = 0;
    for (;;) {
        if ((status = rhm_stage_draw(stage, samples, stage->validation.counted ? samples : rhm_held_out_samples(samples, stage->validation.stream.available),
                                     error)) != RHM_OK ||
            (status = probe(&s, error)) != RHM_OK)
            break;
        const size_t distinct = rhm_patches_distinct(&stage->training.patches);
        const bool can_draw = o->samples[level] == 0 && samples < most && distinct < MOST_DISTINCT;
        const bool can_widen = o->width == 0 && s.width * 2 <= o->max_width;
        /* Far from the target, samples are what is missing; a search now would only be repeated with more of them. */
        if (!good(&s) && (!can_draw || (distinct <= MOST_REFINED && (!helped || gap(&s.best) > target(&s) / 2))) &&
            (status = refine(&s, error)) != RHM_OK)
            break;
        if (good(&s))
            break;
        const double now = gap(&s.best);
        helped = now > 1.15 * widest_gap;
        widest_gap = fmax(widest_gap, now);
        stalls = helped ? 0 : stalls + 1;
        if (late(&s) || stalls == MOST_STALLS || (!can_draw && !can_widen)) {
            snprintf(out->limit, sizeof out->limit, "separation / radius %.2f is below %.1f: %s", now, target(&s),
                     late(&s)                ? "max-seconds are over"
                     : stalls == MOST_STALLS ? "more samples and width stopped helping"
                     : o->samples[level]     ? "the number of samples is fixed"
                     : samples >= most       ? "no more samples are allowed"
                                             : "more distinct patches would cost more than they help");
            break;
        }
        /* Samples first; where they stopped helping, width does (cross-talk of the features, paper.md section 5). */
        widen_next = !helped && !widen_next;
        if (can_draw && (!widen_next || !can_widen)) {
            const uint64_t next = more_samples(&s, samples);
            samples = next > most ? most : next;
        } else {
            s.width *= 2;
        }
    }
    if (status != RHM_OK) {
        rhm_fit_clear(&s.best);
        return status;
    }
    out->fit = s.best;
    out->resolved = gap(&s.best) >= RHM_LEAST_GAP || level == 1;
    return RHM_OK;
}
