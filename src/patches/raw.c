#include "patches/raw.h"

#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "patches/chunk.h"
#include "patches/draw.h"

enum { CHUNKS_PER_THREAD = 16 }; /* between two looks at the interrupt flag; nothing happens between rounds */

typedef struct raw_round {
    const rhm_patches *patches;
    rhm_patch_source *source;
    const void *context;
    uint64_t first; /* sample of the source */
    size_t have;    /* patches in the collection */
    size_t count;
    size_t chunk_samples;
    rhm_sample_rows rows;
    uint16_t **scratch; /* (threads): NULL, or leaves and labels of a chunk */
    uint32_t *ids;      /* of the round, or NULL */
} raw_round;

static size_t samples_of(const raw_round *r, size_t chunk) {
    const size_t left = r->count - chunk * r->chunk_samples;
    return left < r->chunk_samples ? left : r->chunk_samples;
}

/* Of the round: (count, leaves), and (count, positions, 2) of a patch and a label. */
static uint32_t *tokens_of(const raw_round *r) {
    const rhm_intern *set = &r->patches->subtree[r->patches->tree.levels];
    return set->tuples + set->count * set->words;
}

static uint32_t *pairs_of(const raw_round *r) {
    return r->patches->cell.tuples + 2 * r->have;
}

/* What only the source knows: tokens and labels. */
static rhm_status read_chunk(void *context, size_t c, int thread, rhm_error *error) {
    const raw_round *r = context;
    const rhm_patches *patches = r->patches;
    const size_t begin = c * r->chunk_samples, samples = samples_of(r, c);
    uint16_t **leaves = &r->scratch[thread];
    if (!*leaves && !(*leaves = RHM_NEW(uint16_t, r->chunk_samples, r->rows.width + 1, 1, "leaves of a chunk", error)))
        return RHM_NO_MEMORY;
    uint16_t *labels = *leaves + r->chunk_samples * r->rows.width;
    r->source(r->context, r->rows.from, r->first + begin, samples, *leaves, labels);
    uint32_t *tokens = tokens_of(r) + begin * r->rows.leaves, *pairs = pairs_of(r) + 2 * begin * patches->positions;
    for (size_t i = 0; i < samples; i++) {
        for (size_t t = 0; t < r->rows.leaves; t++)
            *tokens++ = (*leaves)[i * r->rows.width + t];
        for (uint32_t p = 0; p < patches->positions; p++) {
            *pairs++ = (uint32_t)(r->have + (begin + i) * patches->positions + p);
            *pairs++ = p * patches->classes + labels[i];
        }
    }
    return RHM_OK;
}

