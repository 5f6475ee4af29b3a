#include "patches/patches.h"

#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/trace.h"
#include "patches/chunk.h"
#include "patches/division.h"
#include "patches/draw.h"
#include "patches/merge.h"
#include "patches/raw.h"
#include "patches/share.h"

enum {
    CHUNKS_PER_THREAD = 4,       /* in a round, so that a slow chunk does not idle the others */
    MOST_CHUNKS_PER_THREAD = 16, /* where there is next to nothing to do between rounds */
    FIRST_TUPLES = 32,
};

static rhm_status make_list(rhm_intern *set, size_t words, rhm_error *error) {
    *set = (rhm_intern){.words = words, .capacity = FIRST_TUPLES};
    set->tuples = RHM_NEW(uint32_t, FIRST_TUPLES, words, 1, "distinct patches", error);
    return set->tuples ? RHM_OK : RHM_NO_MEMORY;
}

rhm_status rhm_patches_init(rhm_patches *patches, uint32_t level, const rhm_tree *tree, uint32_t classes,
                            rhm_error *error) {
    *patches = (rhm_patches){.tree = *tree, .level = level, .classes = classes, .positions = 1};
    rhm_status status = make_list(&patches->cell, 2, error);
    for (uint32_t j = level; j <= tree->levels && status == RHM_OK; j++)
        status = make_list(&patches->subtree[j], tree->branching[j], error);
    if (status == RHM_OK && !(patches->count = RHM_NEW(uint64_t, FIRST_TUPLES, 1, 1, "counts of patches", error)))
        status = RHM_NO_MEMORY;
    if (status != RHM_OK)
        rhm_patches_destroy(patches);
    return status;
}

void rhm_patches_destroy(rhm_patches *patches) {
    rhm_division_destroy(patches);
    for (size_t j = 0; j <= RHM_MAX_LEVELS; j++) {
        rhm_intern_destroy(&patches->subtree[j]);
        rhm_index_destroy(&patches->index[j]);
    }
    rhm_intern_destroy(&patches->cell);
    rhm_free(patches->count);
    rhm_drawing_destroy(patches->drawing);
    if (patches->engine)
        rhm_memory_release(patches->engine, patches->reserved_nbytes);
    *patches = (rhm_patches){0};
}

/* One round: chunks are read by all threads of all ranks, and what they list is merged by each rank. */
typedef struct counting {
    rhm_patches *patches;
    rhm_patch_chunk *chunk;     /* (most chunks of a round) */
    rhm_patch_scratch *scratch; /* (threads) */
    rhm_patch_source *source;
    const void *context;
    uint32_t *ids; /* of the round, or NULL */
    uint64_t first;
    uint64_t count;
    size_t chunk_samples;
    rhm_spread_part own; /* chunks that this rank reads */
    rhm_sample_rows rows;
} counting;

static uint32_t *ids_of(const counting *r, size_t chunk) {
    return r->ids ? r->ids + chunk * r->chunk_samples * r->patches->positions : NULL;
}

static rhm_status read_chunk(void *context, size_t index, int thread, rhm_error *error) {
    const counting *r = context;
    index += r->own.first;
    const uint64_t begin = index * r->chunk_samples;
    const uint64_t left = r->count - begin;
    rhm_patch_scratch *scratch = &r->scratch[thread];
    RHM_TRY(rhm_patch_scratch_init(scratch, r->patches, r->chunk_samples, &r->rows, error));
    return rhm_patch_chunk_read(&r->chunk[index], scratch, r->patches, r->source, r->context, r->first + begin,
                                left < r->chunk_samples ? (size_t)left : r->chunk_samples, r->chunk_samples, &r->rows,
                                ids_of(r, index), error);
}

