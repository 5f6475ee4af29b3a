/* What a network by oneDNN is made of. */
#ifndef RHM_NETWORK_ONEDNN_PARTS_H
#define RHM_NETWORK_ONEDNN_PARTS_H

#include "kernels/onednn/convolution.h"
#include "kernels/onednn/primitives.h"
#include "network/onednn.h"

/*
 * Of one level. Masters, momenta and scaled weights lie as gradients do; in products, weights are scaled. Channels are
 * padded with zeros to whole panels of 16: of others oneDNN has no fast code. `in` and `out` are those numbers.
 */
typedef struct onednn_level {
    rhm_convolution of;
    size_t in, out, floats; /* of a gradient, padding included */
    float *w, *v, *scaled;
    void *forward, *turned; /* what the passes read */
    float *b, *bv;          /* (positions, out), or NULL */
    float *b_rows;          /* scaled, for each sequence of a part: (sequences, positions, out) */
    rhm_dnnl_copy to_forward, to_turned;
} onednn_level;

/* Of one part of a batch. */
typedef struct onednn_part {
    float *plain_x; /* (sequences, d, V padded) */
    float *rows;    /* (sequences, n_c padded): logits, then their gradient */
    float *flat;    /* gradients without a layout, of the level that is at work */
    void *x;
    void *y[RHM_MAX_LEVELS + 1], *dy[RHM_MAX_LEVELS + 1];
    float *g[RHM_MAX_LEVELS + 1], *bg[RHM_MAX_LEVELS + 1];
    void *pad;
    double seconds[RHM_MAX_LEVELS + 1][RHM_NETWORK_PHASES];
} onednn_part;

enum { ONEDNN_ARRAYS_A_LEVEL = 8, ONEDNN_ARRAYS_A_PART = 5 };

struct rhm_network_onednn {
    rhm_network *n;
    rhm_onednn *onednn;
    size_t parts, sequences; /* of a part */
    onednn_level level[RHM_MAX_LEVELS + 1];
    onednn_part *part;
    rhm_dnnl_copy in; /* plain_x to x */
    void **owned;
    float *ones; /* (sequences) */
    size_t owned_count, reserved_nbytes;
};

static inline dnnl_stream_t onednn_stream(const rhm_network_onednn *o, int thread) {
    return o->onednn->lane[thread].stream;
}

/* Parts that hold sequences of those taken. */
static inline size_t onednn_parts(const rhm_network_onednn *o) {
    return (o->n->last + o->sequences - 1) / o->sequences;
}

/* Scaled weights and biases, and what the passes read, from the masters. */
rhm_status rhm_network_onednn_refresh(rhm_network_onednn *o, rhm_error *error);

#endif
