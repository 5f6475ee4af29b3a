/*
 * A set of fixed-width tuples of 32-bit words that numbers its members 0, 1, 2, ... in the order of first insertion.
 * This is how "the same patch" is recognised everywhere: rules of a grammar, distinct patches, distinct subtrees.
 * Not for concurrent use; different sets are independent.
 */
#ifndef RHM_CORE_INTERN_H
#define RHM_CORE_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

typedef struct rhm_intern {
    size_t words;     /* per tuple */
    size_t count;     /* members so far, at most 2^32 - 2 */
    size_t capacity;  /* members that fit in `tuples` */
    size_t mask;      /* slots - 1; slots is a power of two, at least twice `capacity` */
    uint32_t *tuples; /* (count, words): member `id` starts at id * words */
    uint32_t *slots;  /* id + 1, or 0 where empty */
} rhm_intern;

/* An empty set of tuples of `words` >= 1 words, with room for `expected` members before it grows. */
rhm_status rhm_intern_init(rhm_intern *set, size_t words, size_t expected, rhm_error *error);

/* Accepts a zeroed set. */
void rhm_intern_destroy(rhm_intern *set);

/* Forget the members, keep the memory. */
void rhm_intern_clear(rhm_intern *set);

/* *id of `tuple`, inserting it when absent; *is_new (may be NULL) says which. */
rhm_status rhm_intern_add(rhm_intern *set, const uint32_t *tuple, uint32_t *id, bool *is_new, rhm_error *error);

/* The id of `tuple`, or UINT32_MAX when it is not a member. */
uint32_t rhm_intern_find(const rhm_intern *set, const uint32_t *tuple);

static inline const uint32_t *rhm_intern_tuple(const rhm_intern *set, size_t id) {
    return set->tuples + id * set->words;
}

#endif
