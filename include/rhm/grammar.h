/*
 * Random Hierarchy Models (paper, Definitions 1-4): a label is rewritten L times into d = s_1 ... s_L tokens.
 *
 * Levels run from 0 (the label) to L (the visible tokens); level l has the symbols 0..V_l-1. A rule of level l rewrites
 * one symbol of level l-1, its parent, as a patch: an s_l-tuple of level-l symbols. A grammar is immutable once made
 * and may be shared by threads.
 */
#ifndef RHM_GRAMMAR_H
#define RHM_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RHM_MAX_LEVELS = 32,    /* d tokens must be addressable, so more could not be sampled */
    RHM_MAX_BRANCHING = 64, /* symbols in a patch */
    RHM_MAX_VOCAB = 65536,  /* symbols are stored in 16 bits */
};

typedef struct rhm_grammar rhm_grammar;

typedef enum rhm_rule_sampling {
    RHM_FIRST_TOKEN_UNIFORM, /* Appendix B: every first token equally often, so kappa = 1 */
    RHM_UNIFORM,             /* PRX 14, 031001: distinct tuples of all V^s, dealt to the parents */
    RHM_INDEPENDENT,         /* distinct tuples for each symbol by itself: different symbols may share some */
    RHM_GIVEN,               /* rules supplied by the caller */
} rhm_rule_sampling;

/* How probable the rules of a symbol are, or the labels. */
typedef enum rhm_law_kind {
    RHM_LAW_UNIFORM,
    RHM_LAW_ZIPF,      /* the r-th of them in proportion to r^-a; which is the r-th is drawn, for each symbol alone */
    RHM_LAW_DIRICHLET, /* drawn from the symmetric Dirichlet distribution of parameter a, for each symbol alone */
    RHM_LAW_GIVEN,     /* supplied by the caller */
} rhm_law_kind;

#define RHM_MOST_ZIPF       30.0 /* 0 <= a <= this */
#define RHM_LEAST_DIRICHLET 0.05 /* this <= a <= RHM_MOST_DIRICHLET */
#define RHM_MOST_DIRICHLET  1e6

typedef struct rhm_rule_law {
    rhm_law_kind kind;
    double a; /* of RHM_LAW_ZIPF and RHM_LAW_DIRICHLET */
} rhm_rule_law;

/* How a grammar is drawn; all zero: first-token-uniform rules, equally probable rules and labels, seed 0. */
typedef struct rhm_grammar_options {
    rhm_rule_sampling sampling;
    uint64_t seed;                             /* of rules and laws, which share no randomness */
    rhm_rule_law rule_law[RHM_MAX_LEVELS + 1]; /* of the rules of level l = 1..L */
    rhm_rule_law label_law;
    double ambiguity;   /* 0..1: so many of the rules take over the patch of a rule of another symbol */
    double token_noise; /* 0..1: each visible token is replaced by a uniform one with this probability, */
    double label_noise; /* and so is the label that is recorded */
} rhm_grammar_options;

/* What a grammar is to be; the caller fills it in. Entry 0 of rules and branching is unused. */
typedef struct rhm_shape {
    uint32_t levels;                        /* L, 1..RHM_MAX_LEVELS */
    uint32_t vocab[RHM_MAX_LEVELS + 1];     /* V_0..V_L, each 1..RHM_MAX_VOCAB */
    uint32_t rules[RHM_MAX_LEVELS + 1];     /* m_1..m_L: rules of each level-(l-1) symbol */
    uint32_t branching[RHM_MAX_LEVELS + 1]; /* s_1..s_L: symbols of a level-l patch, each 2..RHM_MAX_BRANCHING */
} rhm_shape;

/*
 * The tree of a sequence, with every size that follows from its branching: made once by rhm_tree_make, where overflow
 * is checked, and then copied.
 */
typedef struct rhm_tree {
    uint32_t levels;                        /* L */
    uint32_t branching[RHM_MAX_LEVELS + 1]; /* s_1..s_L; entry 0 is 0 */
    size_t nodes[RHM_MAX_LEVELS + 1];       /* level-l symbols of a sequence, s_1 ... s_l: 1 at level 0, d at level L */
    size_t leaves[RHM_MAX_LEVELS + 1];      /* tokens below a level-l symbol, s_{l+1} ... s_L: d at level 0, 1 at L */
} rhm_tree;

/* The (V, m)-uniform shape: the same V and s at every level, m rules for every symbol. */
RHM_API rhm_shape rhm_shape_uniform(uint32_t vocab, uint32_t rules, uint32_t branching, uint32_t levels);

/* Checks ranges, V_{l-1} m_l <= V_l^(s_l), and that d and every table are addressable. (Where rules may be ambiguous,
 * drawing and creating take m_l <= V_l^(s_l).) */
