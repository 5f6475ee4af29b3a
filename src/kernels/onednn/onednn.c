#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "kernels/onednn/primitives.h"

enum {
    ROUND = 32, /* rows of a short block are rounded up to this, so that remainders share a few primitives */
};
_Static_assert(RHM_ONEDNN_SLICE % RHM_LANES == 0 && RHM_ONEDNN_BLOCK % ROUND == 0, "slices and blocks are whole");

/* A constant operand, slice by slice in oneDNN's layout, once per NUMA node. */
typedef struct operand {
    rhm_packing whole, last; /* of a whole slice and of what is left at the end */
    size_t slices;
    size_t slice_nbytes; /* from one slice to the next */
    void *data;
    rhm_replica replica;
} operand;

typedef struct packed {
    rhm_onednn *onednn;
    size_t inputs; /* s d_e + 1: a row of ones carries the phase offsets */
    operand frequencies, weights;
} packed;

/* ---------------------------------------------------------------------------------------------------- the operands */

static size_t slice_length(const rhm_operator *op, size_t k) {
    return op->map->padded - k < RHM_ONEDNN_SLICE ? op->map->padded - k : RHM_ONEDNN_SLICE;
}

static const rhm_packing *packing_of(const operand *d, size_t length) {
    return length == RHM_ONEDNN_SLICE ? &d->whole : &d->last;
}

static const void *slice_of(const operand *d, int thread, size_t k) {
    return (const char *)rhm_replica_at(&d->replica, thread) + k / RHM_ONEDNN_SLICE * d->slice_nbytes;
}

static void drop_operand(operand *d, const rhm_engine *engine) {
    rhm_packing_destroy(&d->whole);
    rhm_packing_destroy(&d->last);
    rhm_replica_destroy(&d->replica, engine);
    rhm_free(d->data);
    *d = (operand){0};
}

/* Slices are (2 length, fixed) matrices, of weights over features, or (fixed, length), of frequencies. */
static rhm_status make_operand(operand *d, const rhm_operator *op, const rhm_onednn *o, bool over_features,
                               size_t fixed, size_t row, const char *name, rhm_error *error) {
    const size_t padded = op->map->padded, rest = padded % RHM_ONEDNN_SLICE;
    const int64_t other = (int64_t)fixed;
    d->slices = (padded + RHM_ONEDNN_SLICE - 1) / RHM_ONEDNN_SLICE;
    for (int part = 0; part < 2; part++) {
        const int64_t length = part == 0 ? RHM_ONEDNN_SLICE : (int64_t)rest;
        rhm_packing *packing = part == 0 ? &d->whole : &d->last;
        if (length == 0 || (size_t)length > padded)
            continue;
        const int64_t k = over_features ? 2 * length : other, n = over_features ? other : length;
        RHM_TRY(rhm_packing_choose(packing, o->dnnl, RHM_ONEDNN_BLOCK, k, n, (int64_t)row, error));
        if (packing->nbytes > d->slice_nbytes)
            d->slice_nbytes = packing->nbytes;
    }
    d->slice_nbytes = (d->slice_nbytes + RHM_ALIGNMENT - 1) / RHM_ALIGNMENT * RHM_ALIGNMENT;
    d->data = rhm_alloc(1, d->slices, d->slice_nbytes, 1, name, error);
    if (!d->data)
        return RHM_NO_MEMORY;
    return rhm_replica_create(&d->replica, op->engine, d->data, d->slices * d->slice_nbytes, name, error);
}

/* The panels of the native layout as rows of one matrix (inputs, length), the offsets last; then as oneDNN wants it. */
static rhm_status pack_frequencies(packed *p, const rhm_operator *op, rhm_error *error) {
    const rhm_phase_map *map = op->map;
    const size_t terms = map->tokens * map->embedding;
    float *plain = RHM_NEW(float, p->inputs, RHM_ONEDNN_SLICE, 1, "frequencies of a slice", error);
    if (!plain)
        return RHM_NO_MEMORY;
    rhm_status status = RHM_OK;
    for (size_t k = 0; k < map->padded && status == RHM_OK; k += RHM_ONEDNN_SLICE) {
        const size_t length = slice_length(op, k);
        for (size_t i = 0; i < length; i += RHM_LANES) {
            const float *panel = map->half_turns + (k + i) * terms;
            for (size_t j = 0; j < terms; j++)
                memcpy(plain + j * length + i, panel + j * RHM_LANES, sizeof *plain * RHM_LANES);
        }
        memcpy(plain + terms * length, map->offset + k, sizeof *plain * length);
        status = rhm_packing_pack(
            packing_of(&p->frequencies, length), p->onednn->dnnl, p->onednn->lane[0].stream, plain, (int64_t)length, 1,
            (char *)p->frequencies.data + k / RHM_ONEDNN_SLICE * p->frequencies.slice_nbytes, error);
    }
    rhm_free(plain);
    rhm_replica_update(&p->frequencies.replica, op->engine);
    return status;
}

