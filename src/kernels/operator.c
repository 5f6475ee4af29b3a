#include "kernels/operator.h"

#include "core/fail.h"
#include "engine/engine.h"
#include "kernels/backend.h"
#include "kernels/slowdown.h"

enum { NATIVE_BLOCK = 24 }; /* patches whose features stay in the second-level cache from product to gradient */

static rhm_status features(const rhm_operator *op, int thread, const rhm_patch_rows *patches, float *x,
                           rhm_error *error) {
    (void)thread, (void)error;
    op->kernels->features(op->map, patches, x);
    for (size_t again; (again = rhm_slowdown_due(RHM_SLOW_FEATURES, patches->count)) > 0;)
        op->kernels->features(op->map, &(rhm_patch_rows){patches->table, patches->ids, again}, x);
    return RHM_OK;
}

static rhm_status product(const rhm_operator *op, int thread, size_t count, const float *x, float *y,
                          rhm_error *error) {
    (void)thread, (void)error;
    op->kernels->product(op->classes, op->map->padded, op->w, count, x, y);
    for (size_t again; (again = rhm_slowdown_due(RHM_SLOW_PRODUCT, count)) > 0;)
        op->kernels->product(op->classes, op->map->padded, op->w, again, x, y);
    return RHM_OK;
}

static rhm_status gradient(const rhm_operator *op, int thread, size_t count, const float *r, const float *x, float *g,
                           rhm_error *error) {
    (void)thread, (void)error;
    op->kernels->gradient(op->classes, op->map->padded, count, r, x, g);
    return RHM_OK;
}

static rhm_status forward(const rhm_operator *op, int thread, const rhm_patch_rows *patches, float *y,
                          rhm_error *error) {
    (void)thread, (void)error;
    op->kernels->forward(op->map, op->classes, op->w, patches, y);
    for (size_t again; (again = rhm_slowdown_due(RHM_SLOW_FORWARD, patches->count)) > 0;)
        op->kernels->forward(op->map, op->classes, op->w, &(rhm_patch_rows){patches->table, patches->ids, again}, y);
    return RHM_OK;
}

static rhm_status set_weights(rhm_operator *op, rhm_error *error) {
    (void)op, (void)error;
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
            op->kernels->gram(blocks, patches, from + (i0 + i) * GROUP_FLOATS, from + (j0 + j) * GROUP_FLOATS,
                              GROUP_FLOATS, tile + (i * RHM_GRAM_SIDE + j) * RHM_GRAM_BLOCK);
        }
    }
    return RHM_OK;
}

static void clear(rhm_operator *op) {
    (void)op;
}

static const rhm_operations native = {features, product, gradient, forward, set_weights, gram_pack, gram_tile, clear};

rhm_status rhm_operator_init_native(rhm_operator *out, const rhm_engine *engine, const rhm_phase_map *map,
                                    size_t classes, rhm_error *error) {
    (void)error;
    *out = (rhm_operator){
        .operations = &native,
        .backend = "native",
        .block = NATIVE_BLOCK,
        .engine = engine,
        .kernels = rhm_kernels_of(engine),
        .map = map,
        .classes = classes,
    };
    return RHM_OK;
}

rhm_status rhm_operator_init_onednn(rhm_operator *out, const rhm_engine *engine, const rhm_phase_map *map,
                                    size_t classes, rhm_error *error) {
    rhm_backend *backend;
    RHM_TRY(rhm_operator_init_native(out, engine, map, classes, error));
    RHM_TRY(rhm_backend_of(&backend, engine, error));
    if (!backend->onednn)
        RHM_TRY(rhm_onednn_create(&backend->onednn, engine, error));
    return rhm_onednn_operator(out, backend->onednn, error);
}

rhm_status rhm_operator_init(rhm_operator *out, const rhm_engine *engine, rhm_work work, const rhm_phase_map *map,
                             size_t classes, size_t count, rhm_error *error) {
    bool onednn = engine->backend_kind == RHM_BACKEND_ONEDNN;
    if (engine->backend_kind == RHM_BACKEND_AUTO && !rhm_backend_obstacle(engine)) {
        rhm_backend *backend;
        RHM_TRY(rhm_backend_of(&backend, engine, error));
        RHM_TRY(rhm_backend_choose(&onednn, backend, work, map, classes, count, error));
    }
    return onednn ? rhm_operator_init_onednn(out, engine, map, classes, error)
                  : rhm_operator_init_native(out, engine, map, classes, error);
}

void rhm_operator_clear(rhm_operator *op) {
    if (op->operations)
        op->operations->clear(op);
    *op = (rhm_operator){0};
}

rhm_status rhm_operator_set_weights(rhm_operator *op, const float *w, rhm_error *error) {
    op->w = w;
    return op->operations->set_weights(op, error);
}
