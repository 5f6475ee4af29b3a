/*
 * A pass over kept features with more threads than partial sums: in two loops whose chunks are smaller than a partial
 * sum. The outputs of a patch do not depend on which others come with it, nor a class's row of a sum on the other
 * classes, so the bits are those of a pass in one loop (kernels/README.md).
 */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "linear/passes.h"

enum {
    CLASSES = 4,    /* of a row of features that is read, for each part of a sum */
    PATCHES = 96,   /* at most, of a chunk: what the kernels sum in float */
    LEAST = 1 << 20 /* multiply-adds, or starting a second loop takes longer than what it gains */
};

/* The patches of this rank's partial sums, from the first on: their features and factors are what there is of them. */
static size_t first_patch(const rhm_passes *p, size_t row) {
    const size_t first = rhm_passes_row_begin(p, row) * p->op.chunk;
    return first < p->normal.rows.count ? first : p->normal.rows.count;
}

static size_t own_patches(const rhm_passes *p) {
    return first_patch(p, p->own.end) - first_patch(p, p->own.first);
}

static const float *row_of(const rhm_passes *p, size_t place) {
    return (const float *)p->cached.data + place * p->normal.stride;
}

static rhm_status make_factors(void *context, size_t block, int thread, rhm_error *error) {
    const rhm_passes *p = context;
    const size_t first = block * p->op.block, left = own_patches(p) - first;
    const size_t count = left < p->op.block ? left : p->op.block;
    float *r = p->factors + first * p->normal.data.classes;
    RHM_TRY(p->op.operations->product(&p->op, thread, count, row_of(p, first), r, error));
    rhm_passes_weigh(p, first_patch(p, p->own.first) + first, count, r);
    return RHM_OK;
}

static size_t groups_of(const rhm_passes *p) {
    return (p->normal.data.classes + CLASSES - 1) / CLASSES;
}

/* The rows of a few classes of one partial sum. */
static rhm_status sum_classes(void *context, size_t part, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const rhm_passes *p = context;
    const rhm_normal *n = &p->normal;
    const size_t all = n->data.classes, leaf = part / groups_of(p), first_class = part % groups_of(p) * CLASSES;
    const size_t classes = all - first_class < CLASSES ? all - first_class : CLASSES;
    const size_t begin = rhm_passes_leaf_begin(p, p->own.first + leaf),
                 end = rhm_passes_leaf_begin(p, p->own.first + leaf + 1);
    double *sum = (double *)p->partial.data + leaf * rhm_normal_size(n) + first_class * n->stride;
    float r[PATCHES * CLASSES];
    memset(sum, 0, sizeof *sum * classes * n->stride);
    for (size_t i = begin; i < end; i++) {
        const size_t first = i * p->op.chunk - first_patch(p, p->own.first), left = own_patches(p) - first;
        const size_t count = left < p->op.chunk ? left : p->op.chunk;
        for (size_t k = 0; k < count; k++)
            memcpy(r + k * classes, p->factors + (first + k) * all + first_class, sizeof *r * classes);
        p->op.kernels.gradient(classes, n->data.map->padded, count, r, row_of(p, first), sum);
    }
    return RHM_OK;
}

static rhm_status run_split(rhm_passes *p, rhm_error *error) {
    const char *name = p->kind->name[RHM_FACTOR_OUTPUTS][p->op.phasor_rows > 0];
    const size_t count = own_patches(p), blocks = (count + p->op.block - 1) / p->op.block;
    const double terms = 2.0 * (double)p->normal.data.classes; /* of a product, and of a sum */
    RHM_TRY(rhm_passes_loop(p, name, terms, blocks, make_factors, p, error));
    return rhm_passes_loop(p, name, terms, (p->own.end - p->own.first) * groups_of(p), sum_classes, p, error);
}

rhm_status rhm_passes_split(rhm_passes *p, rhm_error *error) {
    const rhm_normal *n = &p->normal;
    const size_t classes = n->data.classes;
    const double work = (double)n->rows.count * (double)n->data.width * (double)classes;
    if (p->kind != &rhm_pass_cached || p->together > 1 || strcmp(p->op.backend, "native") != 0 ||
        p->op.chunk > PATCHES || work < LEAST || (size_t)rhm_engine_threads(n->engine) <= p->own.end - p->own.first)
        return RHM_OK;
    p->factors = RHM_NEW(float, own_patches(p), classes, 1, "factors of a solver pass", error);
    p->split = run_split;
    return p->factors ? RHM_OK : RHM_NO_MEMORY;
}
