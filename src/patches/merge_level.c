/* One level: what the chunks have listed becomes members of the collection. */
#include "patches/merge.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "patches/whole.h"

enum {
    AHEAD = 16,     /* places requested before they are looked at */
    LONG_RUN = 128, /* tuples of a chunk in a part, to make requesting worth while */
    PARTS_PER_THREAD = 4,
};

rhm_status rhm_merge_run(rhm_merge *m, size_t count, bool alone, rhm_chunk_body *body, rhm_error *error) {
    if (!alone)
        return rhm_whole_run(m->engine, count, m->done, body, m, error);
    for (size_t i = 0; i < count; i++)
        RHM_TRY(body(m, i, 0, error));
    return RHM_OK;
}

static rhm_intern *members(const rhm_merge *m) {
    return m->level < m->patches->level ? &m->patches->cell : &m->patches->subtree[m->level];
}

/* Children have their numbers already. Tokens and labels are what they are. */
static void name_children(const rhm_merge *m, rhm_patch_chunk *chunk) {
    const rhm_fresh *fresh = &chunk->fresh[m->level];
    if (m->level == m->patches->tree.levels)
        return;
    const size_t words = members(m)->words, renamed = m->level < m->patches->level ? 1 : words;
    const rhm_fresh *below = &chunk->fresh[m->level + 1];
    const size_t known = m->known[m->level + 1];
    for (size_t i = 0; i < fresh->count; i++)
        for (size_t w = 0; w < renamed; w++)
            fresh->tuples[i * words + w] = rhm_fresh_number(below, known, fresh->tuples[i * words + w]);
}

static size_t part_of(const rhm_merge *m, uint64_t hash) {
    return rhm_index_part_of(hash) * m->parts / RHM_INDEX_PARTS;
}

/* A counting sort by part; the entries of a part stay in order. */
static rhm_status deal(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    rhm_merge *m = context;
    name_children(m, &m->chunk[c]);
    const rhm_fresh *fresh = &m->chunk[c].fresh[m->level];
    const size_t words = members(m)->words;
    rhm_listed *listed = m->listed + m->of_chunk[c].begin;
    size_t *end = m->dealt + c * (RHM_INDEX_PARTS + 1);
    memset(end, 0, sizeof *end * (m->parts + 1));
    for (size_t i = 0; i < fresh->count; i++)
        end[part_of(m, rhm_index_hash(fresh->tuples + i * words, words)) + 1]++;
    for (size_t p = 1; p <= m->parts; p++)
        end[p] += end[p - 1];
    /* So far, end[p] is where part p begins. */
    for (size_t i = 0; i < fresh->count; i++) {
        const uint64_t hash = rhm_index_hash(fresh->tuples + i * words, words);
        listed[end[part_of(m, hash)]++] = (rhm_listed){hash, (uint32_t)i};
    }
    return RHM_OK;
}

static size_t dealt_begin(const rhm_merge *m, size_t c, size_t part) {
    return part == 0 ? 0 : m->dealt[c * (RHM_INDEX_PARTS + 1) + part - 1];
}

static size_t dealt_end(const rhm_merge *m, size_t c, size_t part) {
    return m->dealt[c * (RHM_INDEX_PARTS + 1) + part];
}

/* So that places do not move while `part` is inserted. */
static rhm_status reserve_places(const rhm_merge *m, size_t part, rhm_error *error) {
    rhm_index *index = &m->patches->index[m->level];
    size_t more[RHM_INDEX_PARTS] = {0};
    if (index->direct)
        return RHM_OK;
    for (size_t c = 0; c < m->chunks; c++)
        for (size_t k = dealt_begin(m, c, part); k < dealt_end(m, c, part); k++)
            more[rhm_index_part_of(m->listed[m->of_chunk[c].begin + k].hash)]++;
    for (size_t p = 0; p < RHM_INDEX_PARTS; p++)
        RHM_TRY(rhm_index_reserve(&index->part[p], more[p], error));
    return RHM_OK;
}

/* The place of a tuple, or where it belongs; *code says which. */
static uint32_t *find_place(const rhm_merge *m, const uint32_t *tuple, uint64_t hash) {
    const rhm_index *index = &m->patches->index[m->level];
    const rhm_intern *set = members(m);
    if (index->direct)
        return &index->direct[rhm_index_place(index, tuple, set->words)];
    rhm_index_part *part = &index->part[rhm_index_part_of(hash)];
    for (size_t at = (uint32_t)hash & part->mask;; at = (at + 1) & part->mask) {
        rhm_index_slot *slot = &part->slots[at];
        if (slot->code == 0) {
            slot->tag = (uint32_t)hash;
            part->count++;
            return &slot->code;
        }
        if (slot->tag != (uint32_t)hash)
            continue;
        const uint32_t *there = slot->code & RHM_INDEX_PROVISIONAL
                                    ? m->newcomer[slot->code & ~RHM_INDEX_PROVISIONAL].tuple
                                    : rhm_intern_tuple(set, slot->code - 1);
        if (rhm_same_tuple(there, tuple, set->words))
            return &slot->code;
    }
}

