/*
 * How often siblings occur beside each other: for pairs of places in a family (the s patches side by side that have one
 * grandparent) and every two patches of ids, the number of families that have them there. Exact integers, so neither
 * threads nor the order of sequences matter.
 */
#ifndef RHM_LEARNERS_LATENT_PAIRS_H
#define RHM_LEARNERS_LATENT_PAIRS_H

#include "core/intern.h"
#include "learners/latent/sequences.h"

enum {
    RHM_PAIRS_MOST_CELLS = 1 << 24, /* of a level, and with them the patches of ids that are told apart */
    RHM_PAIRS_ALL_PLACES = 8,       /* siblings up to which all pairs of places are counted, and beyond which only
                                       those next to each other, the last one and the first included */
};

typedef struct rhm_pairs {
    const rhm_engine *engine;
    size_t siblings;   /* s, patches of a family */
    uint64_t families; /* that were counted */
    rhm_intern patch;  /* those that occurred, in lexicographic order */
    uint64_t *count;   /* (rhm_pairs_places(siblings), patches, patches) */
    size_t reserved_nbytes;
} rhm_pairs;

/* Pairs of places that are counted, and which two the pair `index` is. */
size_t rhm_pairs_places(size_t siblings);
void rhm_pairs_place(size_t siblings, size_t index, size_t *one, size_t *other);

/* RHM_INVALID where pairs of so many patches of a level are not counted; also for plans. */
rhm_status rhm_pairs_check(uint32_t level, size_t patches, size_t siblings, rhm_error *error);

void rhm_pairs_clear(rhm_pairs *pairs); /* accepts a zeroed one */

/*
 * Add the families of sequences first..last-1 at the level that `sequences` are at, 2..L. Starts from a zeroed
 * structure. RHM_INVALID where there are too many different patches. After a failure the pairs are as before.
 */
rhm_status rhm_pairs_add(rhm_pairs *pairs, rhm_sequences *sequences, uint64_t first, uint64_t last, const char *stage,
                         rhm_error *error);

/*
 * Standard errors by which siblings depend on each other: sum over cells of (n - e)^2 / e, e = n(mu) n(mu') / N, less
 * what it is expected to be were they independent, over the root of its variance then, the sum of 2 + 1/e (Haldane,
 * Biometrika 31 (1940) 346, for large N). 0 where no two patches can be compared.
 */
rhm_status rhm_pairs_dependence(double *out, const rhm_pairs *pairs, rhm_error *error);

#endif
