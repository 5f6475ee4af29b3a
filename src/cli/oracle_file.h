/*
 * What an oracle believes, block by block, and its file:
 *
 *     /oracle/labels          (N) the most probable ones
 *     /oracle/posteriors      (N, V_0) float32: of the label as it is recorded
 *     /oracle/log_likelihood  (N) float64: of the tokens seen, in nats
 *     /oracle/marginals_l     (N, nodes of level l, V_l) float32, l = 0..L; on request
 *     /oracle/tokens, recorded  (N, d), (N): fresh sequences and their labels
 *     /oracle/mask            (N, d) uint8: hidden tokens
 *     /grammar
 */
#ifndef RHM_CLI_ORACLE_FILE_H
#define RHM_CLI_ORACLE_FILE_H

#include "core/h5file.h"
#include "rhm/oracle.h"

typedef struct rhm_oracle_file {
    rhm_h5 *file; /* NULL: beliefs are not written */
    uint64_t total;
    rhm_tree tree;
    uint32_t vocab[RHM_MAX_LEVELS + 1];
    double *marginal[RHM_MAX_LEVELS + 1]; /* of a block, or NULL */
    float *narrow;                        /* numbers of a block on their way to the file */
    uint16_t *labels;
    rhm_beliefs beliefs; /* where a block's are to be put */
} rhm_oracle_file;

/* Numbers that a sequence's beliefs consist of. */
double rhm_oracle_file_numbers(const rhm_grammar *grammar, bool marginals);

/* Room for blocks of up to `block` sequences; `path` NULL: no file, posteriors only. */
rhm_status rhm_oracle_file_open(rhm_oracle_file *out, const char *path, const rhm_grammar *grammar, uint64_t total,
                                size_t block, bool marginals, bool fresh, bool masks, rhm_error *error);

/* Write the beliefs of sequences first..first+count-1, with what was inferred from where it is not NULL. */
rhm_status rhm_oracle_file_append(rhm_oracle_file *file, uint64_t first, size_t count, const uint16_t *tokens,
                                  const uint16_t *labels, const uint8_t *masked, rhm_error *error);

/* `bayes`, or NULL, becomes attributes of /oracle. */
rhm_status rhm_oracle_file_commit(rhm_oracle_file *file, const rhm_bayes *bayes, rhm_error *error);
void rhm_oracle_file_clear(rhm_oracle_file *file); /* accepts a zeroed one; what was not committed is removed */

#endif
