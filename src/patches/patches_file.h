/*
 * A collection in a file, so that counting can go on in another process. Lists and counts are kept; what finds members
 * is built again, and numbers go on as if nothing had happened.
 *
 *     GROUP            attributes samples, blind (by level, cells at level - 1)
 *     GROUP/tuples_j   (distinct level-j patches, s): numbers of level-(j+1) patches, or tokens
 *     GROUP/cells      (cells, 2): first patch, label
 *     GROUP/counts     (cells): samples
 */
#ifndef RHM_PATCHES_PATCHES_FILE_H
#define RHM_PATCHES_PATCHES_FILE_H

#include "core/h5file.h"
#include "patches/patches.h"

/* `group` is a path such as "/training" that is not there yet; the samples were counted, not drawn counts. Arrays are
 * written from where they are. */
rhm_status rhm_patches_write(rhm_h5 *file, const char *group, const rhm_patches *patches, rhm_error *error);

/*
 * Into an empty collection from rhm_patches_init, of the same shape as the one written; `engine` is the one that will
 * count on. On failure the collection can only be destroyed.
 */
rhm_status rhm_patches_read(rhm_patches *patches, const rhm_engine *engine, const rhm_h5 *file, const char *group,
                            rhm_error *error);

/* What rhm_patches_write will take, but for some kilobytes. */
uint64_t rhm_patches_file_nbytes(const rhm_patches *patches);

#endif
