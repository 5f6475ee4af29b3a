/* The operations of the native tables on an engine. */
#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "kernels/operator.h"
#include "kernels/phasors.h"
#include "kernels/slowdown.h"

enum {
    NATIVE_BLOCK = 12, /* patches whose features stay in the second-level cache from the one product to the other */
    MANY_CLASSES = 24, /* from here on weights are more than that, and read half as often with two blocks at a time */
    NATIVE_CHUNK = 96, /* enough that a gradient's sums stay in registers for long; error bound: README.md */
};

/* What a level multiplies with, where it is read. */
typedef struct operands {
    float *weights; /* packed */
    rhm_replica near_weights, near_half_turns, near_offset;
    rhm_phasors phasors;
} operands;

static const float *weights_of(const rhm_operator *op, int thread) {
    const operands *own = op->packed;
    return rhm_replica_at(&own->near_weights, thread);
}

static rhm_phase_map map_of(const rhm_operator *op, int thread) {
    const operands *own = op->packed;
    rhm_phase_map map = *op->map;
    map.half_turns = rhm_replica_at(&own->near_half_turns, thread);
    map.offset = rhm_replica_at(&own->near_offset, thread);
    return rhm_phasors_map(&own->phasors, map, thread);
}

static rhm_status features(const rhm_operator *op, int thread, const rhm_patch_rows *patches, float *x,
                           rhm_error *error) {
    (void)error;
    const rhm_phase_map map = map_of(op, thread);
    op->kernels.features(&map, patches, x);
    for (size_t again; (again = rhm_slowdown_due(RHM_SLOW_FEATURES, patches->count)) > 0;)
        op->kernels.features(&map, &(rhm_patch_rows){patches->table, patches->ids, again}, x);
    return RHM_OK;
}

static rhm_status product(const rhm_operator *op, int thread, size_t count, const float *x, float *y,
                          rhm_error *error) {
    (void)error;
    op->kernels.product(op->classes, op->map->padded, weights_of(op, thread), count, x, y);
    for (size_t again; (again = rhm_slowdown_due(RHM_SLOW_PRODUCT, count)) > 0;)
        op->kernels.product(op->classes, op->map->padded, weights_of(op, thread), again, x, y);
    return RHM_OK;
}

static rhm_status gradient(const rhm_operator *op, int thread, size_t count, const float *r, const float *x, double *g,
                           rhm_error *error) {
    (void)thread, (void)error;
    op->kernels.gradient(op->classes, op->map->padded, count, r, x, g);
    return RHM_OK;
}

static rhm_status forward(const rhm_operator *op, int thread, const rhm_patch_rows *patches, float *y,
                          rhm_error *error) {
    (void)error;
    const rhm_phase_map map = map_of(op, thread);
    const float *w = weights_of(op, thread);
    void (*run)(const rhm_phase_map *, size_t, const float *, const rhm_patch_rows *, float *) =
        op->rotated ? op->kernels.rotated_forward : op->kernels.forward;
    run(&map, op->classes, w, patches, y);
    for (size_t again; (again = rhm_slowdown_due(RHM_SLOW_FORWARD, patches->count)) > 0;)
        run(&map, op->classes, w, &(rhm_patch_rows){patches->table, patches->ids, again}, y);
    return RHM_OK;
}

static rhm_status rotated_gradient(const rhm_operator *op, int thread, const rhm_patch_rows *patches, const float *r,
                                   double *g, rhm_error *error) {
    (void)error;
    const rhm_phase_map map = map_of(op, thread);
    op->kernels.rotated_gradient(&map, op->classes, patches, r, g);
    return RHM_OK;
}

static rhm_status set_weights(rhm_operator *op, rhm_error *error) {
    (void)error;
    operands *own = op->packed;
    op->kernels.pack(op->classes, op->map->padded, op->w, own->weights);
    rhm_replica_update(&own->near_weights, op->engine);
    return RHM_OK;
}

/* Panels are (groups, RHM_GRAM_PANEL, RHM_LANES): what the kernel reads is one stream. */
enum { GROUP_FLOATS = RHM_GRAM_PANEL * RHM_LANES };

