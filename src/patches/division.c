#include "patches/division.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "patches/chunk.h"
#include "patches/draw.h"

enum {
    CHUNKS_PER_THREAD = 16, /* of a round, after which ranks exchange what they met */
    HEAD = 4,               /* words of a record before its key: place (2), label, count */
};

static size_t ranks_of(const rhm_engine *engine) {
    return (size_t)rhm_ranks_size(rhm_engine_ranks(engine));
}

/* ---- from a whole collection, and back to none ------------------------------------------------------------------- */

/* A list without members; the words of its tuples stay. */
static void forget_set(rhm_intern *set, rhm_index *index) {
    const size_t words = set->words;
    rhm_intern_destroy(set);
    rhm_index_destroy(index);
    set->words = words;
}

uint32_t rhm_division_kept(const rhm_patches *patches) {
    uint32_t kept = patches->tree.levels + 1;
    while (kept > patches->level + 1) {
        const size_t count = patches->subtree[kept - 1].count;
        const double built = (double)patches->division->built[kept - 1];
        if (count == 0 ||
            (double)count * 2 > built * (double)rhm_tree_below(&patches->tree, patches->level - 1, kept - 2))
            break;
        kept--;
    }
    return kept;
}

void rhm_division_forget_indexes(rhm_patches *patches) {
    const uint32_t kept = rhm_division_kept(patches);
    for (uint32_t j = patches->level - 1; j < kept; j++)
        rhm_index_destroy(&patches->index[j]);
}

void rhm_division_forget(rhm_patches *patches, bool all) {
    struct rhm_division *d = patches->division;
    const uint32_t level = patches->level, kept = all ? patches->tree.levels + 1 : rhm_division_kept(patches);
    rhm_intern *set = &patches->subtree[level];
    if (set->tuples)
        set->tuples += d->own.first * set->words;
    d->own = (rhm_ranks_part){0};
    d->settled = d->whole = false;
    forget_set(&patches->cell, &patches->index[level - 1]);
    rhm_free(patches->count);
    patches->count = NULL;
    for (uint32_t j = level; j < kept; j++) {
        forget_set(&patches->subtree[j], &patches->index[j]);
        d->built[j] = 0;
    }
}

void rhm_division_destroy(rhm_patches *patches) {
    if (!patches->division)
        return;
    rhm_division_forget(patches, true);
    rhm_keys_destroy(&patches->division->keys);
    rhm_free(patches->division);
    patches->division = NULL;
}

static uint16_t *write_tokens(const rhm_patches *patches, uint32_t j, size_t id, uint16_t *tokens) {
    const uint32_t *tuple = rhm_intern_tuple(&patches->subtree[j], id);
    for (uint32_t t = 0; t < patches->tree.branching[j]; t++)
        if (j == patches->tree.levels)
            *tokens++ = (uint16_t)tuple[t];
        else
            tokens = write_tokens(patches, j + 1, tuple[t], tokens);
    return tokens;
}

/* The own ones of all cells; numbers stand for places, which come later. */
static rhm_status take_own(rhm_patches *patches, const rhm_engine *engine, rhm_error *error) {
    rhm_keys *keys = &patches->division->keys;
    const size_t rank = (size_t)rhm_ranks_rank(rhm_engine_ranks(engine));
    uint16_t *tokens = RHM_NEW(uint16_t, keys->tokens, 1, 1, "tokens of a patch", error);
    uint32_t *key = RHM_NEW(uint32_t, keys->words, 1, 1, "tokens of a patch", error);
    rhm_status status = tokens && key ? RHM_OK : RHM_NO_MEMORY;
    for (size_t i = 0; i < patches->cell.count && status == RHM_OK; i++) {
        const uint32_t *pair = rhm_intern_tuple(&patches->cell, i);
        write_tokens(patches, patches->level, pair[0], tokens);
        rhm_key_pack(keys, tokens, key);
        const uint64_t hash = rhm_index_hash(key, keys->words);
        const rhm_key_met met = {pair[0], patches->count[i], pair[1]};
        if (rhm_key_rank(hash, ranks_of(engine)) == rank)
            status = rhm_keys_add(&keys->part[rhm_key_part_of(hash)], key, &met, error);
    }
    rhm_free(tokens);
    rhm_free(key);
    return status;
}

