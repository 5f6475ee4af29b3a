/* Symbols that never occur at a position. */
#ifndef RHM_LEARNERS_LAYERWISE_ABSENT_H
#define RHM_LEARNERS_LAYERWISE_ABSENT_H

#include "patches/patches.h"

/*
 * A patch that comes often at some positions and never at another one has a symbol that does not occur there. What a
 * regression of that position would make of it is arbitrary, and different for synonyms; a posterior that says nothing
 * is the label frequencies. So the patch counts there as if it had come as often as it does on average over the
 * positions, with labels in their usual proportions. Rare patches, which may be missing by chance, are left alone; so
 * is everything where there is one position. `counts` are those of `patches`; after a failure they can only be cleared.
 */
rhm_status rhm_absent_fill(rhm_patch_counts *counts, const rhm_patches *patches, rhm_error *error);

#endif
