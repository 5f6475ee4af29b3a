#include "learners/layerwise/rates.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/gaussian.h"
#include "core/memory.h"
#include "core/philox.h"
#include "engine/parallel.h"
#include "learners/layerwise/design.h"
#include "linear/normal.h"
#include "linear/solvers.h"

enum {
    WIDTH = 512,
    GRAM_PATCHES = 4096,
    FACTORED_PATCHES = 384, /* a BLAS of reference does a billion multiply-adds a second */
    ROWS = 1 << 13,         /* different embeddings: so many that their phasors do not pay, as on costly levels */
    WORK = 1 << 27,         /* multiply-adds of a timed forward, about */
    REPETITIONS = 3,        /* the fastest counts */
    FEW = 32,               /* patches of a first look, */
};

static const double SLOW = 0.02; /* seconds after which it has to do: an emulator, where all of it would take minutes */

/* A regression on random patches; everything in it is its own. */
typedef struct trial {
    const rhm_engine *engine;
    struct rhm_layer layer;
    rhm_ready_layer ready;
    rhm_embeddings inputs;
    rhm_intern patches; /* a list */
    rhm_patch_counts counts;
} trial;

static rhm_status fill_layer(trial *t, size_t tokens, size_t embedding, size_t classes, rhm_error *error) {
    t->layer = (struct rhm_layer){.tokens = (uint32_t)tokens,
                                  .embedding = (uint32_t)embedding,
                                  .classes = (uint32_t)classes,
                                  .width = WIDTH,
                                  .bandwidth = 1};
    RHM_TRY(rhm_layer_alloc(&t->layer, error));
    for (size_t i = 0; i < WIDTH * tokens * embedding; i++)
        t->layer.frequencies[i] = (float)rhm_gaussian(0, 0, i);
    return rhm_ready_layer_make(&t->ready, &t->layer, false, error);
}

static rhm_status fill_patches(trial *t, size_t count, rhm_error *error) {
    const size_t embedding = t->layer.embedding, tokens = t->layer.tokens;
    t->inputs = (rhm_embeddings){.count = ROWS, .capacity = ROWS, .width = embedding};
    t->patches = (rhm_intern){.words = tokens, .count = count, .capacity = count};
    if (!(t->inputs.row = RHM_NEW(float, ROWS, embedding, 1, "random embeddings", error)) ||
        !(t->patches.tuples = RHM_NEW(uint32_t, count, tokens, 1, "random patches", error)) ||
        !(t->counts.offset = RHM_NEW(size_t, count + 1, 1, 1, "random patches", error)) ||
        !(t->counts.label = RHM_NEW(uint32_t, count, 1, 1, "random patches", error)) ||
        !(t->counts.count = RHM_NEW(uint64_t, count, 1, 1, "random patches", error)))
        return RHM_NO_MEMORY;
    rhm_random random = {0};
    for (size_t i = 0; i < ROWS * embedding; i++)
        t->inputs.row[i] = (float)(rhm_random_word(&random) * 0x1p-32);
    for (size_t i = 0; i < count * tokens; i++)
        t->patches.tuples[i] = rhm_random_below(&random, ROWS);
    for (size_t i = 0; i < count; i++) {
        t->counts.label[i] = rhm_random_below(&random, t->layer.classes);
        t->counts.count[i] = 1;
        t->counts.offset[i + 1] = i + 1;
    }
    return RHM_OK;
}

static void clear(trial *t) {
    rhm_layer_clear(&t->layer);
    rhm_ready_layer_clear(&t->ready);
    rhm_embeddings_clear(&t->inputs);
    rhm_intern_destroy(&t->patches);
    rhm_patch_counts_clear(&t->counts);
}

/* A second of it is long for whoever waits to hear of this process. */
static void tell(const trial *t, int repetition) {
    rhm_engine_progress(t->engine, "measuring rates", (uint64_t)repetition, REPETITIONS);
}

static rhm_status time_forward(const trial *t, double *seconds, rhm_error *error) {
    for (int i = 0; i < REPETITIONS; i++) {
        rhm_embeddings out = {0};
        tell(t, i);
        const double begin = rhm_seconds();
        const rhm_status status = rhm_embed(&out, t->engine, &t->ready, &t->patches, &t->inputs, NULL, error);
        *seconds = fmin(*seconds, rhm_seconds() - begin);
        rhm_embeddings_clear(&out);
        if (status != RHM_OK)
            return status;
    }
    return RHM_OK;
}

static rhm_status open_normal(const trial *t, rhm_route route, size_t cache_nbytes, rhm_normal **out,
                              rhm_error *error) {
    const rhm_linear_data data = rhm_design_data(&t->ready, &t->inputs, &t->patches, &t->counts, t->patches.count);
    return rhm_normal_create(out, t->engine, &data, route, cache_nbytes, error);
}

