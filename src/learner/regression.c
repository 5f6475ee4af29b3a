#include "learner/regression.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/trace.h"
#include "learner/gram.h"

enum {
    MOST_LEAVES = 128, /* and so the most threads that a pass can use */
    FEWEST_LEAVES = 16,
    MOST_PARTIAL = 1 << 25, /* doubles in all partial sums, where that leaves FEWEST_LEAVES */
};

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t chunk_count(const rhm_regression *p) {
    return (p->rows.count + p->op.chunk - 1) / p->op.chunk;
}

static size_t leaf_count(const rhm_regression *p) {
    size_t most = MOST_PARTIAL / rhm_regression_size(p);
    most = most > MOST_LEAVES ? MOST_LEAVES : most < FEWEST_LEAVES ? FEWEST_LEAVES : most;
    return least(chunk_count(p), most);
}

/* Features of the patches of a chunk, or, where these are kept or not made, of a block of a Gram matrix; and factors.
 */
typedef struct workspace {
    float *x; /* (workspace_rows, stride) */
    float *r; /* (chunk, classes) */
} workspace;

static size_t workspace_rows(const rhm_regression *p) {
    return p->kept.data || p->op.turned ? p->op.block : p->op.chunk;
}

static workspace workspace_of(const rhm_regression *p, int thread) {
    float *base = rhm_scratch_at(&p->workspace, thread);
    return (workspace){base, base + workspace_rows(p) * p->stride};
}

static const float *kept_row(const rhm_regression *p, size_t patch) {
    return (const float *)p->kept.data + patch * p->stride;
}

static rhm_patch_rows block_rows(const rhm_regression *p, size_t first, size_t count) {
    return (rhm_patch_rows){p->rows.table, p->rows.ids + first * p->map->tokens, count};
}

/* Multiply-adds of one run over all patches, by what the run is called. */
static double flops_of(const rhm_regression *p, const char *name) {
    const double classes = (double)p->classes;
    const bool made = *name == 'f' || (!p->kept.data && !p->op.turned);
    const double features = made ? rhm_operator_feature_terms(&p->op) : 0;
    const double products = *name == 'f' ? 0 : *name == 't' ? 2 * classes : 4 * classes;
    return 2.0 * (double)p->rows.count * (double)p->width * (features + products);
}

/* A parallel loop over all patches, whose time and work are accounted. */
static rhm_status timed_loop(rhm_regression *p, const char *name, size_t chunks, rhm_chunk_body *body, void *context,
                             rhm_error *error) {
    const int span = rhm_trace_begin(p->engine, name, 0);
    const int64_t begin = rhm_trace_now();
    const rhm_status status = rhm_parallel(p->engine, chunks, body, context, error);
    p->kernel_seconds += 1e-9 * (double)(rhm_trace_now() - begin);
    const double flops = flops_of(p, name);
    const double of_patch =
        p->kept.data ? (double)(sizeof(float) * 2 * p->width) : (double)(sizeof(uint32_t) * p->map->tokens);
    rhm_trace_end(p->engine, span,
                  (rhm_span_work){
                      .flops = flops,
                      .nbytes = (double)p->rows.count * (of_patch + (double)(sizeof(size_t) + sizeof(uint64_t))),
                      .items = (double)p->rows.count,
                      .tokens = (uint32_t)p->map->tokens,
                      .embedding = (uint32_t)p->map->embedding,
                      .classes = (uint32_t)p->classes,
                      .width = (uint32_t)p->width,
                      .rows = (uint32_t)p->op.phasor_rows,
                      .run = p->op.turned ? (uint32_t)least(p->rows.count / p->runs.runs, p->op.chunk) : 0,
                  });
    if (status == RHM_OK)
        p->flops += flops;
    return status;
}

static rhm_status keep_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    const rhm_regression *p = context;
    const size_t first = chunk * p->op.chunk, left = p->rows.count - first;
    const rhm_patch_rows rows = block_rows(p, first, least(left, p->op.chunk));
    return p->op.operations->features(&p->op, thread, &rows, (float *)p->kept.data + first * p->stride, error);
}

