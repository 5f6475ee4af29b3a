#include "clustering/loop.h"

#include "core/fail.h"

enum {
    CHUNK_WORK = 1 << 14,  /* multiply-adds: about ten microseconds */
    SHARED_WORK = 1 << 17, /* of each thread of all ranks: what some messages take at most */
};

static rhm_status run_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    rhm_kmeans_loop *loop = context;
    const size_t first = chunk * loop->chunk, end = first + loop->chunk;
    loop->body(loop, first, end < loop->items ? end : loop->items);
    return RHM_OK;
}

void rhm_kmeans_loop_writes(rhm_kmeans_loop *loop, void *data, size_t nbytes, size_t items) {
    loop->output[loop->outputs++] = (rhm_spread_output){data, nbytes, nbytes * items};
}

rhm_status rhm_kmeans_loop_run(rhm_kmeans_loop *loop, size_t items, size_t work_per_item, rhm_error *error) {
    const rhm_engine *engine = loop->g->engine;
    loop->items = items;
    loop->chunk = work_per_item < CHUNK_WORK ? CHUNK_WORK / work_per_item : 1;
    const size_t chunks = (items + loop->chunk - 1) / loop->chunk;
    if (loop->outputs == 0 || items * work_per_item < SHARED_WORK * rhm_spread_threads(engine))
        return rhm_parallel(engine, chunks, run_chunk, loop, error);
    for (size_t i = 0; i < loop->outputs; i++)
        loop->output[i].chunk_nbytes *= loop->chunk;
    RHM_TRY(rhm_spread_many(engine, chunks, run_chunk, loop, loop->output, loop->outputs, error));
    uint64_t changed = atomic_load(&loop->changed);
    RHM_TRY(rhm_spread_count(engine, &changed, error));
    atomic_store(&loop->changed, changed > 0);
    return RHM_OK;
}
