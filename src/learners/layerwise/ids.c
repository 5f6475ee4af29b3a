#include "learners/layerwise/ids.h"

#include <math.h>
#include <string.h>

#include "clustering/kmeans.h"
#include "core/fail.h"
#include "core/memory.h"
#include "counts/levels.h"
#include "engine/memory.h"
#include "linear/solvers.h"
#include "model/layer.h"

/* Inputs are one-hot at every level, and samples are many: what level L takes where samples are free. */
enum {
    WIDTH = 512,
    ITERATIONS = 60, /* at which single precision of the features ends what more could do */
};
static const double BANDWIDTH = 0.35, RIDGE = 0.001; /* the latter over the number of patches */

/* Symbols deep down differ by little beside what they have in common. */
static const double TOLERANCE = 1e-9, DEFAULT_TOLERANCE = 1e-4;

/* ---- the regression of a level --------------------------------------------------------------------------- */

typedef struct regression {
    struct rhm_layer layer;
    rhm_ready_layer ready;
    rhm_embeddings inputs, outputs; /* one-hot ids; of every patch a block of |V_0| numbers a position, centred */
    rhm_patch_counts counts;
    rhm_normal *normal;
    double *target, *solution;
} regression;

static void clear(regression *r) {
    rhm_normal_destroy(r->normal);
    rhm_patch_counts_clear(&r->counts);
    rhm_ready_layer_clear(&r->ready);
    rhm_layer_clear(&r->layer);
    rhm_embeddings_clear(&r->inputs);
    rhm_embeddings_clear(&r->outputs);
    rhm_free(r->target);
    rhm_free(r->solution);
}

static const uint64_t *counts_at(const rhm_table_counts *counts, size_t patch, size_t position) {
    return counts->count + (patch * counts->positions + position) * counts->classes;
}

/* A table of counts at one position as the cells that are not empty. */
static rhm_status list_cells(rhm_patch_counts *out, const rhm_table_counts *counts, size_t position, rhm_error *error) {
    const size_t classes = counts->classes, patches = counts->patch.count;
    size_t cells = 0;
    for (size_t i = 0; i < patches; i++)
        for (size_t z = 0; z < classes; z++)
            cells += counts_at(counts, i, position)[z] > 0;
    if (!(out->offset = RHM_NEW(size_t, patches + 1, 1, 1, "counts by patch", error)) ||
        !(out->label = RHM_NEW(uint32_t, cells, 1, 1, "counts by patch", error)) ||
        !(out->count = RHM_NEW(uint64_t, cells, 1, 1, "counts by patch", error)))
        return RHM_NO_MEMORY;
    cells = 0;
    for (size_t i = 0; i < patches; i++) {
        out->offset[i] = cells;
        for (size_t z = 0; z < classes; z++)
            if (counts_at(counts, i, position)[z] > 0) {
                out->label[cells] = (uint32_t)z;
                out->count[cells++] = counts_at(counts, i, position)[z];
            }
    }
    out->offset[patches] = cells;
    return RHM_OK;
}

static uint32_t inputs_of(const rhm_table_learning *l, uint32_t level) {
    if (level < l->tree.levels)
        return l->table->level[level + 1].outputs;
    return l->problem->data ? l->problem->data->token_vocab
                            : rhm_grammar_shape(l->problem->grammar)->vocab[l->tree.levels];
}

/* At least twice as many features as patches, or the regression mixes their outputs. */
static uint32_t width_of(const rhm_train_options *options, double patches) {
    uint32_t width = WIDTH < options->max_width ? WIDTH : options->max_width;
    while (width < patches && 2 * width <= options->max_width)
        width *= 2;
    return options->width ? options->width : width;
}

