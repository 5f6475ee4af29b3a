#include "patches/chunk.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

enum {
    AHEAD = 16,             /* hash slots requested before the first is looked at */
    CHUNK_LEAVES = 1 << 16, /* tokens drawn by a thread before it hands over: larger than a thread's overheads */
    CHUNK_SAMPLES = 1 << 14,
};

rhm_sample_rows rhm_sample_rows_of(const rhm_patches *patches) {
    const rhm_tree *tree = &patches->tree;
    uint32_t from = patches->level;
    while (from > 1 && rhm_tree_below(tree, from - 1, patches->level - 1) < patches->positions)
        from--;
    return (rhm_sample_rows){from, tree->leaves[from - 1], patches->positions * tree->leaves[patches->level - 1]};
}

rhm_status rhm_patch_scratch_init(rhm_patch_scratch *scratch, const rhm_patches *patches, size_t samples,
                                  const rhm_sample_rows *rows, rhm_error *error) {
    if (scratch->own)
        return RHM_OK;
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++)
        RHM_TRY(rhm_intern_init(&scratch->listed[j], rhm_patches_tuples(patches, j)->words, 0, error));
    if (!(scratch->leaves = RHM_NEW(uint16_t, samples, rows->width, 1, "leaves of a chunk", error)) ||
        !(scratch->labels = RHM_NEW(uint16_t, samples, 1, 1, "labels of a chunk", error)) ||
        !(scratch->codes = RHM_NEW(uint32_t, samples, rows->leaves, 1, "codes of a chunk", error)) ||
        !(scratch->own = RHM_NEW(uint32_t, RHM_OWN_CELLS, 1, 1, "counts of a thread", error)))
        return RHM_NO_MEMORY;
    return RHM_OK;
}

void rhm_patch_scratch_destroy(rhm_patch_scratch *scratch) {
    for (uint32_t j = 0; j <= RHM_MAX_LEVELS; j++)
        rhm_intern_destroy(&scratch->listed[j]);
    rhm_free(scratch->leaves);
    rhm_free(scratch->labels);
    rhm_free(scratch->codes);
    rhm_free(scratch->own);
}

void rhm_patch_chunk_destroy(rhm_patch_chunk *chunk) {
    for (uint32_t j = 0; j <= RHM_MAX_LEVELS; j++) {
        rhm_free(chunk->fresh[j].tuples);
        rhm_free(chunk->fresh[j].number);
    }
    rhm_free(chunk->uncounted);
}

/* One level of a chunk: `units` tuples of codes, replaced by their own codes. */
typedef struct reading {
    const rhm_intern *members;
    const rhm_index *index;
    rhm_intern *listed;
    uint32_t child_codes; /* codes of children from here on were not found */
    size_t words;
    size_t units;
    uint32_t *codes; /* in: (units, words), out: (units) */
    rhm_error *error;
} reading;

static rhm_status list(const reading *r, const uint32_t *tuple, uint32_t *code) {
    uint32_t place;
    RHM_TRY(rhm_intern_add(r->listed, tuple, &place, NULL, r->error));
    *code = (uint32_t)r->members->count + place;
    return RHM_OK;
}

/* Here and below, tuple i is read before code i, which lies at or before it, is written. */
static rhm_status list_all(const reading *r) {
    for (size_t i = 0; i < r->units; i++)
        RHM_TRY(list(r, r->codes + i * r->words, &r->codes[i]));
    return RHM_OK;
}

/* Codes of fresh children may be inside the table, but all their places are empty. */
static inline __attribute__((always_inline)) rhm_status look_up_directly(const reading *r, size_t words) {
    const rhm_index index = *r->index;
    uint32_t *codes = r->codes;
    for (size_t i = 0; i < r->units; i++) {
        const size_t place = rhm_index_place(&index, codes + i * words, words);
        const uint32_t code = place == SIZE_MAX ? 0 : index.direct[place];
        if (code)
            codes[i] = code - 1;
        else
            RHM_TRY(list(r, codes + i * words, &codes[i]));
    }
    return RHM_OK;
}

static bool children_found(const reading *r, const uint32_t *tuple) {
    for (size_t w = 0; w < r->words; w++)
        if (tuple[w] >= r->child_codes)
            return false;
    return true;
}

static rhm_status look_up_hashed(const reading *r) {
    uint64_t hash[AHEAD];
    for (size_t begin = 0; begin < r->units; begin += AHEAD) {
        const size_t count = r->units - begin < AHEAD ? r->units - begin : AHEAD;
        for (size_t i = 0; i < count; i++) {
            hash[i] = rhm_index_hash(r->codes + (begin + i) * r->words, r->words);
            __builtin_prefetch(rhm_index_first_slot(r->index, hash[i]));
        }
        for (size_t i = 0; i < count; i++) {
            const uint32_t *tuple = r->codes + (begin + i) * r->words;
            const uint32_t code =
                children_found(r, tuple) ? rhm_index_find(r->index, r->members, tuple, hash[i], r->words) : 0;
            if (code)
                r->codes[begin + i] = code - 1;
            else
                RHM_TRY(list(r, tuple, &r->codes[begin + i]));
        }
    }
    return RHM_OK;
}