rhm_status rhm_patches_divide(rhm_patches *patches, const rhm_engine *engine, size_t vocab, rhm_error *error) {
    const size_t distinct = rhm_patches_distinct(patches);
    struct rhm_division *d = RHM_NEW(struct rhm_division, 1, 1, 1, "divided patches", error);
    if (!d)
        return RHM_NO_MEMORY;
    patches->division = d;
    if (patches->raw)
        return RHM_OK;
    for (uint32_t j = patches->level; j <= patches->tree.levels; j++)
        d->built[j] = patches->samples * patches->positions;
    d->rows = patches->subtree[patches->level + 1].count;
    RHM_TRY(rhm_keys_init(&d->keys, patches->tree.leaves[patches->level - 1], vocab, error));
    RHM_TRY(take_own(patches, engine, error));
    rhm_division_forget(patches, false);
    patches->subtree[patches->level].count = distinct;
    return rhm_patches_account(patches, engine, error);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* What a thread needs from chunk to chunk. */
typedef struct lane {
    uint16_t *leaves; /* (samples, width), then labels (samples) */
    rhm_intern seen;  /* keys with their labels, of a chunk */
    uint32_t *key;
} lane;

/* What a chunk met: different patches with different labels. */
typedef struct listed {
    uint32_t *record; /* (count, HEAD + words) */
    size_t count;
    size_t *place; /* (ranks, RHM_KEY_PARTS): how many go there; then where the next one goes */
} listed;

typedef struct reading {
    const rhm_patches *patches;
    const rhm_keys *keys;
    rhm_patch_source *source;
    const void *context;
    uint64_t first, count; /* of the round */
    size_t chunk_samples, ranks, words;
    rhm_spread_part own; /* chunks */
    rhm_sample_rows rows;
    lane *lane;     /* (threads) */
    listed *listed; /* (own) */
    uint32_t *out;
    rhm_spread_parcels in;
} reading;

static size_t buckets_of(const reading *r) {
    return r->ranks * RHM_KEY_PARTS;
}

static size_t bucket_of(const reading *r, const uint32_t *key) {
    const uint64_t hash = rhm_index_hash(key, r->keys->words);
    return rhm_key_rank(hash, r->ranks) * RHM_KEY_PARTS + rhm_key_part_of(hash);
}

static rhm_status prepare(const reading *r, lane *mine, listed *list, rhm_error *error) {
    const size_t most = r->chunk_samples * r->patches->positions;
    if (!mine->leaves) {
        RHM_TRY(rhm_intern_init(&mine->seen, r->keys->words + 1, most, error));
        mine->leaves = RHM_NEW(uint16_t, r->chunk_samples, r->rows.width + 1, 1, "leaves of a chunk", error);
        mine->key = RHM_NEW(uint32_t, r->keys->words + 1, 1, 1, "tokens of a patch", error);
    }
    if (!list->record) {
        list->record = RHM_NEW(uint32_t, most, r->words, 1, "patches of a chunk", error);
        list->place = RHM_NEW(size_t, buckets_of(r), 1, 1, "patches of a chunk", error);
    }
    return mine->leaves && mine->key && list->record && list->place ? RHM_OK : RHM_NO_MEMORY;
}

static rhm_status list_one(const reading *r, lane *mine, listed *list, uint64_t place, rhm_error *error) {
    uint32_t id;
    bool is_new;
    RHM_TRY(rhm_intern_add(&mine->seen, mine->key, &id, &is_new, error));
    uint32_t *record = list->record + id * r->words;
    if (!is_new) {
        record[3]++;
        return RHM_OK;
    }
    record[0] = (uint32_t)place;
    record[1] = (uint32_t)(place >> 32);
    record[2] = mine->key[r->keys->words];
    record[3] = 1;
    memcpy(record + HEAD, mine->key, sizeof *record * r->keys->words);
    list->place[bucket_of(r, mine->key)]++;
    return RHM_OK;
}

static rhm_status read_chunk(void *context, size_t c, int thread, rhm_error *error) {
    const reading *r = context;
    const rhm_patches *patches = r->patches;
    lane *mine = &r->lane[thread];
    listed *list = &r->listed[c];
    const uint64_t begin = (r->own.first + c) * r->chunk_samples, left = r->count - begin;
    const size_t samples = left < r->chunk_samples ? (size_t)left : r->chunk_samples, positions = patches->positions;
    RHM_TRY(prepare(r, mine, list, error));
    uint16_t *labels = mine->leaves + r->chunk_samples * r->rows.width;
    r->source(r->context, r->rows.from, r->first + begin, samples, mine->leaves, labels);
    rhm_intern_clear(&mine->seen);
    memset(list->place, 0, sizeof *list->place * buckets_of(r));
    for (size_t i = 0; i < samples; i++)
        for (size_t p = 0; p < positions; p++) {
            rhm_key_pack(r->keys, mine->leaves + i * r->rows.width + p * r->keys->tokens, mine->key);
            mine->key[r->keys->words] = (uint32_t)p * patches->classes + labels[i];
            RHM_TRY(list_one(r, mine, list, (patches->samples + begin + i) * positions + p, error));
        }
    list->count = mine->seen.count;
    return RHM_OK;
}

static rhm_status put_chunk(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const reading *r = context;
    listed *list = &r->listed[c];
    for (size_t i = 0; i < list->count; i++) {
        const uint32_t *record = list->record + i * r->words;
        size_t *at = &list->place[bucket_of(r, record + HEAD)];
        memcpy(r->out + *at, record, sizeof *record * r->words);
        *at += r->words;
    }
    return RHM_OK;
}

/* To each rank the numbers of what its parts get, then what they get, part after part. */
static rhm_status send_round(reading *r, const rhm_engine *engine, rhm_error *error) {
    const size_t own = r->own.end - r->own.first;
    size_t words = buckets_of(r), at = 0;
    for (size_t c = 0; c < own; c++)
        words += r->listed[c].count * r->words;
    rhm_ranks_part *slice = RHM_NEW(rhm_ranks_part, r->ranks, 1, 1, "patches for ranks", error);
    r->out = RHM_NEW(uint32_t, words, 1, 1, "patches for ranks", error);
    rhm_status status = slice && r->out ? RHM_OK : RHM_NO_MEMORY;
    for (size_t rank = 0; rank < r->ranks && status == RHM_OK; rank++) {
        uint32_t *counts = r->out + at;
        slice[rank].first = sizeof *r->out * at;
        at += RHM_KEY_PARTS;
        for (size_t part = 0; part < RHM_KEY_PARTS; part++)
            for (size_t c = 0; c < own; c++) {
                size_t *place = &r->listed[c].place[rank * RHM_KEY_PARTS + part];
                const size_t here = *place;
                counts[part] += (uint32_t)here;
                *place = at;
                at += here * r->words;
            }
        slice[rank].end = sizeof *r->out * at;
    }
    if (status == RHM_OK)
        status = rhm_parallel(engine, own, put_chunk, r, error);
    if (status == RHM_OK)
        status = rhm_spread_deal(&r->in, engine, r->out, slice, error);
    rhm_free(slice);
    rhm_free(r->out);
    r->out = NULL;
    return status;
}

static rhm_status take_part(void *context, size_t part, int thread, rhm_error *error) {
    (void)thread;
    const reading *r = context;
    rhm_key_part *into = &r->patches->division->keys.part[part];
    for (size_t rank = 0; rank < r->ranks; rank++) {
        const uint32_t *counts = (const uint32_t *)((const char *)r->in.data + r->in.begin[rank]);
        const uint32_t *record = counts + RHM_KEY_PARTS;
        for (size_t before = 0; before < part; before++)
            record += counts[before] * r->words;
        for (uint32_t i = 0; i < counts[part]; i++, record += r->words) {
            const rhm_key_met met = {record[0] | (uint64_t)record[1] << 32, record[3], record[2]};
            RHM_TRY(rhm_keys_add(into, record + HEAD, &met, error));
        }
    }
    return RHM_OK;
}

static rhm_status read_round(reading *r, const rhm_engine *engine, rhm_error *error) {
    const size_t chunks = (size_t)((r->count + r->chunk_samples - 1) / r->chunk_samples);
    int span = rhm_trace_begin(engine, "read", 0);
    r->own = rhm_spread_own(engine, chunks);
    RHM_TRY(rhm_parallel(engine, r->own.end - r->own.first, read_chunk, r, error));
    const double samples = (double)r->count;
    rhm_trace_end(engine, span, (rhm_span_work){.items = samples, .nbytes = 2 * samples * (double)(r->rows.width + 1)});
    span = rhm_trace_begin(engine, "merge", 0);
    rhm_status status = send_round(r, engine, error);
    if (status == RHM_OK)
        status = rhm_parallel(engine, RHM_KEY_PARTS, take_part, r, error);
    rhm_trace_end(engine, span, (rhm_span_work){.items = samples * r->patches->positions});
    rhm_spread_parcels_clear(&r->in);
    return status;
}

static void release(reading *r, const rhm_engine *engine, size_t chunks) {
    for (int t = 0; r->lane && t < rhm_engine_threads(engine); t++) {
        rhm_free(r->lane[t].leaves);
        rhm_free(r->lane[t].key);
        rhm_intern_destroy(&r->lane[t].seen);
    }
    for (size_t c = 0; r->listed && c < chunks; c++) {
        rhm_free(r->listed[c].record);
        rhm_free(r->listed[c].place);
    }
    rhm_free(r->lane);
    rhm_free(r->listed);
}

static rhm_status count_all(rhm_patches *patches, const rhm_engine *engine, rhm_error *error) {
    uint64_t distinct = rhm_keys_count(&patches->division->keys);
    RHM_TRY(rhm_spread_count(engine, &distinct, error));
    if (distinct > UINT32_MAX / 2)
        return rhm_fail(error, RHM_NO_MEMORY, "more than %u distinct patches at one level: ids are 32-bit words",
                        UINT32_MAX / 2);
    patches->subtree[patches->level].count = (size_t)distinct;
    patches->division->settled = false;
    return rhm_patches_account(patches, engine, error);
}

/* Sample 0 is that of the source: these are only counted. */
static rhm_status add_raw(rhm_patches *patches, rhm_patch_source *source, const void *context, uint64_t count,
                          rhm_error *error) {
    struct rhm_division *d = patches->division;
    const double most = 0x1p53, all = ((double)patches->samples + (double)count) * patches->positions;
    if (all * patches->tree.branching[patches->level] > most)
        return rhm_fail(error, RHM_NO_MEMORY, "%.3g raw samples: their patches are numbered up to 2^53",
                        all / patches->positions);
    d->source = source;
    d->context = context;
    d->settled = false;
    patches->samples += count;
    patches->subtree[patches->level].count = (size_t)patches->samples * patches->positions;
    d->rows = patches->subtree[patches->level].count * patches->tree.branching[patches->level];
    return RHM_OK;
}

rhm_status rhm_division_add(rhm_patches *patches, const rhm_engine *engine, const char *stage, rhm_patch_source *source,
                            const void *context, uint64_t first, uint64_t count, rhm_error *error) {
    if (patches->raw)
        return add_raw(patches, source, context, count, error);
    const rhm_keys *keys = &patches->division->keys;
    reading r = {.patches = patches, .keys = keys, .source = source, .context = context, .ranks = ranks_of(engine)};
    r.rows = rhm_sample_rows_of(patches);
    r.words = HEAD + keys->words;
    r.chunk_samples = rhm_patch_chunk_samples(count, r.rows.width);
    const size_t most = rhm_spread_threads(engine) * CHUNKS_PER_THREAD, own = most / r.ranks + 1;
    r.lane = RHM_NEW(lane, (size_t)rhm_engine_threads(engine), 1, 1, "sampling chunks", error);
    r.listed = RHM_NEW(listed, own, 1, 1, "sampling chunks", error);
    rhm_status status = r.lane && r.listed ? RHM_OK : RHM_NO_MEMORY;
    for (uint64_t done = 0; done < count && status == RHM_OK; done += r.count) {
        const uint64_t left = count - done, now = (uint64_t)most * r.chunk_samples;
        r.first = first + done;
        r.count = left < now ? left : now;
        if ((status = read_round(&r, engine, error)) == RHM_OK)
            patches->samples += r.count;
        if (status == RHM_OK && stage)
            rhm_engine_progress(engine, stage, r.first + r.count, first + count);
    }
    release(&r, engine, own);
    return status == RHM_OK ? count_all(patches, engine, error) : status;
}
