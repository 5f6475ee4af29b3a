/*
 * The law of (patch, label) at the first positions of one level, ready for drawing how often each pair occurs among N
 * samples a position: the counts are Multinomial(N, p) with p known from the grammar (docs/mathematics.md, section 5),
 * so their cost need not grow with N. Positions share no randomness; most of what follows is about one of them.
 *
 * A grammar is non-ambiguous, so a level-j patch that its rules produce has one derivation: a rule of one symbol of
 * level j-1, and a derivation for each symbol of the rule's right-hand side. Places number these derivations, first by
 * symbol, then by rule, then by the places of the children, the last child running fastest. Rules of probability 0 and
 * symbols that never occur at or below any of the positions have none.
 *
 * N is split binomially again and again: over the labels, over the level-(l-1) symbols at the position given the label,
 * over the rules of the symbol, over the derivations of its first child, of its second child, and so on, always at the
 * middle of a range. A split is at a boundary between two places, and no two splits of a label are at the same one;
 * it takes its randomness from
 *     index 2^48 round + V_0 boundary + label (splits of labels themselves: boundary 0, label of the upper half)
 * of the stream with RHM_DRAW_STREAM and 2^12 times the position added. Any range of places can therefore be drawn by
 * itself, in any order.
 *
 * Where a level has too many patches for that, its law can be thinned: of all samples only those are kept whose
 * patch, at the position in question, is one of some that are chosen beforehand, at random and without a look at
 * labels; they are the same at all positions. Places then number the chosen derivations, symbols and rules as before,
 * in the order in which they were chosen; all probabilities are conditional on being kept; and N counts the kept
 * samples. The law is that of drawing samples until N are kept.
 */
#ifndef RHM_SAMPLING_LAW_H
#define RHM_SAMPLING_LAW_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/grammar.h"
#include "sampling/binomial.h"

/* Streams of samples are below 2^31, so counts that are drawn share no randomness with samples that are counted. */
#define RHM_DRAW_STREAM UINT32_C(0x80000000)

/* Added to these streams where patches are chosen. */
#define RHM_CHOICE_STREAM UINT32_C(0x40000000)

enum {
    RHM_MOST_ROUNDS = 1 << 16,   /* numbers of a round */
    RHM_MOST_PLACES = INT32_MAX, /* as many patches as a level may have */
};

/* Derivations of the level-j patches. */
typedef struct rhm_law_level {
    uint32_t *of_symbol; /* (V_{j-1} + 1): first place of each symbol */
    uint32_t *of_rule;   /* (V_{j-1} m_j + 1): first place of each rule */
    size_t places;
} rhm_law_level;

typedef struct rhm_law {
    const rhm_grammar *grammar; /* the caller's */
    rhm_tree tree;
    uint32_t level, classes;
    size_t positions;
    rhm_law_level at[RHM_MAX_LEVELS + 1]; /* level..levels */
    rhm_coin *label;                      /* (positions, V_0): entry i is for the split below label i; likewise the
                                             others */
    rhm_coin *symbol;                     /* (positions, V_0, V_{level-1}): given the label */
    rhm_coin *rule;                       /* (V_{level-1}, m_level): given the symbol */
    rhm_coin *child;  /* (places of level + 1): derivations given the level-`level` symbol; NULL at level L. Thinned:
                         (places of level), given the rule */
    uint32_t *chosen; /* (places, s_level): children of the chosen patches; NULL unless thinned */
    double cells;     /* (patch, label) pairs of positive probability, of all positions */
    double share;     /* of all samples that are kept: 1 unless thinned; the mean of the positions */
} rhm_law;

/* Which patches to choose: about `patches` in all, equally many of each rule; a rule with fewer gives all. */
typedef struct rhm_law_choice {
    size_t patches;
    uint64_t seed;
    uint32_t stream; /* that of the samples */
} rhm_law_choice;

/* What has a positive probability; infinite where it overflows a double or the grammar does not parse. */
typedef struct rhm_law_size {
    double cells;   /* pairs of a patch and a label, at all positions together */
    double patches; /* that occur at one of the positions */
} rhm_law_size;

/* That of the patches of `level`. RHM_NO_MEMORY where none can be had to count them: a choice must not depend on it. */
rhm_status rhm_law_measure(rhm_law_size *out, const rhm_grammar *grammar, uint32_t level, size_t positions,
                           rhm_error *error);

/* Bytes that rhm_law_create will take; infinite where it will refuse. */
rhm_status rhm_law_nbytes(double *nbytes, const rhm_grammar *grammar, uint32_t level, size_t positions,
                          const rhm_law_choice *choice, rhm_error *error);

/* Borrows the grammar, which must parse. `choice` thins the law of a level below L; NULL: all patches. RHM_NO_MEMORY
 * where a level has more than RHM_MOST_PLACES patches, chosen ones or, below `level`, all. */
rhm_status rhm_law_create(rhm_law *out, const rhm_grammar *grammar, uint32_t level, size_t positions,
                          const rhm_law_choice *choice, rhm_error *error);
void rhm_law_destroy(rhm_law *law); /* accepts a zeroed one */

/* The children of the level-j patch at `place`, which is of rule `rule` (counted through all symbols): places of level
 * j + 1, tokens where j = L. */
void rhm_law_children(const rhm_law *law, uint32_t j, size_t rule, size_t place, uint32_t *children);

/* Which randomness. The stream is that of the samples the counts stand for, below 2^12 where there are several
 * positions. */
typedef struct rhm_law_draw {
    uint64_t seed;
    uint32_t stream;
    uint32_t round; /* below RHM_MOST_ROUNDS */
} rhm_law_draw;

/* by_symbol, (positions, V_0, V_{level-1}), receives how many of `samples` <= RHM_BINOMIAL_MOST a position have each
 * label and symbol. */
void rhm_law_split_samples(const rhm_law *law, const rhm_law_draw *draw, uint64_t samples, uint64_t *by_symbol);

/* counts, (end - begin, positions, V_0) and zero, receives how many have each patch of places begin..end-1 at each
 * position, and each label. */
void rhm_law_split_places(const rhm_law *law, const rhm_law_draw *draw, const uint64_t *by_symbol, size_t begin,
                          size_t end, uint64_t *counts);

#endif
