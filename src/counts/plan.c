#include "counts/levels.h"

#include <math.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "counts/parser.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "rhm/sampling.h"

enum { TRIALS = 3, MOST_TRIAL_POSITIONS = 16, TRIAL_TOKENS = 1 << 22, CHUNKS = 4 };

/* Seconds of all threads together. */
typedef struct rates {
    double draw;  /* per cell (patch, label) of a position, where counts are drawn */
    double count; /* per token of a patch, where samples are counted */
    double group; /* per multiply-add */
} rates;

static rhm_status measure_level(rates *out, const rhm_table_learning *l, const rhm_patch_law *law,
                                const double *position, size_t positions, uint32_t classes, rhm_error *error) {
    out->draw = out->group = HUGE_VAL;
    for (int i = 0; i < TRIALS; i++) {
        rhm_table_counts counts;
        rhm_groups groups;
        const double begin = rhm_seconds();
        RHM_TRY(rhm_table_draw_counts(&counts, l->engine, law, position, positions, classes, UINT64_C(1) << 50, 0,
                                      rhm_stream(RHM_TRAINING, 0), error));
        const double middle = rhm_seconds(), patches = (double)counts.patch.count;
        const rhm_status status = l->method->group(&groups, l, l->tree.levels, &counts, error);
        const double end = rhm_seconds();
        rhm_table_counts_clear(&counts);
        if (status != RHM_OK)
            return status;
        rhm_free(groups.own);
        out->draw = fmin(out->draw, (middle - begin) / (patches * (double)positions * classes));
        out->group = fmin(out->group, (end - middle) / l->method->work(l->options, patches, (double)positions, classes,
                                                                       law->parents));
    }
    return RHM_OK;
}

/* On level L, whose ids are tokens. */
static rhm_status measure(rates *out, const rhm_table_learning *l, size_t positions, rhm_error *error) {
    const rhm_grammar *grammar = l->problem->grammar;
    const rhm_tree *tree = &l->tree;
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_id_law ids = {0};
    rhm_patch_law law = {0};
    double *position = NULL;
    rhm_status status =
        rhm_id_law_tokens(&ids, shape->vocab[tree->levels], rhm_grammar_origin(grammar)->token_noise, error);
    if (status == RHM_OK)
        status = rhm_patch_law_make(&law, grammar, tree->levels, &ids, error);
    const bool parents = l->method->latents && tree->levels > 1;
    if (status == RHM_OK)
        status = (parents ? rhm_parent_law : rhm_position_law)(&position, grammar, tree->levels - 1, positions, error);
    if (status == RHM_OK && law.patch.count)
        status = measure_level(out, l, &law, position, positions, parents ? law.parents : shape->vocab[0], error);
    rhm_id_law_clear(&ids);
    rhm_patch_law_clear(&law);
    rhm_free(position);
    return status;
}

/* Of samples whose level-L patches are counted. */
static rhm_status measure_counting(rates *out, const rhm_table_learning *l, size_t positions, rhm_error *error) {
    const rhm_problem *problem = l->problem;
    const size_t tokens = l->tree.leaves[l->tree.levels - 1];
    struct rhm_table *table;
    rhm_sampler *sampler;
    RHM_TRY(rhm_table_parser(&table, problem->grammar, error));
    rhm_status status = rhm_sampler_create(&sampler, problem->grammar, 0, error);
    if (status == RHM_OK) {
        const rhm_grammar_source fresh = {problem->grammar, 0, sampler, rhm_stream(RHM_TRAINING, 0)};
        const rhm_data_source rows = {problem->data, 0};
        const uint64_t some = TRIAL_TOKENS / (4 * positions * tokens) + 1;
        const uint64_t count = problem->data && problem->data->count < some ? problem->data->count : some;
        const rhm_batch batch = {problem->data ? rhm_draw_from_data : rhm_draw_from_grammar,
                                 problem->data ? (const void *)&rows : &fresh, 0, count, "measuring"};
        out->count = HUGE_VAL;
        for (int i = 0; i < TRIALS && status == RHM_OK; i++) {
            rhm_table_counts counts = {0};
            const double begin = rhm_seconds();
            status = rhm_table_count_samples(&counts, l->engine, table, l->tree.levels, positions, &batch, error);
            out->count = fmin(out->count, (rhm_seconds() - begin) / ((double)count * (double)(positions * tokens)));
            rhm_table_counts_clear(&counts);
        }
    }
    rhm_sampler_destroy(sampler);
    rhm_model_destroy(&table->model);
    return status;
}

