#include "learner/gram.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/trace.h"
#include "patches/whole.h"

enum {
    SIDE = RHM_GRAM_SIDE,
    TILE = RHM_GRAM_TILE,
    SLICE = SIDE / 2, /* groups of rows that a product takes at a time */
};

static size_t tiles_of(size_t groups) {
    return (groups + SIDE - 1) / SIDE;
}

static size_t tile_count(size_t groups) {
    return tiles_of(groups) * (tiles_of(groups) + 1) / 2;
}

/* Tile (row, column), row <= column. */
static double *tile_at(const rhm_gram *gram, size_t row, size_t column) {
    return (double *)gram->matrix.data + (column * (column + 1) / 2 + row) * TILE;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

double rhm_gram_nbytes(size_t width) {
    return (double)tile_count(2 * rhm_padded_width(width) / RHM_LANES) * TILE * sizeof(double);
}

typedef struct forming {
    rhm_regression *p;
    size_t first, count; /* patches of the panel */
    rhm_buffer panel;
} forming;

/* Padding has the cosine of zero, and must not count. */
static void clear_padding(const rhm_regression *p, size_t count, float *x) {
    for (size_t k = p->width; k < p->map->padded; k++)
        for (size_t i = 0; i < count; i++)
            x[i * p->stride + rhm_feature_index(k, 0)] = 0;
}

/* Features of one block of the panel, in the workspace of a pass first. */
static rhm_status fill_block(void *context, size_t block, int thread, rhm_error *error) {
    const forming *work = context;
    const rhm_regression *p = work->p;
    const size_t begin = block * p->op.block, count = smaller(p->op.block, work->count - begin);
    float *x = rhm_scratch_at(&p->workspace, thread), *root = x + p->op.block * p->stride;
    const rhm_patch_rows rows = {p->rows.table, p->rows.ids + (work->first + begin) * p->map->tokens, count};
    RHM_TRY(p->op.operations->features(&p->op, thread, &rows, x, error));
    clear_padding(p, count, x);
    for (size_t i = 0; i < count; i++)
        root[i] = (float)sqrt(rhm_regression_share(p, work->first + begin + i));
    p->op.operations->gram_pack(&p->op, begin, count, root, x, work->panel.data);
    return RHM_OK;
}

static void tile_index(size_t tile, size_t *row, size_t *column) {
    size_t j = 0;
    for (; tile > j; j++)
        tile -= j + 1;
    *row = tile;
    *column = j;
}

static rhm_status add_tile(void *context, size_t tile, int thread, rhm_error *error) {
    const forming *work = context;
    const rhm_regression *p = work->p;
    size_t row, column;
    tile_index(tile, &row, &column);
    return p->op.operations->gram_tile(&p->op, thread, work->count, work->panel.data, row, column,
                                       tile_at(&p->gram, row, column), error);
}

/* The factor 1/M of the features, and the lower half of what lies on the diagonal. */
static rhm_status finish_tile(void *context, size_t tile, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const rhm_regression *p = context;
    const double scale = 1 / (double)p->width;
    size_t row, column;
    tile_index(tile, &row, &column);
    double *c = tile_at(&p->gram, row, column);
    for (size_t i = 0; i < TILE; i++)
        c[i] *= scale;
    for (size_t i = 1; i < SIDE && row == column; i++)
        for (size_t j = 0; j < i; j++)
            for (size_t n = 0; n < RHM_GRAM_BLOCK; n++)
                c[(i * SIDE + j) * RHM_GRAM_BLOCK + n] =
                    c[(j * SIDE + i) * RHM_GRAM_BLOCK + n % RHM_LANES * RHM_LANES + n / RHM_LANES];
    return RHM_OK;
}

static rhm_status allocate(rhm_regression *p, rhm_buffer *panel, rhm_error *error) {
    rhm_gram *gram = &p->gram;
    gram->groups = 2 * p->map->padded / RHM_LANES;
    gram->columns = (p->classes + RHM_GRAM_CLASSES - 1) / RHM_GRAM_CLASSES * RHM_GRAM_CLASSES;
    const rhm_home near_tiles = {.kind = RHM_HOME_CHUNKS, .chunk_nbytes = sizeof(double) * TILE};
    const rhm_home everywhere = {.kind = RHM_HOME_INTERLEAVE};
    RHM_TRY(rhm_buffer_create(&gram->matrix, p->engine, near_tiles, sizeof(double), tile_count(gram->groups), TILE, 1,
                              "Gram matrix", error));
    RHM_TRY(rhm_buffer_create(panel, p->engine, everywhere, sizeof(float), rhm_gram_panel_floats(p->map->padded), 1, 1,
                              "features of a Gram matrix", error));
    gram->operand = RHM_NEW(double, gram->groups, RHM_LANES, gram->columns, "operand of a Gram matrix", error);
    gram->product = RHM_NEW(double, gram->groups, RHM_LANES, gram->columns, "product of a Gram matrix", error);
    return gram->operand && gram->product ? RHM_OK : RHM_NO_MEMORY;
}

static rhm_span_work work_of(const rhm_regression *p, double flops, double nbytes) {
    return (rhm_span_work){
        .flops = flops,
        .nbytes = nbytes,
        .items = (double)p->rows.count,
        .tokens = (uint32_t)p->map->tokens,
        .embedding = (uint32_t)p->map->embedding,
        .classes = (uint32_t)p->classes,
        .width = (uint32_t)p->width,
        .rows = (uint32_t)p->op.phasor_rows,
    };
}

rhm_status rhm_gram_form(rhm_regression *problem, rhm_error *error) {
    rhm_regression *p = problem;
    forming work = {.p = p};
    const int span = rhm_trace_begin(p->engine, p->op.phasor_rows ? "gram (phasors)" : "gram", 0);
    const int64_t begin = rhm_trace_now();
    rhm_status status = allocate(p, &work.panel, error);
    const size_t tiles = tile_count(p->gram.groups);
    bool *done = status == RHM_OK ? RHM_NEW(bool, tiles, 1, 1, "tiles of a Gram matrix", error) : NULL;
    rhm_solve_state state = {.phase = RHM_PHASE_GRAM, .vector = {p->gram.matrix.data}, .length = {tiles * TILE}};
    if (status == RHM_OK && !done)
        status = RHM_NO_MEMORY;
    if (status == RHM_OK && rhm_solve_restore(p->watch, &state))
        work.first = (size_t)state.iterations * RHM_GRAM_PANEL;
    /* A panel counts as a whole or not at all, so that the state between two panels is one to go on from. */
    for (; work.first < p->rows.count && status == RHM_OK; work.first += RHM_GRAM_PANEL) {
        state.iterations = (uint32_t)(work.first / RHM_GRAM_PANEL);
        rhm_solve_show(p->watch, &state);
        work.count = smaller(RHM_GRAM_PANEL, p->rows.count - work.first);
        status = rhm_parallel(p->engine, (work.count + p->op.block - 1) / p->op.block, fill_block, &work, error);
        if (status == RHM_INTERRUPTED)
            rhm_solve_show(p->watch, &state);
        if (status == RHM_OK)
            status = rhm_whole_run(p->engine, tiles, done, add_tile, &work, error);
        if (p->stage)
            rhm_engine_progress(p->engine, p->stage, work.first, p->rows.count);
    }
    if (status == RHM_OK)
        status = rhm_whole_run(p->engine, tiles, done, finish_tile, p, error);
    rhm_buffer_destroy(&work.panel, p->engine);
    rhm_free(done);
    const double patches = (double)p->rows.count, width = (double)p->width;
    const double features = 2 * patches * width * rhm_operator_feature_terms(&p->op);
    const double update = 2 * patches * width * (2 * width + 1);
    p->kernel_seconds += 1e-9 * (double)(rhm_trace_now() - begin);
    rhm_trace_end(p->engine, span, work_of(p, features + update, 2 * rhm_gram_nbytes(p->width)));
    if (status != RHM_OK) {
        rhm_gram_clear(&p->gram, p->engine);
        return status;
    }
    p->flops += features + update;
    return RHM_OK;
}

void rhm_gram_clear(rhm_gram *gram, const rhm_engine *engine) {
    rhm_buffer_destroy(&gram->matrix, engine);
    rhm_free(gram->operand);
    rhm_free(gram->product);
    *gram = (rhm_gram){0};
}

typedef struct product_work {
    const rhm_regression *p;
    double *out;
} product_work;

/* Rows of C w, summed over the columns of C in order, and turned back into a row per class. */
static rhm_status product_slice(void *context, size_t slice, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const product_work *work = context;
    const rhm_regression *p = work->p;
    const rhm_gram *gram = &p->gram;
    const size_t row = slice * SLICE / SIDE, begin = slice * SLICE, end = smaller(begin + SLICE, gram->groups);
    double *y = gram->product + begin * RHM_LANES * gram->columns;
    memset(y, 0, sizeof *y * (end - begin) * RHM_LANES * gram->columns);
    for (size_t column = 0; column < tiles_of(gram->groups); column++) {
        const double *tile = row <= column ? tile_at(gram, row, column) : tile_at(gram, column, row);
        const size_t blocks = smaller(SIDE, gram->groups - column * SIDE), down = (size_t)SIDE * RHM_GRAM_BLOCK;
        for (size_t group = begin; group < end; group++) {
            const size_t i = group % SIDE;
            p->op.kernels.gram_product(gram->columns, blocks, tile + i * (row <= column ? down : RHM_GRAM_BLOCK),
                                       row <= column ? RHM_GRAM_BLOCK : down, row > column,
                                       gram->operand + column * SIDE * RHM_LANES * gram->columns,
                                       y + (group - begin) * RHM_LANES * gram->columns);
        }
    }
    for (size_t f = begin * RHM_LANES; f < end * RHM_LANES; f++, y += gram->columns)
        for (size_t c = 0; c < p->classes; c++)
            work->out[c * p->stride + f] = y[c];
    return RHM_OK;
}

rhm_status rhm_gram_apply(rhm_regression *problem, const double *w, double *out, rhm_error *error) {
    const rhm_regression *p = problem;
    const rhm_gram *gram = &p->gram;
    const size_t features = gram->groups * RHM_LANES;
    for (size_t c = 0; c < p->classes; c++) {
        for (size_t f = 0; f < features; f++)
            gram->operand[f * gram->columns + c] = w[c * p->stride + f];
        memset(out + c * p->stride + features, 0, sizeof *out * (p->stride - features));
    }
    product_work work = {p, out};
    const double flops = 8.0 * (double)p->width * (double)p->width * (double)p->classes;
    const int span = rhm_trace_begin(p->engine, "gram product", 0);
    const int64_t begin = rhm_trace_now();
    const rhm_status status = rhm_parallel(p->engine, (gram->groups + SLICE - 1) / SLICE, product_slice, &work, error);
    problem->kernel_seconds += 1e-9 * (double)(rhm_trace_now() - begin);
    rhm_trace_end(p->engine, span, work_of(p, flops, rhm_gram_nbytes(p->width)));
    problem->flops += flops;
    return status;
}
