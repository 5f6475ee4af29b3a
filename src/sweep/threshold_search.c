/* Which size to try next: a bracket, its halves, and more trials where they disagree. */
#include <stdlib.h>

#include "core/memory.h"
#include "sweep/threshold.h"

enum { STRIDE = 2 * RHM_THRESHOLD_STEPS }; /* a factor of 4, while there is no bracket */

static int clamp(int step, const rhm_threshold_options *o) {
    return step < o->least ? o->least : step > o->greatest ? o->greatest : step;
}

/* Trials at `step` so far. */
static uint32_t trials_at(const rhm_threshold_point *point, size_t count, int step) {
    for (size_t i = 0; i < count; i++)
        if (point[i].step == step)
            return point[i].own;
    return 0;
}

/*
 * The nearest size to the crossing, from `from` on in the direction `by`, that is not told apart from 1/2 and may have
 * more trials; false once a size on this side is told apart, or none within a factor of 4 may be tried any more.
 */
static bool undecided(int *step, const rhm_threshold_options *o, const rhm_threshold_point *point, size_t count,
                      int from, int by) {
    for (int at = from; at >= o->least && at <= o->greatest && abs(at - from) < STRIDE; at += by) {
        for (size_t i = 0; i < count; i++)
            if (point[i].step == at && (by < 0 ? point[i].most < 0.5 : point[i].least > 0.5))
                return false;
        if (trials_at(point, count, at) < o->most_trials) {
            *step = at;
            return true;
        }
    }
    return false;
}

static bool look_between(int *step, const rhm_threshold_options *o, const rhm_threshold_point *point, size_t count) {
    const size_t crossing = rhm_threshold_crossing(point, count);
    if (crossing == 0 && point[0].step > o->least) {
        *step = clamp(point[0].step - STRIDE, o);
        return true;
    }
    if (crossing == count && point[count - 1].step < o->greatest) {
        *step = clamp(point[count - 1].step + STRIDE, o);
        return true;
    }
    const int low = crossing ? point[crossing - 1].step : o->least - 1;
    const int high = crossing < count ? point[crossing].step : o->greatest + 1;
    if (crossing > 0 && crossing < count && high - low > 1) {
        *step = low + (high - low) / 2;
        return true;
    }
    return undecided(step, o, point, count, low, -1) || undecided(step, o, point, count, high, 1);
}

bool rhm_threshold_next(int *step, uint32_t *trials, const rhm_threshold_options *options,
                        const rhm_threshold_trials *tried, size_t count) {
    const rhm_threshold_options o = rhm_threshold_defaults(options);
    *step = clamp(o.first, &o);
    *trials = o.agree;
    if (count == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        if (tried[i].trials < o.agree) {
            *step = tried[i].step;
            return true;
        }
    rhm_threshold_point *point = RHM_NEW(rhm_threshold_point, count, 1, 1, "sizes that were tried", NULL);
    if (!point)
        return false;
    rhm_threshold_fit(point, tried, count, o.score);
    const bool more = look_between(step, &o, point, count);
    if (more) {
        *trials = trials_at(point, count, *step) + o.agree;
        *trials = *trials < o.most_trials ? *trials : o.most_trials;
    }
    rhm_free(point);
    return more;
}
