/* Weights as outputs.h reads them. */
#ifndef RHM_KERNELS_LANES_PACK_H
#define RHM_KERNELS_LANES_PACK_H

#include "kernels/lanes/outputs.h"

static void pack(size_t classes, size_t padded, const float *w, float *packed) {
    const division d = divide(classes);
    pack_panels(d.whole, padded, w, packed);
    pack_few(d.few, padded, d.slice, w + d.whole * rhm_feature_stride(padded), packed + d.whole * 2 * padded);
}

#endif