RHM_API rhm_status rhm_shape_check(const rhm_shape *shape, rhm_error *error);

/* branching is indexed by level, 1..levels. RHM_INVALID where it is out of range or d exceeds 2^32. */
RHM_API rhm_status rhm_tree_make(rhm_tree *out, uint32_t levels, const uint32_t *branching, rhm_error *error);

/* The same s at every level. */
RHM_API rhm_status rhm_tree_uniform(rhm_tree *out, uint32_t levels, uint32_t branching, rhm_error *error);

/* Level-`level` symbols below one symbol of the level `above`, which is not below it. */
static inline size_t rhm_tree_below(const rhm_tree *tree, uint32_t above, uint32_t level) {
    return tree->nodes[level] / tree->nodes[above];
}

/* Whether two trees have the same branching at all levels. */
RHM_API bool rhm_tree_same(const rhm_tree *a, const rhm_tree *b);

/* s where it is the same at all levels, else 0. */
RHM_API uint32_t rhm_tree_common_branching(const rhm_tree *tree);

/*
 * Draw rules, non-ambiguous unless asked for. A pure function of (shape, options); V^s is never enumerated.
 * RHM_FIRST_TOKEN_UNIFORM needs V_{l-1} m_l divisible by V_l.
 */
RHM_API rhm_status rhm_grammar_draw_with(rhm_grammar **out, const rhm_shape *shape, const rhm_grammar_options *options,
                                         rhm_error *error);

/* The same with uniform laws. */
RHM_API rhm_status rhm_grammar_draw(rhm_grammar **out, const rhm_shape *shape, rhm_rule_sampling sampling,
                                    uint64_t seed, rhm_error *error);

/*
 * A grammar from explicit tables, copied: patches[l-1] is (V_{l-1}, m_l, s_l), probability[l-1] is (V_{l-1}, m_l) with
 * rows that sum to 1 (or NULL: uniform), label_probability is (V_0) (or NULL: uniform). A rule of probability 0 is
 * absent. Refused: symbols out of range, bad distributions, a patch with two parents or twice under one parent.
 */
RHM_API rhm_status rhm_grammar_create(rhm_grammar **out, const rhm_shape *shape, const uint32_t *const *patches,
                                      const double *const *probability, const double *label_probability,
                                      rhm_error *error);

/* The same, remembering how the tables were once drawn; `options` may be NULL. A patch may have several parents where
 * the options say RHM_INDEPENDENT or an ambiguity above 0. */
RHM_API rhm_status rhm_grammar_create_with(rhm_grammar **out, const rhm_shape *shape, const uint32_t *const *patches,
                                           const double *const *probability, const double *label_probability,
                                           const rhm_grammar_options *options, rhm_error *error);

/* Accepts NULL. */
RHM_API void rhm_grammar_destroy(rhm_grammar *grammar);

RHM_API const rhm_shape *rhm_grammar_shape(const rhm_grammar *grammar);
RHM_API const rhm_tree *rhm_grammar_tree(const rhm_grammar *grammar);
RHM_API rhm_rule_sampling rhm_grammar_sampling(const rhm_grammar *grammar);
/* How it was drawn. Laws are RHM_LAW_GIVEN where that is not known and probabilities are not all equal. */
RHM_API const rhm_grammar_options *rhm_grammar_origin(const rhm_grammar *grammar);
RHM_API uint64_t rhm_grammar_seed(const rhm_grammar *grammar); /* 0 when the rules were given */
RHM_API const uint32_t *rhm_grammar_patches(const rhm_grammar *grammar, uint32_t level);   /* (V_{l-1}, m_l, s_l) */
RHM_API const double *rhm_grammar_probability(const rhm_grammar *grammar, uint32_t level); /* (V_{l-1}, m_l) */
RHM_API const double *rhm_grammar_label_probability(const rhm_grammar *grammar);           /* (V_0) */
RHM_API const char *rhm_rule_sampling_name(rhm_rule_sampling sampling); /* "first-token-uniform", "uniform", "given" */

enum { RHM_RULE_LAWS_TEXT_NBYTES = 40 * RHM_MAX_LEVELS };

/* Laws 0..count-1 as text: "uniform", "zipf:1", "dirichlet:0.5" or "given" where all are the same, else all of them
 * with commas between. Returns `text`. */
RHM_API const char *rhm_rule_laws_text(char text[RHM_RULE_LAWS_TEXT_NBYTES], const rhm_rule_law *laws, uint32_t count);

/* The reverse, "given" excepted: one law for all, or `count`. RHM_INVALID where a text is no law, or `a` is out of
 * range. */
RHM_API rhm_status rhm_rule_laws_parse(rhm_rule_law *laws, uint32_t count, const char *text, rhm_error *error);

