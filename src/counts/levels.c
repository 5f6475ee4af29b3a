#include "counts/levels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/trace.h"
#include "training/level_report.h"

/* ---- tables ---------------------------------------------------------------------------------------------- */

/* Label frequencies, (patches + 1, classes): the last row is the prior; and the largest of each. */
static rhm_status frequencies(float *posterior, uint32_t *label, const rhm_table_counts *counts, rhm_error *error) {
    const size_t classes = counts->classes, patches = counts->patch.count;
    double *n = RHM_NEW(double, patches + 1, classes, 1, "posteriors", error);
    if (!n)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < patches * classes; i++) {
        n[i] = (double)counts->count[i];
        n[patches * classes + i % classes] += n[i];
    }
    for (size_t i = 0; i <= patches; i++) {
        double sum = 0;
        label[i] = 0;
        for (size_t z = 0; z < classes; z++) {
            sum += n[i * classes + z];
            label[i] = n[i * classes + z] > n[i * classes + label[i]] ? (uint32_t)z : label[i];
        }
        for (size_t z = 0; z < classes; z++)
            posterior[i * classes + z] = (float)(n[i * classes + z] / sum);
    }
    rhm_free(n);
    return RHM_OK;
}

/* Level 1, whose one position is the whole sequence. */
static rhm_status make_top(const rhm_table_learning *l, const rhm_table_counts *counts, struct rhm_table_level *level,
                           rhm_error *error) {
    const size_t classes = counts->classes, patches = counts->patch.count;
    if (!(level->id = RHM_NEW(uint32_t, patches + 1, 1, 1, "labels of patches", error)) ||
        !(l->table->posterior = RHM_NEW(float, patches + 1, classes, 1, "posteriors", error)))
        return RHM_NO_MEMORY;
    RHM_TRY(l->method->answer ? l->method->answer(l->table->posterior, level->id, l, counts, error)
                              : frequencies(l->table->posterior, level->id, counts, error));
    level->other = level->id[patches];
    return RHM_OK;
}

/* The id that most of the level's patches have, each as often as it occurred. */
static rhm_status most_frequent(uint32_t *id, const struct rhm_table_level *level, const rhm_table_counts *counts,
                                rhm_error *error) {
    const size_t row = counts->positions * counts->classes;
    double *weight = RHM_NEW(double, level->outputs, 1, 1, "weights of groups", error);
    if (!weight)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < level->patch.count; i++)
        for (size_t j = 0; j < row; j++)
            weight[level->id[i]] += (double)counts->count[i * row + j];
    *id = 0;
    for (uint32_t g = 1; g < level->outputs; g++)
        *id = weight[g] > weight[*id] ? g : *id;
    rhm_free(weight);
    return RHM_OK;
}

/* What the stage found, as a level of the model; takes over the groups. */
static rhm_status make_level(const rhm_table_learning *l, rhm_table_stage *s, rhm_error *error) {
    struct rhm_table *table = l->table;
    struct rhm_table_level *level = &table->level[s->level];
    const uint32_t levels = l->tree.levels;
    *level = (struct rhm_table_level){
        .inputs = s->level == levels ? table->model.token_vocab : table->level[s->level + 1].outputs,
        .outputs = s->level == 1 ? table->model.classes : s->groups.ids,
        .positions = (uint32_t)s->counts.positions,
        .patch = s->counts.patch,
    };
    rhm_status status;
    if (s->level == 1) {
        status = make_top(l, &s->counts, level, error);
    } else {
        level->id = s->groups.own;
        s->groups.own = NULL;
        level->other = s->groups.other;
        status = level->other == UINT32_MAX ? most_frequent(&level->other, level, &s->counts, error) : RHM_OK;
    }
    s->counts.patch = (rhm_intern){0};
    return status == RHM_OK ? rhm_table_ready_level(table, s->level, error) : status;
}

/* ---- report ---------------------------------------------------------------------------------------------- */

/* Of the patches, weighted by how often they come first, those whose id stands for their own parent more often than for
 * any other. */