/* Arrays of a pass, each near the threads whose leaves use it. */
static rhm_status make_arrays(rhm_regression *p, bool keep, rhm_error *error) {
    const size_t size = rhm_regression_size(p);
    const rhm_home by_leaf = {.kind = RHM_HOME_CHUNKS, .chunk_nbytes = sizeof(double) * size};
    RHM_TRY(rhm_buffer_create(&p->partial, p->engine, by_leaf, sizeof(double), p->leaves, size, 1,
                              "partial sums of a solver pass", error));
    if (keep && p->leaves > 0) {
        const size_t chunks = (chunk_count(p) + p->leaves - 1) / p->leaves;
        const rhm_home by_chunk = {.kind = RHM_HOME_CHUNKS,
                                   .chunk_nbytes = sizeof(float) * chunks * p->op.chunk * p->stride};
        RHM_TRY(rhm_buffer_create(&p->kept, p->engine, by_chunk, sizeof(float), p->rows.count, p->stride, 1,
                                  "kept features", error));
    }
    const size_t floats = workspace_rows(p) * p->stride + p->op.chunk * p->classes;
    RHM_TRY(rhm_scratch_create(&p->workspace, p->engine, sizeof(float) * floats, "solver workspace", error));
    p->operand = RHM_NEW(float, p->classes, p->stride, 1, "operand of a solver pass", error);
    return p->operand ? RHM_OK : RHM_NO_MEMORY;
}

/* Visit patches run by run where that makes passes cheaper. Where one single run would not, they need not be sorted. */
static rhm_status order_patches(rhm_regression *p, const rhm_intern *patches, size_t rows, rhm_error *error) {
    rhm_operator_turn(&p->op, patches->count, 1);
    if (!p->op.turned)
        return RHM_OK;
    RHM_TRY(rhm_runs_make(&p->runs, p->engine, patches, rows, error));
    rhm_operator_turn(&p->op, patches->count, p->runs.runs);
    if (!p->op.turned) {
        rhm_runs_clear(&p->runs);
        return RHM_OK;
    }
    p->rows.ids = p->runs.ids;
    RHM_TRY(rhm_memory_reserve(p->engine, sizeof(float) * patches->count, "shares of patches", error));
    if (!(p->share = RHM_NEW(float, patches->count, 1, 1, "shares of patches", error))) {
        rhm_memory_release(p->engine, sizeof(float) * patches->count);
        return RHM_NO_MEMORY;
    }
    for (size_t i = 0; i < patches->count; i++)
        p->share[i] = (float)rhm_regression_share(p, i);
    return RHM_OK;
}

rhm_status rhm_regression_init(rhm_regression *problem, const rhm_engine *engine, const rhm_ready_layer *layer,
                               const rhm_embeddings *inputs, const rhm_intern *patches, const rhm_patch_counts *counts,
                               uint64_t samples, size_t keep_nbytes, rhm_error *error) {
    rhm_regression *p = problem;
    *p = (rhm_regression){
        .engine = engine,
        .map = &layer->map,
        .width = layer->width,
        .classes = layer->classes,
        .stride = rhm_feature_stride(layer->map.padded),
        .rows = {inputs->row, patches->tuples, patches->count},
        .counts = counts,
        .samples = samples,
    };
    size_t kept_nbytes = sizeof(float);
    bool keep = rhm_size_mul(&kept_nbytes, p->rows.count) && rhm_size_mul(&kept_nbytes, p->stride) &&
                kept_nbytes <= keep_nbytes;
    RHM_TRY(rhm_operator_init(&p->op, engine, keep ? RHM_WORK_KEPT_PASS : RHM_WORK_PASS, p->map, p->classes,
                              p->rows.count, error));
    p->leaves = leaf_count(p);
    rhm_status status = rhm_operator_share(&p->op, inputs->row, inputs->count, p->rows.count, error);
    if (status == RHM_OK)
        status = order_patches(p, patches, inputs->count, error);
    if (p->op.turned || (p->op.phasor_rows && kept_nbytes > RHM_KEPT_IN_CACHE_NBYTES))
        keep = false;
    if (status == RHM_OK)
        status = make_arrays(p, keep, error);
    if (status == RHM_OK && p->kept.data)
        status =
            timed_loop(p, p->op.phasor_rows ? "features (phasors)" : "features", chunk_count(p), keep_chunk, p, error);
    if (status != RHM_OK)
        rhm_regression_clear(p);
    return status;
}

