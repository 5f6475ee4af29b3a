#include "linear/passes.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "engine/reduce.h"
#include "engine/spread.h"
#include "engine/trace.h"

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t rhm_passes_chunks(const rhm_passes *p) {
    return (p->normal.rows.count + p->op.chunk - 1) / p->op.chunk;
}

void rhm_passes_divide(rhm_passes *p, size_t rows, size_t together) {
    p->rows = rows;
    p->together = together;
    p->own = rhm_spread_own(p->normal.engine, rows);
}

rhm_pass_space rhm_passes_space(const rhm_passes *p, int thread) {
    float *base = rhm_scratch_at(&p->workspace, thread);
    return (rhm_pass_space){base, base + rhm_passes_space_rows(p) * p->normal.stride};
}

/* --------------------------------------------------------------------------------------------------------- factors */

void rhm_passes_labels(const rhm_passes *p, size_t first, size_t count, float *r) {
    const rhm_linear_data *data = &p->normal.data;
    memset(r, 0, sizeof *r * count * data->classes);
    for (size_t i = 0; i < count; i++, r += data->classes) {
        const rhm_linear_cells cells = rhm_linear_cells_of(data, rhm_normal_patch(&p->normal, first + i));
        for (size_t label = 0; cells.pooled > 0 && label < data->classes; label++)
            r[label] = (float)rhm_linear_joint(data, label, 0, cells.pooled);
        for (size_t cell = cells.next; cell < cells.end; cell++) {
            const size_t label = data->counts->label[cell];
            r[label] = (float)rhm_linear_joint(data, label, data->counts->count[cell], cells.pooled);
        }
    }
}

void rhm_passes_weigh(const rhm_passes *p, size_t first, size_t count, float *r) {
    const rhm_linear_data *data = &p->normal.data;
    const size_t blocks = data->blocks, classes = rhm_linear_block_classes(data);
    for (size_t i = 0; i < count; i++) {
        rhm_linear_cells cells = rhm_linear_cells_of(data, rhm_normal_patch(&p->normal, first + i));
        for (size_t b = 0; b < blocks; b++, r += classes) {
            const float weight =
                p->share ? p->share[(first + i) * blocks + b] : (float)rhm_linear_next_share(data, b, &cells);
            for (size_t c = 0; c < classes; c++)
                r[c] *= weight;
        }
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

static rhm_status leaf_pass(const pass *work, size_t leaf, int thread, double *sum, rhm_error *error) {
    const rhm_passes *p = work->p;
    const size_t chunk = p->op.chunk;
    memset(sum, 0, sizeof *sum * rhm_normal_size(&p->normal));
    for (size_t i = rhm_passes_leaf_begin(p, leaf); i < rhm_passes_leaf_begin(p, leaf + 1); i++) {
        const size_t end = least((i + 1) * chunk, p->normal.rows.count);
        RHM_TRY(p->kind->add(p, work->factor, i * chunk, end, thread, sum, error));
    }
    return RHM_OK;
}

static rhm_status row_pass(void *context, size_t row, int thread, rhm_error *error) {
    const pass *work = context;
    const rhm_passes *p = work->p;
    const size_t size = rhm_normal_size(&p->normal), first = (p->own.first + row) * p->together;
    rhm_running_sum running = {.sum = (double *)p->partial.data + row * size, .size = size};
    if (p->together > 1)
        running.spare = rhm_scratch_at(&p->subtrees, thread);
    for (size_t leaf = first; leaf < least(first + p->together, p->leaves); leaf++) {
        RHM_TRY(rhm_engine_check(p->normal.engine, error)); /* a row of thousands of leaves takes minutes */
        RHM_TRY(leaf_pass(work, leaf, thread, rhm_running_next(&running), error));
        rhm_running_add(&running);
    }
    rhm_running_end(&running);
    return RHM_OK;
}

typedef struct combine_work {
    const rhm_passes *p;
    const double *sum;
    double *out;
} combine_work;

/* Scale the sum of one class, and clear the features that are only padding. */
static void finish_class(void *context, size_t c) {
    const combine_work *work = context;
    const rhm_passes *p = work->p;
    const size_t stride = p->normal.stride, width = p->normal.data.width;
    const double *row = work->sum + c * stride;
    const double scale = 1 / sqrt((double)width);
    double *out = work->out + c * stride;
    memset(out, 0, sizeof *out * stride);
    for (size_t k = 0; k < width; k++)
        for (int sine = 0; sine < 2; sine++)
            out[rhm_feature_index(k, sine)] = row[rhm_feature_index(k, sine)] * scale;
}

double rhm_passes_terms(const rhm_passes *p, rhm_pass_factor factor) {
    const double products = (factor == RHM_FACTOR_LABELS ? 2.0 : 4.0) * (double)p->normal.data.classes;
    return (p->kind->makes_features ? rhm_operator_feature_terms(&p->op) : 0) + products;
}

/* Near the threads whose rows use them. Only passes need them: who is done with these may destroy the buffer. */
static rhm_status make_partial_sums(rhm_passes *p, rhm_error *error) {
    const size_t size = rhm_normal_size(&p->normal);
    const rhm_home by_row = {.kind = RHM_HOME_CHUNKS, .chunk_nbytes = sizeof(double) * size};
    size_t levels = 0;
    while ((size_t)1 << levels < p->together)
        levels++;
    if (levels > 0 && !p->subtrees.buffer.data)
        RHM_TRY(rhm_scratch_create(&p->subtrees, p->normal.engine, sizeof(double) * size * levels,
                                   "sums of a solver pass", error));
    if (p->partial.data)
        return RHM_OK;
    return rhm_buffer_create(&p->partial, p->normal.engine, by_row, sizeof(double), p->own.end - p->own.first, size, 1,
                             "partial sums of a solver pass", error);
}

rhm_status rhm_passes_run(rhm_passes *p, rhm_pass_factor factor, double *out, rhm_error *error) {
    const rhm_normal *n = &p->normal;
    pass work = {p, factor};
    RHM_TRY(make_partial_sums(p, error));
    if (p->split && factor == RHM_FACTOR_OUTPUTS)
        RHM_TRY(p->split(p, error));
    else
        RHM_TRY(rhm_passes_loop(p, p->kind->name[factor][p->op.phasor_rows > 0], rhm_passes_terms(p, factor),
                                p->own.end - p->own.first, row_pass, &work, error));
    combine_work combine = {p, NULL, out};
    const size_t size = rhm_normal_size(n);
    const int span = rhm_trace_begin(n->engine, "combine", 0);
    const rhm_status status = rhm_spread_reduce(n->engine, (double *)p->partial.data - p->own.first * size, p->rows,
                                                size, size, p->sum, &combine.sum, error);
    if (status == RHM_OK)
        rhm_normal_each_class(n, finish_class, &combine);
    const double partial = (double)p->rows * (double)size;
    rhm_trace_end(n->engine, span, (rhm_span_work){.nbytes = 2 * sizeof(double) * partial, .items = partial});
    return status;
}
