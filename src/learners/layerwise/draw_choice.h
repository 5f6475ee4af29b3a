/*
 * How the counts of a stage come about. A rule of the problem and its options alone, since the model depends on it.
 *
 * Where the table of (patch, label) probabilities is affordable, counts are drawn. The level above the highest
 * such level has too many patches for that, and noise there is what all levels above inherit (docs/large-instances.md,
 * What stops depth). If it takes many samples, and N may be so large that each patch would occur many times, counts are
 * thinned: of all samples only those are kept whose first patch is one of RHM_THINNED_PATCHES that are chosen at
 * random, before labels are seen (sampling/law.h). They say what a regression on all samples would say of these
 * patches, and the others lie between. Elsewhere samples are drawn and counted.
 */
#ifndef RHM_LEARNERS_LAYERWISE_DRAW_CHOICE_H
#define RHM_LEARNERS_LAYERWISE_DRAW_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "rhm/grammar.h"
#include "rhm/learner.h"

enum { RHM_THINNED_PATCHES = 1 << 16 };

typedef struct rhm_draw_choice {
    bool counted;   /* counts are drawn, not samples */
    size_t thinned; /* for about so many patches; 0: all */
    double share;   /* of all samples that are kept, on average over the choice of patches */
} rhm_draw_choice;

/* `grammar`: of samples that can be drawn from one, else NULL. `positions`: patches of a sample. `first_look`: samples
 * with which the search begins (sample_sizes.h). RHM_INVALID where the options ask for counts that cannot be drawn. */
rhm_status rhm_draw_choose(rhm_draw_choice *out, const rhm_grammar *grammar, const rhm_train_options *options,
                           uint32_t level, uint32_t positions, double first_look, rhm_error *error);

#endif
