/*
 * A divided collection for use: patches get their numbers, which count up with their first places in the stream; each
 * rank gets those that it asks for, with their counts, and makes the subtrees of these alone.
 */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "patches/division.h"
#include "patches/draw.h"
#include "patches/key_order.h"

enum {
    HEAD = 3,    /* words of a record before its key: place (2), cells */
    OF_CELL = 3, /* words of a cell: label, count (2) */
};

typedef struct settling {
    rhm_patches *patches;
    const rhm_keys *keys_of; /* this rank's, of the division */
    rhm_patch_counts *counts;
    const rhm_engine *engine;
    bool whole;                    /* all ranks ask for all patches */
    const rhm_ranks_part *of_rank; /* (ranks): patches that each asks for */
    size_t ranks;
    rhm_ranks_part own; /* this one's */

    rhm_patch_source *source; /* of raw samples */
    const void *from;
    uint32_t positions;

    rhm_key_order order;              /* of this rank's keys */
    uint32_t *cells[RHM_KEY_PARTS];   /* [part], (keys + 1): where those of a key begin in */
    uint32_t *cell_of[RHM_KEY_PARTS]; /* [part], (cells): their numbers, key after key */
    uint64_t *bound;                  /* (ranks, 2): places that the patches of a rank lie between */

    uint32_t *out;
    size_t *begin; /* (keys + 1): words of `out` where a record begins, in order */
    rhm_spread_parcels in;
    const uint32_t **record; /* (own patches), in order */
} settling;

/* ---- all to all -------------------------------------------------------------------------------------------------- */

/* The cells of each key. */
static rhm_status group_part(void *context, size_t p, int thread, rhm_error *error) {
    (void)thread;
    settling *s = context;
    const rhm_key_part *part = &s->keys_of->part[p];
    const size_t keys = part->key.count, cells = part->cell.count;
    s->cells[p] = RHM_NEW(uint32_t, keys + 2, 1, 1, "cells of patches", error);
    s->cell_of[p] = RHM_NEW(uint32_t, cells, 1, 1, "cells of patches", error);
    if (!s->cells[p] || !s->cell_of[p])
        return RHM_NO_MEMORY;
    uint32_t *next =
        s->cells[p] + 1; /* becomes where the next cell of a key goes, and so where that of the next begins */
    for (size_t i = 0; i < cells; i++)
        next[rhm_intern_tuple(&part->cell, i)[0] + 1]++;
    for (size_t k = 0; k < keys; k++)
        next[k + 1] += next[k];
    for (size_t i = 0; i < cells; i++)
        s->cell_of[p][next[rhm_intern_tuple(&part->cell, i)[0]]++] = (uint32_t)i;
    return RHM_OK;
}

enum { CHUNK_KEYS = 1 << 12 };

static rhm_status put_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const settling *s = context;
    const rhm_keys *keys = s->keys_of;
    const size_t end = s->order.count - chunk * CHUNK_KEYS < CHUNK_KEYS ? s->order.count : (chunk + 1) * CHUNK_KEYS;
    for (size_t i = chunk * CHUNK_KEYS; i < end; i++) {
        const size_t p = rhm_key_order_part(&s->order, s->order.key[i]), key = s->order.key[i] - s->order.base[p];
        const rhm_key_part *part = &keys->part[p];
        uint32_t *record = s->out + s->begin[i];
        *record++ = (uint32_t)s->order.place[i];
        *record++ = (uint32_t)(s->order.place[i] >> 32);
        *record++ = s->cells[p][key + 1] - s->cells[p][key];
        memcpy(record, rhm_intern_tuple(&part->key, key), sizeof *record * keys->words);
        record += keys->words;
        for (uint32_t c = s->cells[p][key]; c < s->cells[p][key + 1]; c++) {
            const uint32_t cell = s->cell_of[p][c];
            *record++ = rhm_intern_tuple(&part->cell, cell)[1];
            *record++ = (uint32_t)part->count[cell];
            *record++ = (uint32_t)(part->count[cell] >> 32);
        }
    }
    return RHM_OK;
}

