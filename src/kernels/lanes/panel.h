/*
 * Outputs of a panel, RHM_PANEL_CLASSES classes at a time: a register of classes (or two) times one feature after the
 * other, so that a sum stays where it is and no lanes remain to be added.
 *
 * Weights are packed as (blocks of RHM_PANEL_FREQUENCIES, panels, features of the block, RHM_PANEL_CLASSES).
 */
#ifndef RHM_KERNELS_LANES_PANEL_H
#define RHM_KERNELS_LANES_PANEL_H

#include "kernels/lanes/lanes.h"

enum {
    PANEL_VECTORS = RHM_PANEL_CLASSES / WIDTH,
    PANEL_TAIL = 6, /* patches of a small tile, whose own tails are written out */
};
_Static_assert((int)PANEL_PATCHES % (int)PANEL_TAIL == 0, "small tiles fill a large one");

static void pack_panels(size_t classes, size_t padded, const float *w, float *packed) {
    const size_t stride = rhm_feature_stride(padded);
    for (size_t k = 0; k < padded; k += RHM_PANEL_FREQUENCIES) {
        const size_t features = 2 * least(RHM_PANEL_FREQUENCIES, padded - k);
        for (size_t first = 0; first < classes; first += RHM_PANEL_CLASSES)
            for (size_t f = 0; f < features; f++)
                for (size_t c = first; c < first + RHM_PANEL_CLASSES; c++)
                    *packed++ = w[c * stride + 2 * k + f];
    }
}

/* y (patches, classes of `panels` panels) += w x over `features`; = where it has nothing yet. */
INLINE void panel_tile(const float *w, feature_rows x, size_t features, float *y, size_t y_stride, bool fresh,
                       size_t panels, size_t patches) {
    vec sum[PANEL_PATCHES][PANELS * PANEL_VECTORS];
    const float *row[PANEL_PATCHES];
    const size_t vectors = panels * PANEL_VECTORS;
    for (size_t p = 0; p < patches; p++) {
        row[p] = x.row[p] + x.at;
        for (size_t v = 0; v < vectors; v++)
            sum[p][v] = vec_zero();
    }
    for (size_t f = 0; f < features; f++, w += RHM_PANEL_CLASSES) {
        vec wf[PANELS * PANEL_VECTORS];
        for (size_t v = 0; v < vectors; v++)
            wf[v] = vec_load(w + v / PANEL_VECTORS * features * RHM_PANEL_CLASSES + v % PANEL_VECTORS * WIDTH);
        for (size_t p = 0; p < patches; p++) {
            const vec xf = vec_broadcast(row[p] + f);
            for (size_t v = 0; v < vectors; v++)
                sum[p][v] = vec_fma(xf, wf[v], sum[p][v]);
        }
    }
    for (size_t p = 0; p < patches; p++)
        for (size_t v = 0; v < vectors; v++) {
            float *to = y + p * y_stride + v * WIDTH;
            vec_store(to, fresh ? sum[p][v] : vec_add(vec_load(to), sum[p][v]));
        }
}

/* All patches against some panels. */
INLINE void panel_column(const float *w, feature_rows x, size_t features, size_t count, float *y, size_t y_stride,
                         bool fresh, size_t panels) {
    size_t i = 0;
    for (; i + PANEL_PATCHES <= count; i += PANEL_PATCHES, x.row += PANEL_PATCHES)
        panel_tile(w, x, features, y + i * y_stride, y_stride, fresh, panels, PANEL_PATCHES);
    for (; (int)PANEL_PATCHES > (int)PANEL_TAIL && i + PANEL_TAIL <= count; i += PANEL_TAIL, x.row += PANEL_TAIL)
        panel_tile(w, x, features, y + i * y_stride, y_stride, fresh, panels, PANEL_TAIL);
    y += i * y_stride;
    switch (count - i) {
    case 5: panel_tile(w, x, features, y, y_stride, fresh, panels, 5); break;
    case 4: panel_tile(w, x, features, y, y_stride, fresh, panels, 4); break;
    case 3: panel_tile(w, x, features, y, y_stride, fresh, panels, 3); break;
    case 2: panel_tile(w, x, features, y, y_stride, fresh, panels, 2); break;
    case 1: panel_tile(w, x, features, y, y_stride, fresh, panels, 1); break;
    default: break;
    }
}

/* Add `length` frequencies, whole blocks but for the last one, to the outputs of `panels` panels; the first ones are
 * `fresh`. */
INLINE void panel_slice(const float *w, size_t panels, size_t length, feature_rows x, size_t count, float *y,
                        size_t y_stride, bool fresh) {
    for (size_t k = 0; k < length; k += RHM_PANEL_FREQUENCIES, fresh = false) {
        const size_t features = 2 * least(RHM_PANEL_FREQUENCIES, length - k), of_panel = features * RHM_PANEL_CLASSES;
        size_t i = 0;
        for (; i + PANELS <= panels; i += PANELS, w += PANELS * of_panel)
            panel_column(w, x, features, count, y + i * RHM_PANEL_CLASSES, y_stride, fresh, PANELS);
        for (; i < panels; i++, w += of_panel)
            panel_column(w, x, features, count, y + i * RHM_PANEL_CLASSES, y_stride, fresh, 1);
        x.at += features;
    }
}

#endif
