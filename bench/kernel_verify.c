/* Results of a trial against the reference table. */
#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "kernel_parts.h"

enum { VERIFIED = 199 }; /* patches: whole blocks, and a short one */
static const double TOLERANCE = 1e-4;

/* Rows of results, in either precision. */
typedef struct result {
    const float *f;
    const double *d;
    size_t rows, length, stride;
} result;

static result result_of(const work *w, const work_lane *lane, span s) {
    const problem *p = w->p;
    const size_t features = 2 * p->padded, last = s.count % block_of(w) ? s.count % block_of(w) : block_of(w);
    switch (w->what) {
    case WORK_FEATURES: return (result){lane->x, NULL, last, features, p->stride};
    case WORK_GRADIENT:
    case WORK_KEPT:
    case WORK_PASS: return (result){NULL, lane->sum, p->vocab, features, p->stride};
    case WORK_GRAM: return (result){NULL, lane->tiles, GRAM_TILES, RHM_GRAM_TILE, RHM_GRAM_TILE};
    default: return (result){s.output, NULL, s.count, p->vocab, p->vocab};
    }
}

static double value_at(const result *r, size_t row, size_t i) {
    return r->f ? (double)r->f[row * r->stride + i] : r->d[row * r->stride + i];
}

static rhm_status compare(const result *got, const result *want, double tolerance, size_t thread, rhm_error *error) {
    double squares = 0;
    for (size_t row = 0; row < want->rows; row++)
        for (size_t i = 0; i < want->length; i++)
            squares += value_at(want, row, i) * value_at(want, row, i);
    const double bound = tolerance * sqrt(squares / (double)(want->rows * want->length));
    for (size_t row = 0; row < want->rows; row++)
        for (size_t i = 0; i < want->length; i++) {
            const double a = value_at(got, row, i), b = value_at(want, row, i);
            if (!(fabs(a - b) <= bound))
                return rhm_fail(error, RHM_FAILED, "wrong result of thread %zu: row %zu, column %zu is %.9g, not %.9g",
                                thread, row, i, a, b);
        }
    return RHM_OK;
}

/* What the reference table makes of the same patches, in blocks of the same size. */
static rhm_status run_reference(const work *w, work_lane *lane, float *output, rhm_error *error) {
    work reference = {.p = w->p, .engine = w->engine, .what = w->what, .patches = w->patches};
    RHM_TRY(rhm_operator_init_native(&reference.op, w->engine, &w->p->map, w->p->vocab, error));
    const rhm_status shared =
        w->shared ? reference.op.operations->share(&reference.op, w->p->table, w->p->rows, error) : RHM_OK;
    if (shared != RHM_OK) {
        rhm_operator_clear(&reference.op);
        return shared;
    }
    reference.op.rotated = w->op.rotated;
    reference.op.kernels = rhm_kernels_at(RHM_ISA_SCALAR);
    reference.op.block = w->op.block;
    reference.op.chunk = w->op.chunk;
    reference.same = true;
    const rhm_status packed = rhm_operator_set_weights(&reference.op, w->p->w, error);
    if (packed != RHM_OK) {
        rhm_operator_clear(&reference.op);
        return packed;
    }
    span s = work_span(w->p, 0, 0, w->patches);
    s.output = output;
    const rhm_patch_rows rows = {w->p->table, w->p->ids, smaller(x_rows(&reference), w->patches)};
    reference.op.kernels.features(&w->p->map, &rows, lane->x);
    rhm_status status = work_fill_panel(&reference, &reference.op, lane, error);
    if (status == RHM_OK)
        status = work_run_span(&reference, lane, 0, s, error);
    rhm_operator_clear(&reference.op);
    return status;
}

/* Poison what earlier runs left behind, and the features that only the product and the gradient start from. */
static void forget_results(const work *w) {
    for (size_t lane = 0; lane < w->lane_count; lane++) {
        float *output = work_span(w->p, 0, lane, 0).output;
        for (size_t i = 0; i < w->patches * w->p->vocab; i++)
            output[i] = NAN;
        for (size_t i = 0; w->what == WORK_FEATURES && i < w->op.block * w->p->stride; i++)
            w->lanes[lane].x[i] = NAN;
    }
}

rhm_status work_verify(work *w, rhm_error *error) {
    const problem *p = w->p;
    const size_t size = p->vocab * p->stride, patches = w->patches;
    const bool native = strcmp(w->op.backend, "native") == 0;
    w->patches = patches < VERIFIED ? patches : VERIFIED;
    work_lane lane = {
        RHM_NEW(float, x_rows(w), p->stride, 1, "reference", error),
        RHM_NEW(float, w->op.chunk, p->vocab, 1, "reference", error),
        RHM_NEW(double, size, 1, 1, "reference", error),
        NULL,
        NULL,
    };
    float *output = RHM_NEW(float, w->patches, p->vocab, 1, "reference", error);
    rhm_status status = lane.x && lane.y && lane.sum && output ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK) {
        forget_results(w);
        w->slot = 0;
        w->same = true;
        status = work_run(w, error);
        w->same = false;
        if (status == RHM_OK)
            status = run_reference(w, &lane, output, error);
        for (size_t i = 0; status == RHM_OK && i < w->lane_count; i++) {
            const span mine = work_span(p, 0, i, w->patches);
            span right = mine;
            right.output = output;
            const result got = result_of(w, &w->lanes[i], mine), want = result_of(w, &lane, right);
            status = compare(&got, &want, native ? 0 : TOLERANCE, i, error);
        }
    }
    w->patches = patches;
    w->slot = 0;
    rhm_free(lane.x);
    rhm_free(lane.y);
    rhm_free(lane.sum);
    rhm_free(lane.panel);
    rhm_free(lane.tiles);
    rhm_free(output);
    return status == RHM_OK ? work_fill_features(w, error) : status;
}
