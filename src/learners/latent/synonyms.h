/*
 * Synonyms found by their neighbours. Patches of one symbol have the same law of siblings, place by place.
 *
 * First, spectrally: the table of residuals (n - e) / sqrt(e), one block of columns for every place of the patch and of
 * its sibling, is projected on its leading directions, as many as there are symbols, and the rows are grouped (Ward,
 * then Lloyd; ../../counts/group.h). Then, by likelihood: given groups, a sibling tells no more by itself than by its
 * group, because synonyms are chosen independently. So counts of (patch, group of the sibling) are sufficient; they are
 * dense where the full table is sparse. Rows are grouped anew by these, patches move to the group of the greatest
 * likelihood, and all this is repeated while the mutual information of the siblings' groups grows. It needs several
 * times fewer sequences than the first step, and finds groups that this has missed.
 */
#ifndef RHM_LEARNERS_LATENT_SYNONYMS_H
#define RHM_LEARNERS_LATENT_SYNONYMS_H

#include "counts/group.h"
#include "learners/latent/pairs.h"

/* At most `most` groups. */
rhm_status rhm_synonyms_find(rhm_groups *out, const rhm_engine *engine, const rhm_pairs *pairs, size_t most,
                             rhm_error *error);

#endif
