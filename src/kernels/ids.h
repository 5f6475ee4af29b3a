/*
 * The operations of learners and models that hand ids up, and the table through which they are called: README.md has
 * their contract. All of them are exact, so every table has the same results.
 */
#ifndef RHM_KERNELS_IDS_H
#define RHM_KERNELS_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/registry.h"
#include "rhm/engine.h"

enum {
    RHM_ID_POSSIBLE = 1 << 20,  /* entries of a table at most: it stays in a cache */
    RHM_ID_SMALL = 256,         /* entries that byte shuffles reach */
    RHM_PAIR_PATCHES = 1 << 14, /* different patches whose pairs are counted */
    RHM_PAIR_COPIES = 4,        /* of a table of counts, so that the same cell twice running need not wait for itself */
};

/*
 * A number for every possible patch of `words` ids below `inputs`: patch (a_1, ..., a_s) has entry
 * (a_1 inputs + a_2) inputs + ... .
 */
typedef struct rhm_id_table {
    size_t words;
    uint32_t inputs;
    size_t possible;                          /* inputs^words */
    uint16_t *entry;                          /* (possible); owned */
    bool small;                               /* `chunk` holds the entries, */
    _Alignas(16) uint8_t chunk[RHM_ID_SMALL]; /* 16 by 16, as differences: see lanes/ids.h */
} rhm_id_table;

/* inputs^words, or 0 where that is more than RHM_ID_POSSIBLE. */
size_t rhm_id_possible(size_t words, uint32_t inputs);

/* A table of zeros for the caller to fill; it must be possible. After that, rhm_id_table_seal. */
rhm_status rhm_id_table_init(rhm_id_table *out, size_t words, uint32_t inputs, rhm_error *error);
void rhm_id_table_seal(rhm_id_table *table);
void rhm_id_table_clear(rhm_id_table *table); /* accepts a zeroed one */

/* From `look_up` on there are function pointers only. A table may leave some NULL. */
typedef struct rhm_id_ops {
    const char *name;
    rhm_isa isa;

    /* out (count) = entries of patches (count, words): overwrites. `out` may be where the patches are. */
    void (*look_up)(const rhm_id_table *table, const uint16_t *patch, size_t count, uint16_t *out);

    /*
     * Families of `siblings` numbers below `patches` <= RHM_PAIR_PATCHES each: count (copies, patches, patches) += 1
     * for the numbers at the places `one` and `other` of family f, in copy f mod `copies`, which is 1, 2 or 4.
     */
    void (*count_pairs)(const uint16_t *number, size_t families, size_t siblings, size_t one, size_t other,
                        size_t patches, size_t copies, uint32_t *count);
} rhm_id_ops;

/* The operations as an instruction set of this CPU does them, each from its own table or from the nearest set that it
 * is based on; none is NULL. */
rhm_id_ops rhm_id_ops_at(rhm_isa isa);

static inline rhm_id_ops rhm_id_ops_of(const rhm_engine *engine) {
    return rhm_id_ops_at(rhm_engine_isa(engine));
}

/* One patch after the other, from patch `first` on; `words` is table->words, inlined as a constant where it is small.
 */
static inline __attribute__((always_inline)) void rhm_look_up_words(const rhm_id_table *table, size_t words,
                                                                    const uint16_t *patch, size_t first, size_t count,
                                                                    uint16_t *out) {
    const size_t inputs = table->inputs;
    const uint16_t *entry = table->entry;
    for (size_t i = first; i < count; i++) {
        size_t code = patch[i * words];
        for (size_t t = 1; t < words; t++)
            code = code * inputs + patch[i * words + t];
        out[i] = entry[code];
    }
}

static inline void rhm_look_up_rest(const rhm_id_table *table, const uint16_t *patch, size_t first, size_t count,
                                    uint16_t *out) {
    switch (table->words) {
    case 2: rhm_look_up_words(table, 2, patch, first, count, out); break;
    case 3: rhm_look_up_words(table, 3, patch, first, count, out); break;
    case 4: rhm_look_up_words(table, 4, patch, first, count, out); break;
    default: rhm_look_up_words(table, table->words, patch, first, count, out);
    }
}

static inline void rhm_count_pairs_rest(const uint16_t *number, size_t first, size_t families, size_t siblings,
                                        size_t one, size_t other, size_t patches, size_t copies, uint32_t *count) {
    for (size_t f = first; f < families; f++)
        count[((f & (copies - 1)) * patches + number[f * siblings + one]) * patches + number[f * siblings + other]]++;
}

#endif
