#include "learner/design.h"

#include <math.h>

#include "core/memory.h"
#include "engine/engine.h"
#include "engine/trace.h"
#include "learner/gaussian.h"
#include "learner/gram.h"

static bool same(const rhm_design_key *a, const rhm_design_key *b) {
    return a->samples == b->samples && a->seed == b->seed && a->level == b->level && a->width == b->width &&
           a->bandwidth == b->bandwidth && a->route == b->route && a->sample == b->sample &&
           a->sample_route == b->sample_route;
}

void rhm_design_choose(rhm_design_key *key, const rhm_route_sizes *sizes, rhm_solver solver, double solves) {
    rhm_route_sizes all = *sizes, some = *sizes;
    const double most = (double)(SIZE_MAX / 2); /* a plan may be for more patches than there could be */
    const size_t patches = (size_t)fmin(sizes->patches, most);
    const size_t sample = solver == RHM_CG ? rhm_coarse_size(patches, (size_t)sizes->width) : 0;
    all.products = sample ? rhm_coarse_passes(solves) : rhm_route_products(solver, solves);
    some.patches = (double)sample;
    some.products = rhm_coarse_products(solves);
    key->route = rhm_route_choose(&all);
    key->sample = key->route == RHM_ROUTE_PASSES ? sample : 0;
    key->sample_route = key->sample ? rhm_route_choose(&some) : RHM_ROUTE_PASSES;
}

void rhm_design_frequencies(struct rhm_layer *layer, uint64_t seed, uint32_t level) {
    const size_t inputs = (size_t)layer->tokens * layer->embedding;
    for (size_t i = 0; i < layer->width * inputs; i++)
        layer->frequencies[i] = (float)(rhm_gaussian(seed, UINT32_C(1) << 16 | level, i) / layer->bandwidth);
}

/* Features of all distinct patches are kept where they are small against the memory we may use; the Gram matrix needs
 * them only once. */
static size_t keep_limit(const rhm_engine *engine, rhm_route route) {
    const uint64_t most = UINT64_C(9) << 27, share = engine->memory_limit_nbytes / 4;
    return route == RHM_ROUTE_GRAM ? 0 : (size_t)(share && share < most ? share : most);
}

rhm_status rhm_design_make(rhm_design *design, const rhm_engine *engine, const rhm_design_key *key,
                           const struct rhm_layer *shape, bool one_hot, const rhm_embeddings *inputs,
                           const rhm_intern *patches, const rhm_patch_counts *counts, const char *stage,
                           const rhm_solve_watch *watch, rhm_error *error) {
    rhm_design *d = design;
    if (d->made && same(&d->key, key)) {
        d->problem.stage = stage;
        d->problem.watch = watch;
        return RHM_OK;
    }
    rhm_design_clear(d);
    d->key = *key;
    d->layer = *shape;
    d->layer.frequencies = d->layer.weights = NULL;
    rhm_status status = rhm_layer_alloc(&d->layer, error);
    if (status != RHM_OK)
        return status;
    const int span = rhm_trace_begin(engine, "frequencies", 0);
    rhm_design_frequencies(&d->layer, key->seed, key->level);
    rhm_trace_end(engine, span,
                  (rhm_span_work){.items = (double)key->width * (double)(d->layer.tokens * d->layer.embedding)});
    if ((status = rhm_ready_layer_make(&d->ready, &d->layer, one_hot, error)) != RHM_OK ||
        (status = rhm_regression_init(&d->problem, engine, &d->ready, inputs, patches, counts, key->samples,
                                      keep_limit(engine, key->route), error)) != RHM_OK)
        goto fail;
    d->problem.stage = stage;
    d->problem.watch = watch;
    status = RHM_NO_MEMORY;
    if (!(d->target = RHM_NEW(double, d->problem.classes, d->problem.stride, 1, "right-hand side", error)) ||
        !(d->solution = RHM_NEW(double, d->problem.classes, d->problem.stride, 1, "solution", error)) ||
        (status = rhm_regression_target(&d->problem, d->target, error)) != RHM_OK ||
        (key->route == RHM_ROUTE_GRAM && (status = rhm_gram_form(&d->problem, error)) != RHM_OK) ||
        (key->sample && (status = rhm_coarse_init(&d->coarse, key->sample, engine, &d->ready, inputs, patches, counts,
                                                  key->sample_route, error)) != RHM_OK))
        goto fail;
    d->made = true;
    return RHM_OK;
fail:
    rhm_design_clear(d);
    return status;
}

void rhm_design_clear(rhm_design *design) {
    rhm_coarse_clear(&design->coarse);
    rhm_regression_clear(&design->problem);
    rhm_ready_layer_clear(&design->ready);
    rhm_layer_clear(&design->layer);
    rhm_free(design->target);
    rhm_free(design->solution);
    *design = (rhm_design){0};
}
