#include "learners/shallow/fit.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "linear/solvers.h"
#include "model/shallow.h"

/* Of the matrix of the normal equations, in a solution: the smaller ridges take many more than the larger. */
enum { PRODUCTS = 30 };

/* ---- samples --------------------------------------------------------------------------------------------- */

rhm_status rhm_shallow_task_init(rhm_shallow_task *out, const rhm_engine *engine, const rhm_train_options *options,
                                 const rhm_tree *tree, uint32_t classes, uint32_t token_vocab, rhm_error *error) {
    *out = (rhm_shallow_task){.engine = engine,
                              .options = options,
                              .flat = rhm_flat_tree(tree),
                              .classes = classes,
                              .token_vocab = token_vocab};
    RHM_TRY(rhm_patches_init(&out->training.patches, 1, &out->flat, classes, error));
    RHM_TRY(rhm_patches_init(&out->held_out.patches, 1, &out->flat, classes, error));
    return rhm_embeddings_one_hot(&out->tokens, token_vocab, error);
}

static void clear_set(rhm_shallow_set *set) {
    rhm_patches_destroy(&set->patches);
    rhm_patch_counts_clear(&set->counts);
}

void rhm_shallow_task_clear(rhm_shallow_task *task) {
    clear_set(&task->training);
    clear_set(&task->held_out);
    rhm_embeddings_clear(&task->tokens);
}

rhm_status rhm_shallow_draw(rhm_shallow_task *task, rhm_shallow_set *set, rhm_patch_source *source, const void *context,
                            uint64_t samples, const char *words, rhm_error *error) {
    const uint64_t have = set->patches.samples;
    if (samples > have)
        RHM_TRY(
            rhm_patches_add(&set->patches, task->engine, words, source, context, have, samples - have, NULL, error));
    rhm_patch_counts_clear(&set->counts);
    return rhm_patch_counts_make(&set->counts, &set->patches, task->engine, error);
}

rhm_route_sizes rhm_shallow_sizes(double sequences, double inputs, double width, double classes, double ridges) {
    return (rhm_route_sizes){sequences, width, classes, inputs, ridges * PRODUCTS, 1};
}

/* ---- fits ------------------------------------------------------------------------------------------------ */

/* All that a ridge does not change; what it points to does not move. */
typedef struct equations {
    struct rhm_layer layer;
    rhm_ready_layer ready;
    rhm_route route;
    rhm_normal *normal;
    double *target, *solution;
} equations;

static void clear(equations *e) {
    rhm_normal_destroy(e->normal);
    rhm_ready_layer_clear(&e->ready);
    rhm_layer_clear(&e->layer);
    rhm_free(e->target);
    rhm_free(e->solution);
}

static rhm_route route_of(const rhm_shallow_task *t, size_t ridges) {
    const rhm_route_sizes sizes =
        rhm_shallow_sizes((double)rhm_patches_distinct(&t->training.patches),
                          t->flat.branching[1] * (double)t->token_vocab, t->width, t->classes, (double)ridges);
    return rhm_route_choose(&sizes);
}

static rhm_status make(equations *e, const rhm_shallow_task *t, double bandwidth, rhm_route route, rhm_error *error) {
    const rhm_intern *sequences = &t->training.patches.subtree[1];
    *e = (equations){.layer = {.tokens = t->flat.branching[1],
                               .embedding = t->token_vocab,
                               .classes = t->classes,
                               .width = t->width,
                               .bandwidth = bandwidth}};
    RHM_TRY(rhm_layer_alloc(&e->layer, error));
    RHM_TRY(rhm_layer_draw_frequencies(&e->layer, t->engine, t->options->seed, 1, error));
    RHM_TRY(rhm_ready_layer_make(&e->ready, &e->layer, true, error));
    e->route = route;
    const rhm_linear_data data = {.map = &e->ready.map,
                                  .width = t->width,
                                  .classes = t->classes,
                                  .blocks = 1,
                                  .table = t->tokens.row,
                                  .rows = t->tokens.count,
                                  .patches = sequences,
                                  .counts = &t->training.counts,
                                  .samples = t->training.patches.samples};
    RHM_TRY(rhm_normal_create(&e->normal, t->engine, &data, e->route, rhm_normal_cache_nbytes(t->engine), error));
    e->normal->label = "fitting, solver passes";
    if (!(e->target = RHM_NEW(double, rhm_normal_size(e->normal), 1, 1, "right-hand side", error)) ||
        !(e->solution = RHM_NEW(double, rhm_normal_size(e->normal), 1, 1, "solution", error)))
        return RHM_NO_MEMORY;
    RHM_TRY(rhm_normal_right_hand_side(e->normal, e->target, error));
    return rhm_normal_prepare(e->normal, error);
}

/* Mean of ||e_label - y||^2 and share of labels that are the largest output. One far output is as wrong as any. */
static void score(rhm_shallow_fit *fit, const rhm_shallow_set *set, const float *y, size_t classes) {
    static const double most = 4;
    const double centre = 1.0 / (double)classes, samples = (double)set->patches.samples;
    double loss = 0;
    uint64_t correct = 0;
    for (size_t i = 0; i < rhm_patches_distinct(&set->patches); i++, y += classes) {
        double square = 1;
        size_t largest = 0;
        for (size_t c = 0; c < classes; c++) {
            square += ((double)y[c] + centre) * ((double)y[c] + centre);
            largest = y[c] > y[largest] ? c : largest;
        }
        for (size_t cell = set->counts.offset[i]; cell < set->counts.offset[i + 1]; cell++) {
            const double one = square - 2 * ((double)y[set->counts.label[cell]] + centre);
            loss += (double)set->counts.count[cell] * fmin(one, most);
            correct += set->counts.label[cell] == largest ? set->counts.count[cell] : 0;
        }
    }
    fit->loss = loss / samples;
    fit->accuracy = (double)correct / samples;
}