static rhm_status read_round(counting *r, const rhm_engine *engine, size_t chunks, rhm_error *error) {
    const int span = rhm_trace_begin(engine, "read", 0);
    r->own = rhm_chunks_own(engine, chunks);
    for (size_t c = 0; c < chunks; c++)
        r->chunk[c].ids = ids_of(r, c);
    rhm_status status = rhm_parallel(engine, r->own.end - r->own.first, read_chunk, r, error);
    if (status == RHM_OK)
        status = rhm_chunks_share(r->patches, engine, r->chunk, chunks, r->chunk_samples, r->scratch, error);
    const double samples = (double)r->count;
    rhm_trace_end(engine, span, (rhm_span_work){.items = samples, .nbytes = 2 * samples * (double)(r->rows.width + 1)});
    return status;
}

static rhm_status merge_round(rhm_merge *merge, const rhm_engine *engine, size_t chunks, size_t *listed,
                              rhm_error *error) {
    const int span = rhm_trace_begin(engine, "merge", 0);
    const rhm_status status = rhm_merge_round(merge, chunks, listed, error);
    rhm_trace_end(engine, span, (rhm_span_work){.items = (double)*listed});
    return status;
}

rhm_status rhm_patches_add(rhm_patches *patches, const rhm_engine *engine, const char *stage, rhm_patch_source *source,
                           const void *context, uint64_t first, uint64_t count, uint32_t *ids, rhm_error *error) {
    if (count == 0)
        return RHM_OK;
    if (patches->drawing)
        return rhm_fail(error, RHM_INVALID, "counts were drawn for level %u: samples cannot be counted on top of them",
                        patches->level);
    if (patches->division)
        return rhm_division_add(patches, engine, stage, source, context, first, count, error);
    if (patches->raw)
        return rhm_raw_add(patches, engine, stage, source, context, first, count, ids, error);
    const size_t threads = (size_t)rhm_engine_threads(engine), all = rhm_spread_threads(engine);
    counting r = {.patches = patches, .source = source, .context = context};
    r.rows = rhm_sample_rows_of(patches);
    r.chunk_samples = rhm_patch_chunk_samples(count, r.rows.width);
    const uint64_t needed = (count + r.chunk_samples - 1) / r.chunk_samples;
    const size_t most = needed < all * MOST_CHUNKS_PER_THREAD ? (size_t)needed : all * MOST_CHUNKS_PER_THREAD;
    size_t chunks = all * CHUNKS_PER_THREAD;

    rhm_merge merge = {0};
    rhm_status status = RHM_NO_MEMORY;
    if (!(r.chunk = RHM_NEW(rhm_patch_chunk, most, 1, 1, "sampling chunks", error)) ||
        !(r.scratch = RHM_NEW(rhm_patch_scratch, threads, 1, 1, "sampling chunks", error)) ||
        rhm_merge_init(&merge, patches, engine, most, error) != RHM_OK)
        goto done;
    merge.chunk = r.chunk;
    merge.scratch = r.scratch;
    status = RHM_OK;
    for (uint64_t done = 0; done < count && status == RHM_OK; done += r.count) {
        chunks = chunks < most ? chunks : most;
        const uint64_t now = (uint64_t)chunks * r.chunk_samples;
        r.first = first + done;
        r.count = count - done < now ? count - done : now;
        r.ids = ids ? ids + done * patches->positions : NULL;
        const size_t used = (size_t)((r.count + r.chunk_samples - 1) / r.chunk_samples);
        size_t listed;
        if ((status = read_round(&r, engine, used, error)) != RHM_OK ||
            (status = merge_round(&merge, engine, used, &listed, error)) != RHM_OK ||
            (status = rhm_patches_account(patches, engine, error)) != RHM_OK)
            break;
        if (stage)
            rhm_engine_progress(engine, stage, r.first + r.count, first + count);
        chunks = listed < used * (r.chunk_samples * patches->positions / 64) ? chunks * 2 : all * CHUNKS_PER_THREAD;
    }
done:
    rhm_merge_destroy(&merge);
    for (size_t i = 0; r.chunk && i < most; i++)
        rhm_patch_chunk_destroy(&r.chunk[i]);
    for (size_t t = 0; r.scratch && t < threads; t++)
        rhm_patch_scratch_destroy(&r.scratch[t]);
    rhm_free(r.chunk);
    rhm_free(r.scratch);
    return status;
}
