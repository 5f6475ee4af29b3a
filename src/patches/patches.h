/*
 * Distinct patches at the first positions of a level with their multiplicities by position and label: all that the
 * regression of a level needs from its samples (docs/mathematics.md, section 5), whatever their number. Usually there
 * is one position.
 *
 * A level-j patch is a tuple of s_j ids of level-(j+1) patches (of tokens at j = L), so every distinct subtree is
 * stored, and later evaluated, once. Ids count up in the order in which a reader of samples 0, 1, 2, ... first meets a
 * patch: they do not depend on threads, nor on how the samples were cut into calls.
 */
#ifndef RHM_PATCHES_PATCHES_H
#define RHM_PATCHES_PATCHES_H

#include <stddef.h>
#include <stdint.h>

#include "core/intern.h"
#include "engine/parallel.h"
#include "patches/index.h"
#include "rhm/grammar.h"
#include "rhm/ranks.h"
#include "sampling/source.h"

typedef struct rhm_patches {
    rhm_tree tree;
    uint32_t level, classes;
    uint32_t positions; /* 1; the caller may set it before the first sample, up to the level-(level-1) symbols of a
                           sequence */
    uint64_t samples;   /* each with a patch at every position */
    rhm_intern subtree[RHM_MAX_LEVELS + 1]; /* [j], j = level..levels: the distinct level-j patches */
    rhm_intern cell;                        /* (patch, position x classes + label) pairs that occurred */
    uint64_t *count;                        /* (cell.capacity): samples of each pair */

    /* The sets above are lists only, without hash slots of their own: these find members, by level; cells at level - 1.
     */
    rhm_index index[RHM_MAX_LEVELS + 1];
    bool blind[RHM_MAX_LEVELS + 1]; /* nearly all tuples are new, so reading samples does not look for them */

    /* The caller may set this before the first sample: every sample becomes a patch of its own at all levels, whether
     * it came before or not. The regression is the same, only larger. Ids count up with the samples. */
    bool raw;

    /* The caller may set this before the first count is drawn: counts are drawn for about so many patches, chosen at
     * random before labels are seen (sampling/law.h), as if of all samples only those with one of them were kept. Then
     * `samples` counts the kept ones. 0: all patches. */
    size_t thinned;

    struct rhm_drawing *drawing; /* where counts are drawn (draw.h), else NULL */

    /* Where ranks have parts (division.h), else NULL. Then cells are there no more; of the subtrees below the level a
     * rank has those of its own patches, under numbers of its own; and of the patches' tuples its own, from that of
     * patch 0 on, where it would be. `count` of the level is that of all ranks. */
    struct rhm_division *division;

    const rhm_engine *engine; /* whose memory limit counts what this collection takes; NULL before the first sample */
    size_t reserved_nbytes;
} rhm_patches;

/* The level-j patches or, for j = level - 1, the cells. */
static inline const rhm_intern *rhm_patches_tuples(const rhm_patches *patches, uint32_t j) {
    return j < patches->level ? &patches->cell : &patches->subtree[j];
}

/* Second words of cells are below it. */
static inline uint32_t rhm_patches_labels(const rhm_patches *patches) {
    return patches->positions * patches->classes;
}

/* An empty collection of first patches of `level`. */
rhm_status rhm_patches_init(rhm_patches *patches, uint32_t level, const rhm_tree *tree, uint32_t classes,
                            rhm_error *error);

/* Accepts a zeroed collection. The engine that counted must still exist. */
void rhm_patches_destroy(rhm_patches *patches);

/*
 * Count samples first..first+count-1. After RHM_INTERRUPTED the collection has the first of them, as far as
 * patches->samples says; after any other failure, and after any of a divided collection, it can only be destroyed.
 * `stage` names the work for the progress display, which shows `first` as done already; NULL shows nothing. ids is NULL,
 * as it is for divided collections, or (count, positions) and receives the distinct patches of every sample.
 */
rhm_status rhm_patches_add(rhm_patches *patches, const rhm_engine *engine, const char *stage, rhm_patch_source *source,
                           const void *context, uint64_t first, uint64_t count, uint32_t *ids, rhm_error *error);

