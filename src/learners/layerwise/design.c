#include "learners/layerwise/design.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/spread.h"
#include "engine/trace.h"

static bool same(const rhm_design_key *a, const rhm_design_key *b) {
    return a->samples == b->samples && a->seed == b->seed && a->level == b->level && a->width == b->width &&
           a->bandwidth == b->bandwidth && a->plan.route == b->plan.route && a->plan.sample == b->plan.sample &&
           a->plan.sample_route == b->plan.sample_route;
}

rhm_linear_data rhm_design_data(const rhm_ready_layer *layer, const rhm_embeddings *inputs, const rhm_intern *patches,
                                const rhm_patch_counts *counts, uint64_t samples) {
    return (rhm_linear_data){
        .map = &layer->map,
        .width = layer->width,
        .classes = layer->outputs,
        .blocks = layer->outputs / layer->classes,
        .table = rhm_embeddings_rows(inputs),
        .rows = inputs->all ? inputs->all : inputs->count,
        .begin = inputs->parts,
        .patches = patches,
        .counts = counts,
        .samples = samples,
    };
}

typedef struct pooling {
    const rhm_linear_data *data;
    rhm_ranks_part own; /* patches of this rank, or all */
} pooling;

static void add_frequencies(void *context, double *sum) {
    const pooling *p = context;
    const rhm_patch_counts *counts = p->data->counts;
    for (size_t cell = counts->offset[p->own.first]; cell < counts->offset[p->own.end]; cell++)
        sum[counts->label[cell]] += (double)counts->count[cell] / (double)p->data->samples;
}

static rhm_status pool(rhm_linear_data *data, double **frequency, const rhm_engine *engine, rhm_error *error) {
    if (data->blocks == 1)
        return RHM_OK;
    if (!(*frequency = RHM_NEW(double, data->classes, 1, 1, "label frequencies", error)))
        return RHM_NO_MEMORY;
    pooling all = {data, {0, data->patches->count}};
    if (data->begin) {
        const int rank = rhm_ranks_rank(rhm_engine_ranks(engine));
        all.own = (rhm_ranks_part){data->begin[rank], data->begin[rank + 1]};
        RHM_TRY(rhm_spread_chain(engine, *frequency, data->classes, add_frequencies, &all, error));
    } else {
        add_frequencies(&all, *frequency);
    }
    data->pooled = RHM_POOLED;
    data->frequency = *frequency;
    return RHM_OK;
}

rhm_status rhm_design_make(rhm_design *design, const rhm_engine *engine, const rhm_design_key *key,
                           const struct rhm_layer *shape, bool one_hot, const rhm_embeddings *inputs,
                           const rhm_intern *patches, const rhm_patch_counts *counts, const char *label,
                           const rhm_solve_watch *watch, rhm_error *error) {
    rhm_design *d = design;
    if (d->made && same(&d->key, key)) {
        d->normal->label = label;
        d->normal->watch = watch;
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
    status = rhm_layer_draw_frequencies(&d->layer, engine, key->seed, key->level, error);
    rhm_trace_end(engine, span,
                  (rhm_span_work){.items = (double)key->width * (double)(d->layer.tokens * d->layer.embedding)});
    if (status != RHM_OK || (status = rhm_ready_layer_make(&d->ready, &d->layer, one_hot, error)) != RHM_OK)
        goto fail;
    rhm_linear_data data = rhm_design_data(&d->ready, inputs, patches, counts, key->samples);
    if ((status = pool(&data, &d->frequency, engine, error)) != RHM_OK)
        goto fail;
    if ((status = rhm_normal_create(&d->normal, engine, &data, key->plan.route, rhm_normal_cache_nbytes(engine),
                                    error)) != RHM_OK)
        goto fail;
    d->normal->label = label;
    d->normal->watch = watch;
    status = RHM_NO_MEMORY;
    if (!(d->target = RHM_NEW(double, data.classes, d->normal->stride, 1, "right-hand side", error)) ||
        !(d->solution = RHM_NEW(double, data.classes, d->normal->stride, 1, "solution", error)) ||
        (status = rhm_normal_right_hand_side(d->normal, d->target, error)) != RHM_OK ||
        (status = rhm_normal_prepare(d->normal, error)) != RHM_OK ||
        (key->plan.sample && (status = rhm_preconditioner_init(&d->preconditioner, key->plan.sample, engine, &data,
                                                               key->plan.sample_route, error)) != RHM_OK))
        goto fail;
    d->made = true;
    return RHM_OK;
fail:
    rhm_design_clear(d);
    return status;
}

void rhm_design_clear(rhm_design *design) {
    rhm_preconditioner_clear(&design->preconditioner);
    rhm_normal_destroy(design->normal);
    rhm_ready_layer_clear(&design->ready);
    rhm_layer_clear(&design->layer);
    rhm_free(design->frequency);
    rhm_free(design->target);
    rhm_free(design->solution);
    *design = (rhm_design){0};
}

rhm_design_work rhm_design_take_work(rhm_design *design) {
    rhm_normal *const parts[] = {design->normal, design->preconditioner.normal};
    rhm_design_work work = {0};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i]) {
            work.flops += parts[i]->flops;
            work.kernel_seconds += parts[i]->kernel_seconds;
            parts[i]->flops = parts[i]->kernel_seconds = 0;
        }
    return work;
}
