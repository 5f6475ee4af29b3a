/*
 * Outputs in registers: features times weights, summed over the features. A part of tile.h, for every vector width.
 *
 * Weights are packed in the order in which they are used: (slices, parts, class tiles, steps, classes of the tile,
 * WIDTH). A slice of features at a time; of the lanes of each group first the first register's, then, where there is
 * one, the second's (a part). So what a slice meets is one stream, and what is in the first-level cache together does
 * not compete for the same sets.
 */
enum {
    BLOCK_CLASSES = 64, /* classes whose partial sums fit on the stack, */
    BLOCK_PATCHES = 12, /* with as many patches */
    GROUP_PATCHES = 24, /* patches that meet a slice of weights one after the other, while it is in the next cache */
};
_Static_assert(BLOCK_PATCHES % PHASE_PATCHES == 0 && BLOCK_PATCHES % PRODUCT_PATCHES == 0, "blocks hold whole tiles");
_Static_assert((int)PRODUCT_BLOCK <= (int)BLOCK_PATCHES && PRODUCT_BLOCK % PRODUCT_PATCHES == 0,
               "blocks hold whole tiles");
_Static_assert(SLICE % (PHASE_VECTORS * WIDTH) == 0, "slices hold whole tiles");

/* Classes of the next tile when `left` are left: four, or three where a smaller tile would else come at the end. */
static size_t tile_classes(size_t left) {
    _Static_assert(PRODUCT_CLASSES == 4 && GRADIENT_CLASSES == 4, "what is dealt out here");
    return left <= 4 ? left : left == 5 || left == 6 || left == 9 ? 3 : 4;
}

static void pack(size_t classes, size_t padded, const float *w, float *packed) {
    const size_t stride = rhm_feature_stride(padded);
    for (size_t k = 0; k < padded; k += SLICE) {
        const size_t features = 2 * least(SLICE, padded - k);
        for (size_t part = 0; part < PARTS; part++)
            for (size_t first = 0, n; first < classes; first += n) {
                n = tile_classes(classes - first);
                for (size_t f = 0; f < features; f += RHM_LANES)
                    for (size_t c = first; c < first + n; c++, packed += WIDTH)
                        memcpy(packed, w + c * stride + 2 * k + f + part * WIDTH, sizeof *w * WIDTH);
            }
    }
}

/* lane (patches, classes, WIDTH) += w x over `steps` groups of features. */
INLINE void product_tile(const float *w, const float *x, layout at, size_t steps, float *lane, size_t patches,
                         size_t classes) {
    vec sum[PRODUCT_PATCHES][PRODUCT_CLASSES];
    for (size_t p = 0; p < patches; p++)
        for (size_t c = 0; c < classes; c++)
            sum[p][c] = vec_load(lane + (p * classes + c) * WIDTH);
    for (size_t i = 0; i < steps; i++, w += classes * WIDTH, x += at.step) {
        vec xf[PRODUCT_PATCHES];
        for (size_t p = 0; p < patches; p++)
            xf[p] = vec_load(x + p * at.row);
        for (size_t c = 0; c < classes; c++) {
            const vec wf = vec_load(w + c * WIDTH);
            for (size_t p = 0; p < patches; p++)
                sum[p][c] = vec_fma(wf, xf[p], sum[p][c]);
        }
    }
    for (size_t p = 0; p < patches; p++)
        for (size_t c = 0; c < classes; c++)
            vec_store(lane + (p * classes + c) * WIDTH, sum[p][c]);
}

/* All patches against one tile of classes, whose weights meanwhile stay in the first-level cache. */
INLINE void product_column(const float *w, const float *x, layout at, size_t steps, float *lane, size_t count,
                           size_t classes) {
    size_t i = 0;
    for (; i + PRODUCT_PATCHES <= count; i += PRODUCT_PATCHES)
        product_tile(w, x + i * at.row, at, steps, lane + i * classes * WIDTH, PRODUCT_PATCHES, classes);
    for (; i < count; i++)
        product_tile(w, x + i * at.row, at, steps, lane + i * classes * WIDTH, 1, classes);
}

