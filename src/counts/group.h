/*
 * Synonyms found: patches whose labels are distributed alike, position by position, get one id.
 *
 * Row mu of the table holds the standardised residuals (n(mu, z) - e) / sqrt(e), e = n(mu) n(z) / N, of every position.
 * Over the root of n(mu) a row estimates what its parent symbol says of the label, with noise of variance 1/n(mu) in
 * every coordinate, in proportion for synonyms of different frequencies too. Where many positions are side by side most
 * coordinates are noise, and the rows are projected on the leading directions, as many as there may be groups. Then
 * groups are merged, the pair of the least n_A n_B / (n_A + n_B) ||a - b||^2 first (Ward), which for two groups of one
 * symbol is a chi-square number: merging goes on beyond the wanted number while that is what it looks like. Last,
 * patches move to the nearest centre until none does (Lloyd). All sums have a fixed order: the same groups everywhere.
 */
#ifndef RHM_COUNTS_GROUP_H
#define RHM_COUNTS_GROUP_H

#include "counts/counts.h"
#include "counts/groups.h"
#include "counts/rows.h"

/* At most `most` groups, numbered by their first patch; distances are in noise-free units of rows over sqrt(n). */
rhm_status rhm_table_group(rhm_groups *out, const rhm_engine *engine, const rhm_table_counts *counts, size_t most,
                           rhm_error *error);

/* The groups of rows, which any learner may have made: their noise has the variance 1 / weight in every coordinate.
 * `chosen`: columns were chosen by the same counts, so that halves of one group may be as far apart as noise can push
 * them. */
rhm_status rhm_rows_group(rhm_groups *out, const rhm_engine *engine, const rhm_rows *rows, size_t most, bool chosen,
                          rhm_error *error);

/*
 * Separation and radius of given groups in other rows of the same patches, and what is certain: the share of the weight
 * that patches have with weight (d'^2 - d^2) / 2 >= RHM_SURE, d and d' the distances to the own and to the nearest
 * other centre. That is the logarithm of a ratio of likelihoods.
 */
#define RHM_SURE 12.0
rhm_status rhm_rows_measure(rhm_groups *groups, const rhm_rows *rows, rhm_error *error);

#endif