static rhm_status set_weights(rhm_operator *op, rhm_error *error) {
    packed *p = op->packed;
    for (size_t k = 0; k < op->map->padded; k += RHM_ONEDNN_SLICE)
        RHM_TRY(rhm_packing_pack(packing_of(&p->weights, slice_length(op, k)), p->onednn->dnnl,
                                 p->onednn->lane[0].stream, op->w + 2 * k, 1,
                                 (int64_t)rhm_feature_stride(op->map->padded),
                                 (char *)p->weights.data + k / RHM_ONEDNN_SLICE * p->weights.slice_nbytes, error));
    rhm_replica_update(&p->weights.replica, op->engine);
    return RHM_OK;
}

/* -------------------------------------------------------------------------------------------------- the operations */

/* Parts of a thread's scratch memory. */
typedef struct workspace {
    float *h; /* (block, inputs): patches, gathered */
    float *z; /* (block, slice): phases */
    float *x; /* (block, 2 length): features of a slice, dense rows: matmul.h says why */
    float *y; /* (block, classes) */
    float *g; /* (classes, stride): a gradient before it is added up */
} workspace;

static size_t workspace_floats(const packed *p, size_t classes, size_t padded) {
    return RHM_ONEDNN_BLOCK * (p->inputs + 3 * RHM_ONEDNN_SLICE + classes) + classes * rhm_feature_stride(padded);
}

static workspace workspace_of(const packed *p, int thread, size_t classes) {
    workspace space = {.h = rhm_scratch_at(&p->onednn->scratch, thread)};
    space.z = space.h + RHM_ONEDNN_BLOCK * p->inputs;
    space.x = space.z + RHM_ONEDNN_BLOCK * RHM_ONEDNN_SLICE;
    space.y = space.x + RHM_ONEDNN_BLOCK * 2 * RHM_ONEDNN_SLICE;
    space.g = space.y + RHM_ONEDNN_BLOCK * classes;
    return space;
}

static size_t rounded(size_t count) {
    return (count + ROUND - 1) / ROUND * ROUND;
}

static void gather(const rhm_operator *op, const rhm_patch_rows *patches, size_t first, size_t count, float *h) {
    const packed *p = op->packed;
    const size_t tokens = op->map->tokens, width = op->map->embedding;
    for (size_t i = 0; i < count; i++, h += p->inputs) {
        const uint32_t *ids = patches->ids + (first + i) * tokens;
        for (size_t t = 0; t < tokens; t++)
            memcpy(h + t * width, patches->table + ids[t] * width, sizeof *h * width);
        h[tokens * width] = 1;
    }
}

/* Phases of frequencies k..k+length-1, then their cosines and sines into rows of x that start at this slice. */
static rhm_status slice_features(const rhm_operator *op, int thread, const workspace *space, size_t count, size_t k,
                                 size_t length, float *x, size_t stride, rhm_error *error) {
    const packed *p = op->packed;
    const rhm_matmul_shape shape = {
        .m = (int64_t)rounded(count),
        .k = (int64_t)p->inputs,
        .n = (int64_t)length,
        .a_row = (int64_t)p->inputs,
        .a_column = 1,
        .c_row = (int64_t)length,
    };
    RHM_TRY(rhm_onednn_multiply(p->onednn, thread, &shape, packing_of(&p->frequencies, length), space->h,
                                slice_of(&p->frequencies, thread, k), space->z, error));
    /* Features of a patch without tokens are the cosines and sines of the offsets alone. */
    rhm_phase_map phases = {.padded = length, .half_turns = op->map->half_turns};
    const rhm_patch_rows none = {.table = space->h, .ids = (const uint32_t[]){0}, .count = 1};
    for (size_t i = 0; i < count; i++) {
        phases.offset = space->z + i * length;
        op->kernels.features(&phases, &none, x + i * stride);
    }
    return RHM_OK;
}