static rhm_status send_keys(settling *s, rhm_error *error) {
    const size_t words = s->keys_of->words;
    rhm_ranks_part *slice = RHM_NEW(rhm_ranks_part, s->ranks, 1, 1, "patches for ranks", error);
    s->begin = RHM_NEW(size_t, s->order.count + 1, 1, 1, "patches for ranks", error);
    rhm_status status = slice && s->begin ? RHM_OK : RHM_NO_MEMORY;
    for (size_t i = 0; i < s->order.count && status == RHM_OK; i++) {
        const size_t p = rhm_key_order_part(&s->order, s->order.key[i]), key = s->order.key[i] - s->order.base[p];
        s->begin[i + 1] = s->begin[i] + HEAD + words + OF_CELL * (size_t)(s->cells[p][key + 1] - s->cells[p][key]);
    }
    if (status == RHM_OK && !(s->out = RHM_NEW(uint32_t, s->begin[s->order.count], 1, 1, "patches for ranks", error)))
        status = RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = rhm_parallel(s->engine, (s->order.count + CHUNK_KEYS - 1) / CHUNK_KEYS, put_chunk, s, error);
    for (size_t rank = 0; rank < s->ranks && status == RHM_OK; rank++) {
        const size_t first = rhm_key_order_before(&s->order, s->bound[2 * rank]);
        const size_t end = rhm_key_order_before(&s->order, s->bound[2 * rank + 1]);
        slice[rank] = (rhm_ranks_part){sizeof *s->out * s->begin[first], sizeof *s->out * s->begin[end]};
    }
    if (status == RHM_OK)
        status = rhm_spread_deal(&s->in, s->engine, s->out, slice, error);
    rhm_free(slice);
    return status;
}

static uint64_t place_of(const uint32_t *record) {
    return record[0] | (uint64_t)record[1] << 32;
}

static size_t words_of(const settling *s, const uint32_t *record) {
    return HEAD + s->keys_of->words + OF_CELL * (size_t)record[2];
}

/* What ranks have sent, each in order, in the order of all. */
static rhm_status merge_sent(settling *s, rhm_error *error) {
    const size_t own = s->own.end - s->own.first;
    const uint32_t **next = RHM_NEW(const uint32_t *, s->ranks, 1, 1, "patches of ranks", error);
    s->record = RHM_NEW(const uint32_t *, own, 1, 1, "patches of a rank", error);
    if (!next || !s->record) {
        rhm_free(next);
        return RHM_NO_MEMORY;
    }
    const char *data = s->in.data;
    for (size_t rank = 0; rank < s->ranks; rank++)
        next[rank] = (const uint32_t *)(data + s->in.begin[rank]);
    size_t have = 0;
    for (; have < own; have++) {
        size_t least = s->ranks;
        for (size_t rank = 0; rank < s->ranks; rank++)
            if (next[rank] < (const uint32_t *)(data + s->in.begin[rank + 1]) &&
                (least == s->ranks || place_of(next[rank]) < place_of(next[least])))
                least = rank;
        if (least == s->ranks)
            break;
        s->record[have] = next[least];
        next[least] += words_of(s, next[least]);
    }
    rhm_free(next);
    return have == own
               ? RHM_OK
               : rhm_fail(error, RHM_FAILED, "of %zu patches that belong to this rank others have sent %zu", own, have);
}

/* ---- what a rank makes of its patches ---------------------------------------------------------------------------- */

static void read_sent(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                      uint16_t *labels) {
    (void)level;
    const settling *s = context;
    const rhm_keys *keys = s->keys_of;
    for (size_t i = 0; i < count; i++) {
        rhm_key_unpack(keys, s->record[first + i] + HEAD, leaves + i * keys->tokens);
        labels[i] = 0;
    }
}

