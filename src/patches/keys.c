#include "patches/keys.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

rhm_status rhm_keys_init(rhm_keys *keys, size_t tokens, size_t vocab, rhm_error *error) {
    const uint32_t bits = vocab > 2 ? rhm_index_bits(vocab) : 1;
    *keys = (rhm_keys){.tokens = tokens, .bits = bits};
    keys->words = (tokens + 32 / bits - 1) / (32 / bits);
    for (size_t p = 0; p < RHM_KEY_PARTS; p++) {
        RHM_TRY(rhm_intern_init(&keys->part[p].key, keys->words, 0, error));
        RHM_TRY(rhm_intern_init(&keys->part[p].cell, 2, 0, error));
    }
    return RHM_OK;
}

void rhm_keys_destroy(rhm_keys *keys) {
    for (size_t p = 0; p < RHM_KEY_PARTS; p++) {
        rhm_intern_destroy(&keys->part[p].key);
        rhm_intern_destroy(&keys->part[p].cell);
        rhm_free(keys->part[p].place);
        rhm_free(keys->part[p].count);
    }
    *keys = (rhm_keys){0};
}

size_t rhm_keys_count(const rhm_keys *keys) {
    size_t count = 0;
    for (size_t p = 0; p < RHM_KEY_PARTS; p++)
        count += keys->part[p].key.count;
    return count;
}

static size_t set_nbytes(const rhm_intern *set) {
    return sizeof(uint32_t) * (set->capacity * set->words + set->mask + 1);
}

size_t rhm_keys_nbytes(const rhm_keys *keys) {
    size_t nbytes = 0;
    for (size_t p = 0; p < RHM_KEY_PARTS; p++) {
        const rhm_key_part *part = &keys->part[p];
        nbytes += set_nbytes(&part->key) + set_nbytes(&part->cell);
        nbytes += sizeof(uint64_t) * (part->places + part->counts);
    }
    return nbytes;
}

void rhm_key_pack(const rhm_keys *keys, const uint16_t *tokens, uint32_t *key) {
    const size_t each = 32 / keys->bits;
    memset(key, 0, sizeof *key * keys->words);
    for (size_t t = 0; t < keys->tokens; t++)
        key[t / each] = key[t / each] << keys->bits | tokens[t];
}

void rhm_key_unpack(const rhm_keys *keys, const uint32_t *key, uint16_t *tokens) {
    const size_t each = 32 / keys->bits;
    const uint32_t mask = (UINT32_C(1) << keys->bits) - 1;
    for (size_t w = 0; w < keys->words; w++) {
        const size_t first = w * each, end = first + each < keys->tokens ? first + each : keys->tokens;
        uint32_t word = key[w];
        for (size_t t = end; t-- > first; word >>= keys->bits)
            tokens[t] = (uint16_t)(word & mask);
    }
}

static rhm_status widen(uint64_t **numbers, size_t *have, size_t count, size_t capacity, rhm_error *error) {
    if (count < *have)
        return RHM_OK;
    void *grown = *numbers;
    RHM_TRY(rhm_grow(&grown, sizeof **numbers, *have, capacity, "counts of distinct patches", error));
    *numbers = grown;
    *have = capacity;
    return RHM_OK;
}

rhm_status rhm_keys_add(rhm_key_part *part, const uint32_t *key, const rhm_key_met *met, rhm_error *error) {
    uint32_t cell[2] = {0, met->label}, number;
    bool is_new;
    RHM_TRY(rhm_intern_add(&part->key, key, &cell[0], &is_new, error));
    RHM_TRY(widen(&part->place, &part->places, cell[0], part->key.capacity, error));
    if (is_new || met->place < part->place[cell[0]])
        part->place[cell[0]] = met->place;
    RHM_TRY(rhm_intern_add(&part->cell, cell, &number, NULL, error));
    RHM_TRY(widen(&part->count, &part->counts, number, part->cell.capacity, error));
    part->count[number] += met->count;
    return RHM_OK;
}
