#include "engine/spread.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/rank_share.h"
#include "engine/reduce.h"
#include "engine/trace.h"
#include "ranks/group.h"

rhm_ranks *rhm_engine_ranks(const rhm_engine *engine) {
    return engine->ranks;
}

const rhm_engine *rhm_engine_alone(const rhm_engine *engine) {
    return engine->alone ? engine->alone : engine;
}

size_t rhm_spread_begin(const rhm_engine *engine, size_t count, int rank) {
    return rhm_ranks_begin(engine->ranks, count, 1, rank);
}

rhm_spread_part rhm_spread_own(const rhm_engine *engine, size_t count) {
    return rhm_ranks_share(engine->ranks, count, 1);
}

typedef struct shifted {
    rhm_chunk_body *body;
    void *context;
    size_t first;
} shifted;

static rhm_status run_shifted(void *context, size_t chunk, int thread, rhm_error *error) {
    const shifted *s = context;
    return s->body(s->context, s->first + chunk, thread, error);
}

rhm_status rhm_spread_gather(const rhm_engine *engine, size_t chunk_count, const rhm_spread_output *output,
                             rhm_error *error) {
    if (!engine->ranks)
        return RHM_OK;
    const size_t ranks = (size_t)rhm_ranks_size(engine->ranks);
    size_t *begin = RHM_NEW(size_t, ranks + 1, 1, 1, "parts of ranks", error);
    if (!begin)
        return RHM_NO_MEMORY;
    for (size_t rank = 0; rank <= ranks; rank++) {
        const size_t at = rhm_spread_begin(engine, chunk_count, (int)rank) * output->chunk_nbytes;
        begin[rank] = at < output->nbytes ? at : output->nbytes;
    }
    const rhm_status status = rhm_ranks_gather(engine->ranks, output->data, begin, error);
    rhm_free(begin);
    return status;
}

rhm_status rhm_spread_gather_thinned(const rhm_engine *engine, void *rows, size_t count, size_t nbytes, size_t all,
                                     const size_t *begin, rhm_error *error) {
    const size_t ranks = (size_t)rhm_ranks_size(engine->ranks);
    size_t *at = RHM_NEW(size_t, ranks + 1, 1, 1, "parts of ranks", error);
    if (!at)
        return RHM_NO_MEMORY;
    for (size_t rank = 0, i = 0; rank < ranks; rank++) {
        while (i < count && i * all / count < begin[rank])
            i++;
        at[rank] = i * nbytes;
    }
    at[ranks] = count * nbytes;
    const rhm_status status = rhm_ranks_gather(engine->ranks, rows, at, error);
    rhm_free(at);
    return status;
}

rhm_status rhm_spread(const rhm_engine *engine, size_t chunk_count, rhm_chunk_body *body, void *context,
                      const rhm_spread_output *outputs, size_t output_count, rhm_error *error) {
    if (!engine->ranks)
        return rhm_parallel(engine, chunk_count, body, context, error);
    const rhm_spread_part own = rhm_spread_own(engine, chunk_count);
    shifted s = {body, context, own.first};
    RHM_TRY(rhm_parallel(engine, own.end - own.first, run_shifted, &s, error));
    rhm_status status = RHM_OK;
    const int span = rhm_trace_begin(engine, "ranks: gather", 0);
    double nbytes = 0;
    for (size_t i = 0; status == RHM_OK && i < output_count; i++) {
        status = rhm_spread_gather(engine, chunk_count, &outputs[i], error);
        nbytes += (double)outputs[i].nbytes;
    }
    rhm_trace_end(engine, span, (rhm_span_work){.nbytes = nbytes});
    return status;
}

bool rhm_spread_is_many(const rhm_engine *engine, size_t chunk_count) {
    return engine->ranks && chunk_count >= (size_t)rhm_ranks_size(engine->ranks);
}

rhm_status rhm_spread_many(const rhm_engine *engine, size_t chunk_count, rhm_chunk_body *body, void *context,
                           const rhm_spread_output *outputs, size_t output_count, rhm_error *error) {
    if (rhm_spread_is_many(engine, chunk_count))
        return rhm_spread(engine, chunk_count, body, context, outputs, output_count, error);
    return rhm_parallel(engine, chunk_count, body, context, error);
}

rhm_status rhm_spread_collect(rhm_spread_parcels *out, const rhm_engine *engine, const void *own, size_t nbytes,
                              rhm_error *error) {
    const size_t size = (size_t)rhm_ranks_size(engine->ranks), rank = (size_t)rhm_ranks_rank(engine->ranks);
    *out = (rhm_spread_parcels){.begin = RHM_NEW(size_t, size + 1, 1, 1, "parts of ranks", error)};
    if (!out->begin)
        return RHM_NO_MEMORY;
    const int span = rhm_trace_begin(engine, "ranks: collect", 0);
    out->begin[rank] = nbytes;
    RHM_TRY(rhm_ranks_gather_equal(engine->ranks, out->begin, sizeof *out->begin, error));
    size_t all = 0;
    for (size_t r = 0; r <= size; r++) {
        const size_t of_rank = r < size ? out->begin[r] : 0;
        out->begin[r] = all;
        all += of_rank;
    }
    if (!(out->data = rhm_alloc(1, all, 1, 1, "parts of ranks", error)))
        return RHM_NO_MEMORY;
    if (nbytes > 0)
        memcpy((char *)out->data + out->begin[rank], own, nbytes);
    const rhm_status status = rhm_ranks_gather(engine->ranks, out->data, out->begin, error);
    rhm_trace_end(engine, span, (rhm_span_work){.nbytes = (double)all});
    return status;
}

