#include "kernels/onednn/primitives.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"

rhm_status rhm_onednn_create(rhm_onednn **out, const rhm_engine *engine, rhm_error *error) {
    *out = NULL;
    rhm_onednn *o = RHM_NEW(rhm_onednn, 1, 1, 1, "oneDNN", error);
    if (!o)
        return RHM_NO_MEMORY;
    o->engine = engine;
    rhm_dnnl_name(o->name);
    o->lane = RHM_NEW(rhm_onednn_lane, (size_t)rhm_engine_threads(engine), 1, 1, "caches of oneDNN primitives", error);
    rhm_status status = o->lane ? rhm_dnnl_open(&o->dnnl, rhm_engine_isa(engine), error) : RHM_NO_MEMORY;
    for (int i = 0; i < rhm_engine_threads(engine) && status == RHM_OK; i++)
        status = rhm_dnnl_stream(&o->lane[i].stream, o->dnnl, error);
    if (status != RHM_OK) {
        rhm_onednn_destroy(o);
        return status;
    }
    *out = o;
    return RHM_OK;
}

void rhm_onednn_destroy(rhm_onednn *onednn) {
    if (!onednn)
        return;
    for (int i = 0; onednn->lane && i < rhm_engine_threads(onednn->engine); i++) {
        rhm_onednn_lane *l = &onednn->lane[i];
        for (size_t e = 0; e < RHM_ONEDNN_PRIMITIVES; e++)
            rhm_matmul_destroy(&l->entry[e].matmul);
        if (l->stream)
            dnnl_stream_destroy(l->stream);
        rhm_free(l->pad);
    }
    rhm_free(onednn->lane);
    rhm_dnnl_close(onednn->dnnl);
    rhm_scratch_destroy(&onednn->scratch, onednn->engine);
    rhm_free(onednn);
}

const char *rhm_onednn_name(const rhm_onednn *onednn) {
    return onednn->name;
}

size_t rhm_onednn_cached(const rhm_onednn *onednn, int thread) {
    size_t cached = 0;
    for (size_t e = 0; e < RHM_ONEDNN_PRIMITIVES; e++)
        cached += onednn->lane[thread].entry[e].used > 0;
    return cached;
}

size_t rhm_onednn_made(const rhm_onednn *onednn, int thread) {
    return onednn->lane[thread].made;
}

/* The thread's primitive for a shape, which says it all: the layout of a packed operand is a function of k and n. */
static rhm_status find(const rhm_onednn_entry **out, rhm_onednn *o, rhm_onednn_lane *l, const rhm_matmul_shape *shape,
                       const rhm_packing *packing, rhm_error *error) {
    rhm_onednn_entry *oldest = &l->entry[0];
    for (size_t e = 0; e < RHM_ONEDNN_PRIMITIVES; e++) {
        rhm_onednn_entry *at = &l->entry[e];
        if (at->used && memcmp(&at->shape, shape, sizeof *shape) == 0) {
            at->used = ++l->clock;
            *out = at;
            return RHM_OK;
        }
        if (at->used < oldest->used)
            oldest = at;
    }
    rhm_matmul_destroy(&oldest->matmul);
    oldest->used = 0;
    RHM_TRY(rhm_matmul_create(&oldest->matmul, o->dnnl, shape, packing, error));
    if (oldest->matmul.pad_nbytes > l->pad_nbytes) {
        rhm_free(l->pad);
        l->pad_nbytes = 0;
        l->pad = RHM_NEW(char, oldest->matmul.pad_nbytes, 1, 1, "working memory of oneDNN", error);
        if (!l->pad) {
            rhm_matmul_destroy(&oldest->matmul);
            return RHM_NO_MEMORY;
        }
        l->pad_nbytes = oldest->matmul.pad_nbytes;
    }
    l->made++;
    oldest->shape = *shape;
    oldest->used = ++l->clock;
    *out = oldest;
    return RHM_OK;
}

rhm_status rhm_onednn_multiply(rhm_onednn *onednn, int thread, const rhm_matmul_shape *shape,
                               const rhm_packing *packing, const float *a, const void *b, float *c, rhm_error *error) {
    rhm_onednn_lane *l = &onednn->lane[thread];
    const rhm_onednn_entry *at;
    RHM_TRY(find(&at, onednn, l, shape, packing, error));
    return rhm_matmul_run(&at->matmul, l->stream, a, b, c, l->pad, error);
}

rhm_status rhm_onednn_scratch(rhm_onednn *onednn, size_t nbytes, rhm_error *error) {
    if (nbytes <= onednn->scratch_nbytes)
        return RHM_OK;
    rhm_scratch_destroy(&onednn->scratch, onednn->engine);
    onednn->scratch_nbytes = 0;
    RHM_TRY(rhm_scratch_create(&onednn->scratch, onednn->engine, nbytes, "oneDNN blocks", error));
    onednn->scratch_nbytes = nbytes;
    return RHM_OK;
}
