/* Outputs of patches in runs: weights are rotated once a run. */
#ifndef RHM_KERNELS_LANES_ROTATED_FORWARD_H
#define RHM_KERNELS_LANES_ROTATED_FORWARD_H

#include "kernels/lanes/outputs.h"
#include "kernels/lanes/runs.h"

enum {
    RUN_PATCHES = 96,   /* that one rotation of the weights serves, which costs as much as a few patches */
    ROTATED_PANELS = 4, /* whose rotated weights of a block stay in the second-level cache */
};

/* The phasors that a run has in common: of one token where they are, of more than one multiplied into `own`. */
INLINE const float *common_phasors(const run *r, size_t k, size_t length, float *own) {
    const layout at = {.step = RHM_LANES, .part = WIDTH};
    const float *common = rhm_token_phasors(r->map, r->ids, 0) + 2 * k;
    for (size_t t = 1; t + 1 < r->map->tokens; t++, common = own)
        phasor_row(common, at, rhm_token_phasors(r->map, r->ids, t) + 2 * k, at, own, at, length / RHM_LANES);
    return common;
}

/* A register of weights times the conjugate of a phasor; those of sines are `sines` behind those of cosines. */
INLINE void rotate_weights(const float *w, size_t sines, vec c, vec s, float *u) {
    const vec wc = vec_load_once(w), ws = vec_load_once(w + sines);
    vec_store(u, vec_fma(ws, s, vec_mul(wc, c)));
    vec_store(u + sines, vec_fnma(wc, s, vec_mul(ws, c)));
}

/* u = w times the conjugate of `common`, one part of a slice of `groups` groups; w and u of one tile of classes. */
INLINE void rotate_tile(const float *w, const float *common, size_t groups, float *u, size_t classes) {
    for (size_t g = 0; g < groups; g++, common += 2 * RHM_LANES, w += 2 * classes * WIDTH, u += 2 * classes * WIDTH) {
        const vec c = vec_load_once(common), s = vec_load_once(common + RHM_LANES);
        for (size_t i = 0; i < classes; i++)
            rotate_weights(w + i * WIDTH, classes * WIDTH, c, s, u + i * WIDTH);
    }
}

/* The same of a slice of few classes, in the layout of `pack`, */
INLINE void rotate_few(size_t classes, const float *w, size_t steps, const float *common, float *u) {
    for (size_t part = 0; part < PARTS; part++, common += WIDTH)
        for (size_t c = 0, n; c < classes; c += n, w += n * steps * WIDTH, u += n * steps * WIDTH) {
            n = tile_classes(classes - c);
            switch (n) {
            case 4: rotate_tile(w, common, steps / 2, u, 4); break;
            case 3: rotate_tile(w, common, steps / 2, u, 3); break;
            case 2: rotate_tile(w, common, steps / 2, u, 2); break;
            default: rotate_tile(w, common, steps / 2, u, 1); break;
            }
        }
}

/* and of a block of one panel. */
INLINE void rotate_panel(const float *w, size_t groups, const float *common, float *u) {
    enum { SINES = RHM_LANES * RHM_PANEL_CLASSES };
    for (size_t g = 0; g < groups; g++, common += 2 * RHM_LANES, w += 2 * SINES, u += 2 * SINES)
        for (size_t l = 0; l < RHM_LANES; l++) {
            const vec c = vec_broadcast(common + l), s = vec_broadcast(common + RHM_LANES + l);
            for (size_t at = l * RHM_PANEL_CLASSES; at < (l + 1) * RHM_PANEL_CLASSES; at += WIDTH)
                rotate_weights(w + at, SINES, c, s, u + at);
        }
}

