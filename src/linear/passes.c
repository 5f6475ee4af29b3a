#include "linear/passes.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/reduce.h"
#include "engine/trace.h"

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static const rhm_passes *passes_of(const rhm_normal *normal) {
    return (const rhm_passes *)normal;
}

size_t rhm_passes_chunks(const rhm_passes *p) {
    return (p->normal.rows.count + p->op.chunk - 1) / p->op.chunk;
}

static size_t space_rows(const rhm_passes *p) {
    return p->kind->whole_chunks ? p->op.chunk : p->op.block;
}

rhm_pass_space rhm_passes_space(const rhm_passes *p, int thread) {
    float *base = rhm_scratch_at(&p->workspace, thread);
    return (rhm_pass_space){base, base + space_rows(p) * p->normal.stride};
}

/* --------------------------------------------------------------------------------------------------------- factors */

void rhm_passes_labels(const rhm_passes *p, size_t first, size_t count, float *r) {
    const rhm_linear_data *data = &p->normal.data;
    memset(r, 0, sizeof *r * count * data->classes);
    for (size_t i = 0; i < count; i++) {
        const size_t patch = rhm_normal_patch(&p->normal, first + i);
        for (size_t cell = data->counts->offset[patch]; cell < data->counts->offset[patch + 1]; cell++)
            r[i * data->classes + data->counts->label[cell]] =
                (float)((double)data->counts->count[cell] / (double)data->samples);
    }
}

void rhm_passes_weigh(const rhm_passes *p, size_t first, size_t count, float *r) {
    const size_t classes = p->normal.data.classes;
    for (size_t i = 0; i < count; i++) {
        const float weight = p->share ? p->share[first + i] : (float)rhm_normal_share(&p->normal, first + i);
        for (size_t c = 0; c < classes; c++)
            r[i * classes + c] *= weight;
    }
}

/* -------------------------------------------------------------------------------------------------- the loop, timed */

rhm_status rhm_passes_loop(rhm_passes *p, const char *name, double terms, size_t chunks, rhm_chunk_body *body,
                           void *context, rhm_error *error) {
    rhm_normal *n = &p->normal;
    const int span = rhm_trace_begin(n->engine, name, 0);
    const int64_t begin = rhm_trace_now();
    const rhm_status status = rhm_parallel(n->engine, chunks, body, context, error);
    n->kernel_seconds += 1e-9 * (double)(rhm_trace_now() - begin);
    const double patches = (double)n->rows.count, flops = 2.0 * patches * (double)n->data.width * terms;
    const double of_patch =
        p->cached.data ? (double)(sizeof(float) * 2 * n->data.width) : (double)(sizeof(uint32_t) * n->data.map->tokens);
    rhm_trace_end(n->engine, span,
                  (rhm_span_work){
                      .flops = flops,
                      .nbytes = patches * (of_patch + (double)(sizeof(size_t) + sizeof(uint64_t))),
                      .items = patches,
                      .tokens = (uint32_t)n->data.map->tokens,
                      .embedding = (uint32_t)n->data.map->embedding,
                      .classes = (uint32_t)n->data.classes,
                      .width = (uint32_t)n->data.width,
                      .rows = (uint32_t)p->op.phasor_rows,
                      .run = n->record.runs ? (uint32_t)least(n->rows.count / n->record.runs, p->op.chunk) : 0,
                  });
    if (status == RHM_OK)
        n->flops += flops;
    return status;
}

typedef struct pass {
    const rhm_passes *p;
    rhm_pass_factor factor;
} pass;

static rhm_status leaf_pass(void *context, size_t leaf, int thread, rhm_error *error) {
    const pass *work = context;
    const rhm_passes *p = work->p;
    const size_t size = rhm_normal_size(&p->normal), chunks = rhm_passes_chunks(p), chunk = p->op.chunk;
    double *sum = (double *)p->partial.data + leaf * size;
    memset(sum, 0, sizeof *sum * size);
    for (size_t i = leaf * chunks / p->leaves; i < (leaf + 1) * chunks / p->leaves; i++) {
        const size_t end = least((i + 1) * chunk, p->normal.rows.count);
        RHM_TRY(p->kind->add(p, work->factor, i * chunk, end, thread, sum, error));
    }
    return RHM_OK;
}

