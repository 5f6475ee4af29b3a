/* What the parts of kernel_work.h share. */
#ifndef RHM_BENCH_KERNEL_PARTS_H
#define RHM_BENCH_KERNEL_PARTS_H

#include "kernel_work.h"

enum { GRAM_TILES = 8 }; /* of a trial: twice a second-level cache of 512 KiB */

/* What a shared operation does without phasors; the others themselves. */
operation operation_direct(operation what);
bool operation_is_rotated(operation what);

/* What the patches of one thread are worked on with. */
typedef struct work_lane {
    float *x;    /* (x_rows, stride), on pages as the solver has them */
    float *y;    /* (chunk, vocab) */
    double *sum; /* (vocab, stride) */

    /* of WORK_GRAM, else NULL */
    float *panel;
    double *tiles; /* (GRAM_TILES, RHM_GRAM_TILE) */
} work_lane;

/* What `count` patches of one thread start from. */
typedef struct span {
    const uint32_t *ids;
    const float *residual;
    float *output;
    size_t count;
} span;

span work_span(const problem *p, size_t input_slot, size_t output_slot, size_t count);

static inline size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Patches of one call: a gradient sums a chunk, a product takes a block of it. */
static inline size_t block_of(const work *w) {
    return smaller(w->what == WORK_GRADIENT ? w->op.chunk : w->op.block, w->patches);
}

/* Rows of features of a thread: of all its patches where they are kept. */
static inline size_t x_rows(const work *w) {
    return w->what == WORK_KEPT && w->patches > w->op.chunk ? w->patches : w->op.chunk;
}

/* Features that are found in place, of the first patches, for all lanes; and packed weights. */
rhm_status work_fill_features(work *w, rhm_error *error);

/* The panel of the first patches, in the layout of `op`; nothing where the work is not of the Gram matrix. */
rhm_status work_fill_panel(const work *w, const rhm_operator *op, work_lane *lane, rhm_error *error);

/* What one thread does in a trial. */
rhm_status work_run_span(const work *w, const work_lane *lane, int thread, span s, rhm_error *error);

#endif