rhm_status rhm_spread_deal(rhm_spread_parcels *in, const rhm_engine *engine, const void *out,
                           const rhm_ranks_part *slice, rhm_error *error) {
    const size_t size = (size_t)rhm_ranks_size(engine->ranks);
    *in = (rhm_spread_parcels){.begin = RHM_NEW(size_t, size + 1, 1, 1, "parts of ranks", error)};
    if (!in->begin)
        return RHM_NO_MEMORY;
    const int span = rhm_trace_begin(engine, "ranks: deal", 0);
    const rhm_status status = rhm_ranks_deal(engine->ranks, out, slice, &in->data, in->begin, error);
    rhm_trace_end(engine, span, (rhm_span_work){.nbytes = (double)in->begin[size]});
    return status;
}

void rhm_spread_parcels_clear(rhm_spread_parcels *parcels) {
    rhm_free(parcels->data);
    rhm_free(parcels->begin);
    *parcels = (rhm_spread_parcels){0};
}

size_t rhm_spread_threads(const rhm_engine *engine) {
    size_t threads = engine->ranks ? 0 : (size_t)engine->threads;
    for (int rank = 0; engine->ranks && rank < rhm_ranks_size(engine->ranks); rank++)
        threads += (size_t)engine->rank_place[rank].threads;
    return threads;
}

/* Complete subtrees among the own rows [first, end) are blocks of 2^j of them: threads add up those that fit, from the
 * largest blocks that begin at the first row to those that end at the last. */
static rhm_status reduce_own(const rhm_engine *engine, double *rows, size_t count, size_t size, size_t stride,
                             rhm_spread_part own, rhm_error *error) {
    for (size_t row = own.first; row < own.end;) {
        const size_t block = rhm_ranks_subtree(row, own.end, count);
        const size_t end = row + block < own.end ? row + block : own.end;
        RHM_TRY(rhm_reduce(engine, rows + row * stride, end - row, size, stride, error));
        row = end;
    }
    return RHM_OK;
}

rhm_status rhm_spread_reduce(const rhm_engine *engine, double *rows, size_t count, size_t size, size_t stride,
                             double *spare, const double **sum, rhm_error *error) {
    const size_t ranks = (size_t)rhm_ranks_size(engine->ranks);
    RHM_TRY(reduce_own(engine, rows, count, size, stride, rhm_spread_own(engine, count), error));
    *sum = engine->ranks ? spare : rows;
    if (!engine->ranks)
        return RHM_OK;
    size_t *first = RHM_NEW(size_t, ranks + 1, 1, 1, "parts of ranks", error);
    if (!first)
        return RHM_NO_MEMORY;
    for (size_t rank = 0; rank <= ranks; rank++)
        first[rank] = rhm_spread_begin(engine, count, (int)rank);
    const int span = rhm_trace_begin(engine, "ranks: reduce", 0);
    const rhm_status status = rhm_ranks_sum(engine->ranks, rows, count, first, size, stride, spare, error);
    rhm_trace_end(engine, span, (rhm_span_work){.nbytes = 2 * sizeof *spare * (double)size});
    rhm_free(first);
    return status;
}

rhm_status rhm_spread_reduce_many(const rhm_engine *engine, double *rows, size_t count, size_t size, rhm_error *error) {
    if (!rhm_spread_is_many(engine, count))
        return rhm_reduce(engine, rows, count, size, size, error);
    const double *sum = rows;
    double *spare = RHM_NEW(double, size, 1, 1, "sum of ranks", error);
    if (!spare)
        return RHM_NO_MEMORY;
    const rhm_status status = rhm_spread_reduce(engine, rows, count, size, size, spare, &sum, error);
    if (status == RHM_OK)
        memcpy(rows, sum, sizeof *rows * size);
    rhm_free(spare);
    return status;
}

rhm_status rhm_spread_count(const rhm_engine *engine, uint64_t *count, rhm_error *error) {
    if (!engine->ranks)
        return RHM_OK;
    const size_t size = (size_t)rhm_ranks_size(engine->ranks);
    uint64_t *all = RHM_NEW(uint64_t, size, 1, 1, "counts of ranks", error);
    if (!all)
        return RHM_NO_MEMORY;
    all[rhm_ranks_rank(engine->ranks)] = *count;
    const rhm_status status = rhm_ranks_gather_equal(engine->ranks, all, sizeof *all, error);
    *count = 0;
    for (size_t rank = 0; status == RHM_OK && rank < size; rank++)
        *count += all[rank];
    rhm_free(all);
    return status;
}

rhm_status rhm_spread_add(const rhm_engine *engine, uint64_t *counts, size_t count, rhm_error *error) {
    return rhm_ranks_add(engine->ranks, counts, count, error);
}

rhm_status rhm_spread_chain(const rhm_engine *engine, double *sum, size_t size, rhm_spread_adder *add, void *context,
                            rhm_error *error) {
    rhm_ranks *ranks = engine->ranks;
    const int rank = rhm_ranks_rank(ranks), last = rhm_ranks_size(ranks) - 1;
    const size_t nbytes = sizeof *sum * size;
    if (rank > 0)
        RHM_TRY(rhm_ranks_receive(ranks, rank - 1, sum, nbytes, error));
    add(context, sum);
    if (last > 0)
        RHM_TRY(rhm_ranks_send(ranks, rank < last ? rank + 1 : 0, sum, nbytes, error));
    if (rank == 0 && last > 0)
        RHM_TRY(rhm_ranks_receive(ranks, last, sum, nbytes, error));
    return rhm_ranks_broadcast(ranks, sum, nbytes, error);
}

rhm_status rhm_spread_agree(const rhm_engine *engine, double *value, rhm_error *error) {
    return rhm_ranks_broadcast(engine->ranks, value, sizeof *value, error);
}
