/* Outputs of features that are in memory. */
#ifndef RHM_KERNELS_LANES_PRODUCT_H
#define RHM_KERNELS_LANES_PRODUCT_H

#include "kernels/lanes/outputs.h"

static void product(size_t classes, size_t padded, const float *w, size_t count, const float *x, float *y) {
    enum { BLOCKS = GROUP_PATCHES / PRODUCT_BLOCK };
    float lane[BLOCKS][PRODUCT_BLOCK * FEW_LANES] __attribute__((aligned(64)));
    const size_t slice = divide(classes).slice, stride = rhm_feature_stride(padded);
    for (size_t i = 0; i < count; i += GROUP_PATCHES) {
        const float *row[GROUP_PATCHES];
        outputs o[BLOCKS];
        size_t blocks = 0;
        for (size_t j = i; j < count && blocks < BLOCKS; j += PRODUCT_BLOCK, blocks++) {
            o[blocks] =
                outputs_begin(classes, padded, w, y + j * classes, least(PRODUCT_BLOCK, count - j), lane[blocks]);
            for (size_t p = 0; p < o[blocks].few.count; p++)
                row[j - i + p] = x + (j + p) * stride;
        }
        for (size_t k = 0; k < padded; k += slice)
            for (size_t b = 0; b < blocks; b++)
                outputs_slice(&o[b], k, (feature_rows){row + b * PRODUCT_BLOCK, 2 * k, RHM_LANES, WIDTH});
        for (size_t b = 0; b < blocks; b++)
            outputs_end(&o[b]);
    }
}

#endif
