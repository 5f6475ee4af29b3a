#include "learner/regression.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

enum {
    BLOCK = 24,         /* patches whose features stay in the second-level cache from product to gradient */
    CHUNK = 4 * BLOCK,  /* patches summed in float before the sum moves to double */
    MOST_LEAVES = 128,  /* and so the most threads that a pass can use */
    FEWEST_LEAVES = 16,
    MOST_PARTIAL = 1 << 25, /* doubles in all partial sums, where that leaves FEWEST_LEAVES */
};

static size_t chunk_count(const rhm_regression *p) {
    return (p->rows.count + CHUNK - 1) / CHUNK;
}

static size_t leaf_count(const rhm_regression *p) {
    size_t most = MOST_PARTIAL / rhm_regression_size(p);
    most = most > MOST_LEAVES ? MOST_LEAVES : most < FEWEST_LEAVES ? FEWEST_LEAVES : most;
    return chunk_count(p) < most ? chunk_count(p) : most;
}

typedef struct workspace {
    float *x; /* (BLOCK, stride) */
    float *y; /* (BLOCK, classes) */
    float *g; /* (classes, stride) */
} workspace;

static workspace workspace_of(const rhm_regression *p, int thread) {
    float *base = p->workspace + (size_t)thread * p->workspace_floats;
    return (workspace){base, base + BLOCK * p->stride, base + BLOCK * (p->stride + p->classes)};
}

static rhm_patch_rows block_rows(const rhm_regression *p, size_t first, size_t count) {
    return (rhm_patch_rows){p->rows.table, p->rows.ids + first * p->map->tokens, count};
}

static rhm_status keep_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const rhm_regression *p = context;
    const size_t first = chunk * CHUNK, left = p->rows.count - first;
    const rhm_patch_rows rows = block_rows(p, first, left < CHUNK ? left : CHUNK);
    p->kernels->features(p->map, &rows, p->kept + first * p->stride);
    return RHM_OK;
}

rhm_status rhm_regression_init(rhm_regression *problem, const rhm_engine *engine, const rhm_ready_layer *layer,
                               const rhm_embeddings *inputs, const rhm_intern *patches, const rhm_patch_counts *counts,
                               uint64_t samples, size_t keep_nbytes, rhm_error *error) {
    rhm_regression *p = problem;
    *p = (rhm_regression){
        .engine = engine,
        .kernels = rhm_kernels_of(engine),
        .map = &layer->map,
        .width = layer->width,
        .classes = layer->classes,
        .stride = rhm_feature_stride(layer->map.padded),
        .rows = {inputs->row, patches->tuples, patches->count},
        .counts = counts,
        .samples = samples,
    };
    p->leaves = leaf_count(p);
    /* Whole cache lines per thread, and one more, so that threads never share one. */
    p->workspace_floats = (BLOCK * (p->stride + p->classes) + rhm_regression_size(p)) / 16 * 16 + 32;
    p->partial = RHM_NEW(double, p->leaves, p->classes, p->stride, "partial sums of a solver pass", error);
    p->operand = RHM_NEW(float, p->classes, p->stride, 1, "operand of a solver pass", error);
    p->workspace = RHM_NEW(float, (size_t)rhm_engine_threads(engine), p->workspace_floats, 1, "solver workspace", error);
    if (!p->partial || !p->operand || !p->workspace) {
        rhm_regression_clear(p);
        return RHM_NO_MEMORY;
    }
    size_t kept_nbytes = sizeof(float);
    if (rhm_size_mul(&kept_nbytes, p->rows.count) && rhm_size_mul(&kept_nbytes, p->stride) &&
        kept_nbytes <= keep_nbytes) {
        p->kept = RHM_NEW(float, p->rows.count, p->stride, 1, "kept features", error);
        rhm_status status = p->kept ? rhm_parallel(engine, chunk_count(p), keep_chunk, p, error) : RHM_NO_MEMORY;
        if (status != RHM_OK) {
            rhm_regression_clear(p);
            return status;
        }
        p->flops += 2.0 * (double)p->rows.count * (double)(p->width * p->map->tokens * p->map->embedding);
    }
    return RHM_OK;
}

