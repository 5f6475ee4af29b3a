/* Hidden symbols of a data set, where its file has them. */
#ifndef RHM_SAMPLING_LATENTS_FILE_H
#define RHM_SAMPLING_LATENTS_FILE_H

#include "core/h5file.h"
#include "rhm/data.h"

/* latents_1, ..., latents_{L-1} of `group` into data->latents; RHM_INVALID where one is missing. The rest of `data` is
 * read already. What has been read is data's on failure too. */
rhm_status rhm_latents_read(rhm_data *data, const rhm_h5 *file, const char *group, rhm_error *error);

#endif