/* In increasing order of labels. */
static void write_cells(const uint32_t *cell, uint32_t cells, uint32_t *label, uint64_t *count) {
    for (uint32_t c = 0; c < cells; c++, cell += OF_CELL) {
        uint32_t at = c;
        for (; at > 0 && label[at - 1] > cell[0]; at--) {
            label[at] = label[at - 1];
            count[at] = count[at - 1];
        }
        label[at] = cell[0];
        count[at] = cell[1] | (uint64_t)cell[2] << 32;
    }
}

static rhm_status list_counts(const settling *s, rhm_error *error) {
    const size_t own = s->own.end - s->own.first, words = s->keys_of->words;
    size_t cells = 0;
    for (size_t i = 0; i < own; i++)
        cells += s->record[i][2];
    RHM_TRY(rhm_patch_counts_reserve(s->counts, s->own, cells, error));
    rhm_patch_counts *counts = s->counts;
    cells = 0;
    for (size_t i = 0; i < own; i++) {
        counts->offset[s->own.first + i] = cells;
        write_cells(s->record[i] + HEAD + words, s->record[i][2], counts->label + cells, counts->count + cells);
        cells += s->record[i][2];
    }
    counts->offset[s->own.end] = cells;
    return RHM_OK;
}

/* Raw samples from the first of the own patches on. */
static void read_raw(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                     uint16_t *labels) {
    const settling *s = context;
    s->source(s->from, level, s->own.first / s->positions + first, count, leaves, labels);
}

static rhm_status list_raw_counts(const settling *s, rhm_error *error) {
    const size_t own = s->own.end - s->own.first;
    RHM_TRY(rhm_patch_counts_reserve(s->counts, s->own, own, error));
    for (size_t i = 0; i < own; i++) {
        s->counts->offset[s->own.first + i] = i;
        s->counts->label[i] = rhm_intern_tuple(&s->patches->cell, i)[1];
        s->counts->count[i] = 1;
    }
    s->counts->offset[s->own.end] = own;
    return RHM_OK;
}

/* As a collection of its own, of which no patch comes twice: they are numbered as they come. */
static rhm_status add_own(settling *s, rhm_error *error) {
    rhm_patches *patches = s->patches;
    struct rhm_division *d = patches->division;
    const rhm_engine *alone = rhm_engine_alone(s->engine);
    const uint64_t samples = patches->samples, own = s->own.end - s->own.first;
    const uint32_t positions = s->positions = patches->positions;
    s->source = d->source;
    s->from = d->context;
    patches->division = NULL;
    patches->samples = 0;
    patches->positions = patches->raw ? positions : 1;
    rhm_status status = patches->raw ? rhm_patches_add(patches, s->whole ? s->engine : alone, NULL, read_raw, s, 0,
                                                       own / positions, NULL, error)
                                     : rhm_patches_add(patches, alone, NULL, read_sent, s, 0, own, NULL, error);
    if (status == RHM_OK && patches->raw)
        status = list_raw_counts(s, error);
    patches->division = d;
    patches->samples = samples;
    patches->positions = positions;
    for (uint32_t j = patches->level; j <= patches->tree.levels; j++)
        d->built[j] += own;
    return status;
}

static rhm_status build(settling *s, rhm_error *error) {
    rhm_patches *patches = s->patches;
    struct rhm_division *d = patches->division;
    rhm_intern *set = &patches->subtree[patches->level];
    const size_t distinct = set->count;
    rhm_division_forget(patches, s->whole || patches->raw);
    rhm_status status = add_own(s, error);
    rhm_division_forget_indexes(patches);
    rhm_free(patches->cell.tuples);
    rhm_free(patches->count);
    patches->cell = (rhm_intern){.words = patches->cell.words};
    patches->count = NULL;
    if (status == RHM_OK && set->count != s->own.end - s->own.first)
        status = rhm_fail(error, RHM_FAILED, "of %zu patches of this rank %zu are different", s->own.end - s->own.first,
                          set->count);
    if (set->tuples)
        set->tuples -= s->own.first * set->words;
    d->own = s->own;
    set->count = distinct;
    return status;
}

