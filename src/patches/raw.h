/* Samples kept as they are: what training costs without the knowledge that patches recur. */
#ifndef RHM_PATCHES_RAW_H
#define RHM_PATCHES_RAW_H

#include "patches/patches.h"

/* rhm_patches_add where patches->raw is set; count >= 1. */
rhm_status rhm_raw_add(rhm_patches *patches, const rhm_engine *engine, const char *stage, rhm_patch_source *source,
                       const void *context, uint64_t first, uint64_t count, uint32_t *ids, rhm_error *error);

#endif
