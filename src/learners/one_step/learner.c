/* One gradient step and k-means a level, on the levels of ../../counts. */
#include <math.h>
#include <string.h>

#include "clustering/kmeans.h"
#include "core/fail.h"
#include "core/memory.h"
#include "counts/levels.h"
#include "learners/learner.h"
#include "learners/one_step/step.h"

/* As published: hidden units, size of the step over h, restarts of k-means. */
enum { WIDTH = 256, RATE = 1000, RESTARTS = 10 };

/* Multiply-adds of k-means for a point, a centre and a number: so many assignments, about. */
#define ASSIGNMENTS 60.0

static bool published(const rhm_train_options *options) {
    return options->protocol && !strcmp(options->protocol, "published");
}

static rhm_status init_step(rhm_one_step *out, const rhm_table_learning *l, uint32_t level, size_t classes,
                            rhm_error *error) {
    const rhm_problem *problem = l->problem;
    const uint32_t tokens =
        problem->data ? problem->data->token_vocab : rhm_grammar_shape(problem->grammar)->vocab[l->tree.levels];
    const uint32_t inputs = level == l->tree.levels ? tokens : l->table->level[level + 1].outputs;
    return rhm_one_step_init(out, classes, l->options->width, inputs, l->tree.branching[level], l->options->seed, level,
                             error);
}

/* ---- columns --------------------------------------------------------------------------------------------- */

/* Columns in k-means: as published all D, be their patches possible or not; else those of patches that occurred. */
static rhm_status count_columns(size_t *out, const rhm_one_step *step, const rhm_table_learning *l, uint32_t level,
                                size_t patches, rhm_error *error) {
    const double all = rint(step->root * step->root);
    *out = patches;
    if (!published(l->options))
        return RHM_OK;
    if (all > RHM_TABLE_MOST_PATCHES)
        return rhm_fail(error, RHM_INVALID,
                        "level %u has %.0f possible patches, all of which --protocol published groups: allowed are %d",
                        level, all, RHM_TABLE_MOST_PATCHES);
    *out = (size_t)all;
    return RHM_OK;
}

/* Of patches that occurred; the others' are zero. Published columns grow with the patch's frequency, the others do not,
 * so that synonyms of different frequencies agree. */
static void fill_columns(double *column, double *residual, const rhm_one_step *step, const rhm_table_learning *l,
                         const rhm_table_counts *counts) {
    const size_t row = counts->positions * counts->classes, width = counts->positions * step->numbers;
    for (size_t i = 0; i < counts->patch.count; i++) {
        double n = 0;
        for (size_t j = 0; j < row; j++)
            n += (double)counts->count[i * row + j];
        const double scale = 1 / (published(l->options) ? (double)counts->samples : n);
        for (size_t p = 0; p < counts->positions; p++) {
            rhm_one_step_residual(residual, step, counts->count + i * row + p * counts->classes, scale);
            rhm_one_step_column(column + i * width + p * step->numbers, step, residual);
        }
    }
}

/* ---- groups ---------------------------------------------------------------------------------------------- */

static rhm_status cluster(rhm_groups *out, rhm_kmeans *g, size_t patches, rhm_error *error) {
    RHM_TRY(rhm_kmeans_run(g, error));
    if (!(out->own = RHM_NEW(uint32_t, patches, 1, 1, "groups of patches", error)))
        return RHM_NO_MEMORY;
    memcpy(out->own, g->owner, sizeof *out->own * patches);
    out->ids = (uint32_t)g->k;
    out->other = g->count > patches ? g->owner[patches] : UINT32_MAX;
    return rhm_groups_measure(out, g->point, patches, g->centre, g->width, error);
}

static rhm_status group(rhm_groups *out, const rhm_table_learning *l, uint32_t level, const rhm_table_counts *counts,
                        rhm_error *error) {
    rhm_one_step step;
    rhm_kmeans g = {0};
    size_t columns = 0;
    *out = (rhm_groups){0};
    rhm_status status = init_step(&step, l, level, counts->classes, error);
    if (status == RHM_OK)
        status = count_columns(&columns, &step, l, level, counts->patch.count, error);
    double *residual = RHM_NEW(double, counts->classes, 1, 1, "residuals", error);
    if (status == RHM_OK && !residual)
        status = RHM_NO_MEMORY;
    if (status == RHM_OK) {
        const size_t symbols = l->problem->parents[level];
        status = rhm_kmeans_create(&g, l->engine, columns, counts->positions * step.numbers,
                                   symbols < columns ? symbols : columns, l->options->seed + level, error);
    }
    if (status == RHM_OK) {
        g.starts = RESTARTS;
        g.swaps = 0;
        fill_columns(g.point, residual, &step, l, counts);
        status = cluster(out, &g, counts->patch.count, error);
    }
    if (status != RHM_OK) {
        rhm_free(out->own);
        *out = (rhm_groups){0};
    }
    rhm_free(residual);
    rhm_kmeans_clear(&g);
    rhm_one_step_clear(&step);
    return status;
}

