#include "patches/index.h"

#include "core/fail.h"
#include "core/memory.h"

void rhm_index_destroy(rhm_index *index) {
    rhm_free(index->direct);
    for (size_t p = 0; index->part && p < RHM_INDEX_PARTS; p++)
        rhm_free(index->part[p].slots);
    rhm_free(index->part);
    *index = (rhm_index){0};
}

size_t rhm_index_nbytes(const rhm_index *index) {
    size_t nbytes = 0;
    if (index->direct)
        nbytes += sizeof *index->direct << (index->first_bits + (index->words - 1) * index->bits);
    for (size_t p = 0; index->part && p < RHM_INDEX_PARTS; p++)
        nbytes += index->part[p].slots ? sizeof *index->part[p].slots * (index->part[p].mask + 1) : 0;
    return nbytes;
}

/* Slots are at most half full. */
rhm_status rhm_index_reserve(rhm_index_part *part, size_t more, rhm_error *error) {
    if (more == 0) /* the part may be another thread's */
        return RHM_OK;
    const size_t needed = (part->count + more) * 2;
    if (part->slots && needed <= part->mask + 1)
        return RHM_OK;
    size_t size = 16;
    while (size < needed)
        size *= 2;
    rhm_index_slot *slots = RHM_NEW(rhm_index_slot, size, 1, 1, "hash slots of distinct patches", error);
    if (!slots)
        return RHM_NO_MEMORY;
    for (size_t i = 0; part->slots && i <= part->mask; i++) {
        if (!part->slots[i].code)
            continue;
        size_t at = part->slots[i].tag & (size - 1);
        while (slots[at].code)
            at = (at + 1) & (size - 1);
        slots[at] = part->slots[i];
    }
    rhm_free(part->slots);
    part->slots = slots;
    part->mask = size - 1;
    return RHM_OK;
}

static rhm_status use_hashing(rhm_index *index, const rhm_intern *tuples, rhm_error *error) {
    index->part = RHM_NEW(rhm_index_part, RHM_INDEX_PARTS, 1, 1, "hash tables of distinct patches", error);
    if (!index->part)
        return RHM_NO_MEMORY;
    for (size_t id = 0; id < tuples->count; id++) {
        const uint64_t hash = rhm_index_hash(rhm_intern_tuple(tuples, id), index->words);
        rhm_index_part *part = &index->part[rhm_index_part_of(hash)];
        RHM_TRY(rhm_index_reserve(part, 1, error));
        size_t at = (uint32_t)hash & part->mask;
        while (part->slots[at].code)
            at = (at + 1) & part->mask;
        part->slots[at] = (rhm_index_slot){(uint32_t)hash, (uint32_t)id + 1};
        part->count++;
    }
    rhm_free(index->direct);
    index->direct = NULL;
    return RHM_OK;
}

rhm_status rhm_index_widen(rhm_index *index, const rhm_intern *tuples, uint32_t first_bits, uint32_t bits,
                           rhm_error *error) {
    if (index->part || (index->direct && first_bits <= index->first_bits && bits <= index->bits))
        return RHM_OK;
    if (index->direct) {
        first_bits = first_bits > index->first_bits ? first_bits : index->first_bits;
        bits = bits > index->bits ? bits : index->bits;
    }
    index->words = tuples->words;
    const uint64_t total = first_bits + (tuples->words - 1) * (uint64_t)bits;
    if (total > RHM_INDEX_DIRECT_BITS)
        return use_hashing(index, tuples, error);
    uint32_t *direct = RHM_NEW(uint32_t, (size_t)1 << total, 1, 1, "table of distinct patches", error);
    if (!direct)
        return RHM_NO_MEMORY;
    rhm_free(index->direct);
    index->direct = direct;
    index->first_bits = first_bits;
    index->bits = bits;
    for (size_t id = 0; id < tuples->count; id++)
        direct[rhm_index_place(index, rhm_intern_tuple(tuples, id), index->words)] = (uint32_t)id + 1;
    return RHM_OK;
}
