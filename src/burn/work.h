/*
 * The work of `rhm burn` and its known results: every operation of a kernel table on fixed operands, and a training.
 * Both are pure functions with the same bits on every processor, so their results are constants of the release: unlike
 * a first run on some core they also convict a machine whose cores all err alike.
 */
#ifndef RHM_BURN_WORK_H
#define RHM_BURN_WORK_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "rhm/grammar.h"
#include "rhm/model.h"

typedef enum rhm_burn_operation {
    RHM_BURN_FEATURES,
    RHM_BURN_PHASORS,
    RHM_BURN_PRODUCT,
    RHM_BURN_FORWARD,
    RHM_BURN_ROTATED_FORWARD,
    RHM_BURN_GRADIENT,
    RHM_BURN_ROTATED_GRADIENT,
    RHM_BURN_GRAM,
    RHM_BURN_GRAM_PRODUCT,
    RHM_BURN_OPERATIONS,
} rhm_burn_operation;

/* Digests of the results, and the hash of the trained model. */
extern const uint64_t rhm_burn_known_digest[RHM_BURN_OPERATIONS];
extern const char rhm_burn_known_hash[RHM_HASH_TEXT_NBYTES];

const char *rhm_burn_operation_name(rhm_burn_operation operation);

/* Multiply-adds of the formula, counted as two. */
double rhm_burn_operation_flops(rhm_burn_operation operation);

/* Operands and results of one thread. Create it on the thread that will use it. */
typedef struct rhm_burn_kernels rhm_burn_kernels;
rhm_status rhm_burn_kernels_create(rhm_burn_kernels **out, const rhm_kernels *table, rhm_error *error);
void rhm_burn_kernels_destroy(rhm_burn_kernels *kernels); /* accepts NULL */

/* The digest of what `operation` computes; adds the time that took, without that of the digest, to *seconds. */
uint64_t rhm_burn_kernels_run(rhm_burn_kernels *kernels, rhm_burn_operation operation, double *seconds);

/* The grammar to train on. */
rhm_status rhm_burn_grammar(rhm_grammar **out, rhm_error *error);

/*
 * *right: whether a training came out as it should. Where it did not come out at all because its numbers made no sense
 * it is wrong too; a status tells what has nothing to do with arithmetic, such as memory.
 */
rhm_status rhm_burn_train(bool *right, const rhm_engine *engine, const rhm_grammar *grammar, rhm_error *error);

#endif
