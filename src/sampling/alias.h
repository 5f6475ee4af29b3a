/*
 * One 32-bit random word per choice, whatever the distribution (Walker's alias method, ACM TOMS 3 (1977) 253, tables by
 * Vose, IEEE TSE 17 (1991) 972). word * count has the column in its high half; its low half, uniform up to 2^-32 count,
 * is the coin that decides between the column and its alias.
 */
#ifndef RHM_SAMPLING_ALIAS_H
#define RHM_SAMPLING_ALIAS_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

/* A column: itself where the coin is below `threshold`, else `alias`. Full columns are their own alias. */
typedef struct rhm_alias {
    uint32_t threshold;
    uint32_t alias;
} rhm_alias;

/*
 * Fill columns[0..count-1] for probability[0..count-1], which sum to about 1. `scratch` has room for `count` doubles
 * and `work` for `count` words. Entries of probability 0 are never chosen; equal entries are chosen with no coin.
 */
void rhm_alias_build(rhm_alias *columns, const double *probability, size_t count, double *scratch, uint32_t *work);

/* The column of `word` among `count` equally likely ones. */
static inline uint32_t rhm_uniform_choice(uint32_t count, uint32_t word) {
    return (uint32_t)((uint64_t)word * count >> 32);
}

static inline uint32_t rhm_alias_choice(const rhm_alias *columns, uint32_t count, uint32_t word) {
    const uint64_t product = (uint64_t)word * count;
    const uint32_t column = (uint32_t)(product >> 32);
    return (uint32_t)product < columns[column].threshold ? column : columns[column].alias;
}

#endif