rhm_status rhm_table_measure_test(double *seconds, const rhm_engine *engine, const rhm_grammar *grammar, uint64_t count,
                                  rhm_error *error) {
    const size_t tokens = rhm_grammar_tree(grammar)->leaves[0];
    struct rhm_table *table;
    rhm_sampler *sampler;
    *seconds = HUGE_VAL;
    RHM_TRY(rhm_table_parser(&table, grammar, error));
    rhm_status status = rhm_sampler_create(&sampler, grammar, 0, error);
    if (status == RHM_OK) {
        const uint64_t least = (uint64_t)(CHUNKS * rhm_engine_threads(engine)) * rhm_table_chunk(tokens);
        const uint64_t some = TRIAL_TOKENS / tokens > least ? TRIAL_TOKENS / tokens : least;
        const rhm_grammar_source source = {grammar, 0, sampler, rhm_stream(RHM_TEST, 0)};
        const rhm_batch batch = {rhm_draw_from_grammar, &source, 0, count < some ? count : some, "measuring"};
        rhm_outputs outputs = {0};
        for (int i = 0; i < TRIALS && status == RHM_OK; i++) {
            const double begin = rhm_seconds();
            status = rhm_table_forward(&table->model, engine, &batch, &outputs, error);
            *seconds = fmin(*seconds, (rhm_seconds() - begin) * (double)count / (double)batch.count);
        }
        rhm_sampler_destroy(sampler);
    }
    rhm_model_destroy(&table->model);
    return status;
}

/* What one position adds to the rows of all symbols: residuals of its labels, as counts/group.h has them. */
static void standardise(double *row, size_t stride, const double *position, const double *all, size_t symbols,
                        size_t classes) {
    for (size_t z = 0; z < classes; z++) {
        double label = 0;
        for (size_t nu = 0; nu < symbols; nu++)
            label += position[nu * classes + z];
        for (size_t nu = 0; nu < symbols; nu++)
            row[nu * stride + z] = label;
    }
    for (size_t nu = 0; nu < symbols; nu++) {
        double here = 0;
        for (size_t z = 0; z < classes; z++)
            here += position[nu * classes + z];
        for (size_t z = 0; z < classes; z++) {
            const double label = row[nu * stride + z];
            row[nu * stride + z] =
                here > 0 && label > 0 ? (position[nu * classes + z] / here - label) * sqrt(here / all[nu] / label) : 0;
        }
    }
}

/*
 * Separation over radius that exact posteriors let one expect of `samples` samples a position, in the rows of group.h:
 * patches of one symbol of `level` - 1 are off by the root of `rank` / n.
 */
static rhm_status expected_gap(double *gap, const double *position, size_t positions, size_t symbols, size_t classes,
                               double rules, double samples, rhm_error *error) {
    const size_t width = positions * classes;
    double *row = RHM_NEW(double, symbols, width, 1, "rows of symbols", error);
    double *all = row ? RHM_NEW(double, symbols, 1, 1, "rows of symbols", error) : NULL;
    double closest = HUGE_VAL, rarest = HUGE_VAL;
    if (!all) {
        rhm_free(row);
        return RHM_NO_MEMORY;
    }
    for (size_t a = 0; a < symbols; a++) {
        for (size_t i = 0; i < width; i++)
            all[a] += position[(i / classes * symbols + a) * classes + i % classes];
        rarest = fmin(rarest, all[a]);
    }
    for (size_t p = 0; p < positions; p++)
        standardise(row + p * classes, width, position + p * symbols * classes, all, symbols, classes);
    for (size_t a = 0; a < symbols; a++)
        for (size_t b = a + 1; b < symbols; b++) {
            double sum = 0;
            for (size_t i = 0; i < width; i++)
                sum += (row[a * width + i] - row[b * width + i]) * (row[a * width + i] - row[b * width + i]);
            closest = fmin(closest, sum);
        }
    const double rank = fmin((double)symbols, (double)width);
    *gap = symbols > 1 ? sqrt(closest * samples * rarest / rules / rank) : HUGE_VAL;
    rhm_free(row);
    rhm_free(all);
    return RHM_OK;
}

