/* The P sequences of an epoch, in which order they come, and those that the network is tested on. */
#ifndef RHM_LEARNERS_CNN_SEQUENCES_H
#define RHM_LEARNERS_CNN_SEQUENCES_H

#include "engine/memory.h"
#include "learners/cnn/recipe.h"
#include "rhm/sampling.h"

typedef struct rhm_cnn_sequences {
    const rhm_engine *engine;
    const rhm_problem *problem;
    uint64_t seed;
    rhm_sequence_sampling sampling; /* PROTOCOL: a data set */
    size_t count, tokens;           /* P, d */
    uint16_t *token;                /* (P, d), then those to test on: of the buffer, or of the data set */
    uint16_t *label;
    size_t tested; /* sequences after the P that training never sees; 0: the problem's test is meant */

    uint32_t *order; /* (P): of the epoch in hand; NULL where sequences come as they are drawn */
    uint64_t epoch;  /* that `order` and, of fresh sequences, `token` are for; UINT64_MAX: none yet */
    rhm_sampler *sampler;
    rhm_buffer token_buffer, label_buffer;
} rhm_cnn_sequences;

/* Of a recipe whose P is settled. Finally, and on failure: rhm_cnn_sequences_close. */
rhm_status rhm_cnn_sequences_open(rhm_cnn_sequences *out, const rhm_engine *engine, const rhm_problem *problem,
                                  const rhm_cnn_recipe *recipe, uint64_t seed, rhm_error *error);
void rhm_cnn_sequences_close(rhm_cnn_sequences *sequences); /* accepts a zeroed one */

/* Sequences and order of epoch 0, 1, ... of the training: functions of the seed and the epoch alone. */
rhm_status rhm_cnn_sequences_turn(rhm_cnn_sequences *sequences, uint64_t epoch, rhm_error *error);

/* Of sequences first..first+count-1 in the order of the epoch the first `tokens` tokens, (count, tokens), and labels.
 */
void rhm_cnn_sequences_take(const rhm_cnn_sequences *sequences, size_t first, size_t count, size_t tokens,
                            uint16_t *token, uint16_t *label);

/*
 * Settle P and how sequences are sampled, as far as the options leave them open: 32768 sequences, as many as data have,
 * or four fifths of all where these are fewer; and with replacement where a protocol's sampling without is not possible
 * (rhm_sequence_count). RHM_INVALID where more are asked for than there are.
 */
rhm_status rhm_cnn_sequences_count(rhm_cnn_recipe *recipe, const rhm_problem *problem, const rhm_train_options *options,
                                   rhm_error *error);

#endif
