/* No features: patches in the order of their tokens, whose runs share rotated weights (kernels/kernels.h). */
#include "core/fail.h"
#include "core/memory.h"
#include "linear/passes.h"

rhm_status rhm_passes_sort(rhm_passes *p, rhm_error *error) {
    rhm_normal *n = &p->normal;
    RHM_TRY(rhm_runs_make(&p->runs, n->engine, n->data.patches, n->data.rows, error));
    n->rows.ids = p->runs.ids;
    n->order = p->runs.order;
    return RHM_OK;
}

rhm_status rhm_passes_sort_shares(rhm_passes *p, rhm_error *error) {
    const rhm_normal *n = &p->normal;
    const size_t count = n->rows.count, blocks = n->data.blocks;
    RHM_TRY(rhm_memory_reserve(n->engine, sizeof(float) * count * blocks, "shares of patches", error));
    if (!(p->share = RHM_NEW(float, count, blocks, 1, "shares of patches", error))) {
        rhm_memory_release(n->engine, sizeof(float) * count * blocks);
        return RHM_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t patch = rhm_normal_patch(n, i);
        rhm_linear_cells cells = rhm_linear_cells_of(&n->data, patch);
        for (size_t b = 0; b < blocks; b++)
            p->share[i * blocks + b] = (float)rhm_linear_next_share(&n->data, b, &cells);
    }
    return RHM_OK;
}

void rhm_passes_unsort(rhm_passes *p) {
    rhm_normal *n = &p->normal;
    n->rows.ids = n->data.patches->tuples;
    n->order = NULL;
    rhm_runs_clear(&p->runs);
    if (p->share)
        rhm_memory_release(n->engine, sizeof(float) * n->rows.count * n->data.blocks);
    rhm_free(p->share);
    p->share = NULL;
}

static rhm_status add(const rhm_passes *p, rhm_pass_factor factor, size_t first, size_t end, int thread, double *sum,
                      rhm_error *error) {
    const rhm_patch_rows rows = rhm_passes_rows(p, first, end - first);
    float *r = rhm_passes_space(p, thread).r;
    if (factor == RHM_FACTOR_LABELS)
        rhm_passes_labels(p, first, rows.count, r);
    else {
        RHM_TRY(p->op.operations->forward(&p->op, thread, &rows, r, error));
        rhm_passes_weigh(p, first, rows.count, r);
    }
    return p->op.operations->rotated_gradient(&p->op, thread, &rows, r, sum, error);
}

const rhm_pass_kind rhm_pass_factored = {
    .name = {{"target (rotated)", "target (rotated)"}, {"pass (rotated)", "pass (rotated)"}},
    .add = add,
};
