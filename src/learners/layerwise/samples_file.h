/*
 * The sample sets of the stage in hand, in a file of their own, since they change less often than the rest of a
 * checkpoint and may be large:
 *
 *     samples-N.h5    /training, /validation (patches/patches_file.h), unless drawing them again is as good
 */
#ifndef RHM_LEARNERS_LAYERWISE_SAMPLES_FILE_H
#define RHM_LEARNERS_LAYERWISE_SAMPLES_FILE_H

#include "learners/layerwise/checkpoint_file.h"

/* Whether a set goes into a samples file. */
bool rhm_samples_kept(const rhm_sample_set *set);

rhm_status rhm_samples_write(const rhm_stage *stage, const char *path, rhm_error *error);

/* Into the patches of a zeroed stage, which stay zeroed where they were not kept; the caller destroys them. */
rhm_status rhm_samples_read(rhm_stage *stage, const rhm_kept *kept, const char *path, rhm_error *error);

#endif