void rhm_regression_clear(rhm_regression *problem) {
    rhm_gram_clear(&problem->gram, problem->engine);
    rhm_buffer_destroy(&problem->kept, problem->engine);
    rhm_buffer_destroy(&problem->partial, problem->engine);
    rhm_scratch_destroy(&problem->workspace, problem->engine);
    rhm_operator_clear(&problem->op);
    rhm_runs_clear(&problem->runs);
    if (problem->share)
        rhm_memory_release(problem->engine, sizeof(float) * problem->rows.count);
    rhm_free(problem->share);
    rhm_free(problem->operand);
    *problem = (rhm_regression){0};
}

double rhm_regression_share(const rhm_regression *problem, size_t place) {
    const size_t patch = rhm_regression_patch(problem, place);
    uint64_t n = 0;
    for (size_t cell = problem->counts->offset[patch]; cell < problem->counts->offset[patch + 1]; cell++)
        n += problem->counts->count[cell];
    return (double)n / (double)problem->samples;
}

/* The factor r of a pass's contributions r^T x. */
typedef enum rhm_factor {
    FACTOR_LABELS,  /* label frequencies: for B */
    FACTOR_OUTPUTS, /* weighted outputs: for C w */
} rhm_factor;

typedef struct pass {
    rhm_regression *p;
    rhm_factor factor;
} pass;

static void label_factor(const rhm_regression *p, size_t first, size_t count, float *r) {
    memset(r, 0, sizeof *r * count * p->classes);
    for (size_t i = 0; i < count; i++) {
        const size_t patch = rhm_regression_patch(p, first + i);
        for (size_t cell = p->counts->offset[patch]; cell < p->counts->offset[patch + 1]; cell++)
            r[i * p->classes + p->counts->label[cell]] = (float)((double)p->counts->count[cell] / (double)p->samples);
    }
}

static void weigh(const rhm_regression *p, size_t first, size_t count, float *r) {
    for (size_t i = 0; i < count; i++) {
        const float weight = p->share ? p->share[first + i] : (float)rhm_regression_share(p, first + i);
        for (size_t c = 0; c < p->classes; c++)
            r[i * p->classes + c] *= weight;
    }
}

/* Add what the patches first..end-1 contribute: with their features, block by block, */
static rhm_status chunk_pass(const pass *work, size_t first, size_t end, int thread, double *sum, rhm_error *error) {
    const rhm_regression *p = work->p;
    const workspace space = workspace_of(p, thread);
    const size_t block = p->op.block;
    for (size_t i = first; i < end; i += block) {
        const size_t count = least(end - i, block);
        float *x = space.x + (i - first) * p->stride, *r = space.r + (i - first) * p->classes;
        if (!p->kept.data) {
            const rhm_patch_rows rows = block_rows(p, i, count);
            RHM_TRY(p->op.operations->features(&p->op, thread, &rows, x, error));
        }
        if (work->factor == FACTOR_LABELS)
            label_factor(p, i, count, r);
        else {
            RHM_TRY(p->op.operations->product(&p->op, thread, count, p->kept.data ? kept_row(p, i) : x, r, error));
            weigh(p, i, count, r);
        }
    }
    return p->op.operations->gradient(&p->op, thread, end - first, space.r, p->kept.data ? kept_row(p, first) : space.x,
                                      sum, error);
}

/* or without. */
static rhm_status turned_pass(const pass *work, size_t first, size_t end, int thread, double *sum, rhm_error *error) {
    const rhm_regression *p = work->p;
    const rhm_patch_rows rows = block_rows(p, first, end - first);
    float *r = workspace_of(p, thread).r;
    if (work->factor == FACTOR_LABELS)
        label_factor(p, first, rows.count, r);
    else {
        RHM_TRY(p->op.operations->forward(&p->op, thread, &rows, r, error));
        weigh(p, first, rows.count, r);
    }
    return p->op.operations->turned_gradient(&p->op, thread, &rows, r, sum, error);
}

