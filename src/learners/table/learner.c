/* The table learner: level L first, each level counted, grouped, and made a table. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "engine/trace.h"
#include "learners/table/group.h"
#include "learners/table/law.h"
#include "learners/table/plan.h"
#include "rhm/sampling.h"

enum {
    FIRST_SAMPLES = 1 << 16, /* with which a search among counted samples begins */
    GROWTH = 4,
};

/* Tokens that a search among counted samples may draw for a level: a minute of one core. */
#define MOST_TOKENS 0x1p34

typedef struct learning {
    const rhm_engine *engine;
    const rhm_problem *problem;
    const rhm_train_options *options;
    struct rhm_table *table;
    rhm_tree tree;
    rhm_sampler *sampler; /* without data */
    rhm_id_law ids;       /* of the level above which we are; empty where it is not known */
    rhm_train_report *report;
    rhm_train_state state; /* for a display: every level counts as one */
} learning;

/* A level in hand. */
typedef struct stage {
    uint32_t level;
    size_t most_positions;
    rhm_patch_law law; /* without patches where samples are counted */
    rhm_table_counts counts;
    rhm_groups groups;
    uint32_t attempts;
    double count_seconds, group_seconds;
} stage;

static double gap_of(const rhm_groups *groups) {
    return groups->radius > 0 ? groups->separation / groups->radius : groups->separation > 0 ? HUGE_VAL : 0;
}

/* ---- counts ---------------------------------------------------------------------------------------------- */

static rhm_status draw(const learning *l, stage *s, size_t positions, uint64_t samples, rhm_table_counts *out,
                       rhm_error *error) {
    double *position;
    RHM_TRY(rhm_position_law(&position, l->problem->grammar, s->level - 1, positions, error));
    const rhm_status status =
        rhm_table_draw_counts(out, l->engine, &s->law, position, positions, l->table->model.classes, samples,
                              l->options->seed, rhm_stream(RHM_TRAINING, s->level), error);
    rhm_free(position);
    return status;
}

static rhm_status count(const learning *l, stage *s, size_t positions, uint64_t samples, rhm_table_counts *out,
                        rhm_error *error) {
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
    return rhm_table_count_samples(out, l->engine, l->table, s->level, positions, &batch, error);
}

