/*
 * How many sequences a level takes. It begins with those that a level below has used, at least with enough for
 * FIRST_FAMILIES families, and doubles the number until its groups are as many as symbols and apart, and fewer than
 * RHM_LATENT_DOUBT patches of a sequence are in doubt; or until all sequences are counted. Where the number is left to
 * auto, at most MOST_TOKENS tokens are drawn, and no level takes more families than CELL_FAMILIES for every pair of its
 * patches (at least MANY_FAMILIES) nor, above a level that has come out incomplete, more sequences than that.
 * Labels are counted on all sequences of a given number; else until each patch has LEAD more of one label than of any
 * other.
 */
#include "learners/latent/search.h"

#include <math.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "engine/trace.h"
#include "learners/latent/labels.h"
#include "learners/latent/pairs.h"
#include "learners/latent/synonyms.h"

enum { FIRST_FAMILIES = 1 << 12, CELL_FAMILIES = 64, LEAD = 5 };

#define MANY_FAMILIES 0x1p22
#define MOST_TOKENS   0x1p34

double rhm_latent_first(const rhm_tree *tree, uint32_t level) {
    const double families = (double)tree->nodes[level > 1 ? level - 2 : 0];
    return fmax((double)rhm_sequences_least(tree->leaves[0]), ceil(FIRST_FAMILIES / families));
}

double rhm_latent_most(const rhm_tree *tree, uint32_t level, double patches) {
    const double families = fmax(MANY_FAMILIES, CELL_FAMILIES * patches * patches);
    const double tokens = fmax(1, floor(MOST_TOKENS / (double)tree->leaves[0]));
    return fmin(tokens, level > 1 ? ceil(families / (double)tree->nodes[level - 2]) : HUGE_VAL);
}

/* Sequences that the learner is given; 0: as many as it takes. */
static uint64_t given_samples(const rhm_table_learning *l) {
    return l->problem->data && !l->options->samples[1] ? l->problem->data->count - l->problem->test_samples
                                                       : l->options->samples[1];
}

static double foreseen(const rhm_table_learning *l, uint32_t level) {
    const double given = (double)given_samples(l), first = rhm_latent_first(&l->tree, level > 1 ? level : 2);
    return given > 0 && (level == 1 || given < first) ? given : first;
}

double rhm_latent_share(const rhm_table_learning *l, uint32_t level) {
    return 1 + foreseen(l, level) - (level < l->tree.levels ? foreseen(l, level + 1) : 0);
}

/* A level as it stands. */
typedef struct state {
    rhm_pairs pairs;
    uint64_t samples;
    double dependence;
} state;

/* Groups that there can be. */
static uint32_t possible(const rhm_table_learning *l, const rhm_table_stage *s, const state *now) {
    const size_t patches = now->pairs.patch.count;
    return patches < l->problem->parents[s->level] ? (uint32_t)patches : l->problem->parents[s->level];
}

static bool sure(const rhm_table_learning *l, const rhm_table_stage *s, const state *now) {
    const uint32_t wanted = possible(l, s, now);
    return wanted == 1 || (now->dependence >= RHM_LATENT_DEPENDENCE && s->groups.count == wanted &&
                           rhm_groups_gap(&s->groups) >= RHM_TABLE_LEAST &&
                           (1 - s->groups.certain) * (double)l->tree.nodes[s->level - 1] <= RHM_LATENT_DOUBT);
}

static rhm_status attempt(const rhm_table_learning *l, rhm_latent *own, rhm_table_stage *s, state *now,
                          uint64_t samples, rhm_error *error) {
    char words[64];
    const double begin = rhm_seconds();
    int span = rhm_trace_begin(l->engine, "draw", 0);
    snprintf(words, sizeof words, "level %u: counting siblings", s->level);
    RHM_TRY(rhm_pairs_add(&now->pairs, &own->sequences, now->samples, samples, words, error));
    rhm_trace_end(l->engine, span, (rhm_span_work){.items = (double)(samples - now->samples)});
    const double middle = rhm_seconds();
    rhm_engine_progress(l->engine, "grouping", 0, 0);
    span = rhm_trace_begin(l->engine, "group", 0);
    rhm_free(s->groups.own);
    s->groups = (rhm_groups){0};
    now->samples = samples;
    RHM_TRY(rhm_pairs_dependence(&now->dependence, &now->pairs, error));
    RHM_TRY(rhm_synonyms_find(&s->groups, l->engine, &now->pairs, l->problem->parents[s->level], error));
    rhm_trace_end(l->engine, span, (rhm_span_work){.items = (double)now->pairs.patch.count});
    s->count_seconds += middle - begin;
    s->group_seconds += rhm_seconds() - middle;
    s->attempts++;
    return RHM_OK;
}

