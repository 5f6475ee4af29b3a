#include "patches/chunk.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

rhm_status rhm_patch_chunk_init(rhm_patch_chunk *chunk, const rhm_patches *patches, size_t samples, size_t leaves,
                                rhm_error *error) {
    const size_t s = patches->branching;
    *chunk = (rhm_patch_chunk){0};
    for (uint32_t j = patches->level; j <= patches->levels; j++)
        RHM_TRY(rhm_intern_init(&chunk->subtree[j], s, 0, error));
    RHM_TRY(rhm_intern_init(&chunk->cell, 2, 0, error));
    if (!(chunk->count = RHM_NEW(uint64_t, samples, 1, 1, "chunk counts", error)) ||
        !(chunk->leaves = RHM_NEW(uint16_t, samples, leaves, 1, "chunk leaves", error)) ||
        !(chunk->labels = RHM_NEW(uint16_t, samples, 1, 1, "chunk labels", error)) ||
        !(chunk->ids = RHM_NEW(uint32_t, samples, leaves, 1, "chunk ids", error)) ||
        !(chunk->global = RHM_NEW(uint32_t, samples, leaves / s, 1, "chunk ids", error)) ||
        !(chunk->children = RHM_NEW(uint32_t, samples, leaves / s, 1, "chunk ids", error)))
        return RHM_NO_MEMORY;
    return RHM_OK;
}

void rhm_patch_chunk_destroy(rhm_patch_chunk *chunk) {
    for (size_t j = 0; j <= RHM_MAX_LEVELS; j++)
        rhm_intern_destroy(&chunk->subtree[j]);
    rhm_intern_destroy(&chunk->cell);
    rhm_free(chunk->count);
    rhm_free(chunk->leaves);
    rhm_free(chunk->labels);
    rhm_free(chunk->ids);
    rhm_free(chunk->global);
    rhm_free(chunk->children);
    *chunk = (rhm_patch_chunk){0};
}

rhm_status rhm_patch_chunk_fill(rhm_patch_chunk *chunk, const rhm_patches *patches, size_t leaves,
                                rhm_patch_source *source, const void *context, uint64_t first, size_t count,
                                rhm_error *error) {
    source(context, patches->level, first, count, chunk->leaves, chunk->labels);
    chunk->samples = count;

    size_t units = count * leaves;
    for (size_t i = 0; i < units; i++)
        chunk->ids[i] = chunk->leaves[i];
    for (uint32_t j = patches->levels; j >= patches->level; j--) {
        rhm_intern *set = &chunk->subtree[j];
        rhm_intern_clear(set);
        units /= patches->branching;
        /* In place: tuple i is read before id i, which lies at or before it, is written. */
        for (size_t i = 0; i < units; i++) {
            uint32_t id;
            RHM_TRY(rhm_intern_add(set, chunk->ids + i * patches->branching, &id, NULL, error));
            chunk->ids[i] = id;
        }
    }

    rhm_intern_clear(&chunk->cell);
    memset(chunk->count, 0, sizeof *chunk->count * count);
    for (size_t i = 0; i < count; i++) {
        const uint32_t pair[2] = {chunk->ids[i], chunk->labels[i]};
        uint32_t cell;
        RHM_TRY(rhm_intern_add(&chunk->cell, pair, &cell, NULL, error));
        chunk->count[cell]++;
    }
    return RHM_OK;
}

rhm_status rhm_patch_chunk_merge(rhm_patch_chunk *chunk, rhm_patches *patches, uint32_t *ids, rhm_error *error) {
    uint32_t tuple[RHM_MAX_BRANCHING];
    for (uint32_t j = patches->levels; j >= patches->level; j--) {
        uint32_t *swap = chunk->children;
        chunk->children = chunk->global;
        chunk->global = swap;
        const rhm_intern *set = &chunk->subtree[j];
        for (size_t id = 0; id < set->count; id++) {
            const uint32_t *local = rhm_intern_tuple(set, id);
            for (size_t t = 0; t < set->words; t++)
                tuple[t] = j == patches->levels ? local[t] : chunk->children[local[t]];
            RHM_TRY(rhm_intern_add(&patches->subtree[j], tuple, &chunk->global[id], NULL, error));
        }
    }
    for (size_t i = 0; i < chunk->cell.count; i++) {
        const uint32_t *local = rhm_intern_tuple(&chunk->cell, i);
        const uint32_t pair[2] = {chunk->global[local[0]], local[1]};
        uint32_t cell;
        RHM_TRY(rhm_intern_add(&patches->cell, pair, &cell, NULL, error));
        if (cell >= patches->count_capacity) {
            void *count = patches->count;
            RHM_TRY(rhm_grow(&count, sizeof *patches->count, patches->count_capacity, patches->cell.capacity,
                             "counts of distinct patches", error));
            patches->count = count;
            patches->count_capacity = patches->cell.capacity;
        }
        patches->count[cell] += chunk->count[i];
    }
    if (ids)
        for (size_t i = 0; i < chunk->samples; i++)
            ids[i] = chunk->global[chunk->ids[i]];
    patches->samples += chunk->samples;
    return RHM_OK;
}