/* ---- level 1 --------------------------------------------------------------------------------------------- */

static rhm_status answer(float *posterior, uint32_t *label, const rhm_table_learning *l, const rhm_table_counts *counts,
                         rhm_error *error) {
    const size_t classes = counts->classes, patches = counts->patch.count;
    rhm_one_step step;
    rhm_status status = init_step(&step, l, 1, classes, error);
    double *residual = RHM_NEW(double, classes, 1, 1, "residuals", error);
    double *o = residual ? RHM_NEW(double, classes, 1, 1, "outputs of a network", error) : NULL;
    if (status == RHM_OK && !o)
        status = RHM_NO_MEMORY;
    /* 1000 is for the few patches of the published experiments: the step has to show beside where it began. */
    const double least = step.root * step.root * (double)patches;
    const double rate = l->options->learning_rate > 0 ? l->options->learning_rate : fmax(RATE, least);
    for (size_t i = 0; i <= patches && status == RHM_OK; i++) {
        if (i < patches)
            rhm_one_step_residual(residual, &step, counts->count + i * classes, 1 / (double)counts->samples);
        else
            memset(residual, 0, sizeof *residual * classes);
        rhm_one_step_output(o, &step, residual, rate);
        label[i] = 0;
        for (size_t z = 1; z < classes; z++)
            label[i] = o[z] > o[label[i]] ? (uint32_t)z : label[i];
        rhm_one_step_softmax(o, classes);
        for (size_t z = 0; z < classes; z++)
            posterior[i * classes + z] = (float)o[z];
    }
    rhm_free(residual);
    rhm_free(o);
    rhm_one_step_clear(&step);
    return status;
}

/* ---- the learner ----------------------------------------------------------------------------------------- */

static double numbers(const rhm_train_options *options, double classes) {
    return fmin(classes, options->width);
}

static double work(const rhm_train_options *options, double patches, double positions, double classes, double symbols) {
    return patches * positions * numbers(options, classes) * (classes + ASSIGNMENTS * symbols);
}

static double nbytes(const rhm_train_options *options, double patches, double positions, double classes) {
    return 8 * (patches * positions * numbers(options, classes) + 2 * classes * options->width) + 64 * patches;
}

static const rhm_table_method method = {.group = group, .answer = answer, .work = work, .nbytes = nbytes};

/* What the protocol says of the options. */
static rhm_status resolve(rhm_train_options *out, const rhm_train_options *options, uint32_t levels, rhm_error *error) {
    *out = *options;
    out->width = options->width ? options->width : WIDTH;
    if (options->protocol && strcmp(options->protocol, "general") != 0 && !published(options))
        return rhm_fail(error, RHM_INVALID,
                        "protocol is '%.64s': for the learner one-step allowed are general, published",
                        options->protocol);
    if (!published(options))
        return RHM_OK;
    out->learning_rate = RATE;
    for (uint32_t level = 1; level <= levels; level++) {
        out->positions[level] = 1;
        if (options->width || options->learning_rate > 0 || options->positions[level])
            return rhm_fail(error, RHM_INVALID,
                            "%s has no effect with the protocol published, which fixes it: leave it out",
                            options->width               ? "width"
                            : options->learning_rate > 0 ? "learning-rate"
                                                         : "positions");
    }
    return RHM_OK;
}

static rhm_status fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                      const rhm_train_options *options, rhm_error *error) {
    rhm_train_options own;
    RHM_TRY(resolve(&own, options, report->levels, error));
    return rhm_table_fit(out, report, engine, problem, &own, &method, error);
}

static rhm_status plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                       const rhm_train_options *options, rhm_error *error) {
    rhm_train_options own;
    RHM_TRY(resolve(&own, options, rhm_problem_tree(problem)->levels, error));
    return rhm_table_plan(out, test_seconds, engine, problem, &own, &method, error);
}

static const char *const options_taken[] = {"samples", "max-samples",   "draw",     "positions",
                                            "width",   "learning-rate", "protocol", NULL};

const struct rhm_learner rhm_one_step_learner = {
    .info = {.name = "one-step",
             .summary = "one gradient step of a two-layer network per level, and k-means of its weights",
             .source = "Phys. Rev. X 14, 031001, appendix on layerwise training",
             .needs = "labelled samples",
             .model_kind = "table",
             .options = options_taken},
    .spread = RHM_SPREAD_DRAW,
    .fit = fit,
    .plan = plan,
};
