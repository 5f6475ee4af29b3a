/* Features of a block of patches at a time, made in cache in every pass and gone after it. */
#include "core/fail.h"
#include "linear/passes.h"

static rhm_status add(const rhm_passes *p, rhm_pass_factor factor, size_t first, size_t end, int thread, double *sum,
                      rhm_error *error) {
    const rhm_pass_space space = rhm_passes_space(p, thread);
    const size_t block = p->op.block;
    for (size_t i = first; i < end; i += block) {
        const size_t count = end - i < block ? end - i : block;
        const rhm_patch_rows rows = rhm_passes_rows(p, i, count);
        float *x = space.x + (i - first) * p->normal.stride, *r = space.r + (i - first) * p->normal.data.classes;
        RHM_TRY(p->op.operations->features(&p->op, thread, &rows, x, error));
        if (factor == RHM_FACTOR_LABELS)
            rhm_passes_labels(p, i, count, r);
        else {
            RHM_TRY(p->op.operations->product(&p->op, thread, count, x, r, error));
            rhm_passes_weigh(p, i, count, r);
        }
    }
    return p->op.operations->gradient(&p->op, thread, end - first, space.r, space.x, sum, error);
}

const rhm_pass_kind rhm_pass_recomputed = {
    .name = {{"target", "target (phasors)"}, {"pass", "pass (phasors)"}},
    .makes_features = true,
    .whole_chunks = true,
    .add = add,
};
