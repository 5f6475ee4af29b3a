/*
 * Outputs of any number of classes: whole panels first, then the few that are left. Weights are packed likewise, those
 * of the few after those of all panels.
 */
#ifndef RHM_KERNELS_LANES_OUTPUTS_H
#define RHM_KERNELS_LANES_OUTPUTS_H

#include "kernels/lanes/few.h"
#include "kernels/lanes/panel.h"

/* How many classes are in whole panels, how many are not, and how many frequencies both take at a time. */
typedef struct division {
    size_t whole, few, slice;
} division;

static division divide(size_t classes) {
    const size_t few = classes % RHM_PANEL_CLASSES;
    return (division){classes - few, few, classes < RHM_PANEL_CLASSES ? SLICE : RHM_PANEL_FREQUENCIES};
}

/* Outputs of `count` patches and the partial sums on the way to them. */
typedef struct outputs {
    division d;
    size_t padded;
    const float *w;
    float *y;
    sums few;
} outputs;

static outputs outputs_begin(size_t classes, size_t padded, const float *w, float *y, size_t count, float *lane) {
    const division d = divide(classes);
    return (outputs){d, padded, w, y, {lane, d.few, count}};
}

/* Add the slice from frequency k on; x is where it begins. */
INLINE void outputs_slice(const outputs *o, size_t k, feature_rows x) {
    const size_t length = least(o->d.slice, o->padded - k), classes = o->d.whole + o->d.few;
    panel_slice(o->w + 2 * k * o->d.whole, o->d.whole / RHM_PANEL_CLASSES, length, x, o->few.count, o->y, classes,
                k == 0);
    product_slice(&o->few, k == 0, o->w + 2 * o->padded * o->d.whole + 2 * k * o->d.few, 2 * length / RHM_LANES, x);
}

static void outputs_end(const outputs *o) {
    sums_end(&o->few, o->y + o->d.whole, o->d.whole + o->d.few);
}

#endif