static rhm_status solve(rhm_shallow_fit *fit, equations *e, rhm_shallow_task *t, double ridge, rhm_error *error) {
    rhm_embeddings out = {0};
    const rhm_solve_options options = {
        .solver = t->options->solver,
        .lambda = ridge,
        .tolerance = t->options->tolerance,
        .patch_count = (double)rhm_patches_distinct(&t->training.patches),
    };
    fit->route = e->route;
    memset(e->solution, 0, sizeof(double) * rhm_normal_size(e->normal));
    double begin = rhm_seconds();
    RHM_TRY(rhm_solve(e->normal, &options, e->target, e->solution, &fit->solve, error));
    t->iterate_seconds += rhm_seconds() - begin;
    e->layer.ridge = ridge;
    rhm_layer_store_weights(&e->layer, e->solution, e->normal->stride);
    rhm_ready_layer_set_weights(&e->ready, e->layer.weights);
    begin = rhm_seconds();
    const rhm_status status =
        rhm_embed(&out, t->engine, &e->ready, &t->held_out.patches.subtree[1], &t->tokens, &fit->clamped, error);
    if (status == RHM_OK)
        score(fit, &t->held_out, out.row, t->classes);
    t->embed_seconds += rhm_seconds() - begin;
    fit->flops = out.flops + e->normal->flops;
    fit->kernel_seconds = out.kernel_seconds + e->normal->kernel_seconds;
    e->normal->flops = e->normal->kernel_seconds = 0;
    rhm_embeddings_clear(&out);
    return status;
}

/* The weights of `e` become those of the best fit. */
static rhm_status keep(rhm_shallow_fit *best, const rhm_shallow_fit *fit, const equations *e, rhm_error *error) {
    const struct rhm_layer *layer = &e->layer;
    if (!best->layer.weights) {
        best->layer = *layer;
        RHM_TRY(rhm_layer_alloc(&best->layer, error));
    }
    const struct rhm_layer arrays = best->layer;
    memcpy(arrays.frequencies, layer->frequencies, sizeof(float) * layer->width * layer->tokens * layer->embedding);
    memcpy(arrays.weights, layer->weights, sizeof(float) * layer->classes * 2 * layer->width);
    best->layer = *layer;
    best->layer.frequencies = arrays.frequencies;
    best->layer.weights = arrays.weights;
    best->route = fit->route;
    best->solve = fit->solve;
    best->loss = fit->loss;
    best->accuracy = fit->accuracy;
    best->clamped = fit->clamped;
    return RHM_OK;
}

rhm_status rhm_shallow_walk(rhm_shallow_fit *best, rhm_shallow_task *task, double bandwidth, const double *ridges,
                            size_t count, rhm_error *error) {
    equations e;
    rhm_status status = make(&e, task, bandwidth, route_of(task, count), error);
    for (size_t i = 0; i < count && status == RHM_OK; i++) {
        rhm_shallow_fit fit = {0};
        status = solve(&fit, &e, task, ridges[i], error);
        best->flops += fit.flops;
        best->kernel_seconds += fit.kernel_seconds;
        best->fits++;
        if (status == RHM_OK && (!best->layer.weights || fit.loss < best->loss))
            status = keep(best, &fit, &e, error);
    }
    clear(&e);
    return status;
}

static rhm_status time_parts(rhm_shallow_times *out, equations *e, rhm_shallow_task *t, rhm_error *error) {
    enum { ITERATIONS = 10 };
    rhm_embeddings held_out = {0};
    rhm_solve_result result;
    const bool factors = rhm_solver_factors(t->options->solver);
    const rhm_solve_options options = {.solver = factors ? t->options->solver : RHM_CG,
                                       .lambda = 1e-3 / (double)rhm_patches_distinct(&t->training.patches),
                                       .max_iterations = factors ? 1 : ITERATIONS};
    double begin = rhm_seconds();
    RHM_TRY(rhm_solve(e->normal, &options, e->target, e->solution, &result, error));
    *(factors ? &out->factoring : &out->product) = (rhm_seconds() - begin) / (result.iterations + (factors ? 0 : 1));
    begin = rhm_seconds();
    const rhm_status status =
        rhm_embed(&held_out, t->engine, &e->ready, &t->held_out.patches.subtree[1], &t->tokens, NULL, error);
    out->held_out = rhm_seconds() - begin;
    rhm_embeddings_clear(&held_out);
    return status;
}

rhm_status rhm_shallow_time(rhm_shallow_times *out, rhm_shallow_task *task, double bandwidth, rhm_route route,
                            rhm_error *error) {
    equations e;
    *out = (rhm_shallow_times){0};
    const double begin = rhm_seconds();
    rhm_status status = make(&e, task, bandwidth, route, error);
    out->make = rhm_seconds() - begin;
    if (status == RHM_OK)
        status = time_parts(out, &e, task, error);
    clear(&e);
    return status;
}