static rhm_status make(regression *r, const rhm_table_learning *l, uint32_t level, const rhm_table_counts *counts,
                       size_t position, rhm_error *error) {
    const rhm_train_options *o = l->options;
    const double patches = (double)counts->patch.count;
    r->layer = (struct rhm_layer){
        .tokens = l->tree.branching[level],
        .embedding = inputs_of(l, level),
        .classes = (uint32_t)counts->classes,
        .width = width_of(o, patches),
        .bandwidth = o->bandwidth[level] > 0 ? o->bandwidth[level] : BANDWIDTH,
        .ridge = o->ridge[level] > 0                  ? o->ridge[level]
                 : o->ridge[level] == RHM_RIDGE_PAPER ? 1 / patches
                                                      : RIDGE / patches,
    };
    RHM_TRY(rhm_layer_alloc(&r->layer, error));
    RHM_TRY(rhm_layer_draw_frequencies(&r->layer, l->engine, o->seed, level, error));
    RHM_TRY(rhm_ready_layer_make(&r->ready, &r->layer, true, error));
    RHM_TRY(rhm_embeddings_one_hot(&r->inputs, r->layer.embedding, error));
    RHM_TRY(list_cells(&r->counts, counts, position, error));
    const rhm_linear_data data = {
        .map = &r->ready.map,
        .width = r->layer.width,
        .classes = counts->classes,
        .blocks = 1,
        .table = r->inputs.row,
        .rows = r->inputs.count,
        .patches = &counts->patch,
        .counts = &r->counts,
        .samples = counts->samples,
    };
    RHM_TRY(
        rhm_normal_create(&r->normal, l->engine, &data, RHM_ROUTE_PASSES, rhm_normal_cache_nbytes(l->engine), error));
    if (!(r->target = RHM_NEW(double, rhm_normal_size(r->normal), 1, 1, "right-hand side", error)) ||
        !(r->solution = RHM_NEW(double, rhm_normal_size(r->normal), 1, 1, "solution", error)))
        return RHM_NO_MEMORY;
    RHM_TRY(rhm_normal_right_hand_side(r->normal, r->target, error));
    return rhm_normal_prepare(r->normal, error);
}

/* Where a patch did not occur nothing is known of it: the prior of the label. */
static void fill_absent(float *y, const rhm_table_counts *counts, size_t position) {
    const size_t classes = counts->classes, patches = counts->patch.count;
    for (size_t i = 0; i < patches; i++, y += classes) {
        uint64_t n = 0;
        for (size_t z = 0; z < classes; z++)
            n += counts_at(counts, i, position)[z];
        for (size_t z = 0; n == 0 && z < classes; z++) {
            double all = 0;
            for (size_t j = 0; j < patches; j++)
                all += (double)counts_at(counts, j, position)[z];
            y[z] = (float)(all / (double)counts->samples - 1 / (double)classes);
        }
    }
}

static rhm_status regress(regression *r, const rhm_table_learning *l, uint32_t level, const rhm_table_counts *counts,
                          size_t position, rhm_error *error) {
    rhm_solve_result result;
    RHM_TRY(make(r, l, level, counts, position, error));
    const rhm_solve_options options = {.solver = l->options->solver,
                                       .lambda = r->layer.ridge,
                                       .tolerance = TOLERANCE,
                                       .max_iterations = l->options->solver == RHM_CG ? ITERATIONS : 0,
                                       .patch_count = (double)counts->patch.count};
    RHM_TRY(rhm_solve(r->normal, &options, r->target, r->solution, &result, error));
    rhm_layer_store_weights(&r->layer, r->solution, r->normal->stride);
    rhm_ready_layer_set_weights(&r->ready, r->layer.weights);
    RHM_TRY(rhm_embed(&r->outputs, l->engine, &r->ready, &counts->patch, &r->inputs, NULL, error));
    fill_absent(r->outputs.row, counts, position);
    return RHM_OK;
}

/* Centred outputs of all patches, (patches, positions |V_0|): a regression for every position, over the same features.
 */
static rhm_status regress_all(double *row, const rhm_table_learning *l, uint32_t level, const rhm_table_counts *counts,
                              rhm_error *error) {
    const size_t classes = counts->classes, positions = counts->positions;
    rhm_status status = RHM_OK;
    for (size_t p = 0; p < positions && status == RHM_OK; p++) {
        regression r = {0};
        status = regress(&r, l, level, counts, p, error);
        for (size_t i = 0; i < counts->patch.count * classes && status == RHM_OK; i++)
            row[(i / classes * positions + p) * classes + i % classes] = (double)r.outputs.row[i];
        clear(&r);
    }
    return status;
}

/* ---- ids ------------------------------------------------------------------------------------------------- */

static rhm_status cluster(rhm_groups *out, rhm_kmeans *g, size_t patches, rhm_error *error) {
    RHM_TRY(rhm_kmeans_run(g, error));
    if (!(out->own = RHM_NEW(uint32_t, patches, 1, 1, "groups of patches", error)))
        return RHM_NO_MEMORY;
    out->ids = (uint32_t)g->k;
    memcpy(out->own, g->owner, sizeof *out->own * patches);
    return rhm_groups_measure(out, g->point, patches, g->centre, g->width, error);
}

static rhm_status group(rhm_groups *out, const rhm_table_learning *l, uint32_t level, const rhm_table_counts *counts,
                        rhm_error *error) {
    rhm_kmeans g = {0};
    const size_t symbols = l->problem->parents[level], patches = counts->patch.count;
    *out = (rhm_groups){.other = UINT32_MAX};
    rhm_status status = rhm_kmeans_create(&g, l->engine, patches, counts->positions * counts->classes,
                                          symbols < patches ? symbols : patches, l->options->seed + level, error);
    if (status == RHM_OK)
        status = regress_all(g.point, l, level, counts, error);
    if (status == RHM_OK)
        status = cluster(out, &g, patches, error);
    rhm_kmeans_clear(&g);
    if (status != RHM_OK) {
        rhm_free(out->own);
        *out = (rhm_groups){0};
    }
    return status;
}