/* y (rows, classes) += x w^T over one slice; x starts at the slice. */
static rhm_status slice_product(const rhm_operator *op, int thread, size_t rows, size_t k, size_t length,
                                const float *x, size_t stride, float *y, rhm_error *error) {
    const packed *p = op->packed;
    const rhm_matmul_shape shape = {
        .m = (int64_t)rows,
        .k = 2 * (int64_t)length,
        .n = (int64_t)op->classes,
        .a_row = (int64_t)stride,
        .a_column = 1,
        .c_row = (int64_t)op->classes,
        .accumulate = 1,
    };
    return rhm_onednn_multiply(p->onednn, thread, &shape, packing_of(&p->weights, length), x,
                               slice_of(&p->weights, thread, k), y, error);
}

static size_t block_of(size_t first, size_t count) {
    return count - first < RHM_ONEDNN_BLOCK ? count - first : RHM_ONEDNN_BLOCK;
}

static rhm_status features(const rhm_operator *op, int thread, const rhm_patch_rows *patches, float *x,
                           rhm_error *error) {
    const workspace space = workspace_of(op->packed, thread, op->classes);
    const size_t stride = rhm_feature_stride(op->map->padded);
    for (size_t first = 0; first < patches->count; first += RHM_ONEDNN_BLOCK) {
        const size_t count = block_of(first, patches->count);
        gather(op, patches, first, count, space.h);
        for (size_t k = 0; k < op->map->padded; k += RHM_ONEDNN_SLICE)
            RHM_TRY(slice_features(op, thread, &space, count, k, slice_length(op, k), x + first * stride + 2 * k,
                                   stride, error));
    }
    return RHM_OK;
}

static rhm_status product(const rhm_operator *op, int thread, size_t count, const float *x, float *y,
                          rhm_error *error) {
    const size_t stride = rhm_feature_stride(op->map->padded);
    memset(y, 0, sizeof *y * count * op->classes);
    for (size_t first = 0; first < count; first += RHM_ONEDNN_BLOCK)
        for (size_t k = 0; k < op->map->padded; k += RHM_ONEDNN_SLICE)
            RHM_TRY(slice_product(op, thread, block_of(first, count), k, slice_length(op, k),
                                  x + first * stride + 2 * k, stride, y + first * op->classes, error));
    return RHM_OK;
}

static rhm_status gradient(const rhm_operator *op, int thread, size_t count, const float *r, const float *x, double *g,
                           rhm_error *error) {
    const packed *p = op->packed;
    const size_t stride = rhm_feature_stride(op->map->padded), features = 2 * op->map->padded;
    float *sum = workspace_of(p, thread, op->classes).g;
    for (size_t first = 0; first < count; first += RHM_ONEDNN_BLOCK) {
        const rhm_matmul_shape shape = {
            .m = (int64_t)op->classes,
            .k = (int64_t)block_of(first, count),
            .n = (int64_t)features,
            .a_row = 1,
            .a_column = (int64_t)op->classes,
            .b_row = (int64_t)stride,
            .b_column = 1,
            .c_row = (int64_t)stride,
            .accumulate = first > 0,
        };
        RHM_TRY(rhm_onednn_multiply(p->onednn, thread, &shape, NULL, r + first * op->classes, x + first * stride, sum,
                                    error));
    }
    for (size_t c = 0; c < op->classes && count > 0; c++)
        for (size_t f = 0; f < features; f++)
            g[c * stride + f] += (double)sum[c * stride + f];
    return RHM_OK;
}

static rhm_status forward(const rhm_operator *op, int thread, const rhm_patch_rows *patches, float *y,
                          rhm_error *error) {
    const workspace space = workspace_of(op->packed, thread, op->classes);
    for (size_t first = 0; first < patches->count; first += RHM_ONEDNN_BLOCK) {
        const size_t count = block_of(first, patches->count), rows = rounded(count);
        float *out = rows == count ? y + first * op->classes : space.y;
        gather(op, patches, first, count, space.h);
        memset(out, 0, sizeof *out * rows * op->classes);
        for (size_t k = 0; k < op->map->padded; k += RHM_ONEDNN_SLICE) {
            const size_t length = slice_length(op, k);
            RHM_TRY(slice_features(op, thread, &space, count, k, length, space.x, 2 * length, error));
            RHM_TRY(slice_product(op, thread, rows, k, length, space.x, 2 * length, out, error));
        }
        if (rows != count)
            memcpy(y + first * op->classes, out, sizeof *out * count * op->classes);
    }
    return RHM_OK;
}