/* Outputs of whole panels, a few of them at a time. */
INLINE void rotated_panels(const run *r, const outputs *o, const float *const *row) {
    enum { BLOCK = 2 * RHM_PANEL_FREQUENCIES * RHM_PANEL_CLASSES };
    float u[ROTATED_PANELS * BLOCK] __attribute__((aligned(64))), own[2 * RHM_PANEL_FREQUENCIES];
    const size_t all = o->d.whole / RHM_PANEL_CLASSES, y_stride = o->d.whole + o->d.few;
    for (size_t first = 0; first < all; first += ROTATED_PANELS) {
        const size_t panels = least(ROTATED_PANELS, all - first);
        for (size_t k = 0; k < o->padded; k += RHM_PANEL_FREQUENCIES) {
            const size_t length = least(RHM_PANEL_FREQUENCIES, o->padded - k),
                         of_panel = 2 * length * RHM_PANEL_CLASSES;
            const float *common = common_phasors(r, k, length, own), *w = o->w + 2 * k * o->d.whole + first * of_panel;
            for (size_t i = 0; i < panels; i++)
                rotate_panel(w + i * of_panel, length / RHM_LANES, common, u + i * of_panel);
            for (size_t p = 0; p < r->count; p += GROUP_PATCHES)
                panel_slice(u, panels, length, (feature_rows){row + p, 2 * k, RHM_LANES, WIDTH},
                            least(GROUP_PATCHES, r->count - p), o->y + p * y_stride + first * RHM_PANEL_CLASSES,
                            y_stride, k == 0);
        }
    }
}

/* Outputs of the few classes that are left, a block of patches after the other. */
INLINE void rotated_few(const run *r, const outputs *o, const float *const *row) {
    enum { BLOCKS = RUN_PATCHES / PRODUCT_BLOCK };
    float lane[BLOCKS][PRODUCT_BLOCK * FEW_LANES] __attribute__((aligned(64)));
    float u[(RHM_PANEL_CLASSES - 1) * 2 * SLICE] __attribute__((aligned(64))), own[2 * SLICE];
    const float *w = o->w + 2 * o->padded * o->d.whole;
    const size_t blocks = (r->count + PRODUCT_BLOCK - 1) / PRODUCT_BLOCK;
    sums s[BLOCKS];
    for (size_t b = 0; b < blocks; b++)
        s[b] = (sums){lane[b], o->d.few, least(PRODUCT_BLOCK, r->count - b * PRODUCT_BLOCK)};
    for (size_t k = 0; k < o->padded; k += o->d.slice) {
        const size_t length = least(o->d.slice, o->padded - k), steps = 2 * length / RHM_LANES;
        rotate_few(o->d.few, w + 2 * k * o->d.few, steps, common_phasors(r, k, length, own), u);
        for (size_t b = 0; b < blocks; b++)
            product_slice(&s[b], k == 0, u, steps, (feature_rows){row + b * PRODUCT_BLOCK, 2 * k, RHM_LANES, WIDTH});
    }
    for (size_t b = 0; b < blocks; b++)
        sums_end(&s[b], o->y + b * PRODUCT_BLOCK * (o->d.whole + o->d.few) + o->d.whole, o->d.whole + o->d.few);
}

static void rotated_run(const run *r, size_t classes, const float *w, float *y) {
    const outputs o = outputs_begin(classes, r->map->padded, w, y, r->count, NULL);
    const float *row[RUN_PATCHES];
    for (size_t p = 0; p < r->count; p++)
        row[p] = rhm_token_phasors(r->map, r->ids + p * r->map->tokens, r->map->tokens - 1);
    if (o.d.whole)
        rotated_panels(r, &o, row);
    if (o.d.few)
        rotated_few(r, &o, row);
}

static void rotated_forward(const rhm_phase_map *map, size_t classes, const float *w, const rhm_patch_rows *rows,
                            float *y) {
    for (size_t i = 0; i < rows->count;) {
        const run r = run_from(map, rows->ids + i * map->tokens, rows->count - i, RUN_PATCHES);
        rotated_run(&r, classes, w, y + i * classes);
        i += r.count;
    }
}

#endif
