#include "patches/raw.h"

#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/trace.h"
#include "patches/chunk.h"
#include "patches/draw.h"

enum { CHUNKS_PER_THREAD = 16 }; /* between two looks at the interrupt flag; nothing happens between rounds */

typedef struct raw_round {
    const rhm_patches *patches;
    rhm_patch_source *source;
    const void *context;
    uint64_t first; /* sample of the source */
    size_t have;    /* samples in the collection */
    size_t count;
    size_t chunk_samples, leaves;
    uint16_t **scratch; /* (threads): NULL, or leaves and labels of a chunk */
    uint32_t *ids;      /* of the round, or NULL */
} raw_round;

static rhm_status read_chunk(void *context, size_t c, int thread, rhm_error *error) {
    const raw_round *r = context;
    const rhm_patches *patches = r->patches;
    const size_t begin = c * r->chunk_samples, left = r->count - begin;
    const size_t count = left < r->chunk_samples ? left : r->chunk_samples, id = r->have + begin;
    uint16_t **leaves = &r->scratch[thread];
    if (!*leaves && !(*leaves = RHM_NEW(uint16_t, r->chunk_samples, r->leaves + 1, 1, "leaves of a chunk", error)))
        return RHM_NO_MEMORY;
    uint16_t *labels = *leaves + r->chunk_samples * r->leaves;
    r->source(r->context, patches->level, r->first + begin, count, *leaves, labels);

    for (uint32_t j = patches->tree.levels; j >= patches->level; j--) {
        const size_t words = rhm_tree_below(&patches->tree, patches->level - 1, j); /* of a sample */
        uint32_t *tuples = patches->subtree[j].tuples + id * words;
        for (size_t i = 0; i < count * words; i++)
            tuples[i] = j == patches->tree.levels ? (*leaves)[i] : (uint32_t)(id * words + i);
    }
    for (size_t i = 0; i < count; i++) {
        patches->cell.tuples[2 * (id + i)] = (uint32_t)(id + i);
        patches->cell.tuples[2 * (id + i) + 1] = labels[i];
        patches->count[id + i] = 1;
        if (r->ids)
            r->ids[begin + i] = (uint32_t)(id + i);
    }
    return RHM_OK;
}

static rhm_status widen(rhm_intern *set, size_t capacity, rhm_error *error) {
    void *tuples = set->tuples;
    if (capacity <= set->capacity)
        return RHM_OK;
    RHM_TRY(rhm_grow(&tuples, sizeof *set->tuples * set->words, set->count, capacity, "raw samples", error));
    set->tuples = tuples;
    set->capacity = capacity;
    return RHM_OK;
}

/* Room for `more` samples, accounted while old and new lists are there. */
static rhm_status make_room(rhm_patches *patches, const rhm_engine *engine, uint64_t more, rhm_error *error) {
    const double most = UINT32_MAX / 2, all = (double)patches->samples + (double)more;
    double nbytes = all * (2 * sizeof(uint32_t) + sizeof(uint64_t));
    for (uint32_t j = patches->level; j <= patches->tree.levels; j++) {
        const double each = (double)rhm_tree_below(&patches->tree, patches->level - 1, j - 1);
        if (all * each > most)
            return rhm_fail(error, RHM_NO_MEMORY,
                            "%.0f raw samples have %.3g patches of level %u: ids are 32-bit words, for at most %.0f",
                            all, all * each, j, most);
        nbytes += all * each * patches->tree.branching[j] * sizeof(uint32_t);
    }
    const uint64_t samples = patches->samples + more;
    RHM_TRY(rhm_memory_reserve(engine, (size_t)nbytes, "raw samples", error));
    rhm_status status = widen(&patches->cell, (size_t)samples, error);
    void *counts = patches->count;
    if (status == RHM_OK)
        status = rhm_grow(&counts, sizeof *patches->count, patches->cell.count, patches->cell.capacity,
                          "counts of raw samples", error);
    if (status == RHM_OK)
        patches->count = counts;
    for (uint32_t j = patches->level; j <= patches->tree.levels && status == RHM_OK; j++)
        status =
            widen(&patches->subtree[j], samples * rhm_tree_below(&patches->tree, patches->level - 1, j - 1), error);
    rhm_memory_release(engine, (size_t)nbytes);
    return status == RHM_OK ? rhm_patches_account(patches, engine, error) : status;
}

rhm_status rhm_raw_add(rhm_patches *patches, const rhm_engine *engine, const char *stage, rhm_patch_source *source,
                       const void *context, uint64_t first, uint64_t count, uint32_t *ids, rhm_error *error) {
    const size_t threads = (size_t)rhm_engine_threads(engine);
    raw_round r = {.patches = patches, .source = source, .context = context};
    r.leaves = patches->tree.leaves[patches->level - 1];
    RHM_TRY(make_room(patches, engine, count, error));
    r.chunk_samples = rhm_patch_chunk_samples(count, r.leaves);
    if (!(r.scratch = RHM_NEW(uint16_t *, threads, 1, 1, "sampling chunks", error)))
        return RHM_NO_MEMORY;
    const uint64_t most = (uint64_t)threads * CHUNKS_PER_THREAD * r.chunk_samples;
    rhm_status status = RHM_OK;
    for (uint64_t done = 0; done < count; done += r.count) {
        r.first = first + done;
        r.have = (size_t)patches->samples;
        r.count = (size_t)(count - done < most ? count - done : most);
        r.ids = ids ? ids + done : NULL;
        const int span = rhm_trace_begin(engine, "read raw", 0);
        status = rhm_parallel(engine, (r.count + r.chunk_samples - 1) / r.chunk_samples, read_chunk, &r, error);
        const double samples = (double)r.count;
        rhm_trace_end(engine, span, (rhm_span_work){.items = samples, .nbytes = 2 * samples * (double)(r.leaves + 1)});
        if (status != RHM_OK)
            break;
        patches->samples += r.count;
        patches->cell.count = (size_t)patches->samples;
        for (uint32_t j = patches->level; j <= patches->tree.levels; j++)
            patches->subtree[j].count =
                (size_t)patches->samples * rhm_tree_below(&patches->tree, patches->level - 1, j - 1);
        if (stage)
            rhm_engine_progress(engine, stage, r.first + r.count, first + count);
    }
    for (size_t t = 0; t < threads; t++)
        rhm_free(r.scratch[t]);
    rhm_free(r.scratch);
    return status;
}
