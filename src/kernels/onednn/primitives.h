/* oneDNN as an engine keeps it: the library's handle and, per thread, a stream, working memory and a cache of products.
 */
#ifndef RHM_KERNELS_ONEDNN_PRIMITIVES_H
#define RHM_KERNELS_ONEDNN_PRIMITIVES_H

#include "engine/memory.h"
#include "kernels/onednn/matmul.h"
#include "kernels/onednn/onednn.h"

typedef struct rhm_onednn_entry {
    rhm_matmul_shape shape;
    rhm_matmul matmul;
    size_t used; /* when; 0: empty */
} rhm_onednn_entry;

/* What one thread has to itself. */
typedef struct rhm_onednn_lane {
    _Alignas(64) rhm_onednn_entry entry[RHM_ONEDNN_PRIMITIVES];
    size_t clock, made;
    dnnl_stream_t stream;
    void *pad; /* oneDNN's working memory */
    size_t pad_nbytes;
} rhm_onednn_lane;

struct rhm_onednn {
    const rhm_engine *engine;
    char name[RHM_DNNL_NAME_NBYTES];
    dnnl_engine_t dnnl;
    rhm_onednn_lane *lane; /* (threads) */
    rhm_scratch scratch;   /* of the operation that runs: nothing stays in it between two */
    size_t scratch_nbytes;
};

/* At least so much scratch memory for each thread. Outside of parallel loops. */
rhm_status rhm_onednn_scratch(rhm_onednn *onednn, size_t nbytes, rhm_error *error);

/* One product with the thread's primitive for this shape; `packing` describes a packed b and is NULL for others. */
rhm_status rhm_onednn_multiply(rhm_onednn *onednn, int thread, const rhm_matmul_shape *shape,
                               const rhm_packing *packing, const float *a, const void *b, float *c, rhm_error *error);

#endif