/* |P_l|: distinct patches of positive probability at level l; and how many of them have several parents. */
RHM_API size_t rhm_grammar_patch_count(const rhm_grammar *grammar, uint32_t level);
RHM_API size_t rhm_grammar_ambiguous_count(const rhm_grammar *grammar, uint32_t level);

/* Instead of a symbol: there are several. */
#define RHM_AMBIGUOUS (UINT32_MAX - 1)

/* The level-(l-1) symbol that the level-l patch (s_l symbols) rewrites, or UINT32_MAX when no rule produces it, or
 * RHM_AMBIGUOUS. */
RHM_API uint32_t rhm_grammar_parent(const rhm_grammar *grammar, uint32_t level, const uint32_t *patch);

/* Whether every visible patch has one parent, so that rhm_grammar_parent and rhm_grammar_parse recover what was drawn:
 * false where tokens are noisy or some patch has several parents. */
RHM_API bool rhm_grammar_parses(const rhm_grammar *grammar);

/* The label of a sequence of d tokens by bottom-up parsing, or UINT32_MAX when the grammar does not produce it, or
 * RHM_AMBIGUOUS where that meets a patch with several parents: no parse is unique then (rhm/oracle.h has posteriors).
 */
RHM_API uint32_t rhm_grammar_parse(const rhm_grammar *grammar, const uint16_t *tokens);

/*
 * Exact quantities of the paper's Assumption 6, in double precision, without sampling.
 *
 * posterior[l] is (V_{l-1}, V_0): row nu is q_mu^(l) = P[label | first level-l patch = mu] (eq. 4) of the patches mu
 * that nu rewrites to; a row of NaN marks a symbol that never comes first. The label is the recorded one, noise
 * included; patches are those of the rules, before token noise. Where a patch has several parents, row nu is that of
 * the symbol nu, P[label | first level-(l-1) symbol = nu], and rho^(l) says how far apart symbols are. All levels 1..L;
 * entry 0 is unused.
 */
typedef struct rhm_analysis {
    uint32_t levels;
    uint32_t vocab[RHM_MAX_LEVELS + 1];       /* V_0..V_L */
    double kappa;                             /* Assumption 6a; infinity when some patch never comes first */
    double rho[RHM_MAX_LEVELS + 1];           /* Assumption 6b: rho^(l), over the symbols that do come first */
    double k_rho[RHM_MAX_LEVELS + 1];         /* rho^(l) m^(l/2), m the geometric mean of m_1..m_l */
    uint32_t closest[RHM_MAX_LEVELS + 1][2];  /* the two level-(l-1) symbols whose patches are rho^(l) apart */
    uint32_t never_first[RHM_MAX_LEVELS + 1]; /* level-(l-1) symbols that never come first, */
    uint32_t never[RHM_MAX_LEVELS + 1];       /* and of them those that come nowhere else either */
    size_t ambiguous[RHM_MAX_LEVELS + 1];     /* level-l patches with several parents */
    bool *occurs[RHM_MAX_LEVELS + 1];         /* (V_{l-1}): which level-(l-1) symbols come at all; owned */
    double *posterior[RHM_MAX_LEVELS + 1];    /* owned by the analysis */
    bool assumption_6;                        /* kappa finite and every rho^(l) > 0 */
} rhm_analysis;

/* Cost O(L V^3). Release with rhm_analysis_clear, which accepts a zeroed analysis. */
RHM_API rhm_status rhm_analyse(rhm_analysis *out, const rhm_grammar *grammar, rhm_error *error);

/* What that takes in multiply-adds, about 10^9 a second. */
RHM_API double rhm_analysis_work(const rhm_grammar *grammar);

/* Cost O(L V m): the same without what compares posteriors. rho and k_rho are NAN, `posterior` NULL, `closest` 0, and
 * assumption_6 is false where kappa is infinite, else unknown, and true. */
RHM_API rhm_status rhm_analyse_frequencies(rhm_analysis *out, const rhm_grammar *grammar, rhm_error *error);
RHM_API void rhm_analysis_clear(rhm_analysis *analysis);

/* One or more plain sentences on whether Assumption 6 holds, and at which level and symbols it fails; NUL-terminated.
 */
RHM_API void rhm_analysis_explain(const rhm_analysis *analysis, char *text, size_t text_nbytes);

/* HDF5 files as laid out in docs/data.md, with the exact analysis inside. rhm_grammar_load also reads files of others.
 */
RHM_API rhm_status rhm_grammar_save(const rhm_grammar *grammar, const char *path, rhm_error *error);
RHM_API rhm_status rhm_grammar_load(rhm_grammar **out, const char *path, rhm_error *error);

/* What should be known of the file that rhm_grammar_load read, a sentence a line, or NULL; owned by the grammar. */
RHM_API const char *rhm_grammar_notes(const rhm_grammar *grammar);

#ifdef __cplusplus
}
#endif
#endif