typedef struct combine_work {
    const rhm_passes *p;
    double *out;
} combine_work;

/* Scale the sum of one class, and clear the features that are only padding. */
static void finish_class(void *context, size_t c) {
    const combine_work *work = context;
    const rhm_passes *p = work->p;
    const size_t stride = p->normal.stride, width = p->normal.data.width;
    const double *row = (const double *)p->partial.data + c * stride;
    const double scale = 1 / sqrt((double)width);
    double *out = work->out + c * stride;
    memset(out, 0, sizeof *out * stride);
    for (size_t k = 0; k < width; k++)
        for (int sine = 0; sine < 2; sine++)
            out[rhm_feature_index(k, sine)] = row[rhm_feature_index(k, sine)] * scale;
}

/* Multiply-adds of a pass per patch and frequency. */
static double pass_terms(const rhm_passes *p, rhm_pass_factor factor) {
    const double products = (factor == RHM_FACTOR_LABELS ? 2.0 : 4.0) * (double)p->normal.data.classes;
    return (p->kind->makes_features ? rhm_operator_feature_terms(&p->op) : 0) + products;
}

static rhm_status run_pass(rhm_passes *p, rhm_pass_factor factor, double *out, rhm_error *error) {
    const rhm_normal *n = &p->normal;
    pass work = {p, factor};
    RHM_TRY(rhm_passes_loop(p, p->kind->name[factor][p->op.phasor_rows > 0], pass_terms(p, factor), p->leaves,
                            leaf_pass, &work, error));
    combine_work combine = {p, out};
    const size_t size = rhm_normal_size(n);
    const int span = rhm_trace_begin(n->engine, "combine", 0);
    const rhm_status status = rhm_reduce(n->engine, p->partial.data, p->leaves, size, size, error);
    if (status == RHM_OK)
        rhm_normal_each_class(n, finish_class, &combine);
    const double partial = (double)p->leaves * (double)size;
    rhm_trace_end(n->engine, span, (rhm_span_work){.nbytes = 2 * sizeof(double) * partial, .items = partial});
    return status;
}

/* ---------------------------------------------------------------------------------------------------- the operator */

static rhm_status right_hand_side(rhm_normal *normal, double *out, rhm_error *error) {
    return run_pass((rhm_passes *)normal, RHM_FACTOR_LABELS, out, error);
}

typedef struct operand_work {
    const rhm_passes *p;
    const double *w;
} operand_work;

static void scale_class(void *context, size_t c) {
    const operand_work *work = context;
    const rhm_normal *n = &work->p->normal;
    const double scale = 1 / sqrt((double)n->data.width);
    for (size_t i = c * n->stride; i < (c + 1) * n->stride; i++)
        work->p->operand[i] = (float)(work->w[i] * scale);
}

static rhm_status apply(rhm_normal *normal, const double *w, double *out, rhm_error *error) {
    rhm_passes *p = (rhm_passes *)normal;
    rhm_normal_each_class(normal, scale_class, &(operand_work){p, w});
    RHM_TRY(rhm_operator_set_weights(&p->op, p->operand, error));
    return run_pass(p, RHM_FACTOR_OUTPUTS, out, error);
}

static double flops(const rhm_normal *normal) {
    return 2.0 * (double)normal->rows.count * (double)normal->data.width *
           pass_terms(passes_of(normal), RHM_FACTOR_OUTPUTS);
}

static double nbytes(const rhm_normal *normal) {
    const rhm_passes *p = passes_of(normal);
    return (double)p->cached.nbytes + (double)p->partial.nbytes + (double)p->runs.reserved_nbytes;
}

static void destroy(rhm_normal *normal) {
    rhm_passes *p = (rhm_passes *)normal;
    rhm_passes_unsort(p);
    rhm_buffer_destroy(&p->cached, normal->engine);
    rhm_buffer_destroy(&p->partial, normal->engine);
    rhm_scratch_destroy(&p->workspace, normal->engine);
    rhm_operator_clear(&p->op);
    rhm_free(p->operand);
    rhm_free(p);
}

