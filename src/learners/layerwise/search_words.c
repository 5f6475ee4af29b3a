/* What a search that has ended says of its level. */
#include <math.h>
#include <stdio.h>

#include "learners/layerwise/search.h"

static const rhm_tuning *const tuning = &rhm_tuning_default;

static const char *stopped_helping(const rhm_search *s) {
    return s->drew_more && s->widened ? "more samples and width stopped helping"
           : s->drew_more             ? "more samples stopped helping"
                                      : "more width stopped helping";
}

static const char *reason(const rhm_search *s, const rhm_search_problem *p) {
    return s->late                            ? "max-seconds are over"
           : s->stalls == tuning->most_stalls ? stopped_helping(s)
           : s->can_draw || s->can_widen      ? "the search has done all the work it is allowed"
           : p->options->samples[p->level]    ? "the number of samples is fixed"
           : s->samples >= p->available       ? "the data have no more samples for this level"
           : s->samples >= s->most            ? "no more samples are allowed"
                                              : "more distinct patches would cost more than they help";
}

/* Outputs whose groups are clearly apart, or that tell held-out labels better than their frequencies do. */
static bool informed(const rhm_search *s, const rhm_search_problem *p, const rhm_clusters *formed) {
    return rhm_clusters_gap(formed) >= RHM_CLEAR_GAP || s->best.evidence >= tuning->least_evidence ||
           p->task->classes == 1;
}

bool rhm_search_resolved(const rhm_search *state, const rhm_search_problem *problem) {
    const rhm_clusters formed = rhm_clusters_formed(&state->best.clusters);
    return problem->task->classes == 1 || (problem->level == 1 && state->best.accuracy >= tuning->good_accuracy) ||
           (informed(state, problem, &formed) && rhm_clusters_gap(&formed) >= tuning->least_gap);
}

bool rhm_search_apart(const rhm_search *state, const rhm_search_problem *problem) {
    const rhm_clusters formed = rhm_clusters_formed(&state->best.clusters);
    /* Two clusters that are really one are as far apart as halves of one can be, and all others much farther. */
    const bool split = formed.fewer < formed.count && formed.fewer_separation >= RHM_CLEAR_GAP * formed.fewer_radius;
    const double least = rhm_search_clear(state, problem);
    return rhm_search_resolved(state, problem) && formed.count == state->best.clusters.count &&
           rhm_clusters_gap(&formed) >= least && !split;
}

void rhm_search_limit(const rhm_search *state, const rhm_search_problem *problem, char *limit) {
    const rhm_clusters formed = rhm_clusters_formed(&state->best.clusters);
    const char *why = reason(state, problem);
    limit[0] = '\0';
    if (!state->ended)
        return;
    if (!informed(state, problem, &formed))
        snprintf(limit, RHM_LIMIT_NBYTES, "held-out samples show no gain over the label frequencies: %s", why);
    else if (formed.count < state->best.clusters.count)
        snprintf(limit, RHM_LIMIT_NBYTES, "the outputs form %u groups, where %u symbols were expected: %s",
                 formed.count, state->best.clusters.count, why);
    else
        snprintf(limit, RHM_LIMIT_NBYTES, "separation / radius %.2f is below %.2f: %s",
                 rhm_clusters_gap(&state->best.clusters), rhm_search_target(state, problem), why);
}