/* Where the symbols above patches are shown, all that matters is whether each occurs. */
static double shown_gap(const double *position, size_t positions, size_t symbols) {
    for (size_t nu = 0; nu < symbols; nu++) {
        double sum = 0;
        for (size_t p = 0; p < positions; p++)
            sum += position[(p * symbols + nu) * symbols + nu];
        if (!(sum > 0))
            return 0;
    }
    return HUGE_VAL;
}

/* Counts of every thread, and of all. */
static double counting_nbytes(const rhm_engine *engine, double patches, double positions, double classes) {
    return 8 * patches * positions * classes * (1 + (engine ? rhm_engine_threads(engine) : 1));
}

/* Counts, their law, and the tree of splits of every thread that draws a position. */
static double drawing_nbytes(const rhm_engine *engine, double patches, double positions, double classes) {
    const double threads = fmin(positions, engine ? rhm_engine_threads(engine) : 1);
    return 8 * patches * (positions * classes + classes) + threads * 32 * exp2(ceil(log2(fmax(patches * classes, 1))));
}

/* What does not change from attempt to attempt. */
typedef struct level_plan {
    const rates *cost;
    const rhm_table_learning *l;
    rhm_plan_level *out;
    uint32_t level;
    bool parents, counted; /* counts are by the symbol above; samples are counted, no counts drawn */
    bool guessed;          /* patches are what data without a grammar may have */
    double patches, classes;
} level_plan;

/* Of groups that so many samples of a position make, as far as exact posteriors say. */
static rhm_status find_gap(const level_plan *p, size_t positions, double samples, rhm_error *error) {
    const rhm_grammar *grammar = p->l->problem->grammar;
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const uint32_t level = p->level, symbols = shape->vocab[level - 1];
    double *position;
    p->out->gap = HUGE_VAL;
    if (level == 1)
        return RHM_OK;
    RHM_TRY((p->parents ? rhm_parent_law : rhm_position_law)(&position, grammar, level - 1, positions, error));
    rhm_status status = RHM_OK;
    if (p->parents)
        p->out->gap = shown_gap(position, positions, symbols);
    else
        status = expected_gap(&p->out->gap, position, positions, symbols, shape->vocab[0], p->patches / symbols,
                              samples, error);
    rhm_free(position);
    return status;
}

/* The search of search.c for positions, with so many samples, whose attempts cost nothing where `cost` is not known
 * yet. */
static rhm_status plan_positions(const level_plan *p, double samples, rhm_error *error) {
    const rhm_table_learning *l = p->l;
    const rates *cost = p->cost;
    rhm_plan_level *out = p->out;
    const uint32_t given = l->options->positions[p->level];
    const size_t all = l->tree.nodes[p->level - 1], most = all < RHM_TABLE_POSITIONS ? all : RHM_TABLE_POSITIONS;
    size_t positions = given && given < all ? given : given ? all : 1;
    if (!p->guessed)
        RHM_TRY(rhm_table_check_work(l, p->level, p->patches, (double)positions, p->classes, error));
    for (;; positions = 2 * positions < most ? 2 * positions : most) {
        RHM_TRY(find_gap(p, positions, samples, error));
        out->fits++;
        out->draw_seconds += p->counted
                                 ? cost->count * samples * (double)positions * (double)l->tree.leaves[p->level - 1]
                                 : cost->draw * p->patches * (double)positions * p->classes;
        out->fit_seconds += p->level == 1 ? 0
                                          : cost->group * l->method->work(l->options, p->patches, (double)positions,
                                                                          p->classes, l->problem->parents[p->level]);
        const double next = 2 * (double)positions;
        if (given || out->gap >= RHM_TABLE_TARGET || positions >= most ||
            next * p->patches * p->classes > RHM_TABLE_CELLS ||
            rhm_table_check_work(l, p->level, p->patches, next, p->classes, NULL) != RHM_OK)
            break;
    }
    out->positions = (uint32_t)positions;
    out->samples = samples;
    return RHM_OK;
}