/* Partial sums of some patches by classes first..end-1, (parts, class tiles, count, classes of the tile, WIDTH). */
typedef struct sums {
    float *lane;
    size_t classes; /* of all blocks */
    size_t first, end, count;
} sums;

/* Whole tiles of classes from `first` on, and no sums yet. */
static sums sums_begin(float *lane, size_t classes, size_t first, size_t count) {
    size_t end = first;
    while (end < classes && end + tile_classes(classes - end) <= first + BLOCK_CLASSES)
        end += tile_classes(classes - end);
    memset(lane, 0, sizeof *lane * (end - first) * count * RHM_LANES);
    return (sums){lane, classes, first, end, count};
}

/* Add one slice; w is where the slice begins. */
INLINE void product_slice(const sums *s, const float *w, size_t steps, const float *x, layout at) {
    float *lane = s->lane;
    for (size_t part = 0; part < PARTS; part++, x += at.part)
        for (size_t c = s->first, n; c < s->end; c += n, lane += n * s->count * WIDTH) {
            const float *from = w + (part * s->classes + c) * steps * WIDTH;
            n = tile_classes(s->classes - c);
            switch (n) {
            case 4: product_column(from, x, at, steps, lane, s->count, 4); break;
            case 3: product_column(from, x, at, steps, lane, s->count, 3); break;
            case 2: product_column(from, x, at, steps, lane, s->count, 2); break;
            default: product_column(from, x, at, steps, lane, s->count, 1); break;
            }
        }
}

/* The sums of all lanes into y (count, classes). */
static void sums_end(const sums *s, float *y) {
    const float *lane = s->lane;
    const size_t high = PARTS == 1 ? RHM_LANES / 2 : (s->end - s->first) * s->count * WIDTH;
    for (size_t first = s->first, n; first < s->end; first += n) {
        n = tile_classes(s->classes - first);
        for (size_t p = 0; p < s->count; p++)
            for (size_t c = first; c < first + n; c++, lane += WIDTH)
                y[p * s->classes + c] = lane_sum(lane, lane + high);
    }
}

static void product(size_t classes, size_t padded, const float *w, size_t count, const float *x, float *y) {
    const layout at = {.row = rhm_feature_stride(padded), .step = RHM_LANES, .part = WIDTH};
    enum { BLOCK_LANES = PRODUCT_BLOCK * BLOCK_CLASSES * RHM_LANES, BLOCKS = GROUP_PATCHES / PRODUCT_BLOCK };
    float lane[BLOCKS * BLOCK_LANES] __attribute__((aligned(64)));
    for (size_t i = 0; i < count; i += GROUP_PATCHES, x += GROUP_PATCHES * at.row, y += GROUP_PATCHES * classes) {
        const size_t patches = least(GROUP_PATCHES, count - i), blocks = (patches + PRODUCT_BLOCK - 1) / PRODUCT_BLOCK;
        for (size_t first = 0; first < classes;) {
            sums s[BLOCKS];
            for (size_t b = 0; b < blocks; b++)
                s[b] = sums_begin(lane + b * BLOCK_LANES, classes, first,
                                  least(PRODUCT_BLOCK, patches - b * PRODUCT_BLOCK));
            for (size_t k = 0; k < padded; k += SLICE)
                for (size_t b = 0; b < blocks; b++)
                    product_slice(&s[b], w + 2 * k * classes, 2 * least(SLICE, padded - k) / RHM_LANES,
                                  x + b * PRODUCT_BLOCK * at.row + 2 * k, at);
            for (size_t b = 0; b < blocks; b++)
                sums_end(&s[b], y + b * PRODUCT_BLOCK * classes);
            first = s[0].end;
        }
    }
}