/* Where siblings tell nothing, no group is better than another: all patches get one id. */
static void refuse_to_guess(rhm_table_stage *s, const state *now) {
    for (size_t i = 0; i < now->pairs.patch.count; i++)
        s->groups.own[i] = 0;
    s->groups.count = s->groups.ids = 1;
    s->groups.other = 0;
    s->groups.separation = s->groups.radius = 0;
    snprintf(s->limit, sizeof s->limit,
             "siblings are independent as far as %.3g families tell (%.1f standard errors): nothing tells synonyms "
             "apart",
             (double)now->pairs.families, now->dependence);
}

static void explain(const rhm_table_learning *l, rhm_table_stage *s, const state *now) {
    const double doubt = (1 - s->groups.certain) * (double)l->tree.nodes[s->level - 1];
    if (possible(l, s, now) == 1)
        snprintf(s->limit, now->pairs.patch.count == 1 && l->problem->parents[s->level] > 1 ? sizeof s->limit : 1,
                 "the level below gives one id to everything");
    else if (now->dependence < RHM_LATENT_DEPENDENCE)
        refuse_to_guess(s, now);
    else if (s->groups.count == l->problem->parents[s->level] && doubt > RHM_LATENT_DOUBT)
        snprintf(s->limit, sizeof s->limit, "%.2g of the patches might as well belong to another group",
                 1 - s->groups.certain);
}

static rhm_status search_level(rhm_table_learning *l, rhm_latent *own, rhm_table_stage *s, state *now, uint64_t given,
                               rhm_error *error) {
    const double first = fmax(rhm_latent_first(&l->tree, s->level), (double)own->used);
    double most = given ? (double)given : HUGE_VAL;
    for (double samples = first;; samples *= 2) {
        if (!given)
            most = own->unresolved ? first
                                   : fmax(first, rhm_latent_most(&l->tree, s->level, (double)now->pairs.patch.count));
        most = fmin(most, (double)own->sequences.count);
        RHM_TRY(attempt(l, own, s, now, (uint64_t)fmin(samples, most), error));
        if (samples >= most || sure(l, s, now))
            break;
    }
    explain(l, s, now);
    own->unresolved = own->unresolved || s->groups.count != l->problem->parents[s->level];
    own->used = now->samples;
    s->evidence = now->dependence;
    s->counts = (rhm_table_counts){.patch = now->pairs.patch,
                                   .positions = l->tree.nodes[s->level - 1],
                                   .classes = l->table->model.classes,
                                   .samples = now->samples};
    now->pairs.patch = (rhm_intern){0};
    return RHM_OK;
}

static rhm_status search_labels(rhm_table_learning *l, rhm_latent *own, rhm_table_stage *s, uint64_t given,
                                rhm_error *error) {
    const double begin = rhm_seconds(), first = fmax(rhm_latent_first(&l->tree, 1), (double)own->used);
    const double wanted = own->unresolved ? first : fmax(first, rhm_latent_most(&l->tree, 1, 0));
    const double most = fmin(given ? (double)given : wanted, (double)own->sequences.count);
    for (double samples = given ? most : first;; samples *= 2) {
        rhm_table_counts_clear(&s->counts);
        RHM_TRY(rhm_labels_count(&s->counts, &own->sequences, (uint64_t)fmin(samples, most), error));
        s->attempts++;
        if (samples >= most || rhm_labels_doubt(&s->counts, LEAD) <= RHM_LATENT_DOUBT)
            break;
    }
    s->count_seconds += rhm_seconds() - begin;
    return RHM_OK;
}

rhm_status rhm_latent_search(rhm_table_learning *l, rhm_table_stage *s, rhm_error *error) {
    rhm_latent *own = (rhm_latent *)(uintptr_t)l->method;
    const uint64_t given = given_samples(l);
    if (s->level == l->tree.levels) {
        own->fresh =
            (rhm_grammar_source){l->problem->grammar, l->options->seed, l->sampler, rhm_stream(RHM_TRAINING, 0)};
        own->rows = (rhm_data_source){l->problem->data, 0};
        RHM_TRY(rhm_sequences_open(
            &own->sequences, l->engine, l->table, l->problem->data ? rhm_draw_from_data : rhm_draw_from_grammar,
            l->problem->data ? (const void *)&own->rows : &own->fresh, given ? given : l->options->max_samples, error));
    } else {
        RHM_TRY(rhm_sequences_rise(&own->sequences, error));
    }
    double before[2], after[2];
    rhm_sequences_seconds(&own->sequences, &before[0], &before[1]);
    rhm_status status;
    if (s->level == 1) {
        status = search_labels(l, own, s, given, error);
    } else {
        state now = {0};
        status = search_level(l, own, s, &now, given, error);
        rhm_pairs_clear(&now.pairs);
    }
    rhm_sequences_seconds(&own->sequences, &after[0], &after[1]);
    s->embed_seconds = after[1] - before[1];
    s->count_seconds = fmax(0, s->count_seconds - s->embed_seconds);
    return status;
}
