/*
 * Outputs of any number of classes: whole panels first, then the few that are left. A part of tile.h, for every vector
 * width. Weights are packed likewise, those of the few after those of all panels.
 */

/* How many classes are in whole panels, how many are not, and how many frequencies both take at a time. */
typedef struct division {
    size_t whole, few, slice;
} division;

static division divide(size_t classes) {
    const size_t few = classes % RHM_PANEL_CLASSES;
    return (division){classes - few, few, classes < RHM_PANEL_CLASSES ? SLICE : RHM_PANEL_FREQUENCIES};
}

static void pack(size_t classes, size_t padded, const float *w, float *packed) {
    const division d = divide(classes);
    pack_panels(d.whole, padded, w, packed);
    pack_few(d.few, padded, d.slice, w + d.whole * rhm_feature_stride(padded), packed + d.whole * 2 * padded);
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

/* `at` and `slice` are constants: how the features of a block lie while they are multiplied. */
INLINE void forward_slices(const rhm_phase_map *map, size_t classes, const float *w, const rhm_patch_rows *rows,
                           float *y, layout at, size_t slice) {
    enum { BLOCKS = GROUP_PATCHES / BLOCK_PATCHES };
    float x[BLOCK_PATCHES * 2 * SLICE] __attribute__((aligned(64)));
    float h[BLOCKS][BLOCK_PATCHES * MOST_INPUTS] __attribute__((aligned(64)));
    float lane[BLOCKS][BLOCK_PATCHES * FEW_LANES] __attribute__((aligned(64)));
    const float *row[BLOCK_PATCHES];
    for (size_t p = 0; p < BLOCK_PATCHES; p++)
        row[p] = x + p * at.row;
    for (size_t i = 0; i < rows->count; i += GROUP_PATCHES) {
        gathered g[BLOCKS];
        outputs o[BLOCKS];
        size_t blocks = 0;
        for (size_t j = i; j < rows->count && blocks < BLOCKS; j += BLOCK_PATCHES, blocks++) {
            g[blocks] = gathered_patches(map, rows, j, least(BLOCK_PATCHES, rows->count - j), h[blocks]);
            o[blocks] = outputs_begin(classes, map->padded, w, y + j * classes, g[blocks].count, lane[blocks]);
        }
        for (size_t k = 0; k < map->padded; k += slice)
            for (size_t b = 0; b < blocks; b++) {
                feature_slice(&g[b], k, least(slice, map->padded - k), x, at);
                outputs_slice(&o[b], k, (feature_rows){row, 0, at.step, at.part});
            }
        for (size_t b = 0; b < blocks; b++)
            outputs_end(&o[b]);
    }
}

static void forward(const rhm_phase_map *map, size_t classes, const float *w, const rhm_patch_rows *rows, float *y) {
    enum { ROW = 2 * SLICE / PARTS, PANEL_ROW = 2 * RHM_PANEL_FREQUENCIES };
    _Static_assert((int)RHM_PANEL_FREQUENCIES <= (int)SLICE, "either row fits");
    /* For a few classes each part is by itself: what is used together lies together. */
    if (classes < RHM_PANEL_CLASSES)
        forward_slices(map, classes, w, rows, y, (layout){.row = ROW, .step = WIDTH, .part = BLOCK_PATCHES * ROW},
                       SLICE);
    else
        forward_slices(map, classes, w, rows, y, (layout){.row = PANEL_ROW, .step = RHM_LANES, .part = WIDTH},
                       RHM_PANEL_FREQUENCIES);
}
