/* Where a stage's samples come from: a grammar, or the rows of a data set. */
#ifndef RHM_SAMPLING_SOURCE_H
#define RHM_SAMPLING_SOURCE_H

#include "rhm/data.h"
#include "rhm/sampling.h"

/* Samples first..first+count-1: leaves (count, tokens below a level-(level-1) symbol) and labels (count). Thread-safe.
 */
typedef void rhm_patch_source(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                              uint16_t *labels);

/* Of the same samples the tokens below level-`level` symbol `node`, level 0..L-1: (count, tokens below one).
 * Thread-safe. */
typedef void rhm_piece_source(const void *context, uint32_t level, size_t node, uint64_t first, size_t count,
                              uint16_t *tokens);

typedef struct rhm_grammar_source {
    const rhm_grammar *grammar;
    uint64_t seed;
    const rhm_sampler *sampler; /* of that grammar and seed */
    uint32_t stream;
} rhm_grammar_source;

typedef struct rhm_data_source {
    const rhm_data *data;
    uint64_t first; /* row of sample 0 */
} rhm_data_source;

/* rhm_patch_source functions; the context is one of the structures above. Rows without labels count as label 0. */
void rhm_draw_from_grammar(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                           uint16_t *labels);
void rhm_draw_from_data(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                        uint16_t *labels);

/* The piece source of a patch source, with the same context; NULL where there is none. */
rhm_piece_source *rhm_pieces_of(rhm_patch_source *source);

#endif
