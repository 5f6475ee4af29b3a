#include "patches/share.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

rhm_spread_part rhm_chunks_own(const rhm_engine *engine, size_t chunks) {
    return rhm_spread_is_many(engine, chunks) ? rhm_spread_own(engine, chunks) : (rhm_spread_part){0, chunks};
}

/* ---- what chunks have listed: words that are numbers, then those of all lists ------------------------------------ */

static size_t words_of(const rhm_patches *patches, const rhm_patch_chunk *chunk) {
    size_t words = 2 + chunk->uncounted_count + (chunk->ids ? chunk->patches : 0);
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++)
        words += 1 + chunk->fresh[j].count * rhm_patches_tuples(patches, j)->words;
    return words;
}

static uint32_t *put(uint32_t *at, const uint32_t *words, size_t count) {
    if (count > 0)
        memcpy(at, words, sizeof *words * count);
    return at + count;
}

static const uint32_t *take(const uint32_t *at, uint32_t *words, size_t count) {
    if (count > 0)
        memcpy(words, at, sizeof *words * count);
    return at + count;
}

static uint32_t *pack(const rhm_patches *patches, const rhm_patch_chunk *chunk, uint32_t *at) {
    *at++ = (uint32_t)chunk->patches;
    *at++ = (uint32_t)chunk->uncounted_count;
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++) {
        const rhm_fresh *fresh = &chunk->fresh[j];
        *at++ = (uint32_t)fresh->count;
        at = put(at, fresh->tuples, fresh->count * rhm_patches_tuples(patches, j)->words);
    }
    at = put(at, chunk->uncounted, chunk->uncounted_count);
    return put(at, chunk->ids, chunk->ids ? chunk->patches : 0);
}

static rhm_status unpack(const rhm_patches *patches, rhm_patch_chunk *chunk, size_t samples, const uint32_t **from,
                         rhm_error *error) {
    const uint32_t *at = *from;
    if (!chunk->uncounted &&
        !(chunk->uncounted = RHM_NEW(uint32_t, samples, patches->positions, 1, "cells of a chunk", error)))
        return RHM_NO_MEMORY;
    chunk->patches = *at++;
    chunk->uncounted_count = *at++;
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++) {
        const size_t words = rhm_patches_tuples(patches, j)->words;
        RHM_TRY(rhm_fresh_reserve(&chunk->fresh[j], *at++, words, error));
        at = take(at, chunk->fresh[j].tuples, chunk->fresh[j].count * words);
    }
    at = take(at, chunk->uncounted, chunk->uncounted_count);
    *from = take(at, chunk->ids, chunk->ids ? chunk->patches : 0);
    return RHM_OK;
}

static rhm_status collect(rhm_spread_parcels *all, const rhm_patches *patches, const rhm_engine *engine,
                          const rhm_patch_chunk *chunk, rhm_spread_part own, rhm_error *error) {
    size_t words = 0;
    for (size_t c = own.first; c < own.end; c++)
        words += words_of(patches, &chunk[c]);
    uint32_t *packed = RHM_NEW(uint32_t, words, 1, 1, "new patches of a rank", error), *at = packed;
    if (!packed)
        return RHM_NO_MEMORY;
    for (size_t c = own.first; c < own.end; c++)
        at = pack(patches, &chunk[c], at);
    const rhm_status status = rhm_spread_collect(all, engine, packed, sizeof *packed * words, error);
    rhm_free(packed);
    return status;
}

static rhm_status share_lists(const rhm_patches *patches, const rhm_engine *engine, rhm_patch_chunk *chunk,
                              size_t chunks, size_t samples, rhm_error *error) {
    const int ranks = rhm_ranks_size(rhm_engine_ranks(engine)), own = rhm_ranks_rank(rhm_engine_ranks(engine));
    rhm_spread_parcels all = {0};
    rhm_status status = collect(&all, patches, engine, chunk, rhm_spread_own(engine, chunks), error);
    for (int rank = 0; rank < ranks && status == RHM_OK; rank++) {
        const uint32_t *at = (const uint32_t *)((const char *)all.data + all.begin[rank]);
        const size_t end = rank == own ? 0 : rhm_spread_begin(engine, chunks, rank + 1);
        for (size_t c = rhm_spread_begin(engine, chunks, rank); c < end && status == RHM_OK; c++)
            status = unpack(patches, &chunk[c], samples, &at, error);
    }
    rhm_spread_parcels_clear(&all);
    return status;
}

/* ---- what threads have counted ----------------------------------------------------------------------------------- */

static void take_own(rhm_patch_scratch *scratch, int threads, uint32_t *sum, size_t cells) {
    for (int t = 0; t < threads; t++)
        for (size_t i = 0; scratch[t].own && i < cells; i++) {
            sum[i] += scratch[t].own[i];
            scratch[t].own[i] = 0;
        }
}

static rhm_status share_counts(rhm_patches *patches, const rhm_engine *engine, rhm_patch_scratch *scratch,
                               rhm_error *error) {
    const size_t known = patches->cell.count, cells = known < RHM_OWN_CELLS ? known : RHM_OWN_CELLS;
    const size_t ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(engine));
    if (cells == 0)
        return RHM_OK;
    uint32_t *sums = RHM_NEW(uint32_t, ranks, cells, 1, "counts of ranks", error);
    if (!sums)
        return RHM_NO_MEMORY;
    take_own(scratch, rhm_engine_threads(engine), sums + (size_t)rhm_ranks_rank(rhm_engine_ranks(engine)) * cells,
             cells);
    const rhm_spread_output all = {sums, sizeof *sums * cells, sizeof *sums * cells * ranks};
    const rhm_status status = rhm_spread_gather(engine, ranks, &all, error);
    for (size_t i = 0; status == RHM_OK && i < ranks * cells; i++)
        patches->count[i % cells] += sums[i];
    rhm_free(sums);
    return status;
}

rhm_status rhm_chunks_share(rhm_patches *patches, const rhm_engine *engine, rhm_patch_chunk *chunk, size_t chunks,
                            size_t samples, rhm_patch_scratch *scratch, rhm_error *error) {
    if (!rhm_spread_is_many(engine, chunks))
        return RHM_OK;
    RHM_TRY(share_lists(patches, engine, chunk, chunks, samples, error));
    return share_counts(patches, engine, scratch, error);
}
