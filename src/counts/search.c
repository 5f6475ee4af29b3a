#include "counts/levels.h"

#include <math.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "engine/trace.h"

enum { FIRST_SAMPLES = 1 << 16 }; /* with which a search among counted samples begins */

/* Tokens that a search among counted samples may draw for a level: a minute of one core. */
#define MOST_TOKENS 0x1p34

/* ---- counts ---------------------------------------------------------------------------------------------- */

static rhm_status draw(const rhm_table_learning *l, rhm_table_stage *s, size_t positions, uint64_t samples,
                       rhm_table_counts *out, rhm_error *error) {
    double *position;
    const bool parents = l->method->latents && s->level > 1;
    RHM_TRY(
        (parents ? rhm_parent_law : rhm_position_law)(&position, l->problem->grammar, s->level - 1, positions, error));
    const rhm_status status = rhm_table_draw_counts(out, l->engine, &s->law, position, positions,
                                                    parents ? s->law.parents : l->table->model.classes, samples,
                                                    l->options->seed, rhm_stream(RHM_TRAINING, s->level), error);
    rhm_free(position);
    return status;
}

static rhm_status count(const rhm_table_learning *l, rhm_table_stage *s, size_t positions, uint64_t samples,
                        rhm_table_counts *out, rhm_error *error) {
    char words[64];
    const rhm_grammar_source fresh = {l->problem->grammar, l->options->seed, l->sampler,
                                      rhm_stream(RHM_TRAINING, s->level)};
    const rhm_data_source rows = {l->problem->data, 0};
    rhm_batch batch = {rhm_draw_from_grammar, &fresh, 0, samples, words};
    if (l->problem->data) {
        batch.source = rhm_draw_from_data;
        batch.context = &rows;
    }
    snprintf(words, sizeof words, "level %u: counting", s->level);
    rhm_engine_progress(l->engine, words, 0, samples);
    const rhm_latents latents = {l->sampler, fresh.stream, &l->tree, l->problem->data};
    return l->method->latents ? rhm_table_count_latents(out, l->engine, &latents, s->level, positions,
                                                        l->problem->parents[s->level], samples, error)
                              : rhm_table_count_samples(out, l->engine, l->table, s->level, positions, &batch, error);
}

rhm_status rhm_table_check_work(const rhm_table_learning *l, uint32_t level, double patches, double positions,
                                double classes, rhm_error *error) {
    const double work = l->method->work(l->options, patches, positions, classes, l->problem->parents[level]);
    if (level == 1 || work <= RHM_TABLE_WORK)
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID,
                    "level %u: to group %.0f patches by %.0f numbers each takes %.1e multiply-adds, of which %.1e are "
                    "allowed: look at fewer positions or samples, or take the layerwise learner",
                    level, patches, positions * classes, work, RHM_TABLE_WORK);
}

/* Count and group; what comes out replaces what the stage had, if it is better. */
static rhm_status attempt(const rhm_table_learning *l, rhm_table_stage *s, size_t positions, uint64_t samples,
                          rhm_error *error) {
    rhm_table_counts counts = {0};
    rhm_groups groups = {0};
    const double begin = rhm_seconds();
    if (s->law.patch.count) /* known before memory is asked for */
        RHM_TRY(rhm_table_check_work(l, s->level, (double)s->law.patch.count, (double)positions,
                                     l->method->latents && s->level > 1 ? s->law.parents : l->table->model.classes,
                                     error));
    int span = rhm_trace_begin(l->engine, "draw", 0);
    RHM_TRY((s->law.patch.count ? draw : count)(l, s, positions, samples, &counts, error));
    rhm_trace_end(l->engine, span, (rhm_span_work){.items = (double)samples});
    const double middle = rhm_seconds();
    span = rhm_trace_begin(l->engine, "group", 0);
    rhm_status status = rhm_table_check_work(l, s->level, (double)counts.patch.count, (double)counts.positions,
                                             (double)counts.classes, error);
    if (status == RHM_OK && s->level > 1)
        status = l->method->group(&groups, l, s->level, &counts, error);
    rhm_trace_end(l->engine, span, (rhm_span_work){.items = (double)counts.patch.count});
    s->count_seconds += middle - begin;
    s->group_seconds += rhm_seconds() - middle;
    s->attempts++;
    const bool better =
        status == RHM_OK && (!s->counts.count || groups.count > s->groups.count ||
                             (groups.count == s->groups.count && rhm_groups_gap(&groups) > rhm_groups_gap(&s->groups)));
    if (better) {
        rhm_table_counts_clear(&s->counts);
        rhm_free(s->groups.own);
        s->counts = counts;
        s->groups = groups;
    } else {
        rhm_table_counts_clear(&counts);
        rhm_free(groups.own);
    }
    return status;
}