static void request(const rhm_index *index, const rhm_fresh *fresh, const rhm_listed *listed, size_t words) {
    __builtin_prefetch(fresh->tuples + listed->entry * words);
    if (index->part)
        __builtin_prefetch(rhm_index_first_slot(index, listed->hash));
}

static rhm_status insert(void *context, size_t part, int thread, rhm_error *error) {
    (void)thread;
    rhm_merge *m = context;
    const rhm_index *index = &m->patches->index[m->level];
    const size_t words = members(m)->words;
    rhm_merge_share *share = &m->of_part[part];
    RHM_TRY(reserve_places(m, part, error));
    for (size_t c = 0; c < m->chunks; c++) {
        const rhm_fresh *fresh = &m->chunk[c].fresh[m->level];
        const rhm_listed *listed = m->listed + m->of_chunk[c].begin;
        const size_t before = share->count, begin = dealt_begin(m, c, part), end = dealt_end(m, c, part);
        for (size_t k = begin; k < end && k < begin + AHEAD; k++)
            request(index, fresh, &listed[k], words);
        for (size_t k = begin; k < end; k++) {
            if (k + AHEAD < end)
                request(index, fresh, &listed[k + AHEAD], words);
            const uint32_t *tuple = fresh->tuples + listed[k].entry * words;
            uint32_t *code = find_place(m, tuple, listed[k].hash);
            if (*code == 0) {
                const size_t n = share->begin + share->count++;
                m->newcomer[n] = (rhm_newcomer){code, tuple, &fresh->number[listed[k].entry]};
                *code = RHM_INDEX_PROVISIONAL | (uint32_t)n;
            }
            fresh->number[listed[k].entry] = *code & RHM_INDEX_PROVISIONAL ? *code : *code - 1;
        }
        __atomic_fetch_add(&m->of_chunk[c].count, share->count - before, __ATOMIC_RELAXED);
    }
    return RHM_OK;
}

static rhm_newcomer *newcomer_of(const rhm_merge *m, uint32_t number) {
    return number & RHM_INDEX_PROVISIONAL ? &m->newcomer[number & ~RHM_INDEX_PROVISIONAL] : NULL;
}

/* Number the newcomers that this chunk lists first. */
static rhm_status number(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    rhm_merge *m = context;
    const rhm_intern *set = members(m);
    const rhm_fresh *fresh = &m->chunk[c].fresh[m->level];
    size_t next = m->of_chunk[c].base;
    for (size_t i = 0; i < fresh->count; i++) {
        const rhm_newcomer *newcomer = newcomer_of(m, fresh->number[i]);
        if (!newcomer || newcomer->number != &fresh->number[i])
            continue;
        memcpy(set->tuples + next * set->words, newcomer->tuple, sizeof *set->tuples * set->words);
        fresh->number[i] = (uint32_t)next++;
    }
    return RHM_OK;
}

/* First the chunks, whose other entries take the numbers of newcomers; then the parts, whose places take them. */
static rhm_status settle(void *context, size_t i, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    rhm_merge *m = context;
    if (i < m->chunks) {
        const rhm_fresh *fresh = &m->chunk[i].fresh[m->level];
        for (size_t k = 0; k < fresh->count; k++) {
            const rhm_newcomer *newcomer = newcomer_of(m, fresh->number[k]);
            if (newcomer)
                fresh->number[k] = *newcomer->number;
        }
        return RHM_OK;
    }
    const rhm_merge_share *share = &m->of_part[i - m->chunks];
    for (size_t n = share->begin; n < share->begin + share->count; n++)
        *m->newcomer[n].code = *m->newcomer[n].number + 1;
    return RHM_OK;
}

