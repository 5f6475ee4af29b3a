/*
 * What a sampler holds, and which random word decides what.
 *
 * Sample i of stream t under a seed has the words 0, 1, 2, ...; word w is lane w % 4 of the Philox block (index i,
 * stream t, block w / 4; core/philox.h). Word 0 draws the label and word l = 1..L the rule of the leftmost level-(l-1)
 * symbol. The other symbols follow in level order: positions 1, 2, ... of level 1, then of level 2, up to level L-1. So
 * the first patch of level l needs words 0..L and those of its own subtree, which are contiguous in every level.
 *
 * Noise has streams of its own: word w of the stream with RHM_NOISE_STREAM added says whether token w is replaced, and
 * word 0 of block w of the stream with RHM_REPLACEMENT_STREAM added by what. The label's are in the blocks 2^32 - 1.
 */
#ifndef RHM_SAMPLING_SAMPLER_H
#define RHM_SAMPLING_SAMPLER_H

#include <stdbool.h>

#include "rhm/sampling.h"
#include "sampling/alias.h"
#include "sampling/tile_ops.h"

/* Added to the streams of samples. */
#define RHM_NOISE_STREAM       UINT32_C(0x20000000)
#define RHM_REPLACEMENT_STREAM UINT32_C(0x30000000)
#define RHM_MASK_STREAM        UINT32_C(0x10000000) /* which tokens an oracle does not see */

/* How the symbols of level l-1 are rewritten. */
typedef struct rhm_rewriting {
    uint32_t rules;     /* m_l */
    uint16_t *patches;  /* (V_{l-1}, m_l, s_l) */
    rhm_alias *columns; /* (V_{l-1}, m_l), or NULL where all rules of every symbol are equally likely */
    rhm_small_rules small;
} rhm_rewriting;

struct rhm_sampler {
    const rhm_grammar *grammar;
    uint64_t seed;
    rhm_tree tree;
    uint32_t label_count;                        /* V_0 */
    rhm_alias *labels;                           /* (V_0) */
    rhm_rewriting rewriting[RHM_MAX_LEVELS + 1]; /* entries 1..L */
    uint64_t first_word[RHM_MAX_LEVELS + 1];     /* word of position 1 of level l = 1..L-1 */
    bool small;                                  /* all levels have `small`, and the labels are equally likely */
    bool tiles;                                  /* draw with `ops`; else one sample after the other */
    rhm_tile_ops ops;
};

/*
 * Replace tokens and labels as the grammar's noise says. leaves is (count, width), the first `width` tokens of samples
 * first..first+count-1, and labels (count) or NULL.
 */
void rhm_sample_noise(const rhm_sampler *sampler, uint32_t stream, uint64_t first, size_t count, size_t width,
                      uint16_t *leaves, uint16_t *labels);

/*
 * Use the operations of `isa`, which the CPU must have, or one sample after the other where these are the reference;
 * the samples are the same. rhm_sampler_create has chosen the best set of the CPU that the variable RHM_ISA allows. Not
 * while others use the sampler.
 */
void rhm_sampler_use(rhm_sampler *sampler, rhm_isa isa);

/*
 * Tiles of samples, symbols in bytes, as rhm_sample_subtrees: false, with nothing done, where the sampler draws one
 * sample after the other or its rules or the subtree are too large for them.
 */
bool rhm_sample_tiles(const rhm_sampler *sampler, uint32_t stream, uint32_t level, uint64_t first, size_t count,
                      uint16_t *leaves, uint16_t *labels, uint16_t *parents, uint16_t *const *latents);

/*
 * Samples first..first+count-1 below the leftmost level-(level-1) symbol. leaves is (count, tree.leaves[level - 1]);
 * labels and parents (the level-(level-1) symbols) are (count) or NULL. latents, or NULL, is as in rhm_sample_sequences
 * and is meant for level 1.
 */
void rhm_sample_subtrees(const rhm_sampler *sampler, uint32_t stream, uint32_t level, uint64_t first, size_t count,
                         uint16_t *leaves, uint16_t *labels, uint16_t *parents, uint16_t *const *latents);

#endif
