/*
 * Exact inference by belief propagation: what can be known of labels, latent symbols and hidden tokens, for a known
 * grammar with any rules, laws, noise and masks. Cost per sequence O(sum over nodes of V m s); sequences go side by
 * side in vector registers and are spread over the engine's threads. Results do not depend on threads or instruction
 * sets.
 */
#ifndef RHM_ORACLE_H
#define RHM_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/data.h"
#include "rhm/engine.h"
#include "rhm/grammar.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rhm_oracle rhm_oracle;

/* Single precision gives probabilities to about 1e-6 of the largest; sequences whose numbers come near to its limits
 * are done again in double precision. */
typedef enum rhm_precision {
    RHM_PRECISION_AUTO, /* single where every s_l is at most 8 */
    RHM_PRECISION_SINGLE,
    RHM_PRECISION_DOUBLE,
} rhm_precision;

/* Keeps pointers to engine and grammar, which must outlive it. One call at a time. */
RHM_API rhm_status rhm_oracle_create(rhm_oracle **out, const rhm_engine *engine, const rhm_grammar *grammar,
                                     rhm_precision precision, rhm_error *error);
RHM_API void rhm_oracle_destroy(rhm_oracle *oracle); /* accepts NULL */

/* What to infer; the caller's arrays, NULL where not wanted. Rows of NaN mark sequences that are impossible. */
typedef struct rhm_beliefs {
    double *posteriors;     /* (count, V_0): of the label as it is recorded, label noise included */
    double *log_likelihood; /* (count): natural logarithm of the probability of what is seen */
    double *const
        *marginals; /* [l], l = 0..L: NULL or (count, nodes of level l, V_l), of the symbols before noise; or NULL */
} rhm_beliefs;

/* Sequences from a multiple of so many on are inferred side by side, in the precision that all of them need: ranks that
 * share a set part it there, so that the bits stay the same. */
enum { RHM_ORACLE_TOGETHER = 16 };

/* Each rank for itself. tokens (count, d); masked NULL or (count, d), not 0 where a token is hidden, its value then
 * meaning nothing. */
RHM_API rhm_status rhm_oracle_infer(const rhm_oracle *oracle, const uint16_t *tokens, const uint8_t *masked,
                                    size_t count, const rhm_beliefs *out, rhm_error *error);

/* Hide each of the tokens of samples first..first+count-1 with probability `share`: a pure function of the arguments,
 * independent of what is drawn for the stream itself. masked (count, tokens). */
RHM_API void rhm_oracle_mask(uint64_t seed, uint32_t stream, uint64_t first, size_t count, size_t tokens, double share,
                             uint8_t *masked);

/* How well the most probable label does, which no predictor does better than. */
typedef struct rhm_bayes {
    uint64_t samples, correct; /* whose most probable label, the smallest among equals, is the recorded one */
    uint64_t impossible;       /* sequences that the grammar cannot produce; they count as wrong */
    double accuracy, accuracy_low, accuracy_high;      /* with Wilson's interval of 95 % */
    double expected_accuracy, expected_accuracy_error; /* mean of the largest posterior, and its standard error */
    double cross_entropy, cross_entropy_error;         /* mean of -log posterior of the recorded label, in nats */
    double sums[4];                                    /* of these two and of their squares: rhm_bayes_add's */
} rhm_bayes;

/* Take in posteriors (count, classes) of samples with these labels; start from zero. */
RHM_API void rhm_bayes_add(rhm_bayes *bayes, const double *posteriors, const uint16_t *labels, size_t count,
                           uint32_t classes);

/* Of samples first..first+count-1 of a stream of the grammar, or of the sequences of a data set; ranks of an engine,
 * all of which must call, share them. */
RHM_API rhm_status rhm_bayes_of_grammar(rhm_bayes *out, const rhm_engine *engine, const rhm_grammar *grammar,
                                        uint64_t seed, uint32_t stream, uint64_t first, uint64_t count,
                                        rhm_error *error);
RHM_API rhm_status rhm_bayes_of_data(rhm_bayes *out, const rhm_engine *engine, const rhm_grammar *grammar,
                                     const rhm_data *data, size_t first, size_t count, rhm_error *error);

/* Which sequences: first..first+count-1 of `data`, or, where that is NULL, of a stream of the grammar under `seed`. */
typedef struct rhm_bayes_of {
    const rhm_grammar *grammar; /* NULL: not known */
    const rhm_data *data;
    uint64_t seed, first, count;
    uint32_t stream;
} rhm_bayes_of;

/* The accuracy that no predictor can be expected to exceed on them: NAN where the grammar is not known; 1, at no cost,
 * where every sequence gives its label away. */
RHM_API rhm_status rhm_bayes_bound(double *accuracy, const rhm_engine *engine, const rhm_bayes_of *of,
                                   rhm_error *error);

/* Streaming writer of beliefs (layout: docs/data.md): nothing appears under `path` before rhm_beliefs_writer_commit. */
typedef struct rhm_beliefs_writer rhm_beliefs_writer;

typedef struct rhm_beliefs_contents {
    bool marginals; /* of all symbols */
    bool sequences; /* tokens and recorded labels */
    bool masked;    /* which tokens were hidden */
} rhm_beliefs_contents;

/* Of `total` sequences of the grammar. */
RHM_API rhm_status rhm_beliefs_writer_open(rhm_beliefs_writer **out, const char *path, const rhm_grammar *grammar,
                                           uint64_t total, rhm_beliefs_contents contents, rhm_error *error);

/*
 * Append beliefs of `count` sequences: posteriors, log_likelihood and, with contents.marginals, all marginals. tokens
 * and labels, and masked, as in rhm_oracle_infer, are read where the contents have them.
 */
RHM_API rhm_status rhm_beliefs_writer_append(rhm_beliefs_writer *writer, size_t count, const rhm_beliefs *beliefs,
                                             const uint16_t *tokens, const uint16_t *labels, const uint8_t *masked,
                                             rhm_error *error);

/* Both release the writer and set it to NULL; abandon (which accepts NULL) removes what was written. `bayes`, or NULL,
 * becomes attributes of the file. */
RHM_API rhm_status rhm_beliefs_writer_commit(rhm_beliefs_writer **writer, const rhm_bayes *bayes, rhm_error *error);
RHM_API void rhm_beliefs_writer_abandon(rhm_beliefs_writer **writer);

#ifdef __cplusplus
}
#endif
#endif
