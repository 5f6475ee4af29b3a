/* What a stage's samples have not shown of the rules of its level. For reports only. */
#ifndef RHM_LEARNERS_LAYERWISE_UNSEEN_H
#define RHM_LEARNERS_LAYERWISE_UNSEEN_H

#include "patches/patches.h"
#include "rhm/grammar.h"

/*
 * *mass receives the probability that a level-l patch at a random position of a sequence, as symbols of level l, never
 * was the first patch of a sample of the collection; l is the collection's level. RHM_INVALID where the collection has
 * a patch that the grammar does not produce. Of a divided collection all ranks of the engine must call.
 */
rhm_status rhm_unseen_mass(double *mass, const rhm_engine *engine, const rhm_grammar *grammar,
                           const rhm_patches *patches, rhm_error *error);

#endif