rhm_status rhm_fresh_reserve(rhm_fresh *fresh, size_t count, size_t words, rhm_error *error) {
    fresh->count = count;
    if (count <= fresh->capacity)
        return RHM_OK;
    const size_t capacity = count + count / 2; /* chunks differ a little */
    fresh->capacity = 0;
    rhm_free(fresh->tuples);
    rhm_free(fresh->number);
    fresh->number = NULL;
    if (!(fresh->tuples = RHM_NEW(uint32_t, capacity, words, 1, "new patches of a chunk", error)) ||
        !(fresh->number = RHM_NEW(uint32_t, capacity, 1, 1, "new patches of a chunk", error)))
        return RHM_NO_MEMORY;
    fresh->capacity = capacity;
    return RHM_OK;
}

/* Where next to nothing was found before, and no tuple came twice in a chunk, looking would be wasted. */
static rhm_status list_blindly(const reading *r, rhm_fresh *fresh) {
    RHM_TRY(rhm_fresh_reserve(fresh, r->units, r->words, r->error));
    memcpy(fresh->tuples, r->codes, sizeof *r->codes * r->units * r->words);
    for (size_t i = 0; i < r->units; i++)
        r->codes[i] = (uint32_t)(r->members->count + i);
    return RHM_OK;
}

static rhm_status look_up(const reading *r, rhm_fresh *fresh) {
    rhm_intern_clear(r->listed);
    if (r->index->direct && r->words == 2)
        RHM_TRY(look_up_directly(r, 2));
    else if (r->index->direct)
        RHM_TRY(look_up_directly(r, r->words));
    else if (r->index->part)
        RHM_TRY(look_up_hashed(r));
    else
        RHM_TRY(list_all(r));
    RHM_TRY(rhm_fresh_reserve(fresh, r->listed->count, r->words, r->error));
    if (fresh->count > 0) /* else there is no memory, which memcpy must not see even for 0 bytes */
        memcpy(fresh->tuples, r->listed->tuples, sizeof *fresh->tuples * fresh->count * r->words);
    return RHM_OK;
}

static void widen(uint32_t *out, const uint16_t *in, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = in[i];
}

/* Codes of patches, (samples, positions), become cells. */
static void pair_with_labels(uint32_t *codes, const uint16_t *labels, size_t samples, size_t positions,
                             uint32_t classes) {
    for (size_t i = samples; i-- > 0;)
        for (size_t p = positions; p-- > 0;) {
            codes[2 * (i * positions + p) + 1] = (uint32_t)p * classes + labels[i];
            codes[2 * (i * positions + p)] = codes[i * positions + p];
        }
}

/* Cells that the thread has no counter for, or that are fresh, are left for later. */
static void count_cells(rhm_patch_chunk *chunk, const uint32_t *codes, size_t known, uint32_t *own) {
    const size_t counted = known < RHM_OWN_CELLS ? known : RHM_OWN_CELLS;
    size_t left = 0;
    for (size_t i = 0; i < chunk->patches; i++)
        if (codes[i] < counted)
            own[codes[i]]++;
        else
            chunk->uncounted[left++] = codes[i];
    chunk->uncounted_count = left;
}

rhm_status rhm_patch_chunk_read(rhm_patch_chunk *chunk, rhm_patch_scratch *scratch, const rhm_patches *patches,
                                rhm_patch_source *source, const void *context, uint64_t first, size_t count,
                                size_t samples, const rhm_sample_rows *rows, uint32_t *ids, rhm_error *error) {
    uint32_t *codes = scratch->codes;
    const size_t positions = patches->positions, leaves = rows->leaves;
    chunk->patches = count * positions;
    chunk->ids = ids;
    if (!chunk->uncounted && !(chunk->uncounted = RHM_NEW(uint32_t, samples, positions, 1, "cells of a chunk", error)))
        return RHM_NO_MEMORY;
    source(context, rows->from, first, count, scratch->leaves, scratch->labels);
    for (size_t i = 0; i < count; i++)
        widen(codes + i * leaves, scratch->leaves + i * rows->width, leaves);

    bool blind = false;
    size_t units = count * leaves, found = SIZE_MAX;
    for (uint32_t j = patches->tree.levels + 1; j-- >= patches->level;) {
        const bool cells = j < patches->level;
        units = cells ? chunk->patches : units / patches->tree.branching[j];
        if (cells) {
            if (ids)
                memcpy(ids, codes, sizeof *ids * chunk->patches);
            pair_with_labels(codes, scratch->labels, count, positions, patches->classes);
        }
        const reading r = {
            .members = rhm_patches_tuples(patches, j),
            .index = &patches->index[j],
            .listed = &scratch->listed[j],
            .child_codes = found < UINT32_MAX ? (uint32_t)found : UINT32_MAX,
            .words = rhm_patches_tuples(patches, j)->words,
            .units = units,
            .codes = codes,
            .error = error,
        };
        found = r.members->count;
        /* Fresh children that are listed more than once hide that tuples are the same. */
        blind = blind || patches->blind[j];
        RHM_TRY(blind ? list_blindly(&r, &chunk->fresh[j]) : look_up(&r, &chunk->fresh[j]));
    }
    count_cells(chunk, codes, patches->cell.count, scratch->own);
    return RHM_OK;
}

size_t rhm_patch_chunk_samples(uint64_t count, size_t leaves) {
    const size_t most = CHUNK_LEAVES / leaves < 1 ? 1 : CHUNK_LEAVES / leaves;
    const size_t samples = most < CHUNK_SAMPLES ? most : CHUNK_SAMPLES;
    return count < samples ? (size_t)count : samples;
}
