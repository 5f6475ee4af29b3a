/* A trial: what it starts from, and its run on all threads. */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "kernel_parts.h"

rhm_status work_fill_features(work *w, rhm_error *error) {
    const rhm_patch_rows rows = {w->p->table, w->p->ids, smaller(x_rows(w), w->patches)};
    for (size_t i = 0; i < w->lane_count; i++)
        w->op.kernels.features(&w->p->map, &rows, w->lanes[i].x);
    return rhm_operator_set_weights(&w->op, w->p->w, error);
}

rhm_status work_fill_panel(const work *w, const rhm_operator *op, work_lane *lane, rhm_error *error) {
    const problem *p = w->p;
    if (w->what != WORK_GRAM)
        return RHM_OK;
    if (!lane->panel)
        lane->panel = RHM_NEW(float, rhm_gram_panel_floats(p->padded), 1, 1, "panel of a benchmark", error);
    if (!lane->tiles)
        lane->tiles = RHM_NEW(double, GRAM_TILES, RHM_GRAM_TILE, 1, "tiles of a benchmark", error);
    if (!lane->panel || !lane->tiles)
        return RHM_NO_MEMORY;
    for (size_t first = 0; first < w->patches; first += op->block) {
        const size_t count = w->patches - first < op->block ? w->patches - first : op->block;
        const rhm_patch_rows rows = {p->table, p->ids + first * p->tokens, count};
        op->kernels.features(&p->map, &rows, lane->x);
        op->operations->gram_pack(op, first, count, p->frequency + first, lane->x, lane->panel);
    }
    return RHM_OK;
}

rhm_status work_init(work *w, const problem *p, const rhm_engine *engine, operation what, bool onednn, size_t patches,
                     rhm_error *error) {
    *w = (work){.p = p,
                .engine = engine,
                .what = operation_direct(what),
                .shared = operation_direct(what) != what,
                .patches = patches < p->patches ? patches : p->patches};
    if (what == WORK_GRAM && w->patches > RHM_GRAM_PANEL)
        w->patches = RHM_GRAM_PANEL;
    if (what == WORK_GRAM && 2 * p->width < GRAM_TILES * RHM_GRAM_SIDE * RHM_LANES) {
        *w = (work){0};
        return rhm_fail(error, RHM_UNSUPPORTED, "a width of %zu has fewer than %d columns of tiles", p->width,
                        GRAM_TILES);
    }
    w->lane_count = (size_t)rhm_engine_threads(engine);
    rhm_status status = onednn ? rhm_operator_init_onednn(&w->op, engine, &p->map, p->vocab, error)
                               : rhm_operator_init_native(&w->op, engine, &p->map, p->vocab, error);
    if (status != RHM_OK) {
        w->op = (rhm_operator){0};
        return status;
    }
    if (w->shared && w->op.operations->share)
        status = w->op.operations->share(&w->op, p->table, p->rows, error);
    w->op.rotated = operation_is_rotated(what) && w->op.phasor_rows && p->tokens > 1;
    if (status == RHM_OK)
        status = rhm_scratch_create(&w->features, engine, sizeof(float) * x_rows(w) * p->stride, "features", error);
    if (status != RHM_OK) {
        work_clear(w);
        return status;
    }
    w->lanes = RHM_NEW(work_lane, w->lane_count, 1, 1, "workspace of a benchmark", error);
    status = w->lanes ? RHM_OK : RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < w->lane_count; i++) {
        work_lane *lane = &w->lanes[i];
        lane->x = rhm_scratch_at(&w->features, (int)i);
        if (!(lane->y = RHM_NEW(float, w->op.chunk, p->vocab, 1, "outputs of a benchmark", error)) ||
            !(lane->sum = RHM_NEW(double, p->vocab, p->stride, 1, "gradient of a benchmark", error)))
            status = RHM_NO_MEMORY;
        else
            status = work_fill_panel(w, &w->op, lane, error);
    }
    if (status == RHM_OK)
        status = work_fill_features(w, error);
    if (status != RHM_OK)
        work_clear(w);
    return status;
}

void work_clear(work *w) {
    for (size_t i = 0; w->lanes && i < w->lane_count; i++) {
        rhm_free(w->lanes[i].y);
        rhm_free(w->lanes[i].sum);
        rhm_free(w->lanes[i].panel);
        rhm_free(w->lanes[i].tiles);
    }
    rhm_free(w->lanes);
    rhm_scratch_destroy(&w->features, w->engine);
    rhm_operator_clear(&w->op);
    *w = (work){0};
}

span work_span(const problem *p, size_t input_slot, size_t output_slot, size_t count) {
    const size_t in = input_slot % p->slots * p->patches, out = output_slot % p->slots * p->patches;
    return (span){p->ids + in * p->tokens, p->residual + in * p->vocab, p->output + out * p->vocab, count};
}

/* Outputs of the patches from `first` on times their shares of the samples. */
static void weigh(const problem *p, size_t first, size_t count, float *y) {
    for (size_t k = 0; k < count; k++)
        for (size_t c = 0; c < p->vocab; c++)
            y[k * p->vocab + c] *= p->frequency[first + k];
}