/* ---- search ---------------------------------------------------------------------------------------------- */

static bool apart(const rhm_table_learning *l, const rhm_table_stage *s) {
    return s->level == 1 ||
           (s->groups.count == l->problem->parents[s->level] && rhm_groups_gap(&s->groups) >= RHM_TABLE_TARGET);
}

/* The smallest number of positions at which symbols come apart, or the best one. */
static rhm_status search_positions(const rhm_table_learning *l, rhm_table_stage *s, uint64_t samples,
                                   rhm_error *error) {
    const uint32_t given = l->options->positions[s->level];
    size_t last = s->most_positions < RHM_TABLE_POSITIONS ? s->most_positions : RHM_TABLE_POSITIONS;
    if (given)
        return attempt(l, s, given < s->most_positions ? given : s->most_positions, samples, error);
    for (size_t positions = 1; positions <= last; positions *= 2) {
        RHM_TRY(attempt(l, s, positions, samples, error));
        const double patches = (double)s->counts.patch.count, classes = (double)s->counts.classes;
        const double next = 2 * (double)positions;
        if (apart(l, s) || next * patches * classes > RHM_TABLE_CELLS ||
            rhm_table_check_work(l, s->level, patches, next, classes, NULL) != RHM_OK)
            return RHM_OK;
        if (positions < last && 2 * positions > last)
            positions = (last + 1) / 2; /* so that all of them come last */
    }
    return RHM_OK;
}

rhm_status rhm_table_samples(uint64_t *first, uint64_t *most, const rhm_table_learning *l, uint32_t level, bool drawn,
                             rhm_error *error) {
    const rhm_problem *problem = l->problem;
    const uint64_t given = l->options->samples[level], all = l->options->max_samples;
    *first = *most = given ? given : all;
    if (problem->data) {
        const uint64_t there = problem->data->count - problem->test_samples;
        if (given > there)
            return rhm_fail(error, RHM_INVALID,
                            "%llu samples at level %u: the data set has %llu sequences that are not kept for the test",
                            (unsigned long long)given, level, (unsigned long long)there);
        *first = *most = given ? given : all < there ? all : there;
    } else if (!given && !drawn) {
        const double tokens = MOST_TOKENS / (double)l->tree.leaves[level - 1];
        *most = (uint64_t)fmin((double)all, fmax(FIRST_SAMPLES, tokens));
        *first = FIRST_SAMPLES < *most ? FIRST_SAMPLES : *most;
    }
    return RHM_OK;
}

rhm_status rhm_table_search(const rhm_table_learning *l, rhm_table_stage *s, rhm_error *error) {
    uint64_t first, most;
    RHM_TRY(rhm_table_samples(&first, &most, l, s->level, s->law.patch.count > 0, error));
    for (double samples = (double)first;; samples = fmin(samples * RHM_TABLE_GROWTH, (double)most)) {
        RHM_TRY(search_positions(l, s, (uint64_t)samples, error));
        if (apart(l, s) || samples >= (double)most)
            return RHM_OK;
    }
}

void rhm_table_stage_clear(rhm_table_stage *s) {
    rhm_patch_law_clear(&s->law);
    rhm_table_counts_clear(&s->counts);
    rhm_free(s->groups.own);
}