/* Outputs of a patch, which sum to 1 within what the solver left, as probabilities: none is below 0. */
static void put_posterior(float *posterior, const double *y, size_t classes) {
    double sum = 0;
    for (size_t z = 0; z < classes; z++)
        sum += fmax(y[z], 0);
    for (size_t z = 0; z < classes; z++)
        posterior[z] = (float)(fmax(y[z], 0) / sum);
}

static rhm_status answer(float *posterior, uint32_t *label, const rhm_table_learning *l, const rhm_table_counts *counts,
                         rhm_error *error) {
    const size_t classes = counts->classes, patches = counts->patch.count;
    double *y = RHM_NEW(double, patches + 1, classes, 1, "posteriors", error);
    const rhm_status status = y ? regress_all(y, l, 1, counts, error) : RHM_NO_MEMORY;
    for (size_t i = 0; i < patches * classes && status == RHM_OK; i++) {
        y[i] += 1 / (double)classes;
        y[patches * classes + i % classes] += (double)counts->count[i] / (double)counts->samples;
    }
    for (size_t i = 0; i <= patches && status == RHM_OK; i++) {
        label[i] = 0;
        for (size_t z = 0; z < classes; z++)
            label[i] = y[i * classes + z] > y[i * classes + label[i]] ? (uint32_t)z : label[i];
        put_posterior(posterior + i * classes, y + i * classes, classes);
    }
    rhm_free(y);
    return status;
}

/* ---- the learner ----------------------------------------------------------------------------------------- */

/* Passes of the solver over the patches, and assignments of k-means. */
#define PASSES      60.0
#define FEW_PASSES  3.0 /* of a solver that factors */
#define ASSIGNMENTS 40.0

/* Of one position; numbers that stand for ids count for little. */
static rhm_route_sizes sizes_of(const rhm_train_options *options, double patches, double classes) {
    return (rhm_route_sizes){
        .patches = patches, .width = width_of(options, patches), .classes = classes, .inputs = 26, .blocks = 1};
}

static double work(const rhm_train_options *options, double patches, double positions, double classes, double symbols) {
    const rhm_route_sizes sizes = sizes_of(options, patches, classes);
    const bool factors = rhm_solver_factors(options->solver);
    const double passes = (factors ? FEW_PASSES : PASSES) * patches * sizes.width * (4 * classes + 40);
    return positions *
           (passes + (factors ? rhm_factoring_cost(&sizes) : 0) + patches * ASSIGNMENTS * symbols * classes);
}

/* Features, partial sums, vectors of the solver, layers; outputs of all positions. */
static double nbytes(const rhm_train_options *options, double patches, double positions, double classes) {
    const rhm_route_sizes sizes = sizes_of(options, patches, classes);
    const double row = 2 * sizes.width, size = row * classes;
    const double leaves = (double)rhm_pass_leaves((size_t)(patches / 96) + 1, (size_t)size);
    return rhm_buffer_pages(4 * row * patches) + rhm_buffer_pages(8 * size * leaves) + 8 * 8 * size +
           24 * patches * positions * classes +
           (rhm_solver_factors(options->solver) ? rhm_factoring_nbytes(&sizes) : 0);
}

static const rhm_table_method method = {.group = group, .answer = answer, .work = work, .nbytes = nbytes};

static rhm_status resolve(rhm_train_options *out, const rhm_train_options *o, rhm_error *error) {
    const char *useless = o->raw                              ? "distinct"
                          : o->max_seconds > 0                ? "max-seconds"
                          : o->checkpoint.directory           ? "checkpoint"
                          : o->tolerance != DEFAULT_TOLERANCE ? "tolerance"
                                                              : NULL;
    *out = *o;
    return useless ? rhm_fail(error, RHM_INVALID, "%s has no effect with ids between levels: leave it out", useless)
                   : RHM_OK;
}

rhm_status rhm_ids_fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                       const rhm_train_options *options, rhm_error *error) {
    rhm_train_options own;
    RHM_TRY(resolve(&own, options, error));
    return rhm_table_fit(out, report, engine, problem, &own, &method, error);
}

rhm_status rhm_ids_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                        const rhm_train_options *options, rhm_error *error) {
    rhm_train_options own;
    RHM_TRY(resolve(&own, options, error));
    return rhm_table_plan(out, test_seconds, engine, problem, &own, &method, error);
}
