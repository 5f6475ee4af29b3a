/*
 * C itself, formed once: products with it no longer visit the patches. B, and what the matrix is formed from, come from
 * the passes that it takes the place of.
 */
#include "linear/gram.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "linear/gram_tiles.h"
#include "linear/passes.h"
#include "patches/whole.h"

enum {
    SIDE = RHM_GRAM_SIDE,
    TILE = RHM_GRAM_TILE,
    SLICE = SIDE / 2, /* groups of rows that a product takes at a time, where that is work for all threads */
};

typedef struct gram {
    rhm_normal normal;
    rhm_passes *passes;
    rhm_gram_tiles tiles;
    rhm_buffer matrix; /* (blocks, kept): tiles of RHM_GRAM_SIDE x RHM_GRAM_SIDE groups */
    size_t groups;     /* of RHM_LANES features */
    size_t columns;    /* classes of a block, rounded up to whole RHM_GRAM_CLASSES */
    double *operand;   /* (blocks, 16 groups, columns) */
    double *product;   /* (blocks, 16 groups, columns) */
} gram;

static size_t tiles_of(size_t groups) {
    return (groups + SIDE - 1) / SIDE;
}

/* Of all blocks, as far as this rank keeps them, and makes them. */
static size_t kept_tiles(const gram *g) {
    return g->normal.data.blocks * g->tiles.kept;
}

static size_t made_tiles(const gram *g) {
    return g->normal.data.blocks * g->tiles.made;
}

