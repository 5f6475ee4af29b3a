/*
 * A calculator for the constants of the paper's theorem, so that nobody has to run it to learn that it cannot be run: a
 * toy instance (V = m = 8, s = 2, L = 3) asks for 5e9 samples and a width beyond 1e20. What is really run is chosen by
 * the learner from the data; see rhm_train.
 *
 * Numbers refer to arXiv 2601.19756. Where the printed constant does not follow from its own proof, both the printed
 * and the corrected value are given. Everything is in double precision and nothing here enters a model. Infinite
 * values mean that Assumption 6 fails, so that the theorem promises nothing.
 */
#ifndef RHM_THEORY_H
#define RHM_THEORY_H

#include <stdint.h>

#include "rhm/grammar.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the formulas depend on. Arrays are indexed by level 1..L; entry 0 is unused. */
typedef struct rhm_theory_problem {
    uint32_t levels;                        /* L */
    uint32_t branching[RHM_MAX_LEVELS + 1]; /* s_l */
    double labels;                          /* d_y = |V_0|: the dimension of the outputs */
    double token_vocab;                     /* |V_L|: the dimension of the inputs of level L */
    double rules[RHM_MAX_LEVELS + 1];       /* m_l */
    double patches[RHM_MAX_LEVELS + 1];     /* |P_l|; V m where the instance is (V, m)-uniform */
    double kappa;                           /* Assumption 6a */
    double k_rho;                           /* Assumption 6b: one K_rho for all levels */
    double constant;                        /* C, the absolute constant that the paper leaves open */
    double delta;                           /* probability of failure */
} rhm_theory_problem;

/* The constants of one level. m^(l/2) stands for sqrt(m_1 ... m_l), V m for the largest |P_l|, log m for at least
 * log 2. */
typedef struct rhm_theory_level {
    uint32_t level;
    double rho;          /* Assumption 6b: K_rho m^(-l/2) */
    double accuracy;     /* Lemma 11: eps* = rho / sqrt(C (V m)^2 s L log m), s the largest s_l, asked of the outputs */
    double off_diagonal; /* eps_O = eps* / (600 |P_l|^2 kappa sqrt(d_y)): overlap of features of different patches */
    double synonym;      /* eps_S = 1 / (4 |P_l|): spread of features within a patch */
    double ridge;        /* lambda = 1 / |P_l| */
    double gd_step;      /* 2 |P_l| / (|P_l| + 1) */
    double gd_steps;     /* T = |P_l| log(100 |P_l| kappa sqrt(d_y) / eps*) */
    double samples_printed;     /* Lemma 11: N = 20 (kappa v eps*^-2) log(V m / delta) */
    double samples_corrected;   /* Lemmas 17, 18: a patch sees only N p_mu >= N / (kappa |P_l|) of the samples, so that
                                   N = 20 kappa |P_l| (1 v eps*^-2) log(V m / delta) */
    double bandwidth_printed;   /* Lemma 10: sigma^2 = 2 r^2 / log(2 / eps_O), r = rho^(l+1), sqrt(2) at level L */
    double bandwidth_corrected; /* what its proof needs, exp(-r^2 / (2 sigma^2)) <= eps_O / 2: sigma^2 four times
                                   smaller */
    double width;               /* order of M = s_l d_e / min(eps_O^2, eps_S^4), without the logarithm */
} rhm_theory_level;

/* The (V, m)-uniform problem with C = K_rho = kappa = 1 and delta = 0.01. */
RHM_API rhm_theory_problem rhm_theory_uniform(uint32_t vocab, uint32_t rules, uint32_t branching, uint32_t levels);

/* The problem that a grammar poses, with its exact kappa and K_rho (the smallest over the levels); C = 1, delta = 0.01.
 */
RHM_API rhm_theory_problem rhm_theory_of_grammar(const rhm_grammar *grammar, const rhm_analysis *analysis);

/* The constants of one level 1..L. */
RHM_API rhm_theory_level rhm_theory_constants(const rhm_theory_problem *problem, uint32_t level);

/*
 * How many different strings of leaves a first level-l patch can have: V_{l-1} m_l m_{l+1}^s m_{l+2}^(s^2) ..., which
 * is V m^((s^(L-l+1) - 1) / (s - 1)) for a (V, m)-uniform instance. Infinity where that exceeds a double.
 */
RHM_API double rhm_theory_possible_patches(const rhm_shape *shape, uint32_t level);

/* How many of `possible` equally likely patches `samples` draws are expected to show: possible (1 - (1 -
 * 1/possible)^samples). */
RHM_API double rhm_theory_expected_distinct(double possible, double samples);

/* Positions of a level that rhm_analyse_positions looks at, at most. */
enum { RHM_ANALYSED_POSITIONS = 16 };

/* The exact rho of a level where other patches than the first are looked at; entry j is about position j = 0.. */
typedef struct rhm_position_analysis {
    uint32_t positions;                       /* the first ones of the level, at most RHM_ANALYSED_POSITIONS */
    double rho[RHM_ANALYSED_POSITIONS];       /* at position j alone, over the symbols that come there */
    uint32_t absent[RHM_ANALYSED_POSITIONS];  /* symbols that never come at position j */
    double together[RHM_ANALYSED_POSITIONS];  /* rho at the positions 0..j side by side, over those that come at any */
    uint32_t nowhere[RHM_ANALYSED_POSITIONS]; /* symbols that never come at positions 0..j */
} rhm_position_analysis;

/*
 * What layerwise training can tell apart with several positions (docs/mathematics.md): posteriors of positions stand
 * side by side, the label's own law where a symbol never comes. Symbols that occur nowhere in sequences count as
 * absent.
 */
RHM_API rhm_status rhm_analyse_positions(rhm_position_analysis *out, const rhm_grammar *grammar, uint32_t level,
                                         rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
