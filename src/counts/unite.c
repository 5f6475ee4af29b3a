#include "counts/unite.h"

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "ranks/group.h"

rhm_status rhm_tuples_unite(rhm_intern *set, const rhm_engine *engine, rhm_error *error) {
    const size_t row = sizeof *set->tuples * set->words;
    if (!rhm_engine_ranks(engine))
        return RHM_OK;
    rhm_spread_parcels all = {0};
    uint32_t id;
    rhm_status status = rhm_spread_collect(&all, engine, set->tuples, set->count * row, error);
    const size_t nbytes = status == RHM_OK ? all.begin[rhm_ranks_size(rhm_engine_ranks(engine))] : 0;
    for (size_t at = 0; at < nbytes && status == RHM_OK; at += row)
        status = rhm_intern_add(set, (const uint32_t *)((const char *)all.data + at), &id, NULL, error);
    rhm_spread_parcels_clear(&all);
    return status;
}

rhm_status rhm_counts_add_up(uint64_t *count, size_t cells, const rhm_engine *engine, rhm_error *error) {
    const int span = rhm_trace_begin(engine, "ranks: counts", 0);
    RHM_TRY(rhm_ranks_add(rhm_engine_ranks(engine), count, cells, error));
    rhm_trace_end(engine, span, (rhm_span_work){.nbytes = (double)cells * sizeof *count});
    return RHM_OK;
}