/* Places for all tuples of the level: its words are below the number of children, or of tokens seen. */
static rhm_status widen(const rhm_merge *m, rhm_error *error) {
    rhm_patches *patches = m->patches;
    rhm_index *index = &patches->index[m->level];
    if (m->level < patches->level)
        return rhm_index_widen(index, &patches->cell, rhm_index_bits(patches->subtree[patches->level].count),
                               rhm_index_bits(rhm_patches_labels(patches)), error);
    uint32_t bits = 0;
    if (m->level < patches->tree.levels) {
        bits = rhm_index_bits(patches->subtree[m->level + 1].count);
    } else {
        uint32_t any = 0;
        for (size_t c = 0; c < m->chunks; c++) {
            const rhm_fresh *fresh = &m->chunk[c].fresh[m->level];
            for (size_t i = 0; i < fresh->count * patches->tree.branching[m->level]; i++)
                any |= fresh->tuples[i];
        }
        bits = rhm_index_bits((size_t)any + 1);
    }
    return rhm_index_widen(index, members(m), bits, bits, error);
}

static rhm_status reserve_listed(rhm_merge *m, rhm_error *error) {
    if (m->listed_count <= m->listed_capacity)
        return RHM_OK;
    if (m->listed_count >= RHM_INDEX_PROVISIONAL)
        return rhm_fail(error, RHM_NO_MEMORY, "more than 2^31 new patches in one round of chunks");
    const size_t capacity = m->listed_count + m->listed_count / 2; /* rounds differ a little */
    rhm_free(m->listed);
    rhm_free(m->newcomer);
    m->newcomer = NULL;
    m->listed_capacity = 0;
    if (!(m->listed = RHM_NEW(rhm_listed, capacity, 1, 1, "new patches of a round", error)) ||
        !(m->newcomer = RHM_NEW(rhm_newcomer, capacity, 1, 1, "new patches of a round", error)))
        return RHM_NO_MEMORY;
    m->listed_capacity = capacity;
    return RHM_OK;
}

static rhm_status reserve_members(const rhm_merge *m, size_t more, rhm_error *error) {
    rhm_intern *set = members(m);
    if (set->count + more <= set->capacity)
        return RHM_OK;
    if (set->count + more > UINT32_MAX / 2)
        return rhm_fail(error, RHM_NO_MEMORY, "more than %u distinct patches at one level: ids are 32-bit words",
                        UINT32_MAX / 2);
    size_t capacity = set->capacity * 2;
    if (capacity < set->count + more)
        capacity = set->count + more;
    void *grown = set->tuples;
    RHM_TRY(rhm_grow(&grown, sizeof *set->tuples * set->words, set->count, capacity, "distinct patches", error));
    set->tuples = grown;
    if (m->level < m->patches->level) {
        grown = m->patches->count;
        RHM_TRY(rhm_grow(&grown, sizeof *m->patches->count, set->count, capacity, "counts of distinct patches", error));
        m->patches->count = grown;
    }
    set->capacity = capacity;
    return RHM_OK;
}

/* A power of two: enough for the threads, more where there is much to do. */
static size_t parts_for(const rhm_merge *m) {
    size_t parts = RHM_INDEX_PARTS;
    while (parts / 2 >= (size_t)rhm_engine_threads(m->engine) * PARTS_PER_THREAD &&
           m->listed_count / m->chunks < parts * LONG_RUN)
        parts /= 2;
    return parts;
}

rhm_status rhm_merge_level(rhm_merge *m, rhm_error *error) {
    rhm_intern *set = members(m);
    m->listed_count = 0;
    for (size_t c = 0; c < m->chunks; c++) {
        m->of_chunk[c] = (rhm_merge_share){.begin = m->listed_count};
        m->listed_count += m->chunk[c].fresh[m->level].count;
    }
    if (m->listed_count == 0)
        return RHM_OK;
    const bool alone = m->listed_count < RHM_MERGE_FEW;
    m->parts = alone ? 1 : parts_for(m);
    RHM_TRY(reserve_listed(m, error));
    RHM_TRY(widen(m, error));
    RHM_TRY(rhm_merge_run(m, m->chunks, alone, deal, error));
    size_t begin = 0;
    for (size_t p = 0; p < m->parts; p++) {
        m->of_part[p] = (rhm_merge_share){.begin = begin};
        for (size_t c = 0; c < m->chunks; c++)
            begin += dealt_end(m, c, p) - dealt_begin(m, c, p);
    }
    RHM_TRY(rhm_merge_run(m, m->parts, alone, insert, error));
    size_t next = set->count;
    for (size_t c = 0; c < m->chunks; c++) {
        m->of_chunk[c].base = next;
        next += m->of_chunk[c].count;
    }
    RHM_TRY(reserve_members(m, next - set->count, error));
    RHM_TRY(rhm_merge_run(m, m->chunks, alone, number, error));
    set->count = next;
    return rhm_merge_run(m, m->chunks + m->parts, alone, settle, error);
}
