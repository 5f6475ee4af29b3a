/*
 * Reading a chunk of samples: the part of counting that threads do independently. The collection is only looked at.
 *
 * Subtrees and cells go by codes: a code below the number of members that the collection had when the round began is
 * that member; higher ones count the tuples in the chunk's own list of what was not found. merge.h gives those their
 * numbers.
 */
#ifndef RHM_PATCHES_CHUNK_H
#define RHM_PATCHES_CHUNK_H

#include "patches/patches.h"

/* The first cells are counted by each thread for itself; in the others threads seldom meet. */
enum { RHM_OWN_CELLS = 1 << 16 };

/* Samples as a source gives them: rows of the tokens below a level-(from-1) symbol, which begin with the patches. */
typedef struct rhm_sample_rows {
    uint32_t from;
    size_t width;  /* tokens of a row, */
    size_t leaves; /* and of the patches at its beginning */
} rhm_sample_rows;

rhm_sample_rows rhm_sample_rows_of(const rhm_patches *patches);

/* What a thread needs from chunk to chunk. */
typedef struct rhm_patch_scratch {
    uint16_t *leaves;                      /* (samples, width) */
    uint16_t *labels;                      /* (samples) */
    uint32_t *codes;                       /* (samples, leaves): of the level in hand */
    uint32_t *own;                         /* (RHM_OWN_CELLS): patches of each cell in this round */
    rhm_intern listed[RHM_MAX_LEVELS + 1]; /* the tuples that this chunk lists; cells at level - 1 */
} rhm_patch_scratch;

/* Tuples of one level that were not found, in order; not necessarily distinct. */
typedef struct rhm_fresh {
    uint32_t *tuples; /* (count, words): codes, from merge.c on numbers */
    uint32_t *number; /* (count): what merge.c makes of them */
    size_t count, capacity;
} rhm_fresh;

/* Room for `count` tuples, and this is how many there are; what was there is lost. */
rhm_status rhm_fresh_reserve(rhm_fresh *fresh, size_t count, size_t words, rhm_error *error);

typedef struct rhm_patch_chunk {
    size_t patches;
    rhm_fresh fresh[RHM_MAX_LEVELS + 1]; /* by level; cells at level - 1 */
    uint32_t *uncounted;                 /* (uncounted_count): cells of the patches that reading has not counted */
    size_t uncounted_count;
    uint32_t *ids; /* NULL, or the caller's (patches): codes, from merge.c on numbers */
} rhm_patch_chunk;

/* Samples of a chunk, when `count` are to be read that have `leaves` tokens each (patches.c). */
size_t rhm_patch_chunk_samples(uint64_t count, size_t leaves);

/* Memory for chunks of up to `samples`; what is there already is kept. */
rhm_status rhm_patch_scratch_init(rhm_patch_scratch *scratch, const rhm_patches *patches, size_t samples,
                                  const rhm_sample_rows *rows, rhm_error *error);
void rhm_patch_scratch_destroy(rhm_patch_scratch *scratch);

/* Draw `count` samples and find the codes of their patches; ids is NULL or (count, positions). `samples` is the most
 * that a chunk has. */
rhm_status rhm_patch_chunk_read(rhm_patch_chunk *chunk, rhm_patch_scratch *scratch, const rhm_patches *patches,
                                rhm_patch_source *source, const void *context, uint64_t first, size_t count,
                                size_t samples, const rhm_sample_rows *rows, uint32_t *ids, rhm_error *error);

void rhm_patch_chunk_destroy(rhm_patch_chunk *chunk);

#endif