void rhm_regression_clear(rhm_regression *problem) {
    rhm_free(problem->kept);
    rhm_free(problem->partial);
    rhm_free(problem->operand);
    rhm_free(problem->workspace);
    *problem = (rhm_regression){0};
}

/* The factor r of a block's contribution r^T x: label frequencies for B, weighted outputs for C w. */
typedef void block_factor(const rhm_regression *p, size_t first, size_t count, const float *x, float *r);

static void label_factor(const rhm_regression *p, size_t first, size_t count, const float *x, float *r) {
    (void)x;
    memset(r, 0, sizeof *r * count * p->classes);
    for (size_t i = 0; i < count; i++)
        for (size_t cell = p->counts->offset[first + i]; cell < p->counts->offset[first + i + 1]; cell++)
            r[i * p->classes + p->counts->label[cell]] =
                (float)((double)p->counts->count[cell] / (double)p->samples);
}

static void output_factor(const rhm_regression *p, size_t first, size_t count, const float *x, float *r) {
    p->kernels->product(p->classes, p->map->padded, p->operand, count, x, r);
    for (size_t i = 0; i < count; i++) {
        uint64_t n = 0;
        for (size_t cell = p->counts->offset[first + i]; cell < p->counts->offset[first + i + 1]; cell++)
            n += p->counts->count[cell];
        const float weight = (float)((double)n / (double)p->samples);
        for (size_t c = 0; c < p->classes; c++)
            r[i * p->classes + c] *= weight;
    }
}

typedef struct pass {
    rhm_regression *p;
    block_factor *factor;
} pass;

static rhm_status leaf_pass(void *context, size_t leaf, int thread, rhm_error *error) {
    (void)error;
    const pass *work = context;
    const rhm_regression *p = work->p;
    const workspace space = workspace_of(p, thread);
    const size_t size = rhm_regression_size(p);
    double *sum = p->partial + leaf * size;
    memset(sum, 0, sizeof *sum * size);
    const size_t chunks = chunk_count(p);
    for (size_t chunk = leaf * chunks / p->leaves; chunk < (leaf + 1) * chunks / p->leaves; chunk++) {
        memset(space.g, 0, sizeof *space.g * size);
        const size_t end = (chunk + 1) * CHUNK < p->rows.count ? (chunk + 1) * CHUNK : p->rows.count;
        for (size_t first = chunk * CHUNK; first < end; first += BLOCK) {
            const size_t count = end - first < BLOCK ? end - first : BLOCK;
            const float *x = p->kept ? p->kept + first * p->stride : space.x;
            if (!p->kept) {
                const rhm_patch_rows rows = block_rows(p, first, count);
                p->kernels->features(p->map, &rows, space.x);
            }
            work->factor(p, first, count, x, space.y);
            p->kernels->gradient(p->classes, p->map->padded, count, space.y, x, space.g);
        }
        for (size_t i = 0; i < size; i++)
            sum[i] += (double)space.g[i];
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
    double *row = p->partial + c * p->stride;
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

static rhm_status run_pass(rhm_regression *p, block_factor *factor, double *out, rhm_error *error) {
    pass work = {p, factor};
    RHM_TRY(rhm_parallel(p->engine, p->leaves, leaf_pass, &work, error));
    combine_work combine = {p, out};
    RHM_TRY(rhm_parallel(p->engine, p->classes, combine_class, &combine, error));
    const double features = p->kept ? 0 : (double)(p->map->tokens * p->map->embedding);
    const double products = (double)p->classes * (factor == output_factor ? 4 : 2);
    p->flops += 2.0 * (double)p->rows.count * (double)p->width * (features + products);
    return RHM_OK;
}

rhm_status rhm_regression_target(rhm_regression *problem, double *out, rhm_error *error) {
    return run_pass(problem, label_factor, out, error);
}

rhm_status rhm_regression_apply(rhm_regression *problem, const double *w, double *out, rhm_error *error) {
    const double scale = 1 / sqrt((double)problem->width);
    for (size_t i = 0; i < rhm_regression_size(problem); i++)
        problem->operand[i] = (float)(w[i] * scale);
    return run_pass(problem, output_factor, out, error);
}
