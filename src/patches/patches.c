#include "patches/patches.h"

#include "core/fail.h"
#include "core/memory.h"
#include "patches/chunk.h"

enum {
    CHUNK_LEAVES = 1 << 16, /* tokens drawn by a thread before it hands over: larger than a thread's overheads */
    CHUNK_SAMPLES = 1 << 14,
    CHUNKS_PER_THREAD = 4, /* in a round, so that a slow chunk does not idle the others */
};

rhm_status rhm_patches_init(rhm_patches *patches, uint32_t level, uint32_t levels, uint32_t branching, uint32_t classes,
                            rhm_error *error) {
    *patches = (rhm_patches){.level = level, .levels = levels, .branching = branching, .classes = classes};
    rhm_status status = rhm_intern_init(&patches->cell, 2, 0, error);
    for (uint32_t j = level; j <= levels && status == RHM_OK; j++)
        status = rhm_intern_init(&patches->subtree[j], branching, 0, error);
    if (status != RHM_OK)
        rhm_patches_destroy(patches);
    return status;
}

void rhm_patches_destroy(rhm_patches *patches) {
    for (size_t j = 0; j <= RHM_MAX_LEVELS; j++)
        rhm_intern_destroy(&patches->subtree[j]);
    rhm_intern_destroy(&patches->cell);
    rhm_free(patches->count);
    *patches = (rhm_patches){0};
}

typedef struct counting {
    const rhm_patches *patches;
    rhm_patch_chunk *chunk;
    rhm_patch_source *source;
    const void *context;
    uint64_t first;
    uint64_t count;
    size_t chunk_samples;
    size_t leaves;
} counting;

static rhm_status fill(void *context, size_t index, int thread, rhm_error *error) {
    (void)thread;
    const counting *r = context;
    const uint64_t begin = index * r->chunk_samples;
    const uint64_t left = r->count - begin;
    return rhm_patch_chunk_fill(&r->chunk[index], r->patches, r->leaves, r->source, r->context, r->first + begin,
                                left < r->chunk_samples ? (size_t)left : r->chunk_samples, error);
}

rhm_status rhm_patches_add(rhm_patches *patches, const rhm_engine *engine, const char *stage, rhm_patch_source *source,
                           const void *context, uint64_t first, uint64_t count, uint32_t *ids, rhm_error *error) {
    size_t leaves = 1;
    for (uint32_t j = patches->level; j <= patches->levels; j++)
        leaves *= patches->branching;
    size_t chunk_samples = CHUNK_LEAVES / leaves;
    chunk_samples = chunk_samples < 1 ? 1 : chunk_samples > CHUNK_SAMPLES ? CHUNK_SAMPLES : chunk_samples;
    const uint64_t needed = (count + chunk_samples - 1) / chunk_samples;
    size_t chunks = (size_t)rhm_engine_threads(engine) * CHUNKS_PER_THREAD;
    if (needed < chunks)
        chunks = (size_t)needed;

    rhm_patch_chunk *chunk = RHM_NEW(rhm_patch_chunk, chunks, 1, 1, "sampling chunks", error);
    if (!chunk)
        return RHM_NO_MEMORY;
    rhm_status status = RHM_OK;
    for (size_t i = 0; i < chunks && status == RHM_OK; i++)
        status = rhm_patch_chunk_init(&chunk[i], patches, chunk_samples, leaves, error);

    for (uint64_t done = 0; done < count && status == RHM_OK;) {
        const uint64_t most = (uint64_t)chunks * chunk_samples;
        const uint64_t now = count - done < most ? count - done : most;
        counting r = {patches, chunk, source, context, first + done, now, chunk_samples, leaves};
        const size_t used = (size_t)((now + chunk_samples - 1) / chunk_samples);
        status = rhm_parallel(engine, used, fill, &r, error);
        for (size_t i = 0; i < used && status == RHM_OK; i++) {
            status = rhm_patch_chunk_merge(&chunk[i], patches, ids, error);
            if (ids)
                ids += chunk[i].samples;
        }
        done += now;
        rhm_engine_progress(engine, stage, first + done, first + count);
    }
    for (size_t i = 0; i < chunks; i++)
        rhm_patch_chunk_destroy(&chunk[i]);
    rhm_free(chunk);
    return status;
}

rhm_status rhm_patch_counts_make(rhm_patch_counts *counts, const rhm_patches *patches, rhm_error *error) {
    const size_t distinct = rhm_patches_distinct(patches), cells = patches->cell.count;
    *counts = (rhm_patch_counts){0};
    size_t *start = RHM_NEW(size_t, patches->classes + 1u, 1, 1, "cells by label", error);
    uint32_t *by_label = RHM_NEW(uint32_t, cells, 1, 1, "cells by label", error);
    counts->offset = RHM_NEW(size_t, distinct + 2, 1, 1, "cells of a patch", error);
    counts->label = RHM_NEW(uint32_t, cells, 1, 1, "labels of cells", error);
    counts->count = RHM_NEW(uint64_t, cells, 1, 1, "counts of cells", error);
    rhm_status status = RHM_OK;
    if (!start || !by_label || !counts->offset || !counts->label || !counts->count) {
        rhm_patch_counts_clear(counts);
        status = RHM_NO_MEMORY;
        goto done;
    }

    /* Two stable counting sorts, by label and then by patch. */
    for (size_t i = 0; i < cells; i++) {
        start[rhm_intern_tuple(&patches->cell, i)[1] + 1]++;
        counts->offset[rhm_intern_tuple(&patches->cell, i)[0] + 2]++;
    }
    for (size_t c = 1; c <= patches->classes; c++)
        start[c] += start[c - 1];
    for (size_t i = 0; i < cells; i++)
        by_label[start[rhm_intern_tuple(&patches->cell, i)[1]]++] = (uint32_t)i;
    for (size_t p = 2; p <= distinct; p++)
        counts->offset[p] += counts->offset[p - 1];
    /* offset[p + 1] is the insertion point of patch p and ends up as the start of patch p + 1. */
    for (size_t i = 0; i < cells; i++) {
        const uint32_t *pair = rhm_intern_tuple(&patches->cell, by_label[i]);
        const size_t at = counts->offset[pair[0] + 1]++;
        counts->label[at] = pair[1];
        counts->count[at] = patches->count[by_label[i]];
    }
done:
    rhm_free(start);
    rhm_free(by_label);
    return status;
}

void rhm_patch_counts_clear(rhm_patch_counts *counts) {
    rhm_free(counts->offset);
    rhm_free(counts->label);
    rhm_free(counts->count);
    *counts = (rhm_patch_counts){0};
}
