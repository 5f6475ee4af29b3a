/*
 * Belief propagation on the tree of a sequence (learners.md section 6 has the mathematics): exact for any rules, laws,
 * noise and masks, at a cost in proportion to the rules of each node.
 *
 * LANES sequences go side by side; a message is (symbols, RHM_BP_LANES), one array in the order of the symbols. Upward
 * messages u_v(a) = P[evidence below v | symbol a] are scaled by powers of two, which rounds nothing, so that the
 * largest entry is in [1, 2); downward ones likewise. Sums run in the order of the rules, and nothing is fused: the
 * bits do not depend on the width of registers.
 */
#ifndef RHM_HIERARCHY_BP_H
#define RHM_HIERARCHY_BP_H

#include "engine/registry.h"
#include "rhm/grammar.h"

enum { RHM_BP_LANES = 16 };

/* Rules of one level; absent ones are left out. */
typedef struct rhm_bp_rules {
    size_t parents, symbols, branching;
    uint32_t *first; /* (parents + 1): rows of each parent */
    uint32_t *patch; /* (rows, s) */
    float *weight_float;
    double *weight_double; /* (rows), both NULL where all rules are equally probable */
    double log_weight;     /* then, of each */
} rhm_bp_rules;

/* What inference needs of a grammar. */
typedef struct rhm_bp {
    rhm_tree tree;
    rhm_bp_rules rules[RHM_MAX_LEVELS + 1]; /* [l]: from level l - 1 to level l */
    size_t classes, vocab[RHM_MAX_LEVELS + 1];
    double *label;      /* (V_0) */
    double hit, miss;   /* P[token seen | token] where they are the same, or not */
    double label_noise; /* the label that is recorded is a uniform one with this probability */
} rhm_bp;

rhm_status rhm_bp_make(rhm_bp *out, const rhm_grammar *grammar, rhm_error *error);
void rhm_bp_clear(rhm_bp *bp); /* accepts a zeroed one */

/* Up to RHM_BP_LANES sequences, and what is wanted of them. */
typedef struct rhm_bp_group {
    size_t count;
    const uint16_t *tokens;  /* (count, d) */
    const uint8_t *masked;   /* (count, d), not 0 where the token is hidden; or NULL */
    double *posterior;       /* (count, V_0): of the label as recorded; NaN where the tokens are impossible */
    double *log_likelihood;  /* NULL or (count): of what is seen */
    double *const *marginal; /* NULL, or [l] for l = 0..L: NULL or (count, nodes of level l, V_l) */
} rhm_bp_group;

/* Bytes of workspace that a group takes; `real_nbytes` of a number. SIZE_MAX where they overflow. */
size_t rhm_bp_workspace_nbytes(const rhm_bp *bp, size_t real_nbytes, bool masked, bool marginals);

/*
 * The operations of an instruction set, in single and in double precision. False: numbers came so near to the smallest
 * ones of the precision that digits may be lost; the results are those of what was left. `workspace` is aligned.
 */
typedef struct rhm_bp_ops {
    rhm_isa isa;
    bool (*group_float)(const rhm_bp *bp, const rhm_bp_group *group, void *workspace);
    bool (*group_double)(const rhm_bp *bp, const rhm_bp_group *group, void *workspace);
} rhm_bp_ops;

extern const rhm_bp_ops rhm_bp_ops_portable;
extern const rhm_bp_ops rhm_bp_ops_avx2;
extern const rhm_bp_ops rhm_bp_ops_avx512;

rhm_bp_ops rhm_bp_ops_at(rhm_isa isa);

#endif