/* Tile (row, column), row <= column, of a block: one that is kept. */
static double *tile_at(const gram *g, size_t block, size_t row, size_t column) {
    const size_t place = rhm_gram_tile_place(&g->tiles, rhm_gram_tile_number(row, column));
    return (double *)g->matrix.data + (block * g->tiles.kept + place) * TILE;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

double rhm_gram_nbytes(size_t width) {
    const size_t side = tiles_of(2 * rhm_padded_width(width) / RHM_LANES);
    return (double)rhm_gram_tiles_of(side) * TILE * sizeof(double);
}

/* What passes were accounted for belongs to the whole. */
static void take_over(gram *g) {
    rhm_normal *from = &g->passes->normal;
    g->normal.flops += from->flops;
    g->normal.kernel_seconds += from->kernel_seconds;
    from->flops = from->kernel_seconds = 0;
}

/* -------------------------------------------------------------------------------------------------------- forming */

typedef struct forming {
    gram *g;
    size_t first, count; /* patches of the panels */
    rhm_buffer panel;    /* (blocks): features times the root of their patch's share */
} forming;

static float *panel_of(const forming *work, size_t block) {
    return (float *)work->panel.data + block * rhm_gram_panel_floats(work->g->normal.data.map->padded);
}

/* Padding has the cosine of zero, and must not count. */
static void clear_padding(const rhm_normal *n, size_t count, float *x) {
    for (size_t k = n->data.width; k < n->data.map->padded; k++)
        for (size_t i = 0; i < count; i++)
            x[i * n->stride + rhm_feature_index(k, 0)] = 0;
}

/* Features of some patches of the panels, in the workspace of a pass first. */
static rhm_status fill_panels(void *context, size_t stretch, int thread, rhm_error *error) {
    const forming *work = context;
    const rhm_passes *p = work->g->passes;
    const size_t begin = stretch * p->op.block, count = smaller(p->op.block, work->count - begin);
    const rhm_pass_space space = rhm_passes_space(p, thread);
    const rhm_patch_rows rows = rhm_passes_rows(p, work->first + begin, count);
    RHM_TRY(p->op.operations->features(&p->op, thread, &rows, space.x, error));
    clear_padding(&p->normal, count, space.x);
    for (size_t b = 0; b < p->normal.data.blocks; b++) {
        for (size_t i = 0; i < count; i++)
            space.r[i] = (float)sqrt(rhm_normal_share(&p->normal, work->first + begin + i, b));
        p->op.operations->gram_pack(&p->op, begin, count, space.r, space.x, panel_of(work, b));
    }
    return RHM_OK;
}

/* Of the made tiles of all blocks. */
static void tile_index(const gram *g, size_t index, size_t *block, size_t *row, size_t *column) {
    size_t j = 0, tile = rhm_gram_tile_made(&g->tiles, index % g->tiles.made);
    *block = index / g->tiles.made;
    for (; tile > j; j++)
        tile -= j + 1;
    *row = tile;
    *column = j;
}

static rhm_status add_tile(void *context, size_t tile, int thread, rhm_error *error) {
    const forming *work = context;
    const rhm_operator *op = &work->g->passes->op;
    size_t block, row, column;
    tile_index(work->g, tile, &block, &row, &column);
    return op->operations->gram_tile(op, thread, work->count, panel_of(work, block), row, column,
                                     tile_at(work->g, block, row, column), error);
}

/* The factor 1/M of the features, and the lower half of what lies on the diagonal. */
static rhm_status finish_tile(void *context, size_t tile, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const forming *work = context;
    const gram *g = work->g;
    const double scale = 1 / (double)g->normal.data.width;
    size_t block, row, column;
    tile_index(g, tile, &block, &row, &column);
    double *c = tile_at(g, block, row, column);
    for (size_t i = 0; i < TILE; i++)
        c[i] *= scale;
    for (size_t i = 1; i < SIDE && row == column; i++)
        for (size_t j = 0; j < i; j++)
            for (size_t n = 0; n < RHM_GRAM_BLOCK; n++)
                c[(i * SIDE + j) * RHM_GRAM_BLOCK + n] =
                    c[(j * SIDE + i) * RHM_GRAM_BLOCK + n % RHM_LANES * RHM_LANES + n / RHM_LANES];
    return RHM_OK;
}

static rhm_status allocate(gram *g, rhm_buffer *panel, rhm_error *error) {
    const rhm_normal *n = &g->normal;
    const size_t padded = n->data.map->padded;
    const rhm_home near_tiles = {.kind = RHM_HOME_CHUNKS, .chunk_nbytes = sizeof(double) * TILE};
    const rhm_home everywhere = {.kind = RHM_HOME_INTERLEAVE};
    RHM_TRY(rhm_buffer_create(&g->matrix, n->engine, near_tiles, sizeof(double), kept_tiles(g), TILE, 1, "Gram matrix",
                              error));
    RHM_TRY(rhm_buffer_create(panel, n->engine, everywhere, sizeof(float), n->data.blocks,
                              rhm_gram_panel_floats(padded), 1, "features of a Gram matrix", error));
    g->operand = RHM_NEW(double, n->data.blocks * g->groups, RHM_LANES, g->columns, "operand of a Gram matrix", error);
    g->product = RHM_NEW(double, n->data.blocks * g->groups, RHM_LANES, g->columns, "product of a Gram matrix", error);
    return g->operand && g->product ? RHM_OK : RHM_NO_MEMORY;
}

static void discard(gram *g) {
    rhm_buffer_destroy(&g->matrix, g->normal.engine);
    rhm_free(g->operand);
    rhm_free(g->product);
    g->operand = g->product = NULL;
}

static rhm_span_work work_of(const gram *g, double flops, double nbytes) {
    const rhm_linear_data *data = &g->normal.data;
    return (rhm_span_work){
        .flops = flops,
        .nbytes = nbytes,
        .items = (double)g->normal.rows.count,
        .tokens = (uint32_t)data->map->tokens,
        .embedding = (uint32_t)data->map->embedding,
        .classes = (uint32_t)data->classes,
        .width = (uint32_t)data->width,
        .rows = (uint32_t)g->passes->op.phasor_rows,
    };
}

/* A panel counts as a whole or not at all, so that the state between two panels is one to go on from; but not for a
 * rank, which has a part of the tiles. */
static rhm_status add_panels(forming *work, bool *done, rhm_error *error) {
    gram *g = work->g;
    const rhm_normal *n = &g->normal;
    const size_t stretch = g->passes->op.block;
    const bool whole = !rhm_engine_ranks(n->engine);
    rhm_solve_state state = {.phase = RHM_PHASE_GRAM, .vector = {g->matrix.data}, .length = {kept_tiles(g) * TILE}};
    if (rhm_solve_restore(n->watch, &state))
        work->first = (size_t)state.iterations * RHM_GRAM_PANEL;
    for (; work->first < n->rows.count; work->first += RHM_GRAM_PANEL) {
        state.iterations = (uint32_t)(work->first / RHM_GRAM_PANEL);
        if (whole)
            rhm_solve_show(n->watch, &state);
        work->count = smaller(RHM_GRAM_PANEL, n->rows.count - work->first);
        const rhm_status status =
            rhm_parallel(n->engine, (work->count + stretch - 1) / stretch, fill_panels, work, error);
        if (status == RHM_INTERRUPTED && whole)
            rhm_solve_show(n->watch, &state);
        RHM_TRY(status);
        RHM_TRY(rhm_whole_run(n->engine, made_tiles(g), done, add_tile, work, error));
        if (n->label)
            rhm_engine_progress(n->engine, n->label, work->first, n->rows.count);
    }
    return RHM_OK;
}

static rhm_status prepare(rhm_normal *normal, rhm_error *error) {
    gram *g = (gram *)normal;
    forming work = {.g = g};
    const rhm_operator *op = &g->passes->op;
    const int span = rhm_trace_begin(normal->engine, op->phasor_rows ? "gram (phasors)" : "gram", 0);
    const int64_t begin = rhm_trace_now();
    rhm_buffer_destroy(&g->passes->partial, normal->engine); /* its next pass would make them again */
    rhm_status status = allocate(g, &work.panel, error);
    bool *done = status == RHM_OK ? RHM_NEW(bool, made_tiles(g), 1, 1, "tiles of a Gram matrix", error) : NULL;
    if (status == RHM_OK && !done)
        status = RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = add_panels(&work, done, error);
    if (status == RHM_OK)
        status = rhm_whole_run(normal->engine, made_tiles(g), done, finish_tile, &work, error);
    if (status == RHM_OK)
        status = rhm_gram_tiles_exchange(&g->tiles, g->matrix.data, normal->data.blocks, error);
    rhm_buffer_destroy(&work.panel, normal->engine);
    rhm_free(done);
    const double patches = (double)normal->rows.count, width = (double)normal->data.width;
    const double features = 2 * patches * width * rhm_operator_feature_terms(op);
    const double blocks = (double)normal->data.blocks, update = blocks * 2 * patches * width * (2 * width + 1);
    normal->kernel_seconds += 1e-9 * (double)(rhm_trace_now() - begin);
    rhm_trace_end(normal->engine, span,
                  work_of(g, features + update, 2 * blocks * rhm_gram_nbytes(normal->data.width)));
    if (status != RHM_OK) {
        discard(g);
        return status;
    }
    normal->flops += features + update;
    return RHM_OK;
}

/* -------------------------------------------------------------------------------------------------------- products */

typedef struct product_work {
    const gram *g;
    double *out;
    size_t block;
} product_work;

/* Thinner slices read the operand more often, so only where threads would have nothing to do; or ranks, which have to
 * have the same ones. */
static size_t slice_for(const gram *g) {
    const int ranks = rhm_ranks_size(rhm_engine_ranks(g->normal.engine));
    const size_t threads = (size_t)(ranks > 1 ? ranks : rhm_engine_threads(g->normal.engine));
    size_t slice = SLICE;
    while (slice > 1 && g->groups < 2 * threads * slice)
        slice /= 2;
    return slice;
}

/* Floats of a block's operand, or product. */
static size_t block_size(const gram *g) {
    return g->groups * RHM_LANES * g->columns;
}

/* Rows of C w, summed over the columns of C in order. */
static rhm_status product_slice(void *context, size_t slice, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const product_work *work = context;
    const gram *g = work->g;
    const rhm_kernels *kernels = &g->passes->op.kernels;
    const size_t block = work->block;
    const size_t row = slice * g->tiles.slice / SIDE, begin = slice * g->tiles.slice,
                 end = smaller(begin + g->tiles.slice, g->groups);
    double *y = g->product + block * block_size(g) + begin * RHM_LANES * g->columns;
    memset(y, 0, sizeof *y * (end - begin) * RHM_LANES * g->columns);
    for (size_t column = 0; column < tiles_of(g->groups); column++) {
        const double *tile = row <= column ? tile_at(g, block, row, column) : tile_at(g, block, column, row);
        const size_t blocks = smaller(SIDE, g->groups - column * SIDE), down = (size_t)SIDE * RHM_GRAM_BLOCK;
        for (size_t group = begin; group < end; group++) {
            const size_t i = group % SIDE;
            kernels->gram_product(g->columns, blocks, tile + i * (row <= column ? down : RHM_GRAM_BLOCK),
                                  row <= column ? RHM_GRAM_BLOCK : down, row > column,
                                  g->operand + block * block_size(g) + column * SIDE * RHM_LANES * g->columns,
                                  y + (group - begin) * RHM_LANES * g->columns);
        }
    }
    return RHM_OK;
}

static void store_class(void *context, size_t c) {
    const product_work *work = context;
    const gram *g = work->g;
    const size_t classes = rhm_linear_block_classes(&g->normal.data), features = g->groups * RHM_LANES;
    const double *y = g->product + c / classes * block_size(g) + c % classes;
    double *out = work->out + c * g->normal.stride;
    for (size_t f = 0; f < features; f++)
        out[f] = y[f * g->columns];
    memset(out + features, 0, sizeof *out * (g->normal.stride - features));
}

static rhm_status multiply(product_work *work, rhm_error *error) {
    const gram *g = work->g;
    const size_t nbytes = sizeof *g->product * block_size(g),
                 slice_nbytes = sizeof *g->product * g->tiles.slice * RHM_LANES * g->columns;
    for (work->block = 0; work->block < g->normal.data.blocks; work->block++) {
        const rhm_spread_output y = {g->product + work->block * block_size(g), slice_nbytes, nbytes};
        RHM_TRY(rhm_spread(g->normal.engine, g->tiles.slices, product_slice, work, &y, 1, error));
    }
    rhm_normal_each_class(&g->normal, store_class, work);
    return RHM_OK;
}

static double flops(const rhm_normal *normal) {
    return 8.0 * (double)normal->data.width * (double)normal->data.width * (double)normal->data.classes;
}

static rhm_status apply(rhm_normal *normal, const double *w, double *out, rhm_error *error) {
    gram *g = (gram *)normal;
    if (!g->matrix.data) {
        const rhm_status by_passes = rhm_normal_apply(&g->passes->normal, w, out, error);
        take_over(g);
        return by_passes;
    }
    const size_t features = g->groups * RHM_LANES, stride = normal->stride;
    const size_t classes = rhm_linear_block_classes(&normal->data);
    for (size_t c = 0; c < normal->data.classes; c++) {
        double *operand = g->operand + c / classes * block_size(g) + c % classes;
        for (size_t f = 0; f < features; f++)
            operand[f * g->columns] = w[c * stride + f];
    }
    product_work work = {.g = g, .out = out};
    const int span = rhm_trace_begin(normal->engine, "gram product", 0);
    const int64_t begin = rhm_trace_now();
    const rhm_status status = multiply(&work, error);
    normal->kernel_seconds += 1e-9 * (double)(rhm_trace_now() - begin);
    rhm_trace_end(normal->engine, span, work_of(g, flops(normal), (double)g->matrix.nbytes));
    normal->flops += flops(normal);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- the operator */

static rhm_status right_hand_side(rhm_normal *normal, double *out, rhm_error *error) {
    gram *g = (gram *)normal;
    const rhm_status status = rhm_normal_right_hand_side(&g->passes->normal, out, error);
    take_over(g);
    return status;
}

static double nbytes(const rhm_normal *normal) {
    const gram *g = (const gram *)normal;
    return (double)g->matrix.nbytes + g->passes->normal.type->nbytes(&g->passes->normal);
}

static void destroy(rhm_normal *normal) {
    gram *g = (gram *)normal;
    discard(g);
    rhm_gram_tiles_clear(&g->tiles);
    rhm_normal_destroy(g->passes ? &g->passes->normal : NULL);
    rhm_free(g);
}

rhm_status rhm_gram_create(rhm_normal **out, const rhm_engine *engine, const rhm_linear_data *data, rhm_error *error) {
    static const rhm_normal_type type = {right_hand_side, prepare, apply, flops, nbytes, destroy};
    *out = NULL;
    gram *g = RHM_NEW(gram, 1, 1, 1, "normal equations", error);
    if (!g)
        return RHM_NO_MEMORY;
    rhm_normal *passes;
    rhm_status status = rhm_passes_create(&passes, engine, data, 0, error);
    if (status != RHM_OK) {
        rhm_free(g);
        return status;
    }
    g->passes = (rhm_passes *)passes;
    g->normal = *passes;
    g->normal.type = &type;
    g->normal.record.representation = RHM_FORMED;
    g->groups = 2 * data->map->padded / RHM_LANES;
    g->columns = (rhm_linear_block_classes(data) + RHM_GRAM_CLASSES - 1) / RHM_GRAM_CLASSES * RHM_GRAM_CLASSES;
    if ((status = rhm_gram_tiles_init(&g->tiles, engine, g->groups, slice_for(g), error)) != RHM_OK) {
        destroy(&g->normal);
        return status;
    }
    *out = &g->normal;
    return RHM_OK;
}