/* Of the loop of src/linear/recomputed.c, one chunk: the patches first..end-1. */
static rhm_status run_chunk_pass(const work *w, const work_lane *lane, int thread, const uint32_t *ids, size_t first,
                                 size_t end, rhm_error *error) {
    const problem *p = w->p;
    const bool kept = w->what == WORK_KEPT;
    float *x = lane->x + (kept ? first * p->stride : 0);
    for (size_t i = first; i < end; i += w->op.block) {
        const size_t count = smaller(w->op.block, end - i), row = i - first;
        const rhm_patch_rows rows = {p->table, ids + i * p->tokens, count};
        float *y = lane->y + row * p->vocab;
        if (!kept)
            RHM_TRY(w->op.operations->features(&w->op, thread, &rows, x + row * p->stride, error));
        RHM_TRY(w->op.operations->product(&w->op, thread, count, x + row * p->stride, y, error));
        weigh(p, i, count, y);
    }
    return w->op.operations->gradient(&w->op, thread, end - first, lane->y, x, lane->sum, error);
}

/* The same with rotated weights. */
static rhm_status run_chunk_rotated(const work *w, const work_lane *lane, int thread, const uint32_t *ids, size_t first,
                                    size_t end, rhm_error *error) {
    const problem *p = w->p;
    const rhm_patch_rows rows = {p->table, ids + first * p->tokens, end - first};
    RHM_TRY(w->op.operations->forward(&w->op, thread, &rows, lane->y, error));
    weigh(p, first, rows.count, lane->y);
    return w->op.operations->rotated_gradient(&w->op, thread, &rows, lane->y, lane->sum, error);
}

static rhm_status run_pass(const work *w, const work_lane *lane, int thread, span s, rhm_error *error) {
    if (w->same) /* once for many chunks in the solver, and so not in every trial */
        memset(lane->sum, 0, sizeof *lane->sum * w->p->vocab * w->p->stride);
    rhm_status (*run)(const work *, const work_lane *, int, const uint32_t *, size_t, size_t, rhm_error *) =
        w->op.rotated ? run_chunk_rotated : run_chunk_pass;
    for (size_t begin = 0; begin < s.count; begin += w->op.chunk)
        RHM_TRY(run(w, lane, thread, s.ids, begin, smaller(s.count, begin + w->op.chunk), error));
    return RHM_OK;
}

/* One tile of each column, off the diagonal as nearly all are. */
static rhm_status run_gram(const work *w, const work_lane *lane, int thread, size_t count, rhm_error *error) {
    if (w->same)
        memset(lane->tiles, 0, sizeof *lane->tiles * GRAM_TILES * RHM_GRAM_TILE);
    for (size_t t = 0; t < GRAM_TILES; t++)
        RHM_TRY(w->op.operations->gram_tile(&w->op, thread, count, lane->panel, t / 2, GRAM_TILES - 1 - t / 4,
                                            lane->tiles + t * RHM_GRAM_TILE, error));
    return RHM_OK;
}

rhm_status work_run_span(const work *w, const work_lane *lane, int thread, span s, rhm_error *error) {
    const problem *p = w->p;
    const rhm_operations *call = w->op.operations;
    if (w->what == WORK_PASS || w->what == WORK_KEPT)
        return run_pass(w, lane, thread, s, error);
    if (w->what == WORK_FORWARD) {
        const rhm_patch_rows rows = {p->table, s.ids, s.count};
        return call->forward(&w->op, thread, &rows, s.output, error);
    }
    if (w->what == WORK_GRAM)
        return run_gram(w, lane, thread, s.count, error);
    if (w->what == WORK_GRADIENT)
        memset(lane->sum, 0, sizeof *lane->sum * p->vocab * p->stride);
    for (size_t first = 0; first < s.count; first += block_of(w)) {
        const size_t count = s.count - first < block_of(w) ? s.count - first : block_of(w);
        const rhm_patch_rows rows = {p->table, s.ids + first * p->tokens, count};
        if (w->what == WORK_FEATURES)
            RHM_TRY(call->features(&w->op, thread, &rows, lane->x, error));
        else if (w->what == WORK_PRODUCT)
            RHM_TRY(call->product(&w->op, thread, count, lane->x, s.output + first * p->vocab, error));
        else
            RHM_TRY(call->gradient(&w->op, thread, count, s.residual + first * p->vocab, lane->x, lane->sum, error));
    }
    return RHM_OK;
}

static rhm_status run_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    const work *w = context;
    const span s = work_span(w->p, w->same ? 0 : w->slot + chunk, w->slot + chunk, w->patches);
    return work_run_span(w, &w->lanes[chunk], thread, s, error);
}

rhm_status work_run(work *w, rhm_error *error) {
    const rhm_status status = rhm_parallel(w->engine, w->lane_count, run_chunk, w, error);
    w->slot = (w->slot + w->lane_count) % w->p->slots;
    return status;
}
