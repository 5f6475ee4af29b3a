#include "sweep/threshold.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"

rhm_threshold_options rhm_threshold_defaults(const rhm_threshold_options *options) {
    rhm_threshold_options out = *options;
    out.agree = out.agree ? out.agree : 6;
    out.most_trials = out.most_trials ? out.most_trials : 12;
    out.score = out.score > 0 ? out.score : 2.4;
    if (out.most_trials < out.agree)
        out.most_trials = out.agree;
    return out;
}

void rhm_wilson_interval(double *low, double *high, uint64_t passed, uint64_t trials, double score) {
    *low = 0;
    *high = 1;
    if (trials == 0)
        return;
    const double n = (double)trials, share = (double)passed / n, z2 = score * score;
    const double centre = (share + z2 / (2 * n)) / (1 + z2 / n);
    const double half = score / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n));
    *low = passed == 0 ? 0 : centre - half;
    *high = passed == trials ? 1 : centre + half;
}

/* Blocks grow from the left: point[i].own is the length of the block that begins at i until the end is reached. */
static size_t pool(rhm_threshold_point *block, const rhm_threshold_trials *tried, size_t count) {
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++) {
        block[blocks] = (rhm_threshold_point){.own = 1, .trials = tried[i].trials, .passed = tried[i].passed};
        for (; blocks > 0 && (double)block[blocks - 1].passed * (double)block[blocks].trials >=
                                 (double)block[blocks].passed * (double)block[blocks - 1].trials;
             blocks--) {
            block[blocks - 1].own += block[blocks].own;
            block[blocks - 1].trials += block[blocks].trials;
            block[blocks - 1].passed += block[blocks].passed;
        }
        blocks++;
    }
    return blocks;
}

void rhm_threshold_fit(rhm_threshold_point *point, const rhm_threshold_trials *tried, size_t count, double score) {
    size_t end = count;
    for (size_t b = pool(point, tried, count); b-- > 0;) {
        const rhm_threshold_point block = point[b];
        const size_t first = end - block.own;
        /* From the last block on: its points are at or behind the place where it was kept. */
        for (size_t i = end; i-- > first;) {
            point[i] = block;
            point[i].step = tried[i].step;
            point[i].own = tried[i].trials;
            point[i].share = block.trials ? (double)block.passed / (double)block.trials : 0;
            rhm_wilson_interval(&point[i].least, &point[i].most, block.passed, block.trials, score);
        }
        end = first;
    }
}

size_t rhm_threshold_crossing(const rhm_threshold_point *point, size_t count) {
    size_t below = 0;
    while (below < count && point[below].share < 0.5)
        below++;
    return below;
}

static double size_at(double step) {
    return exp2(step / RHM_THRESHOLD_STEPS);
}

static void read_fit(rhm_threshold *out, const rhm_threshold_point *point, size_t count) {
    const size_t crossing = rhm_threshold_crossing(point, count);
    *out = (rhm_threshold){.size = NAN, .low = 0, .high = INFINITY};
    for (size_t i = 0; i < count; i++) {
        if (point[i].most < 0.5)
            out->low = size_at(point[i].step);
        if (point[i].least > 0.5 && isinf(out->high))
            out->high = size_at(point[i].step);
    }
    out->state = crossing == 0 ? RHM_THRESHOLD_BELOW : crossing == count ? RHM_THRESHOLD_ABOVE : RHM_THRESHOLD_FOUND;
    if (out->state != RHM_THRESHOLD_FOUND)
        return;
    const rhm_threshold_point *a = &point[crossing - 1], *b = &point[crossing];
    out->size = size_at(a->step + (0.5 - a->share) / (b->share - a->share) * (b->step - a->step));
}

rhm_status rhm_threshold_estimate(rhm_threshold *out, const rhm_threshold_options *options,
                                  const rhm_threshold_trials *tried, size_t count, rhm_error *error) {
    if (count == 0)
        return rhm_fail(error, RHM_INVALID, "a threshold cannot be estimated from no trials");
    const rhm_threshold_options o = rhm_threshold_defaults(options);
    rhm_threshold_point *point = RHM_NEW(rhm_threshold_point, count, 1, 1, "sizes that were tried", error);
    if (!point)
        return RHM_NO_MEMORY;
    rhm_threshold_fit(point, tried, count, o.score);
    read_fit(out, point, count);
    rhm_free(point);
    return RHM_OK;
}