static rhm_status time_pass(const trial *t, size_t cache_nbytes, double *seconds, rhm_error *error) {
    rhm_normal *normal;
    RHM_TRY(open_normal(t, RHM_ROUTE_PASSES, cache_nbytes, &normal, error));
    const size_t size = rhm_normal_size(normal);
    double *w = RHM_NEW(double, size, 2, 1, "solution", error);
    rhm_status status = w ? RHM_OK : RHM_NO_MEMORY;
    if (w)
        w[0] = 1;
    for (int i = 0; i < REPETITIONS && status == RHM_OK; i++) {
        tell(t, i);
        const double begin = rhm_seconds();
        status = rhm_normal_apply(normal, w, w + size, error);
        *seconds = fmin(*seconds, rhm_seconds() - begin);
    }
    rhm_free(w);
    rhm_normal_destroy(normal);
    return status;
}

static rhm_status time_gram(trial *t, double *seconds, rhm_error *error) {
    const size_t count = t->patches.count;
    rhm_normal *normal;
    t->patches.count = count < GRAM_PATCHES ? count : GRAM_PATCHES;
    rhm_status status = open_normal(t, RHM_ROUTE_GRAM, 0, &normal, error);
    if (status == RHM_OK) {
        tell(t, 0);
        const double begin = rhm_seconds();
        status = rhm_normal_prepare(normal, error);
        *seconds = (rhm_seconds() - begin) / (double)t->patches.count;
        rhm_normal_destroy(normal);
    }
    t->patches.count = count;
    return status;
}

/* The whole solution, residual included. */
static rhm_status time_factoring(trial *t, rhm_solver solver, double *seconds, rhm_error *error) {
    const size_t count = t->patches.count;
    const struct rhm_layer *layer = &t->layer;
    rhm_normal *normal;
    t->patches.count = count < FACTORED_PATCHES ? count : FACTORED_PATCHES;
    rhm_status status = open_normal(t, RHM_ROUTE_PASSES, SIZE_MAX, &normal, error);
    if (status == RHM_OK) {
        const rhm_route_sizes sizes = {.patches = (double)t->patches.count,
                                       .width = layer->width,
                                       .classes = layer->classes,
                                       .inputs = (double)layer->tokens * layer->embedding};
        const rhm_solve_options options = {.solver = solver, .lambda = 1 / sizes.patches};
        double *target = RHM_NEW(double, rhm_normal_size(normal), 2, 1, "solution", error);
        rhm_solve_result result;
        status = target ? rhm_normal_right_hand_side(normal, target, error) : RHM_NO_MEMORY;
        const double begin = rhm_seconds();
        if (status == RHM_OK)
            status = rhm_solve(normal, &options, target, target + rhm_normal_size(normal), &result, error);
        *seconds = (rhm_seconds() - begin) / rhm_factoring_cost(&sizes);
        rhm_free(target);
        rhm_normal_destroy(normal);
    }
    t->patches.count = count;
    return status;
}

rhm_status rhm_rates_measure(rhm_rates *out, const rhm_engine *engine, rhm_solver solver, size_t tokens,
                             size_t embedding, size_t classes, rhm_error *error) {
    const size_t count = 1024 + WORK / (WIDTH * (tokens * embedding + 2 * classes + 16));
    trial t = {.engine = engine};
    double forward = HUGE_VAL, pass = HUGE_VAL, kept = HUGE_VAL, gram = 0, factoring = (double)NAN;
    rhm_status status = fill_layer(&t, tokens, embedding, classes, error);
    if (status == RHM_OK)
        status = fill_patches(&t, count, error);
    if (status == RHM_OK) {
        t.patches.count = FEW;
        status = time_forward(&t, &forward, error);
        t.patches.count = forward < SLOW ? count : FEW;
        forward = HUGE_VAL;
    }
    const double units = (double)t.patches.count * WIDTH;
    if (status == RHM_OK)
        status = time_forward(&t, &forward, error);
    if (status == RHM_OK)
        status = time_pass(&t, 0, &pass, error);
    if (status == RHM_OK)
        status = time_pass(&t, SIZE_MAX, &kept, error);
    if (status == RHM_OK)
        status = time_gram(&t, &gram, error);
    if (status == RHM_OK && rhm_solver_factors(solver))
        status = time_factoring(&t, solver, &factoring, error);
    clear(&t);
    *out = (rhm_rates){forward / units, pass / units, kept / units, gram / ((double)WIDTH * WIDTH), factoring};
    return status;
}
