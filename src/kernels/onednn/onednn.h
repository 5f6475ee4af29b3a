/*
 * The level's operations with oneDNN's matrix products. Patches are taken in blocks, frequencies in slices, so that
 * what lies between the two products of a block stays in the second-level cache; README.md of the kernels has the
 * tolerance.
 *
 * Each thread has its own primitives, made once per shape and kept in a bounded cache, its own stream and working
 * memory: a oneDNN call inside the engine's parallel loops runs on the calling thread and shares nothing with other
 * threads.
 */
#ifndef RHM_KERNELS_ONEDNN_ONEDNN_H
#define RHM_KERNELS_ONEDNN_ONEDNN_H

#include "kernels/operator.h"

enum {
    RHM_ONEDNN_BLOCK = 192,     /* patches at a time */
    RHM_ONEDNN_SLICE = 256,     /* frequencies at a time, a multiple of RHM_LANES */
    RHM_ONEDNN_PRIMITIVES = 48, /* per thread; the one not used for longest makes room */
};

typedef struct rhm_onednn rhm_onednn;

/* RHM_UNSUPPORTED in a build without oneDNN. */
rhm_status rhm_onednn_create(rhm_onednn **out, const rhm_engine *engine, rhm_error *error);
void rhm_onednn_destroy(rhm_onednn *onednn); /* accepts NULL */

/* Such as "oneDNN 2.6.3". */
const char *rhm_onednn_name(const rhm_onednn *onednn);

/* Primitives in the cache of a thread, and how many have been made there so far. */
size_t rhm_onednn_cached(const rhm_onednn *onednn, int thread);
size_t rhm_onednn_made(const rhm_onednn *onednn, int thread);

/* Fills operations, backend, block and packed of an operator that has everything else. */
rhm_status rhm_onednn_operator(rhm_operator *op, rhm_onednn *onednn, rhm_error *error);

#endif