/* What follows from the numbers of the samples. */
static rhm_status number_chunk(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const raw_round *r = context;
    const rhm_patches *patches = r->patches;
    const size_t positions = patches->positions, begin = c * r->chunk_samples * positions;
    const size_t count = samples_of(r, c) * positions, id = r->have + begin;
    for (uint32_t j = patches->level; j < patches->tree.levels; j++) {
        const size_t words = rhm_tree_below(&patches->tree, patches->level - 1, j); /* of a patch */
        for (size_t i = id * words; i < (id + count) * words; i++)
            patches->subtree[j].tuples[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < count; i++) {
        patches->count[id + i] = 1;
        if (r->ids)
            r->ids[begin + i] = (uint32_t)(id + i);
    }
    return RHM_OK;
}

/* Each rank reads its share. */
static rhm_status read_round(raw_round *r, const rhm_engine *engine, rhm_error *error) {
    const size_t chunks = (r->count + r->chunk_samples - 1) / r->chunk_samples, positions = r->patches->positions;
    const size_t of_tokens = sizeof(uint32_t) * r->rows.leaves, of_pairs = sizeof(uint32_t) * 2 * positions;
    const rhm_spread_output read[] = {
        {tokens_of(r), of_tokens * r->chunk_samples, of_tokens * r->count},
        {pairs_of(r), of_pairs * r->chunk_samples, of_pairs * r->count},
    };
    RHM_TRY(rhm_spread(engine, chunks, read_chunk, r, read, sizeof read / sizeof *read, error));
    return rhm_parallel(engine, chunks, number_chunk, r, error);
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
    const double most = UINT32_MAX / 2, all = ((double)patches->samples + (double)more) * patches->positions;
    double nbytes = all * (2 * sizeof(uint32_t) + sizeof(uint64_t));
    for (uint32_t j = patches->level; j <= patches->tree.levels; j++) {
        const double each = (double)rhm_tree_below(&patches->tree, patches->level - 1, j - 1);
        if (all * each > most)
            return rhm_fail(error, RHM_NO_MEMORY,
                            "%.0f raw samples have %.3g patches of level %u: ids are 32-bit words, for at most %.0f",
                            all / patches->positions, all * each, j, most);
        nbytes += all * each * patches->tree.branching[j] * sizeof(uint32_t);
    }
    const uint64_t first = (patches->samples + more) * patches->positions; /* patches of the level */
    RHM_TRY(rhm_memory_reserve(engine, (size_t)nbytes, "raw samples", error));
    rhm_status status = widen(&patches->cell, (size_t)first, error);
    void *counts = patches->count;
    if (status == RHM_OK)
        status = rhm_grow(&counts, sizeof *patches->count, patches->cell.count, patches->cell.capacity,
                          "counts of raw samples", error);
    if (status == RHM_OK)
        patches->count = counts;
    for (uint32_t j = patches->level; j <= patches->tree.levels && status == RHM_OK; j++)
        status = widen(&patches->subtree[j], first * rhm_tree_below(&patches->tree, patches->level - 1, j - 1), error);
    rhm_memory_release(engine, (size_t)nbytes);
    return status == RHM_OK ? rhm_patches_account(patches, engine, error) : status;
}

rhm_status rhm_raw_add(rhm_patches *patches, const rhm_engine *engine, const char *stage, rhm_patch_source *source,
                       const void *context, uint64_t first, uint64_t count, uint32_t *ids, rhm_error *error) {
    const size_t threads = (size_t)rhm_engine_threads(engine);
    raw_round r = {.patches = patches, .source = source, .context = context};
    r.rows = rhm_sample_rows_of(patches);
    RHM_TRY(make_room(patches, engine, count, error));
    r.chunk_samples = rhm_patch_chunk_samples(count, r.rows.width);
    if (!(r.scratch = RHM_NEW(uint16_t *, threads, 1, 1, "sampling chunks", error)))
        return RHM_NO_MEMORY;
    const uint64_t most = (uint64_t)rhm_spread_threads(engine) * CHUNKS_PER_THREAD * r.chunk_samples;
    rhm_status status = RHM_OK;
    for (uint64_t done = 0; done < count; done += r.count) {
        r.first = first + done;
        r.have = patches->cell.count;
        r.count = (size_t)(count - done < most ? count - done : most);
        r.ids = ids ? ids + done * patches->positions : NULL;
        const int span = rhm_trace_begin(engine, "read raw", 0);
        status = read_round(&r, engine, error);
        const double samples = (double)r.count;
        rhm_trace_end(engine, span,
                      (rhm_span_work){.items = samples, .nbytes = 2 * samples * (double)(r.rows.width + 1)});
        if (status != RHM_OK)
            break;
        patches->samples += r.count;
        patches->cell.count = (size_t)patches->samples * patches->positions;
        for (uint32_t j = patches->level; j <= patches->tree.levels; j++)
            patches->subtree[j].count = patches->cell.count * rhm_tree_below(&patches->tree, patches->level - 1, j - 1);
        if (stage)
            rhm_engine_progress(engine, stage, r.first + r.count, first + count);
    }
    for (size_t t = 0; t < threads; t++)
        rhm_free(r.scratch[t]);
    rhm_free(r.scratch);
    return status;
}
