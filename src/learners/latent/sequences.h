/*
 * Whole sequences, the same for all levels. Each is drawn (or read) once and pushed up through the levels that are
 * learnt so far; of the first ones the ids that they have reached are kept, as many as fit, so that the next level goes
 * on from there. What does not fit is drawn again: the same sequences, because a sequence is a function of its number.
 * Of several ranks each has every so many-th chunk of them, at all levels.
 */
#ifndef RHM_LEARNERS_LATENT_SEQUENCES_H
#define RHM_LEARNERS_LATENT_SEQUENCES_H

#include "engine/memory.h"
#include "model/table.h"

typedef struct rhm_sequences {
    const rhm_engine *engine;
    const struct rhm_table *table; /* its levels above `level` - that is, of larger numbers - are ready */
    rhm_id_ops ops;
    rhm_patch_source *source;
    const void *context;
    uint64_t count; /* that there are; numbers are below it */
    uint32_t level; /* whose ids are visited; L: tokens */
    size_t chunk;   /* sequences that a thread has at a time */
    size_t most_kept_nbytes;
    uint64_t kept;       /* of sequences 0..kept-1 the own ones are there as ids of `level` */
    uint16_t *ids;       /* (own ones, nodes of `level`) */
    size_t kept_nbytes;  /* as accounted */
    uint16_t *labels;    /* (own ones) */
    rhm_scratch scratch; /* of each thread: a chunk of sequences */
} rhm_sequences;

/* `source` makes level-1 patches, that is whole sequences; keeps pointers to all that is given. */
rhm_status rhm_sequences_open(rhm_sequences *out, const rhm_engine *engine, const struct rhm_table *table,
                              rhm_patch_source *source, const void *context, uint64_t count, rhm_error *error);
void rhm_sequences_close(rhm_sequences *sequences); /* accepts a zeroed one */

/* Sequences that a tile of samples has, and fewer where they are long: to ask for less saves no time. */
size_t rhm_sequences_least(size_t tokens);

/* Bytes that each thread has for sequences of so many tokens. */
size_t rhm_sequences_scratch_nbytes(size_t tokens);

/* Called by threads, each at a time for other sequences: ids (count, nodes of the level), labels (count). */
typedef rhm_status rhm_sequences_visitor(void *context, int thread, size_t count, const uint16_t *ids,
                                         const uint16_t *labels, rhm_error *error);

/* This rank's of the sequences first..last-1 as ids of `level`; `stage` is for the display of progress. */
rhm_status rhm_sequences_visit(rhm_sequences *sequences, uint64_t first, uint64_t last, const char *stage,
                               rhm_sequences_visitor *visitor, void *context, rhm_error *error);

/* On to the ids of the level above, now that the table has `level`. */
rhm_status rhm_sequences_rise(rhm_sequences *sequences, rhm_error *error);

/* What drawing and looking up have taken, of all threads, over their number. */
void rhm_sequences_seconds(const rhm_sequences *sequences, double *drawing, double *looking_up);

#endif
