/* What a grammar holds. Indexed arrays are indexed by level, 1..L; other directories read them through rhm/grammar.h.
 */
#ifndef RHM_HIERARCHY_GRAMMAR_H
#define RHM_HIERARCHY_GRAMMAR_H

#include "core/intern.h"
#include "rhm/grammar.h"

/* Patch ids are 31 bits wide (core/intern.h), and so is the number of rules of a level. */
enum { RHM_MAX_LEVEL_RULES = INT32_MAX };

/* How far the probabilities of a row may be from summing to 1: a decimal file keeps about ten digits. */
#define RHM_SUM_TOLERANCE 1e-9

struct rhm_grammar {
    rhm_shape shape;
    rhm_tree tree; /* of the shape */
    rhm_grammar_options origin;
    uint32_t *patches[RHM_MAX_LEVELS + 1];   /* (V_{l-1}, m_l, s_l) */
    double *probability[RHM_MAX_LEVELS + 1]; /* (V_{l-1}, m_l) */
    double *label_probability;               /* (V_0) */
    rhm_intern present[RHM_MAX_LEVELS + 1];  /* patches of positive probability, in the order of the tables */
    uint32_t *parent[RHM_MAX_LEVELS + 1];    /* (|P_l|): level-(l-1) symbol of each member of `present` */
    size_t ambiguous[RHM_MAX_LEVELS + 1];    /* members with several parents */
    char *notes;                             /* on the file that it was loaded from, or NULL */
};

/* Whether a patch may have several parents in a grammar that is drawn or created so. */
static inline bool rhm_may_be_ambiguous(const rhm_grammar_options *options) {
    return options && (options->sampling == RHM_INDEPENDENT || options->ambiguity > 0);
}

/* rhm_shape_check, where patches of different symbols need not differ if `ambiguous`. */
rhm_status rhm_shape_check_with(const rhm_shape *shape, bool ambiguous, rhm_error *error);

/* V_{l-1} m_l: rows of the tables of a level, absent rules included. */
static inline size_t rhm_shape_rules(const rhm_shape *shape, uint32_t level) {
    return (size_t)shape->vocab[level - 1] * shape->rules[level];
}

#endif