/* Count and group; what comes out replaces what the stage had, if it is better. */
static rhm_status attempt(const learning *l, stage *s, size_t positions, uint64_t samples, rhm_error *error) {
    rhm_table_counts counts = {0};
    rhm_groups groups = {0};
    const double begin = rhm_seconds();
    int span = rhm_trace_begin(l->engine, "draw", 0);
    RHM_TRY((s->law.patch.count ? draw : count)(l, s, positions, samples, &counts, error));
    rhm_trace_end(l->engine, span, (rhm_span_work){.items = (double)samples});
    const double middle = rhm_seconds();
    span = rhm_trace_begin(l->engine, "group", 0);
    const rhm_status status =
        s->level > 1 ? rhm_table_group(&groups, l->engine, &counts, l->problem->parents[s->level], error) : RHM_OK;
    rhm_trace_end(l->engine, span, (rhm_span_work){.items = (double)counts.patch.count});
    s->count_seconds += middle - begin;
    s->group_seconds += rhm_seconds() - middle;
    s->attempts++;
    const bool better = status == RHM_OK && (!s->counts.count || groups.count > s->groups.count ||
                                             (groups.count == s->groups.count && gap_of(&groups) > gap_of(&s->groups)));
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

static bool apart(const learning *l, const stage *s) {
    return s->level == 1 ||
           (s->groups.count == l->problem->parents[s->level] && gap_of(&s->groups) >= RHM_TABLE_TARGET);
}

/* The smallest number of positions at which symbols come apart, or the best one. */
static rhm_status search_positions(const learning *l, stage *s, uint64_t samples, rhm_error *error) {
    const uint32_t given = l->options->positions[s->level];
    size_t last = s->most_positions < RHM_TABLE_POSITIONS ? s->most_positions : RHM_TABLE_POSITIONS;
    if (given)
        return attempt(l, s, given < s->most_positions ? given : s->most_positions, samples, error);
    for (size_t positions = 1; positions <= last; positions *= 2) {
        RHM_TRY(attempt(l, s, positions, samples, error));
        if (apart(l, s) || 2 * positions * s->counts.patch.count * s->counts.classes > RHM_TABLE_CELLS)
            return RHM_OK;
        if (positions < last && 2 * positions > last)
            positions = (last + 1) / 2; /* so that all of them come last */
    }
    return RHM_OK;
}

static rhm_status search(const learning *l, stage *s, rhm_error *error) {
    const uint64_t given = l->options->samples[s->level];
    if (l->problem->data) {
        const uint64_t most = l->problem->data->count - l->problem->test_samples;
        if (given > most)
            return rhm_fail(error, RHM_INVALID,
                            "%llu samples at level %u: the data set has %llu sequences that are not kept for the test",
                            (unsigned long long)given, s->level, (unsigned long long)most);
        return search_positions(l, s, given ? given : most, error);
    }
    if (given || s->law.patch.count)
        return search_positions(l, s, given ? given : l->options->max_samples, error);
    const double leaves = (double)l->tree.leaves[s->level - 1];
    const double most = fmin((double)l->options->max_samples, fmax(FIRST_SAMPLES, MOST_TOKENS / leaves));
    for (double samples = fmin(FIRST_SAMPLES, most);; samples = fmin(samples * GROWTH, most)) {
        RHM_TRY(search_positions(l, s, (uint64_t)samples, error));
        if (apart(l, s) || samples >= most)
            return RHM_OK;
    }
}

/* ---- tables ---------------------------------------------------------------------------------------------- */

/* Posteriors of level 1, at its one position, and their largest labels. */
static rhm_status make_top(struct rhm_table *table, const rhm_table_counts *counts, uint32_t *label, uint32_t *other,
                           rhm_error *error) {
    const size_t classes = counts->classes, patches = counts->patch.count;
    double *prior = RHM_NEW(double, classes, 1, 1, "prior", error);
    table->posterior = prior ? RHM_NEW(float, patches + 1, classes, 1, "posteriors", error) : NULL;
    if (!table->posterior) {
        rhm_free(prior);
        return RHM_NO_MEMORY;
    }
    for (size_t i = 0; i < patches; i++) {
        const uint64_t *n = counts->count + i * classes;
        double sum = 0;
        for (size_t z = 0; z < classes; z++) {
            sum += (double)n[z];
            prior[z] += (double)n[z];
            label[i] = n[z] > n[label[i]] ? (uint32_t)z : label[i];
        }
        for (size_t z = 0; z < classes; z++)
            table->posterior[i * classes + z] = (float)((double)n[z] / sum);
    }
    double all = 0;
    for (size_t z = 0; z < classes; z++)
        all += prior[z];
    for (size_t z = 0; z < classes; z++) {
        table->posterior[patches * classes + z] = (float)(prior[z] / all);
        *other = prior[z] > prior[*other] ? (uint32_t)z : *other;
    }
    rhm_free(prior);
    return RHM_OK;
}

/* What the stage found, as a level of the model; takes over the groups. */
static rhm_status make_level(const learning *l, stage *s, rhm_error *error) {
    struct rhm_table *table = l->table;
    struct rhm_table_level *level = &table->level[s->level];
    const uint32_t levels = l->tree.levels;
    *level = (struct rhm_table_level){
        .inputs = s->level == levels ? table->model.token_vocab : table->level[s->level + 1].outputs,
        .outputs = s->level == 1 ? table->model.classes : s->groups.count,
        .positions = (uint32_t)s->counts.positions,
        .patch = s->counts.patch,
    };
    s->counts.patch = (rhm_intern){0};
    rhm_status status = RHM_OK;
    if (s->level == 1) {
        if (!(level->id = RHM_NEW(uint32_t, level->patch.count, 1, 1, "labels of patches", error)))
            return RHM_NO_MEMORY;
        s->counts.patch = level->patch; /* borrowed */
        status = make_top(table, &s->counts, level->id, &level->other, error);
        s->counts.patch = (rhm_intern){0};
        return status == RHM_OK ? rhm_table_ready_level(table, 1, error) : status;
    }
    level->id = s->groups.own;
    s->groups.own = NULL;
    double *weight = RHM_NEW(double, level->outputs, 1, 1, "weights of groups", error);
    if (!weight)
        return RHM_NO_MEMORY;
    const size_t row = s->counts.positions * s->counts.classes;
    for (size_t i = 0; i < level->patch.count; i++)
        for (size_t j = 0; j < row; j++)
            weight[level->id[i]] += (double)s->counts.count[i * row + j];
    for (uint32_t g = 1; g < level->outputs; g++)
        level->other = weight[g] > weight[level->other] ? g : level->other;
    rhm_free(weight);
    return rhm_table_ready_level(table, s->level, error);
}

/* ---- report ---------------------------------------------------------------------------------------------- */

/* Of the patches, weighted by how often they come first, those whose id stands for their own parent more often than for
 * any other. */
static double synonym_accuracy(const learning *l, uint32_t level, const rhm_id_law *raised) {
    const size_t classes = l->table->model.classes, symbols = raised->symbols;
    double *joint, right = 0, all = 0;
    if (rhm_position_law(&joint, l->problem->grammar, level - 1, 1, NULL) != RHM_OK)
        return NAN;
    for (size_t a = 0; a < raised->ids; a++) {
        double largest = 0;
        for (size_t nu = 0; nu < symbols; nu++) {
            double weight = 0;
            for (size_t z = 0; z < classes; z++)
                weight += joint[nu * classes + z] * raised->given[nu * raised->ids + a];
            largest = fmax(largest, weight);
            all += weight;
        }
        right += largest;
    }
    rhm_free(joint);
    return right / all;
}

static void fill_report(const learning *l, const stage *s, double synonyms, double begin) {
    const bool resolved =
        s->level == 1 || (s->groups.count == l->problem->parents[s->level] && gap_of(&s->groups) >= RHM_TABLE_LEAST);
    rhm_level_report *r = &l->report->level[s->level];
    *r = (rhm_level_report){
        .level = s->level,
        .draw = s->law.patch.count ? RHM_DRAW_COUNTS : RHM_DRAW_SAMPLES,
        .samples = s->counts.samples,
        .kept_share = 1,
        .positions = (uint32_t)s->counts.positions,
        .symbols = l->problem->parents[s->level],
        .clusters = s->level == 1 ? l->table->model.classes : s->groups.count,
        .converged = true,
        .evidence = NAN,
        .unseen_mass = NAN,
        .work = NAN,
        .foreseen_work = NAN,
        .allowed_work = NAN,
        .distinct_patches = l->table->level[s->level].patch.count,
        .bandwidth = NAN,
        .ridge = NAN,
        .residual = NAN,
        .held_out_loss = NAN,
        .held_out_accuracy = NAN,
        .cluster_separation = s->level == 1 ? (double)NAN : s->groups.separation,
        .cluster_radius = s->level == 1 ? (double)NAN : s->groups.radius,
        .posterior_error_mean = NAN,
        .posterior_error_max = NAN,
        .posterior_error_floor = NAN,
        .synonym_accuracy = synonyms,
        .separation = NAN,
        .radius = NAN,
        .attempts = s->attempts,
        .sample_seconds = s->count_seconds,
        .solve_seconds = s->group_seconds,
        .total_seconds = rhm_seconds() - begin,
        .resolved = resolved,
    };
    if (s->level > 1 && s->groups.count < l->problem->parents[s->level])
        snprintf(r->limit, sizeof r->limit, "%u groups of patches are told apart, but there are %u symbols",
                 s->groups.count, l->problem->parents[s->level]);
}

/* ---- levels ---------------------------------------------------------------------------------------------- */

static void clear(stage *s) {
    rhm_patch_law_clear(&s->law);
    rhm_table_counts_clear(&s->counts);
    rhm_free(s->groups.own);
}

/* The law of the level's patches, where it is known and wanted. */
static rhm_status find_law(const learning *l, stage *s, rhm_error *error) {
    if (!l->ids.given || l->options->draw == RHM_DRAW_SAMPLES)
        return RHM_OK;
    RHM_TRY(rhm_patch_law_make(&s->law, l->problem->grammar, s->level, &l->ids, error));
    if (!s->law.patch.count && l->options->draw == RHM_DRAW_COUNTS)
        return rhm_fail(error, RHM_INVALID,
                        "the counts of level %u cannot be drawn directly: more than %d patches of ids, or too many "
                        "products for their law; draw samples there, or leave the choice to auto",
                        s->level, RHM_TABLE_MOST_PATCHES);
    return RHM_OK;
}

static rhm_status fit_level(learning *l, uint32_t level, rhm_error *error) {
    stage s = {.level = level, .most_positions = l->tree.nodes[level - 1]};
    const double begin = rhm_seconds();
    const int span = rhm_trace_begin(l->engine, "level", level);
    double synonyms = NAN;
    rhm_id_law raised = {0};
    rhm_status status = find_law(l, &s, error);
    if (status == RHM_OK)
        status = search(l, &s, error);
    if (status == RHM_OK)
        status = make_level(l, &s, error);
    if (status == RHM_OK && s.law.patch.count) {
        status = rhm_id_law_raise(&raised, &s.law, &l->table->level[level], error);
        if (status == RHM_OK && level > 1)
            synonyms = synonym_accuracy(l, level, &raised);
    }
    if (status == RHM_OK)
        fill_report(l, &s, synonyms, begin);
    rhm_id_law_clear(&l->ids);
    l->ids = raised;
    clear(&s);
    rhm_trace_end(l->engine, span, (rhm_span_work){0});
    return status;
}

static void show(learning *l, uint32_t finished) {
    l->state.finished = finished;
    l->state.level = finished - 1;
    l->state.report = l->report;
    for (uint32_t level = 1; level <= l->tree.levels; level++) {
        l->state.expected[level] = 1;
        l->state.done[level] = level >= finished;
    }
    if (l->options->watch)
        l->options->watch(l->options->watcher, &l->state);
}

static rhm_status fit_levels(learning *l, rhm_error *error) {
    if (!l->problem->data) {
        RHM_TRY(rhm_sampler_create(&l->sampler, l->problem->grammar, l->options->seed, error));
        RHM_TRY(rhm_id_law_tokens(&l->ids, l->table->model.token_vocab,
                                  rhm_grammar_origin(l->problem->grammar)->token_noise, error));
    }
    show(l, l->tree.levels + 1);
    for (uint32_t level = l->tree.levels; level >= 1; level--) {
        RHM_TRY(fit_level(l, level, error));
        show(l, level);
    }
    return rhm_table_finish(l->table, error);
}

static rhm_status fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                      const rhm_train_options *options, rhm_error *error) {
    const double begin = rhm_seconds();
    learning l = {.engine = engine, .problem = problem, .options = options, .report = report};
    uint32_t classes, tokens;
    if (problem->data) {
        l.tree = problem->data->tree;
        classes = problem->data->label_vocab;
        tokens = problem->data->token_vocab;
    } else {
        l.tree = *rhm_grammar_tree(problem->grammar);
        classes = rhm_grammar_shape(problem->grammar)->vocab[0];
        tokens = rhm_grammar_shape(problem->grammar)->vocab[l.tree.levels];
    }
    RHM_TRY(rhm_table_new(&l.table, &l.tree, classes, tokens, error));
    rhm_status status = problem->grammar ? rhm_model_keep_grammar(&l.table->model, problem->grammar, error) : RHM_OK;
    if (status == RHM_OK)
        status = fit_levels(&l, error);
    rhm_sampler_destroy(l.sampler);
    rhm_id_law_clear(&l.ids);
    report->seconds = rhm_seconds() - begin;
    if (status == RHM_OK)
        *out = &l.table->model;
    else
        rhm_model_destroy(&l.table->model);
    return status;
}

static const char *const options_taken[] = {"samples", "max-samples", "draw", "positions", NULL};

const struct rhm_learner rhm_table_learner = {
    .info = {.name = "table",
             .summary = "a table of label frequencies per level, its rows grouped into ids",
             .source = "arXiv 2601.19756, Construction 2",
             .needs = "labelled samples",
             .model_kind = "table",
             .options = options_taken},
    .fit = fit,
    .plan = rhm_table_plan,
};
