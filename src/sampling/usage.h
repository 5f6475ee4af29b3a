/* Which symbols a data set never uses, said where that hints at a mistake. */
#ifndef RHM_SAMPLING_USAGE_H
#define RHM_SAMPLING_USAGE_H

#include "core/h5file.h"

/*
 * Note those of `count` symbols below `vocab` that never occur in `object`: where the vocabulary was `inferred` from
 * the symbols themselves, or where there are so many of them that chance does not explain it. `noun`: "symbol",
 * "class".
 */
rhm_status rhm_usage_note(const rhm_h5 *file, const char *object, const char *noun, const uint16_t *symbols,
                          size_t count, uint32_t vocab, bool inferred, rhm_error *error);

#endif