static const rhm_normal_type type = {right_hand_side, NULL, apply, flops, nbytes, destroy};

/* Arrays of a pass, each near the threads whose leaves use it. */
static rhm_status make_arrays(rhm_passes *p, rhm_error *error) {
    const rhm_normal *n = &p->normal;
    const size_t size = rhm_normal_size(n);
    const rhm_home by_leaf = {.kind = RHM_HOME_CHUNKS, .chunk_nbytes = sizeof(double) * size};
    RHM_TRY(rhm_buffer_create(&p->partial, n->engine, by_leaf, sizeof(double), p->leaves, size, 1,
                              "partial sums of a solver pass", error));
    if (n->record.representation == RHM_CACHED && p->leaves > 0)
        RHM_TRY(rhm_passes_cache(p, error));
    const size_t floats = space_rows(p) * n->stride + p->op.chunk * n->data.classes;
    RHM_TRY(rhm_scratch_create(&p->workspace, n->engine, sizeof(float) * floats, "solver workspace", error));
    p->operand = RHM_NEW(float, n->data.classes, n->stride, 1, "operand of a solver pass", error);
    return p->operand ? RHM_OK : RHM_NO_MEMORY;
}

/* Sorting takes as long as it does: only where one single run, the fewest, would pay. */
static rhm_status represent(rhm_passes *p, rhm_pass_sizes *sizes, rhm_error *error) {
    rhm_normal *n = &p->normal;
    const bool has_phasors = p->op.operations->share != NULL;
    n->record = rhm_passes_plan(sizes, has_phasors);
    if (n->record.phasors)
        RHM_TRY(rhm_operator_share(&p->op, n->data.table, n->data.rows, n->rows.count, error));
    if (n->record.representation == RHM_FACTORED) {
        RHM_TRY(rhm_passes_sort(p, error));
        sizes->runs = p->runs.runs;
        n->record = rhm_passes_plan(sizes, has_phasors);
        if (n->record.representation == RHM_FACTORED)
            RHM_TRY(rhm_passes_sort_shares(p, error));
        else
            rhm_passes_unsort(p);
    }
    p->op.rotated = n->record.representation == RHM_FACTORED;
    p->kind = n->record.representation == RHM_FACTORED ? &rhm_pass_factored
              : n->record.representation == RHM_CACHED ? &rhm_pass_cached
                                                       : &rhm_pass_recomputed;
    return RHM_OK;
}

rhm_status rhm_passes_create(rhm_normal **out, const rhm_engine *engine, const rhm_linear_data *data,
                             size_t cache_nbytes, rhm_error *error) {
    rhm_pass_sizes sizes = {
        .patches = data->patches->count,
        .rows = data->rows,
        .tokens = data->map->tokens,
        .embedding = data->map->embedding,
        .width = data->width,
        .classes = data->classes,
        .runs = 1,
        .cache_nbytes = cache_nbytes,
    };
    size_t feature_nbytes;
    *out = NULL;
    rhm_passes *p = RHM_NEW(rhm_passes, 1, 1, 1, "normal equations", error);
    if (!p)
        return RHM_NO_MEMORY;
    p->normal = (rhm_normal){
        .type = &type,
        .engine = engine,
        .data = *data,
        .stride = rhm_feature_stride(data->map->padded),
        .rows = {data->table, data->patches->tuples, data->patches->count},
    };
    rhm_status status = rhm_operator_init(
        &p->op, engine, rhm_features_fit(&sizes, &feature_nbytes) ? RHM_WORK_KEPT_PASS : RHM_WORK_PASS, data->map,
        data->classes, data->patches->count, error);
    if (status == RHM_OK) {
        p->leaves = rhm_pass_leaves(rhm_passes_chunks(p), rhm_normal_size(&p->normal));
        status = represent(p, &sizes, error);
    }
    if (status == RHM_OK)
        status = make_arrays(p, error);
    if (status == RHM_OK) {
        *out = &p->normal;
        return RHM_OK;
    }
    destroy(&p->normal);
    return status;
}