static rhm_status leaf_pass(void *context, size_t leaf, int thread, rhm_error *error) {
    const pass *work = context;
    const rhm_regression *p = work->p;
    const size_t size = rhm_regression_size(p), chunks = chunk_count(p), chunk = p->op.chunk;
    double *sum = (double *)p->partial.data + leaf * size;
    rhm_status (*run)(const pass *, size_t, size_t, int, double *, rhm_error *) =
        p->op.turned ? turned_pass : chunk_pass;
    memset(sum, 0, sizeof *sum * size);
    for (size_t i = leaf * chunks / p->leaves; i < (leaf + 1) * chunks / p->leaves; i++) {
        const size_t end = least((i + 1) * chunk, p->rows.count);
        RHM_TRY(run(work, i * chunk, end, thread, sum, error));
    }
    return RHM_OK;
}

typedef struct combine_work {
    const rhm_regression *p;
    double *out;
} combine_work;

/* Add the leaves of one class in a fixed binary tree, scale, and clear the features that are only padding. */
static rhm_status combine_class(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const combine_work *work = context;
    const rhm_regression *p = work->p;
    const size_t size = rhm_regression_size(p);
    double *row = (double *)p->partial.data + c * p->stride;
    for (size_t step = 1; step < p->leaves; step *= 2)
        for (size_t leaf = 0; leaf + step < p->leaves; leaf += 2 * step)
            for (size_t f = 0; f < 2 * p->map->padded; f++)
                row[leaf * size + f] += row[(leaf + step) * size + f];
    const double scale = 1 / sqrt((double)p->width);
    double *out = work->out + c * p->stride;
    memset(out, 0, sizeof *out * p->stride);
    for (size_t k = 0; k < p->width; k++)
        for (int sine = 0; sine < 2; sine++)
            out[rhm_feature_index(k, sine)] = row[rhm_feature_index(k, sine)] * scale;
    return RHM_OK;
}

/* What a loop over patches is called: by what is done, and by how it comes to features. */
static const char *pass_name(const rhm_regression *p, rhm_factor factor) {
    static const char *const names[][4] = {
        {"target", "target (features kept)", "target (phasors)", "target (turned)"},
        {"pass", "pass (features kept)", "pass (phasors)", "pass (turned)"},
    };
    return names[factor][p->kept.data ? 1 : p->op.turned ? 3 : p->op.phasor_rows ? 2 : 0];
}

static rhm_status run_pass(rhm_regression *p, rhm_factor factor, double *out, rhm_error *error) {
    pass work = {p, factor};
    const char *name = pass_name(p, factor);
    RHM_TRY(timed_loop(p, name, p->leaves, leaf_pass, &work, error));
    combine_work combine = {p, out};
    const int span = rhm_trace_begin(p->engine, "combine", 0);
    const rhm_status status = rhm_parallel(p->engine, p->classes, combine_class, &combine, error);
    const double partial = (double)p->leaves * (double)rhm_regression_size(p);
    rhm_trace_end(p->engine, span, (rhm_span_work){.nbytes = 2 * sizeof(double) * partial, .items = partial});
    return status;
}

rhm_status rhm_regression_target(rhm_regression *problem, double *out, rhm_error *error) {
    return run_pass(problem, FACTOR_LABELS, out, error);
}

rhm_status rhm_regression_apply(rhm_regression *problem, const double *w, double *out, rhm_error *error) {
    if (problem->gram.matrix.data)
        return rhm_gram_apply(problem, w, out, error);
    const double scale = 1 / sqrt((double)problem->width);
    for (size_t i = 0; i < rhm_regression_size(problem); i++)
        problem->operand[i] = (float)(w[i] * scale);
    RHM_TRY(rhm_operator_set_weights(&problem->op, problem->operand, error));
    return run_pass(problem, FACTOR_OUTPUTS, out, error);
}

static bool is_zero(const double *w, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (w[i] != 0)
            return false;
    return true;
}

rhm_status rhm_regression_residual(rhm_regression *problem, double lambda, const double *target, const double *w,
                                   double *residual, rhm_error *error) {
    const size_t size = rhm_regression_size(problem);
    if (is_zero(w, size)) {
        memcpy(residual, target, sizeof *target * size);
        return RHM_OK;
    }
    RHM_TRY(rhm_regression_apply(problem, w, residual, error));
    for (size_t i = 0; i < size; i++)
        residual[i] = target[i] - residual[i] - lambda * w[i];
    return RHM_OK;
}
