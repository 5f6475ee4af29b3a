#include "learners/layerwise/held_out.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

size_t rhm_held_out_runs(size_t distinct) {
    const size_t full = (distinct + RHM_HELD_OUT_LEAST_RUN - 1) / RHM_HELD_OUT_LEAST_RUN;
    return full > RHM_HELD_OUT_MOST_RUNS ? RHM_HELD_OUT_MOST_RUNS : full > 0 ? full : 1;
}

static rhm_spread_part part_of(const rhm_engine *engine, size_t distinct, int rank) {
    const size_t runs = rhm_held_out_runs(distinct);
    if (!rhm_spread_is_many(engine, runs))
        return (rhm_spread_part){0, distinct};
    return (rhm_spread_part){rhm_held_out_run_begin(distinct, runs, rhm_spread_begin(engine, runs, rank)),
                             rhm_held_out_run_begin(distinct, runs, rhm_spread_begin(engine, runs, rank + 1))};
}

rhm_spread_part rhm_held_out_own(const rhm_engine *engine, size_t distinct) {
    return part_of(engine, distinct, rhm_ranks_rank(rhm_engine_ranks(engine)));
}

void rhm_held_out_parts(rhm_ranks_part *of_rank, const rhm_engine *engine, size_t distinct) {
    for (int rank = 0; rank < rhm_ranks_size(rhm_engine_ranks(engine)); rank++)
        of_rank[rank] = part_of(engine, distinct, rank);
}

rhm_status rhm_held_out_embed(rhm_embeddings *out, const rhm_engine *engine, const rhm_ready_layer *layer,
                              const rhm_intern *patches, const rhm_embeddings *inputs, uint64_t *clamped,
                              rhm_error *error) {
    if (!rhm_spread_is_many(engine, rhm_held_out_runs(patches->count)))
        return rhm_embed(out, engine, layer, patches, inputs, clamped, error);
    return rhm_embed_part(out, engine, layer, patches, inputs, rhm_held_out_own(engine, patches->count), clamped,
                          error);
}

static rhm_status gather(float *points, const rhm_engine *engine, size_t distinct, size_t count, size_t width,
                         rhm_error *error) {
    const size_t ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(engine));
    size_t *begin = RHM_NEW(size_t, ranks + 1, 1, 1, "parts of ranks", error);
    if (!begin)
        return RHM_NO_MEMORY;
    for (size_t rank = 0; rank <= ranks; rank++)
        begin[rank] = part_of(engine, distinct, (int)rank).first;
    const rhm_status status =
        rhm_spread_gather_thinned(engine, points, count, sizeof *points * width, distinct, begin, error);
    rhm_free(begin);
    return status;
}

rhm_status rhm_held_out_points(float **points, size_t *count, const rhm_engine *engine, const rhm_embeddings *own,
                               size_t distinct, size_t most, rhm_error *error) {
    const rhm_spread_part part = rhm_held_out_own(engine, distinct);
    const size_t used = distinct < most ? distinct : most, width = own->width;
    *count = used;
    if (!(*points = RHM_NEW(float, used, width, 1, "points to cluster", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < used; i++) {
        const size_t patch = i * distinct / used;
        if (part.first <= patch && patch < part.end)
            memcpy(*points + i * width, own->row + (patch - part.first) * width, sizeof **points * width);
    }
    if (!rhm_spread_is_many(engine, rhm_held_out_runs(distinct)))
        return RHM_OK;
    const rhm_status status = gather(*points, engine, distinct, used, width, error);
    if (status != RHM_OK) {
        rhm_free(*points);
        *points = NULL;
    }
    return status;
}