/*
 * Cells of a table (rhm_law_measure), whatever the number of samples, up to which drawing counts costs little: 3 s of one core and 0.8 GiB while it runs. Measured on a 2-core EPYC guest, a
 * cell takes 0.1 us (a handful of samples in each) to 0.18 us (from a thousand on), spread over all threads, 16 bytes
 * for good and 48 at most during a call. Counting a sample takes 0.016 us at level L to 0.4 us where most are distinct.
 */
#define RHM_AFFORDABLE_CELLS 0x1p24

/* Of all samples, those that a collection with thinned counts keeps; 1 for others and before the first draw. */
double rhm_patches_kept_share(const rhm_patches *patches);

/*
 * Add `count` further samples of a grammar, kept ones where counts are thinned, without drawing them: how often each
 * (patch, label) pair occurs among them is drawn directly, with exactly the law of counting samples of their own at
 * each position. The samples of all calls are independent if `round` differs; so are those of other streams, and those
 * that rhm_patches_add counts of any stream. Results do not depend on threads. `samples` may reach 2^53; `round` is
 * below 2^16. The grammar must live as long as the collection, and be the same in all calls, as seed and stream where
 * counts are thinned; a collection cannot have both drawn counts and counted samples.
 *
 * Ids follow the order of the rules (sampling/law.h) among patches that first occur in the same call. After RHM_INVALID
 * and RHM_INTERRUPTED the collection is what it was; after any other failure it can only be destroyed.
 */
rhm_status rhm_patches_draw(rhm_patches *patches, const rhm_engine *engine, const rhm_grammar *grammar, uint64_t seed,
                            uint32_t stream, uint64_t round, uint64_t count, rhm_error *error);

/*
 * Divide a collection of counted samples among the engine's ranks, all of which have counted the same ones, or one of
 * raw samples that has none yet: nothing is here until it is settled. Tokens are below `vocab`. Of raw samples those
 * that are added begin with number 0 of their source, which must live as long. All ranks must call, with the same
 * collection. After a failure the collection can only be destroyed.
 */
rhm_status rhm_patches_divide(rhm_patches *patches, const rhm_engine *engine, size_t vocab, rhm_error *error);

/* Distinct patches so far. */
static inline size_t rhm_patches_distinct(const rhm_patches *patches) {
    return patches->subtree[patches->level].count;
}

/* The counts by patch: cells offset[i]..offset[i+1]-1 belong to patch i, in increasing order of position and label. */
typedef struct rhm_patch_counts {
    size_t *offset;  /* (patches + 1) */
    uint32_t *label; /* (cells): position x classes + label */
    uint64_t *count; /* (cells) */
    size_t first;    /* of the patches that are here: `offset` is where that of patch 0 would be */

    /* NULL, or (positions): samples of each that the counts add up to, where it is not the collection's number. */
    uint64_t *of_block;
} rhm_patch_counts;

/* On the engine's threads, the same on any number of them. On failure *counts holds nothing. */
rhm_status rhm_patch_counts_make(rhm_patch_counts *counts, const rhm_patches *patches, const rhm_engine *engine,
                                 rhm_error *error);

/* Of the patches own.first..own.end-1 alone, by their numbers; there is memory for no others. */
rhm_status rhm_patch_counts_make_part(rhm_patch_counts *counts, const rhm_patches *patches, rhm_ranks_part own,
                                      const rhm_engine *engine, rhm_error *error);
void rhm_patch_counts_clear(rhm_patch_counts *counts);

/* Memory for the counts of some patches, in so many cells. */
rhm_status rhm_patch_counts_reserve(rhm_patch_counts *counts, rhm_ranks_part own, size_t cells, rhm_error *error);

/*
 * Settle a divided collection: rank r has the patches of_rank[r] (ranks) from now on, their counts, and their subtrees.
 * Ranges may overlap; where all ranks ask for all patches, everything has the numbers of one process. All ranks must
 * call with the same ranges. After a failure the collection can only be destroyed.
 */
rhm_status rhm_patches_settle(rhm_patches *patches, rhm_patch_counts *counts, const rhm_engine *engine,
                              const rhm_ranks_part *of_rank, rhm_error *error);

#endif
