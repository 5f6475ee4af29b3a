/*
 * Counts drawn directly into a collection.
 *
 * Places are the numbers of derivations in sampling/law.h. They are cut into chunks, fixed by the grammar and the
 * level; the cells of a collection are in the order of places, so that a chunk's cells lie together, and a further draw
 * merges two ordered lists.
 */
#ifndef RHM_PATCHES_DRAW_H
#define RHM_PATCHES_DRAW_H

#include "patches/patches.h"
#include "sampling/law.h"

typedef struct rhm_drawn_cell {
    uint32_t place, label;
    uint64_t count;
} rhm_drawn_cell;

/* What a call has drawn of a chunk, in the order of places and labels. */
typedef struct rhm_drawn_chunk {
    rhm_drawn_cell *cell; /* (cells) */
    size_t cells;
    size_t patches;                 /* that did not occur before */
    size_t all_cells;               /* with those of earlier calls */
    size_t first_patch, first_cell; /* where the chunk's patches and cells go */
} rhm_drawn_chunk;

typedef struct rhm_drawing {
    rhm_law law;
    size_t chunk_places, chunks;
    uint32_t *number[RHM_MAX_LEVELS + 1]; /* [j], (places): id + 1 of each level-j patch, 0 where it has not occurred */
    size_t *first_cell;                   /* (chunks + 1): cells of the collection by chunk */
    rhm_drawn_chunk *chunk;               /* (chunks): of the call in hand */
    bool *done;                           /* (chunks): rhm_whole_run */
    size_t nbytes;                        /* of all this but what only a call in hand needs */
} rhm_drawing;

void rhm_drawing_destroy(rhm_drawing *drawing); /* accepts NULL */

/* Cells of chunk c, those of the call merged into those of earlier ones: written to tuple and count, or only counted
 * where these are NULL. */
size_t rhm_drawing_merge(const rhm_patches *patches, size_t c, uint32_t *tuple, uint64_t *count);

/* Take what the call has drawn into the collection. */
rhm_status rhm_drawing_enter(rhm_patches *patches, const rhm_engine *engine, rhm_error *error);

/* Enter what the collection has grown by into the engine's account (patches.c). */
rhm_status rhm_patches_account(rhm_patches *patches, const rhm_engine *engine, rhm_error *error);

#endif
