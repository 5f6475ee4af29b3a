/* Features of all patches, made once and kept. */
#include "core/fail.h"
#include "linear/passes.h"

/* Each rank keeps those of its own rows. */
static size_t first_chunk(const rhm_passes *p) {
    return rhm_passes_row_begin(p, p->own.first);
}

static const float *row_of(const rhm_passes *p, size_t place) {
    return (const float *)p->cached.data + (place - first_chunk(p) * p->op.chunk) * p->normal.stride;
}

static rhm_status fill_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    const rhm_passes *p = context;
    const size_t first = (first_chunk(p) + chunk) * p->op.chunk, left = p->normal.rows.count - first;
    const rhm_patch_rows rows = rhm_passes_rows(p, first, left < p->op.chunk ? left : p->op.chunk);
    return p->op.operations->features(&p->op, thread, &rows,
                                      (float *)p->cached.data + chunk * p->op.chunk * p->normal.stride, error);
}

rhm_status rhm_passes_cache(rhm_passes *p, rhm_error *error) {
    const rhm_normal *n = &p->normal;
    const size_t chunks = (rhm_passes_chunks(p) + p->rows - 1) / p->rows;
    const rhm_home by_chunk = {.kind = RHM_HOME_CHUNKS,
                               .chunk_nbytes = sizeof(float) * chunks * p->op.chunk * n->stride};
    const size_t own = rhm_passes_row_begin(p, p->own.end) - first_chunk(p), most = own * p->op.chunk;
    const size_t after = n->rows.count - first_chunk(p) * p->op.chunk;
    RHM_TRY(rhm_buffer_create(&p->cached, n->engine, by_chunk, sizeof(float), most < after ? most : after, n->stride, 1,
                              "cached features", error));
    return rhm_passes_loop(p, p->op.phasor_rows ? "features (phasors)" : "features", rhm_operator_feature_terms(&p->op),
                           own, fill_chunk, p, error);
}

static rhm_status add(const rhm_passes *p, rhm_pass_factor factor, size_t first, size_t end, int thread, double *sum,
                      rhm_error *error) {
    const rhm_pass_space space = rhm_passes_space(p, thread);
    const size_t block = p->op.block;
    for (size_t i = first; i < end; i += block) {
        const size_t count = end - i < block ? end - i : block;
        float *r = space.r + (i - first) * p->normal.data.classes;
        if (factor == RHM_FACTOR_LABELS)
            rhm_passes_labels(p, i, count, r);
        else {
            RHM_TRY(p->op.operations->product(&p->op, thread, count, row_of(p, i), r, error));
            rhm_passes_weigh(p, i, count, r);
        }
    }
    return p->op.operations->gradient(&p->op, thread, end - first, space.r, row_of(p, first), sum, error);
}

const rhm_pass_kind rhm_pass_cached = {
    .name = {{"target (features kept)", "target (features kept)"}, {"pass (features kept)", "pass (features kept)"}},
    .add = add,
};