static double synonym_accuracy(const rhm_table_learning *l, uint32_t level, const rhm_id_law *raised) {
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

static void fill_report(const rhm_table_learning *l, const rhm_table_stage *s, double synonyms, double begin) {
    const bool resolved =
        s->level == 1 || (s->groups.count == l->problem->parents[s->level] &&
                          (rhm_groups_gap(&s->groups) >= RHM_TABLE_LEAST || s->groups.certain >= RHM_TABLE_CERTAIN));
    rhm_level_report *r = &l->report->level[s->level];
    *r = rhm_level_report_unknown();
    r->level = s->level;
    r->draw = s->law.patch.count && !l->method->search ? RHM_DRAW_COUNTS : RHM_DRAW_SAMPLES;
    r->samples = s->counts.samples;
    r->kept_share = 1;
    r->positions = (uint32_t)s->counts.positions;
    r->symbols = l->problem->parents[s->level];
    r->clusters = s->level == 1 ? l->table->model.classes : s->groups.count;
    r->converged = true;
    r->evidence = s->evidence;
    r->distinct_patches = l->table->level[s->level].patch.count;
    if (s->level > 1) {
        r->cluster_separation = s->groups.separation;
        r->cluster_radius = s->groups.radius;
    }
    r->synonym_accuracy = synonyms;
    r->attempts = s->attempts;
    r->sample_seconds = s->count_seconds;
    r->solve_seconds = s->group_seconds;
    r->embed_seconds = s->embed_seconds;
    r->total_seconds = rhm_seconds() - begin;
    r->resolved = resolved;
    memcpy(r->limit, s->limit, sizeof r->limit);
    if (!*r->limit && s->level > 1 && s->groups.count < l->problem->parents[s->level])
        snprintf(r->limit, sizeof r->limit, "%u groups of patches are told apart, but there are %u symbols",
                 s->groups.count, l->problem->parents[s->level]);
}

/* ---- levels ---------------------------------------------------------------------------------------------- */

/* The law of the level's patches, where it is known and wanted. */
static rhm_status find_law(const rhm_table_learning *l, rhm_table_stage *s, rhm_error *error) {
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

static rhm_status fit_level(rhm_table_learning *l, uint32_t level, rhm_error *error) {
    rhm_table_stage s = {.level = level, .most_positions = l->tree.nodes[level - 1], .evidence = NAN};
    const double begin = rhm_seconds();
    const int span = rhm_trace_begin(l->engine, "level", level);
    double synonyms = NAN;
    rhm_id_law raised = {0};
    rhm_status status = find_law(l, &s, error);
    if (status == RHM_OK)
        status = l->method->search ? l->method->search(l, &s, error) : rhm_table_search(l, &s, error);
    if (status == RHM_OK)
        status = make_level(l, &s, error);
    if (status == RHM_OK && s.law.patch.count) {
        status = rhm_id_law_raise(&raised, &s.law, &l->table->level[level], error);
        if (status == RHM_OK && level > 1)
            synonyms = synonym_accuracy(l, level, &raised);
    }
    if (status == RHM_OK)
        fill_report(l, &s, synonyms, begin);
    if (status == RHM_OK && l->method->latents && raised.given) {
        rhm_id_law_clear(&raised); /* what is shown above is true */
        status = rhm_id_law_tokens(&raised, l->problem->parents[level], 0, error);
    }
    rhm_id_law_clear(&l->ids);
    l->ids = raised;
    rhm_table_stage_clear(&s);
    rhm_trace_end(l->engine, span, (rhm_span_work){0});
    return status;
}

static void show(rhm_table_learning *l, uint32_t finished) {
    l->state.finished = finished;
    l->state.level = finished - 1;
    l->state.report = l->report;
    for (uint32_t level = 1; level <= l->tree.levels; level++) {
        l->state.expected[level] = l->method->share ? l->method->share(l, level) : 1;
        l->state.done[level] = level >= finished ? l->state.expected[level] : 0;
    }
    if (l->options->watch)
        l->options->watch(l->options->watcher, &l->state);
}

static rhm_status fit_levels(rhm_table_learning *l, rhm_error *error) {
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

rhm_status rhm_table_fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                         const rhm_problem *problem, const rhm_train_options *options, const rhm_table_method *method,
                         rhm_error *error) {
    const double begin = rhm_seconds();
    rhm_table_learning l = {
        .method = method, .engine = engine, .problem = problem, .options = options, .report = report};
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
