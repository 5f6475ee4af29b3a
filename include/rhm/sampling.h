/*
 * Samples of a grammar. Sample i of stream t is a pure function of (seed, t, i): the same whichever thread draws it, in
 * whatever chunks. Randomness is Philox4x32-10 (Random123); docs/reproducibility.md says which bits decide what. A
 * choice among m equally likely rules has no bias where m is a power of two; else its probabilities differ from 1/m by
 * less than 2^-24 of that for m <= 256 and by less than 2^-32 m of that above, and those of other choices by at most
 * 2^-32.
 */
#ifndef RHM_SAMPLING_H
#define RHM_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"
#include "rhm/grammar.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which bits decide what. A change of it changes all samples, and with them what is trained on them: data sets, reports
 * and checkpoints name the version. */
enum { RHM_STREAM_VERSION = 2 };

typedef struct rhm_sampler rhm_sampler;

/* What a stream is for. Streams of different purposes (or levels) never share randomness. */
typedef enum rhm_purpose {
    RHM_TRAINING = 1, /* of one level */
    RHM_VALIDATION,   /* of one level */
    RHM_TEST,
    RHM_EXPORT, /* data sets written to files */
} rhm_purpose;

/* Stream number of a purpose, and of a level (0 where it has none). */
static inline uint32_t rhm_stream(rhm_purpose purpose, uint32_t level) {
    return (uint32_t)purpose << 8 | level;
}

/* Keeps a pointer to the grammar, which must outlive it. Immutable: threads may share it. */
RHM_API rhm_status rhm_sampler_create(rhm_sampler **out, const rhm_grammar *grammar, uint64_t seed, rhm_error *error);
RHM_API void rhm_sampler_destroy(rhm_sampler *sampler); /* accepts NULL */

/*
 * Whole sequences first..first+count-1 of a stream, with the noise of the grammar on tokens and labels. tokens is
 * (count, d); labels is (count). latents is NULL or has L entries: latents[l] for l = 1..L-1 is NULL or (count, nodes
 * of level l) and receives the level-l symbols; latents[0] is unused.
 */
RHM_API void rhm_sample_sequences(const rhm_sampler *sampler, uint32_t stream, uint64_t first, size_t count,
                                  uint16_t *tokens, uint16_t *labels, uint16_t *const *latents);

/* The same by all threads of an engine. RHM_INTERRUPTED leaves parts of the arrays as they were. */
RHM_API rhm_status rhm_sample_with_engine(const rhm_engine *engine, const rhm_sampler *sampler, uint32_t stream,
                                          uint64_t first, size_t count, uint16_t *tokens, uint16_t *labels,
                                          uint16_t *const *latents, rhm_error *error);

/*
 * Whole sequences of a stream below labels that the caller gives, (count) and each smaller than V_0: the rules that
 * these samples would have chosen, from other roots. RHM_INVALID for a label out of range.
 */
RHM_API rhm_status rhm_sample_below(const rhm_engine *engine, const rhm_sampler *sampler, uint32_t stream,
                                    uint64_t first, size_t count, const uint16_t *labels, uint16_t *tokens,
                                    uint16_t *const *latents, rhm_error *error);

/*
 * The leaves under the first level-`level` patch of the same samples, and only those: leaves is (count, tokens),
 * equal to the first columns of the tokens that rhm_sample_sequences draws; parents is NULL or (count) and receives the
 * level-(level-1) symbol above the patch.
 */
RHM_API void rhm_sample_first_patches(const rhm_sampler *sampler, uint32_t stream, uint32_t level, uint64_t first,
                                      size_t count, uint16_t *leaves, uint16_t *labels, uint16_t *parents);

/* ---- without replacement ----------------------------------------------------------------------------------------- */

/* A number below 2^128. */
typedef struct rhm_number {
    uint64_t low, high;
} rhm_number;

/*
 * How many different sequences the grammar writes: V_0 m_1^(nodes of level 0) ... m_L^(nodes of level L-1).
 * RHM_UNSUPPORTED where they are more than 2^127, not equally probable or noisy, or where two derivations may read the
 * same because some patch has several parents.
 */
RHM_API rhm_status rhm_sequence_count(rhm_number *out, const rhm_sampler *sampler, rhm_error *error);

/*
 * All sequences have numbers 0, 1, ...: the label is the most significant digit, then come the rules of level 1, of
 * level 2, ..., those of a level from the first position to the last. These are sequences first..first+count-1 in that
 * order, by all threads of an engine; arrays as in rhm_sample_sequences. RHM_INVALID beyond the last one.
 */
RHM_API rhm_status rhm_sample_numbered(const rhm_engine *engine, const rhm_sampler *sampler, rhm_number first,
                                       size_t count, uint16_t *tokens, uint16_t *labels, uint16_t *const *latents,
                                       rhm_error *error);

/*
 * The same in an order that the sampler's seed shuffles: a sample without replacement is a range of it, and disjoint
 * ranges (a training and a test set) are disjoint samples. Nothing is kept: entry i is a pure function of (seed, i), a
 * Feistel network of ten rounds of Philox4x32-10 on as many bits as the largest number has, repeated until the result
 * is in range (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).
 */
RHM_API rhm_status rhm_sample_distinct(const rhm_engine *engine, const rhm_sampler *sampler, rhm_number first,
                                       size_t count, uint16_t *tokens, uint16_t *labels, uint16_t *const *latents,
                                       rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
