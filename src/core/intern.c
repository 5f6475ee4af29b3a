#include "core/intern.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

enum { SMALLEST = 32 };

/* Multiply-xorshift over the words (the finaliser of SplitMix64): ids are dense, so low bits must be mixed well. */
static inline uint64_t hash(const uint32_t *tuple, size_t words) {
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < words; i++) {
        h = (h ^ tuple[i]) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 29;
    }
    h *= 0x94d049bb133111ebu;
    return h ^ (h >> 32);
}

static inline bool same(const uint32_t *a, const uint32_t *b, size_t words) {
    for (size_t i = 0; i < words; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* The slot that holds `tuple`, or the empty slot where it belongs. */
static inline size_t probe(const rhm_intern *set, const uint32_t *tuple) {
    size_t slot = hash(tuple, set->words) & set->mask;
    while (set->slots[slot] && !same(rhm_intern_tuple(set, set->slots[slot] - 1), tuple, set->words))
        slot = (slot + 1) & set->mask;
    return slot;
}

static rhm_status resize(rhm_intern *set, size_t capacity, rhm_error *error) {
    size_t slot_count = 2;
    while (slot_count / 2 < capacity)
        slot_count *= 2;
    uint32_t *slots = RHM_NEW(uint32_t, slot_count, 1, 1, "hash slots of distinct patches", error);
    if (!slots)
        return RHM_NO_MEMORY;
    void *tuples = set->tuples;
    if (rhm_grow(&tuples, sizeof(uint32_t) * set->words, set->count, capacity, "distinct patches", error) != RHM_OK) {
        rhm_free(slots);
        return RHM_NO_MEMORY;
    }
    set->tuples = tuples;
    rhm_free(set->slots);
    set->slots = slots;
    set->mask = slot_count - 1;
    set->capacity = capacity;
    for (size_t id = 0; id < set->count; id++)
        set->slots[probe(set, rhm_intern_tuple(set, id))] = (uint32_t)id + 1;
    return RHM_OK;
}

rhm_status rhm_intern_init(rhm_intern *set, size_t words, size_t expected, rhm_error *error) {
    *set = (rhm_intern){.words = words};
    return resize(set, expected > SMALLEST ? expected : SMALLEST, error);
}

void rhm_intern_destroy(rhm_intern *set) {
    rhm_free(set->tuples);
    rhm_free(set->slots);
    *set = (rhm_intern){0};
}

void rhm_intern_clear(rhm_intern *set) {
    set->count = 0;
    memset(set->slots, 0, sizeof *set->slots * (set->mask + 1));
}

rhm_status rhm_intern_add(rhm_intern *set, const uint32_t *tuple, uint32_t *id, bool *is_new, rhm_error *error) {
    size_t slot = probe(set, tuple);
    const bool fresh = set->slots[slot] == 0;
    if (fresh) {
        if (set->count == set->capacity) {
            if (set->count >= UINT32_MAX / 2)
                return rhm_fail(error, RHM_NO_MEMORY,
                                "more than %u distinct patches at one level: ids are 32-bit words", UINT32_MAX / 2);
            RHM_TRY(resize(set, set->capacity * 2, error));
            slot = probe(set, tuple);
        }
        memcpy(set->tuples + set->count * set->words, tuple, sizeof *tuple * set->words);
        set->slots[slot] = (uint32_t)++set->count;
    }
    *id = set->slots[slot] - 1;
    if (is_new)
        *is_new = fresh;
    return RHM_OK;
}

uint32_t rhm_intern_find(const rhm_intern *set, const uint32_t *tuple) {
    return set->slots[probe(set, tuple)] - 1;
}