/* Panels are (RHM_GRAM_PANEL, stride), rows of features. */
static void gram_pack(const rhm_operator *op, size_t first, size_t count, const float *root, const float *x,
                      float *panel) {
    const size_t features = 2 * op->map->padded, stride = rhm_feature_stride(op->map->padded);
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < features; f++)
            panel[(first + i) * stride + f] = root[i] * x[i * stride + f];
}

/* oneDNN has no symmetric product: tiles are products of two strips of the panel. */
static rhm_status gram_tile(const rhm_operator *op, int thread, size_t count, const float *panel, size_t row,
                            size_t column, double *tile, rhm_error *error) {
    enum { SIDE = RHM_GRAM_SIDE * RHM_LANES };
    _Static_assert(SIDE * SIDE <= RHM_ONEDNN_BLOCK * RHM_ONEDNN_SLICE, "a tile fits where phases do");
    const packed *p = op->packed;
    const size_t features = 2 * op->map->padded, stride = rhm_feature_stride(op->map->padded);
    const size_t rows = features - row * SIDE < SIDE ? features - row * SIDE : SIDE;
    const size_t columns = features - column * SIDE < SIDE ? features - column * SIDE : SIDE;
    const rhm_matmul_shape shape = {
        .m = (int64_t)rows,
        .k = (int64_t)count,
        .n = (int64_t)columns,
        .a_row = 1,
        .a_column = (int64_t)stride,
        .b_row = (int64_t)stride,
        .b_column = 1,
        .c_row = SIDE,
    };
    float *c = workspace_of(p, thread, op->classes).z;
    RHM_TRY(rhm_onednn_multiply(p->onednn, thread, &shape, NULL, panel + row * SIDE, panel + column * SIDE, c, error));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = row == column ? i / RHM_LANES * RHM_LANES : 0; j < columns; j++)
            tile[(i / RHM_LANES * RHM_GRAM_SIDE + j / RHM_LANES) * RHM_GRAM_BLOCK + i % RHM_LANES * RHM_LANES +
                 j % RHM_LANES] += (double)c[i * SIDE + j];
    return RHM_OK;
}

/* ---------------------------------------------------------------------------------------------------- the operator */

static void clear(rhm_operator *op) {
    packed *p = op->packed;
    drop_operand(&p->frequencies, op->engine);
    drop_operand(&p->weights, op->engine);
    rhm_free(p);
    op->packed = NULL;
}

static const rhm_operations operations = {
    .features = features,
    .product = product,
    .gradient = gradient,
    .forward = forward,
    .set_weights = set_weights,
    .gram_pack = gram_pack,
    .gram_tile = gram_tile,
    .clear = clear,
};

rhm_status rhm_onednn_operator(rhm_operator *op, rhm_onednn *onednn, rhm_error *error) {
    packed *p = RHM_NEW(packed, 1, 1, 1, "oneDNN operands", error);
    if (!p)
        return RHM_NO_MEMORY;
    p->onednn = onednn;
    p->inputs = op->map->tokens * op->map->embedding + 1;
    op->packed = p;
    rhm_status status =
        rhm_onednn_scratch(onednn, sizeof(float) * workspace_floats(p, op->classes, op->map->padded), error);
    if (status == RHM_OK)
        status =
            make_operand(&p->frequencies, op, onednn, false, p->inputs, p->inputs, "frequencies for oneDNN", error);
    if (status == RHM_OK)
        status = make_operand(&p->weights, op, onednn, true, op->classes, rhm_feature_stride(op->map->padded),
                              "weights for oneDNN", error);
    if (status == RHM_OK)
        status = pack_frequencies(p, op, error);
    if (status != RHM_OK) {
        clear(op);
        return status;
    }
    op->operations = &operations;
    op->backend = "onednn";
    op->block = op->chunk = RHM_ONEDNN_BLOCK;
    return RHM_OK;
}