static void release(settling *s) {
    for (size_t p = 0; p < RHM_KEY_PARTS; p++) {
        rhm_free(s->cells[p]);
        rhm_free(s->cell_of[p]);
        s->cells[p] = s->cell_of[p] = NULL;
    }
    rhm_key_order_clear(&s->order);
    rhm_free(s->bound);
    rhm_free(s->begin);
    rhm_free(s->out);
    s->bound = NULL;
    s->out = NULL;
    s->begin = NULL;
}

/* What is sent and received at most, with the order of keys and of cells. */
static size_t most_nbytes(const settling *s) {
    const rhm_keys *keys = s->keys_of;
    size_t cells = 0, own = 0;
    for (size_t p = 0; p < RHM_KEY_PARTS; p++) {
        own += keys->part[p].key.count;
        cells += keys->part[p].cell.count;
    }
    const size_t got = s->own.end - s->own.first, each = own > 0 ? cells / own + 1 : 1;
    return sizeof(uint32_t) *
           (own * (HEAD + keys->words + 8) + cells * (OF_CELL + 1) + got * (HEAD + keys->words + OF_CELL * each + 2));
}

static rhm_status settle_keys(settling *s, rhm_error *error) {
    const uint64_t end = s->patches->samples * s->patches->positions;
    rhm_status status = rhm_key_order_make(&s->order, s->engine, s->keys_of, end, error);
    if (status == RHM_OK && !(s->bound = RHM_NEW(uint64_t, s->ranks, 2, 1, "bounds of ranks", error)))
        status = RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = rhm_key_order_bounds(s->bound, &s->order, s->engine, end, s->of_rank, error);
    if (status == RHM_OK)
        status = rhm_parallel(s->engine, RHM_KEY_PARTS, group_part, s, error);
    if (status == RHM_OK)
        status = send_keys(s, error);
    release(s);
    if (status == RHM_OK)
        status = merge_sent(s, error);
    if (status == RHM_OK)
        status = list_counts(s, error);
    if (status == RHM_OK)
        status = build(s, error);
    rhm_free(s->record);
    rhm_spread_parcels_clear(&s->in);
    return status;
}

/* Whole samples, those in part included. */
static rhm_status settle_raw(settling *s, rhm_error *error) {
    const size_t positions = s->patches->positions, own = s->own.end - s->own.first;
    s->own.first = s->own.first / positions * positions;
    s->own.end = own > 0 ? (s->own.end + positions - 1) / positions * positions : s->own.first;
    return build(s, error);
}

rhm_status rhm_patches_settle(rhm_patches *patches, rhm_patch_counts *counts, const rhm_engine *engine,
                              const rhm_ranks_part *of_rank, rhm_error *error) {
    struct rhm_division *d = patches->division;
    settling s = {.patches = patches, .counts = counts, .engine = engine, .of_rank = of_rank, .keys_of = &d->keys};
    s.ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(engine));
    s.own = of_rank[rhm_ranks_rank(rhm_engine_ranks(engine))];
    s.whole = true;
    for (size_t rank = 0; rank < s.ranks; rank++)
        s.whole = s.whole && of_rank[rank].first == 0 && of_rank[rank].end == rhm_patches_distinct(patches);
    rhm_patch_counts_clear(counts);
    const size_t nbytes = patches->raw ? 0 : most_nbytes(&s);
    RHM_TRY(rhm_memory_reserve(engine, nbytes, "patches for ranks", error));
    const int span = rhm_trace_begin(engine, "settle", 0);
    const rhm_status status = patches->raw ? settle_raw(&s, error) : settle_keys(&s, error);
    rhm_trace_end(engine, span, (rhm_span_work){.items = (double)(s.own.end - s.own.first)});
    rhm_memory_release(engine, nbytes);
    if (status != RHM_OK)
        return status;
    d->settled = true;
    d->whole = s.whole;
    return rhm_patches_account(patches, engine, error);
}
