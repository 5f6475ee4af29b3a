/* Streams of random numbers of the learner (core/philox.h), all under the data seed. */
#ifndef RHM_LEARNERS_CNN_STREAMS_H
#define RHM_LEARNERS_CNN_STREAMS_H

#include <stdint.h>

#define RHM_CNN_STREAM (UINT32_C(1) << 20)

enum {
    RHM_CNN_WEIGHTS = 0x000,  /* and the level; level 0: the readout. Element i of the tensor is normal number i */
    RHM_CNN_BIASES = 0x100,   /* and the level */
    RHM_CNN_READOUTS = 0x200, /* and the level that --schedule layerwise trains with it */
};

/* Order of the sequences of epoch e: words from e 2^34 on. */
#define RHM_CNN_ORDER_STREAM (RHM_CNN_STREAM | 0x300)

#endif