static void gram_pack(const rhm_operator *op, size_t first, size_t count, const float *root, const float *x,
                      float *panel) {
    const size_t features = 2 * op->map->padded, stride = rhm_feature_stride(op->map->padded);
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < features; f += RHM_LANES)
            for (size_t l = 0; l < RHM_LANES; l++)
                panel[f / RHM_LANES * GROUP_FLOATS + (first + i) * RHM_LANES + l] = root[i] * x[i * stride + f + l];
}

static rhm_status gram_tile(const rhm_operator *op, int thread, size_t count, const float *panel, size_t row,
                            size_t column, double *tile, rhm_error *error) {
    (void)thread, (void)error;
    const size_t groups = 2 * op->map->padded / RHM_LANES, i0 = row * RHM_GRAM_SIDE, j0 = column * RHM_GRAM_SIDE;
    for (size_t chunk = 0; chunk < count; chunk += RHM_GRAM_CHUNK) {
        const size_t patches = count - chunk < RHM_GRAM_CHUNK ? count - chunk : RHM_GRAM_CHUNK;
        const float *from = panel + chunk * RHM_LANES;
        for (size_t i = 0; i < RHM_GRAM_SIDE && i0 + i < groups; i++) {
            const size_t j = row == column ? i : 0;
            const size_t blocks = (groups - j0 < RHM_GRAM_SIDE ? groups - j0 : RHM_GRAM_SIDE) - j;
            op->kernels.gram(blocks, patches, from + (i0 + i) * GROUP_FLOATS, from + (j0 + j) * GROUP_FLOATS,
                             GROUP_FLOATS, tile + (i * RHM_GRAM_SIDE + j) * RHM_GRAM_BLOCK);
        }
    }
    return RHM_OK;
}

static void clear(rhm_operator *op) {
    operands *own = op->packed;
    rhm_replica_destroy(&own->near_weights, op->engine);
    rhm_replica_destroy(&own->near_half_turns, op->engine);
    rhm_replica_destroy(&own->near_offset, op->engine);
    rhm_phasors_clear(&own->phasors, op->engine);
    rhm_free(own->weights);
    rhm_free(own);
}

static rhm_status share(rhm_operator *op, const float *table, size_t rows, rhm_error *error) {
    operands *own = op->packed;
    RHM_TRY(rhm_phasors_make(&own->phasors, op->engine, op->map, table, rows, error));
    op->phasor_rows = rows;
    return RHM_OK;
}

static rhm_status make_operands(operands *own, const rhm_operator *op, rhm_error *error) {
    const rhm_phase_map *map = op->map;
    const size_t weights = rhm_packed_floats(op->classes, map->padded);
    const size_t half_turns = map->padded * map->tokens * map->embedding;
    own->weights = RHM_NEW(float, weights, 1, 1, "packed weights", error);
    if (!own->weights)
        return RHM_NO_MEMORY;
    RHM_TRY(
        rhm_replica_create(&own->near_weights, op->engine, own->weights, sizeof(float) * weights, "weights", error));
    RHM_TRY(rhm_replica_create(&own->near_half_turns, op->engine, map->half_turns, sizeof(float) * half_turns,
                               "frequencies", error));
    return rhm_replica_create(&own->near_offset, op->engine, map->offset, sizeof(float) * map->padded, "phase offsets",
                              error);
}

_Static_assert((int)NATIVE_CHUNK <= (int)RHM_ROTATED_PATCHES, "a chunk is one call");

static const rhm_operations native = {features,  product,   gradient, forward, set_weights,
                                      gram_pack, gram_tile, clear,    share,   rotated_gradient};

rhm_status rhm_operator_init_native(rhm_operator *out, const rhm_engine *engine, const rhm_phase_map *map,
                                    size_t classes, rhm_error *error) {
    *out = (rhm_operator){
        .operations = &native,
        .backend = "native",
        .block = classes < MANY_CLASSES ? NATIVE_BLOCK : 2 * NATIVE_BLOCK,
        .chunk = NATIVE_CHUNK,
        .engine = engine,
        .kernels = rhm_kernels_of(engine),
        .map = map,
        .classes = classes,
    };
    operands *own = out->packed = RHM_NEW(operands, 1, 1, 1, "operands of a level", error);
    const rhm_status status = own ? make_operands(own, out, error) : RHM_NO_MEMORY;
    if (status != RHM_OK) {
        if (own)
            clear(out);
        *out = (rhm_operator){0};
    }
    return status;
}
