/*
 * The exact law of ids. An id is a function of the patch below it, and the subtrees of siblings are independent given
 * their symbols, so P[id | symbol] can be carried from level to level, right or wrong ids alike:
 *
 *     P[patch (a_1..a_s) | parent nu] = sum over rules r of Q(nu, r) prod_j P[a_j | r_j]
 *
 * and the sum over the patches with one id is P[id | nu]. With the law of (label, symbol) at a position this is the law
 * of (patch, label) there: counts of any number of samples can be drawn, at a cost that depends neither on that number
 * nor on depth.
 */
#ifndef RHM_COUNTS_LAW_H
#define RHM_COUNTS_LAW_H

#include "counts/counts.h"
#include "hierarchy/position_law.h"
#include "rhm/grammar.h"

/* P[id | symbol] at a level, (symbols, ids). */
typedef struct rhm_id_law {
    uint32_t symbols, ids;
    double *given;
} rhm_id_law;

/* Tokens are their own ids, as they are seen: replaced by a uniform one with probability `noise`. */
rhm_status rhm_id_law_tokens(rhm_id_law *out, uint32_t vocab, double noise, rhm_error *error);
void rhm_id_law_clear(rhm_id_law *law); /* accepts a zeroed one */

/* P[patch of ids | symbol of the level above], (patch.count, parents); patches in lexicographic order. */
typedef struct rhm_patch_law {
    rhm_intern patch;
    uint32_t parents;
    double *given;
} rhm_patch_law;

/*
 * `ids` is the law at `level`. *out has no patches where there are more than RHM_TABLE_MOST_PATCHES, or where too many
 * products would have to be summed.
 */
rhm_status rhm_patch_law_make(rhm_patch_law *out, const rhm_grammar *grammar, uint32_t level, const rhm_id_law *ids,
                              rhm_error *error);
void rhm_patch_law_clear(rhm_patch_law *law); /* accepts a zeroed one */

/* The law of ids of the level above, where patches have the ids that `table` gives them. */
rhm_status rhm_id_law_raise(rhm_id_law *out, const rhm_patch_law *patches, const struct rhm_table_level *table,
                            rhm_error *error);

/* P[symbol of `level` at position p] of each of them with itself as what is counted: (positions, symbols, symbols). */
rhm_status rhm_parent_law(double **out, const rhm_grammar *grammar, uint32_t level, size_t positions, rhm_error *error);

/*
 * Counts of `samples` <= 2^53 independent samples a position, drawn from their multinomial law: a pure function of law,
 * number, seed and stream. `position` is (positions, parents, classes).
 */
rhm_status rhm_table_draw_counts(rhm_table_counts *out, const rhm_engine *engine, const rhm_patch_law *law,
                                 const double *position, size_t positions, size_t classes, uint64_t samples,
                                 uint64_t seed, uint32_t stream, rhm_error *error);

#endif
