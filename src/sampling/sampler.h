/*
 * What a sampler holds, and how samples are drawn: first patches, whole sequences and any part of them by the same
 * descent, subtree by subtree of sampling/layout.h.
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
    rhm_round_keys keys; /* of the seed */
    rhm_tree tree;
    rhm_layout layout;
    rhm_alias *labels;                           /* (V_0), or NULL where all are equally likely */
    rhm_rewriting rewriting[RHM_MAX_LEVELS + 1]; /* entries 1..L */
    bool small[RHM_MAX_LEVELS];                  /* all levels of the stratum have `small` */
    bool tiles;                                  /* draw those strata with `ops`; else one subtree after the other */
    rhm_tile_ops ops;
};

/*
 * Replace tokens and labels as the grammar's noise says. leaves is (count, width), tokens begin..begin+width-1 of
 * samples first..first+count-1, and labels (count) or NULL.
 */
void rhm_sample_noise(const rhm_sampler *sampler, uint32_t stream, uint64_t first, size_t count, size_t begin,
                      size_t width, uint16_t *leaves, uint16_t *labels);

/*
 * Use the operations of `isa`, which the CPU must have, or one subtree after the other where these are the reference;
 * the samples are the same. rhm_sampler_create has chosen the best set of the CPU that the variable RHM_ISA allows. Not
 * while others use the sampler.
 */
void rhm_sampler_use(rhm_sampler *sampler, rhm_isa isa);

/* The part of samples first..first+count-1 that is below level-`level` symbol `node`, level 0..L-1. */
typedef struct rhm_part {
    uint32_t stream;
    uint64_t first;
    size_t count;
    uint32_t level;
    size_t node;
} rhm_part;

/* Where it goes. What is NULL is not asked for. */
typedef struct rhm_part_out {
    uint16_t *leaves;         /* (count, tree.leaves[level]) */
    uint16_t *labels, *roots; /* (count); the roots are the level-`level` symbols */
    uint16_t *const *latents; /* [l], level < l < L: (count, level-l symbols below the node) */
    const uint16_t *given;    /* (count): labels that are there already, in place of drawn ones; or NULL */
    bool past;                /* write leaves past the caches: they are part of more than these hold */
} rhm_part_out;

/* Without noise. Takes the blocks of the part and those above it, and memory that does not depend on its size. */
void rhm_sample_part(const rhm_sampler *sampler, const rhm_part *part, const rhm_part_out *out);

/* Whether so many samples are better written past the caches. Not where noise comes back to them. */
bool rhm_sample_past(const rhm_sampler *sampler, size_t count);

/* The labels of samples, with noise, and nothing else. */
void rhm_sample_labels(const rhm_sampler *sampler, uint32_t stream, uint64_t first, size_t count, uint16_t *labels);

/* With noise: tokens node * tree.leaves[level], ... of whole sequences. Learners that stream long sequences draw them
 * in such pieces. */
void rhm_sample_tokens(const rhm_sampler *sampler, const rhm_part *part, uint16_t *tokens);

#endif
