/*
 * What a learner is given: a hierarchy whose samples it may draw, or sequences, and how much is kept for the test. All
 * learners train on the same problem and are tested in the same way.
 */
#ifndef RHM_TRAINING_PROBLEM_H
#define RHM_TRAINING_PROBLEM_H

#include "model/model.h"
#include "rhm/data.h"
#include "rhm/learner.h"

typedef struct rhm_problem {
    const rhm_grammar *grammar;           /* of which samples are drawn; with data: for diagnosis alone, or NULL */
    const rhm_data *data;                 /* NULL: fresh samples */
    uint32_t parents[RHM_MAX_LEVELS + 1]; /* |V_{l-1}|, l = 1..L, as far as the learner may know */
    uint64_t test_samples;                /* fresh ones, or the last sequences of the data: not for training */
} rhm_problem;

/* Of the sequences. */
const rhm_tree *rhm_problem_tree(const rhm_problem *problem);
uint32_t rhm_problem_classes(const rhm_problem *problem); /* |V_0| */
uint32_t rhm_problem_token_vocab(const rhm_problem *problem);

rhm_problem rhm_problem_of_grammar(const rhm_grammar *grammar, const rhm_train_options *options);

/* Refuses data that contradicts itself; `parents` as rhm_train_data takes it. What is checked makes a problem. */
rhm_status rhm_problem_check_data(const rhm_data *data, const uint32_t *parents, rhm_error *error);

/* RHM_INVALID unless data that has been checked shows its hidden symbols, all of them below what `parents` says. */
rhm_status rhm_problem_check_latents(const rhm_data *data, const uint32_t *parents, rhm_error *error);
rhm_problem rhm_problem_of_data(const rhm_data *data, const uint32_t *parents, const rhm_train_options *options);

/* Different level-L patches at the front of the first `count` sequences: with few of these a lower bound of |P_L|. */
rhm_status rhm_problem_bottom_patches(size_t *distinct, const rhm_data *data, size_t count, rhm_error *error);

/* |P_l| as far as can be told, patches[1..L]: of the grammar, or of the rules of data without one, of which only the
 * lowest level's show; the others are taken to be as many per symbol. */
rhm_status rhm_problem_patches(double *patches, const rhm_problem *problem, rhm_error *error);

/* The accuracy on sequences that training has not seen, into the report; nothing without test samples. */
rhm_status rhm_problem_test(rhm_train_report *report, const rhm_engine *engine, const rhm_model *model,
                            const rhm_problem *problem, const rhm_train_options *options, rhm_error *error);

/* The same on other sequences that the learner knows training has not seen. */
rhm_status rhm_problem_test_batch(rhm_train_report *report, const rhm_engine *engine, const rhm_model *model,
                                  const rhm_batch *batch, rhm_error *error);

#endif
