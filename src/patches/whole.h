/* Parallel loops that an interrupt must not stop halfway: they would leave a collection in pieces. */
#ifndef RHM_PATCHES_WHOLE_H
#define RHM_PATCHES_WHOLE_H

#include <stdbool.h>

#include "engine/parallel.h"

/* As rhm_parallel; what an interrupt has left undone is done by the calling thread. done is (count). */
rhm_status rhm_whole_run(const rhm_engine *engine, size_t count, bool *done, rhm_chunk_body *body, void *context,
                         rhm_error *error);

#endif
