/* The counts of a collection in the order of their patches. */
#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "engine/sort.h"
#include "patches/patches.h"

enum { CHUNK_CELLS = 1 << 13 };

typedef struct listing {
    const rhm_patches *patches;
    rhm_patch_counts *counts;
    const uint32_t *cell; /* (cells): in the order wanted */
    size_t cells, distinct;
    rhm_ranks_part own; /* patches */
} listing;

static uint32_t patch_of(const void *context, uint32_t cell) {
    const rhm_patches *patches = context;
    return rhm_intern_tuple(&patches->cell, cell)[0];
}

static uint32_t label_of(const void *context, uint32_t cell) {
    const rhm_patches *patches = context;
    return rhm_intern_tuple(&patches->cell, cell)[1];
}

static bool is_own(const listing *l, size_t cell) {
    const uint32_t patch = rhm_intern_tuple(&l->patches->cell, cell)[0];
    return l->own.first <= patch && patch < l->own.end;
}

/* The first cell of a patch writes where the patch begins, and where those before it do that have none. */
static rhm_status list_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const listing *l = context;
    const size_t first = chunk * CHUNK_CELLS, left = l->cells - first;
    for (size_t i = first; i < first + (left < CHUNK_CELLS ? left : CHUNK_CELLS); i++) {
        const uint32_t *pair = rhm_intern_tuple(&l->patches->cell, l->cell[i]);
        l->counts->label[i] = pair[1];
        l->counts->count[i] = l->patches->count[l->cell[i]];
        for (size_t p = i ? (size_t)patch_of(l->patches, l->cell[i - 1]) + 1 : l->own.first; p <= pair[0]; p++)
            l->counts->offset[p] = i;
    }
    return RHM_OK;
}

static rhm_status list(listing *l, const rhm_engine *engine, rhm_error *error) {
    uint32_t *cell = RHM_NEW(uint32_t, l->cells, 1, 1, "cells by patch", error);
    uint32_t *spare = RHM_NEW(uint32_t, l->cells, 1, 1, "cells by patch", error);
    rhm_status status = cell && spare ? RHM_OK : RHM_NO_MEMORY;
    size_t own = 0;
    for (size_t i = 0; i < l->patches->cell.count && status == RHM_OK; i++)
        if (is_own(l, i))
            cell[own++] = (uint32_t)i;
    if (status == RHM_OK)
        status = rhm_sort(engine, &cell, &spare, l->cells, label_of, l->patches, rhm_patches_labels(l->patches), error);
    if (status == RHM_OK)
        status = rhm_sort(engine, &cell, &spare, l->cells, patch_of, l->patches, l->distinct, error);
    l->cell = cell;
    if (status == RHM_OK)
        status = rhm_parallel(engine, (l->cells + CHUNK_CELLS - 1) / CHUNK_CELLS, list_chunk, l, error);
    const size_t begun =
        status == RHM_OK && l->cells ? (size_t)patch_of(l->patches, cell[l->cells - 1]) + 1 : l->own.first;
    for (size_t p = begun; p <= l->own.end; p++)
        l->counts->offset[p] = l->cells;
    rhm_free(cell);
    rhm_free(spare);
    return status;
}

rhm_status rhm_patch_counts_reserve(rhm_patch_counts *counts, rhm_ranks_part own, size_t cells, rhm_error *error) {
    *counts = (rhm_patch_counts){
        .offset = RHM_NEW(size_t, own.end - own.first + 1, 1, 1, "cells of a patch", error),
        .label = RHM_NEW(uint32_t, cells, 1, 1, "labels of cells", error),
        .count = RHM_NEW(uint64_t, cells, 1, 1, "counts of cells", error),
    };
    if (!counts->offset || !counts->label || !counts->count) {
        rhm_patch_counts_clear(counts);
        return RHM_NO_MEMORY;
    }
    counts->first = own.first;
    counts->offset -= own.first;
    return RHM_OK;
}

rhm_status rhm_patch_counts_make_part(rhm_patch_counts *counts, const rhm_patches *patches, rhm_ranks_part own,
                                      const rhm_engine *engine, rhm_error *error) {
    listing l = {.patches = patches, .counts = counts, .distinct = rhm_patches_distinct(patches), .own = own};
    for (size_t i = 0; i < patches->cell.count; i++)
        l.cells += is_own(&l, i);
    rhm_status status = rhm_patch_counts_reserve(counts, own, l.cells, error);
    if (status == RHM_OK)
        status = list(&l, engine, error);
    if (status != RHM_OK)
        rhm_patch_counts_clear(counts);
    return status;
}

rhm_status rhm_patch_counts_make(rhm_patch_counts *counts, const rhm_patches *patches, const rhm_engine *engine,
                                 rhm_error *error) {
    return rhm_patch_counts_make_part(counts, patches, (rhm_ranks_part){0, rhm_patches_distinct(patches)}, engine,
                                      error);
}

void rhm_patch_counts_clear(rhm_patch_counts *counts) {
    if (counts->offset)
        rhm_free(counts->offset + counts->first);
    rhm_free(counts->label);
    rhm_free(counts->count);
    rhm_free(counts->of_block);
    *counts = (rhm_patch_counts){0};
}