rhm_status rhm_table_foresee_patches(double *patches, size_t *shown, const rhm_problem *problem, uint32_t level,
                                     uint64_t samples, double most, rhm_error *error) {
    const rhm_data *data = problem->data;
    double expected[RHM_MAX_LEVELS + 1];
    *shown = 0;
    *patches = (double)rhm_grammar_patch_count(problem->grammar, level);
    if (!data || data->grammar)
        return RHM_OK;
    const rhm_shape *shape = rhm_grammar_shape(problem->grammar);
    RHM_TRY(rhm_problem_patches(expected, problem, error));
    *patches = fmax(*patches, fmin(expected[level], pow(shape->vocab[level], shape->branching[level])));
    *patches = fmin(*patches, most);
    if (level < shape->levels)
        return RHM_OK;
    RHM_TRY(rhm_problem_bottom_patches(shown, data, samples < data->count ? samples : data->count, error));
    *patches = fmax(*patches, (double)*shown);
    return RHM_OK;
}

static rhm_status plan_level(rhm_plan_level *out, const rates *cost, const rhm_table_learning *l, uint32_t level,
                             rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(l->problem->grammar);
    level_plan p = {.cost = cost, .l = l, .out = out, .level = level};
    p.parents = l->method->latents && level > 1;
    p.counted = l->problem->data || l->options->draw == RHM_DRAW_SAMPLES;
    p.guessed = l->problem->data && !l->problem->data->grammar && level < shape->levels;
    p.classes = shape->vocab[p.parents ? level - 1 : 0];
    uint64_t first, most;
    RHM_TRY(rhm_table_samples(&first, &most, l, level, !p.counted, error));
    size_t shown;
    RHM_TRY(rhm_table_foresee_patches(&p.patches, &shown, l->problem, level, most, RHM_TABLE_MOST_PATCHES, error));
    RHM_TRY(rhm_table_check_patches(level, shown, error));
    const double patches = p.patches;
    *out = (rhm_plan_level){.level = level,
                            .draw = p.counted ? RHM_DRAW_SAMPLES : RHM_DRAW_COUNTS,
                            .kept_share = 1,
                            .first_samples = (double)first,
                            .wanted_samples = NAN,
                            .possible = patches,
                            .distinct = patches};
    for (double samples = (double)first;; samples = fmin(samples * RHM_TABLE_GROWTH, (double)most)) {
        RHM_TRY(plan_positions(&p, samples, error));
        if (out->gap >= RHM_TABLE_TARGET || samples >= (double)most)
            break;
    }
    const double positions = out->positions;
    /* Ranks share positions, of which one is drawn by one of them. */
    out->merge_seconds = p.counted ? 0 : out->draw_seconds / positions;
    out->nbytes = l->method->nbytes(l->options, patches, positions, p.classes) +
                  (p.counted ? counting_nbytes(l->engine, patches, positions, p.classes)
                             : drawing_nbytes(l->engine, patches, positions, p.classes));
    out->nbytes += rhm_retained_nbytes(out->nbytes);
    return RHM_OK;
}

rhm_status rhm_table_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                          const rhm_problem *problem, const rhm_train_options *options, const rhm_table_method *method,
                          rhm_error *error) {
    const rhm_table_learning l = {
        .method = method, .engine = engine, .problem = problem, .options = options, .tree = *rhm_problem_tree(problem)};
    rates cost = {NAN, NAN, NAN};
    *test_seconds = NAN;
    if (engine) {
        /* At what the search will settle with: how the work grows with positions is known less well. */
        rhm_plan_level lowest;
        RHM_TRY(plan_level(&lowest, &cost, &l, l.tree.levels, error));
        const size_t most = MOST_TRIAL_POSITIONS;
        const size_t tried = lowest.positions < most ? lowest.positions : most;
        RHM_TRY(measure(&cost, &l, tried, error));
        if (lowest.draw == RHM_DRAW_SAMPLES)
            RHM_TRY(measure_counting(&cost, &l, tried, error));
        RHM_TRY(rhm_table_measure_test(test_seconds, engine, problem->grammar, problem->test_samples, error));
    }
    for (uint32_t level = 1; level <= l.tree.levels; level++)
        RHM_TRY(plan_level(&out[level], &cost, &l, level, error));
    const size_t tokens = l.tree.leaves[0];
    const double testing = sizeof(uint16_t) * (double)(rhm_table_chunk(tokens) * tokens);
    out[1].nbytes = fmax(out[1].nbytes, testing * (engine ? rhm_engine_threads(engine) : 1));
    return RHM_OK;
}
