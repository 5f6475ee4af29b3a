/* Sums of residuals times features of patches in runs: rotated once a run. */
#ifndef RHM_KERNELS_LANES_ROTATED_GRADIENT_H
#define RHM_KERNELS_LANES_ROTATED_GRADIENT_H

#include "kernels/lanes/runs.h"

enum { ROTATED_CLASSES = 6 }; /* of a register tile, at most */

/* The patches of a call, and their runs. */
typedef struct rotated_rows {
    const rhm_phase_map *map;
    size_t runs;
    size_t end[RHM_ROTATED_PATCHES];          /* of each run */
    const uint32_t *ids[RHM_ROTATED_PATCHES]; /* of its first patch */
    const float *row[RHM_ROTATED_PATCHES];    /* phasors of each patch's last token */
} rotated_rows;

static void rotated_rows_of(rotated_rows *t, const rhm_phase_map *map, const rhm_patch_rows *rows) {
    t->map = map;
    t->runs = 0;
    for (size_t i = 0; i < rows->count; t->runs++) {
        t->ids[t->runs] = rows->ids + i * map->tokens;
        i += run_from(map, t->ids[t->runs], rows->count - i, rows->count).count;
        t->end[t->runs] = i;
    }
    for (size_t i = 0; i < rows->count; i++)
        t->row[i] = rhm_token_phasors(map, rows->ids + i * map->tokens, map->tokens - 1);
}

/* Where the cosines of pair v of a tile are, from the first feature of the tile on. */
INLINE size_t pair_at(size_t v) {
    return v / PARTS * 2 * RHM_LANES + v % PARTS * WIDTH;
}

/* One register of the phasors that a run has in common, `at` floats into a row. */
INLINE void common_pair(const rhm_phase_map *map, const uint32_t *ids, size_t at, vec *cosine, vec *sine) {
    const float *first = rhm_token_phasors(map, ids, 0) + at;
    *cosine = vec_load(first);
    *sine = vec_load(first + RHM_LANES);
    for (size_t t = 1; t + 1 < map->tokens; t++) {
        const float *next = rhm_token_phasors(map, ids, t) + at;
        rotate(cosine, sine, vec_load(next), vec_load(next + RHM_LANES));
    }
}

/* g of one tile of classes and `pairs` registers of cosines with their sines, from feature f on. `r` and `g` begin at
 * the tile. Rows are far apart: the last tile of a column asks for what the next column reads. */
INLINE void rotated_tile(const rotated_rows *t, const float *r, size_t r_stride, size_t f, size_t stride, double *g,
                         bool ask, size_t classes, size_t pairs) {
    /* As many lines as the tile reads: of a group that two parts share, one each. */
    const size_t group = f / (2 * RHM_LANES), part = f % (2 * RHM_LANES) / WIDTH;
    const size_t ahead = (group + (pairs + PARTS - 1) / PARTS) * 2 * RHM_LANES + part * RHM_LANES;
    vec total[ROTATED_CLASSES][ROTATED_PAIRS][2];
    for (size_t c = 0; c < classes; c++)
        for (size_t v = 0; v < pairs; v++) {
            for (size_t line = 0; line < WIDTH; line += RHM_LANES / 2) {
                __builtin_prefetch(g + c * stride + pair_at(v) + line, 1);
                __builtin_prefetch(g + c * stride + pair_at(v) + RHM_LANES + line, 1);
            }
            total[c][v][0] = total[c][v][1] = vec_zero();
        }
    for (size_t i = 0, p = 0; i < t->runs; i++) {
        vec sum[ROTATED_CLASSES][ROTATED_PAIRS][2];
        for (size_t c = 0; c < classes; c++)
            for (size_t v = 0; v < pairs; v++)
                sum[c][v][0] = sum[c][v][1] = vec_zero();
        for (; p < t->end[i]; p++, r += r_stride) {
            const float *x = t->row[p] + f;
            if (ask)
                for (size_t line = 0; line < pairs * 2 * WIDTH; line += RHM_LANES)
                    __builtin_prefetch(t->row[p] + ahead + line);
            vec cosine[ROTATED_PAIRS], sine[ROTATED_PAIRS];
            for (size_t v = 0; v < pairs; v++) {
                cosine[v] = vec_load(x + pair_at(v));
                sine[v] = vec_load(x + pair_at(v) + RHM_LANES);
            }
            for (size_t c = 0; c < classes; c++) {
                const vec rc = vec_broadcast(r + c);
                for (size_t v = 0; v < pairs; v++) {
                    sum[c][v][0] = vec_fma(rc, cosine[v], sum[c][v][0]);
                    sum[c][v][1] = vec_fma(rc, sine[v], sum[c][v][1]);
                }
            }
        }
        for (size_t v = 0; v < pairs; v++) {
            vec cosine, sine;
            common_pair(t->map, t->ids[i], f + pair_at(v), &cosine, &sine);
            for (size_t c = 0; c < classes; c++) {
                total[c][v][0] = vec_fnma(sine, sum[c][v][1], vec_fma(cosine, sum[c][v][0], total[c][v][0]));
                total[c][v][1] = vec_fma(cosine, sum[c][v][1], vec_fma(sine, sum[c][v][0], total[c][v][1]));
            }
        }
    }
    for (size_t c = 0; c < classes; c++)
        for (size_t v = 0; v < pairs; v++) {
            vec_add_to(g + c * stride + pair_at(v), total[c][v][0]);
            vec_add_to(g + c * stride + pair_at(v) + RHM_LANES, total[c][v][1]);
        }
}

/* Classes of the next tile when `left` are left: six, or halves of what two tiles have to share. */
static size_t rotated_classes(size_t left) {
    _Static_assert(ROTATED_CLASSES == 6, "what is dealt out here");
    return left <= 6 ? left : left < 12 ? (left + 1) / 2 : 6;
}

INLINE void rotated_column(const rotated_rows *t, const float *r, size_t classes, size_t f, size_t stride, double *g,
                           size_t pairs) {
    for (size_t c = 0, n; c < classes; c += n) {
        n = rotated_classes(classes - c);
        const bool ask = c + n == classes;
        switch (n) {
        case 6: rotated_tile(t, r + c, classes, f, stride, g + c * stride, ask, 6, pairs); break;
        case 5: rotated_tile(t, r + c, classes, f, stride, g + c * stride, ask, 5, pairs); break;
        case 4: rotated_tile(t, r + c, classes, f, stride, g + c * stride, ask, 4, pairs); break;
        case 3: rotated_tile(t, r + c, classes, f, stride, g + c * stride, ask, 3, pairs); break;
        case 2: rotated_tile(t, r + c, classes, f, stride, g + c * stride, ask, 2, pairs); break;
        default: rotated_tile(t, r + c, classes, f, stride, g + c * stride, ask, 1, pairs); break;
        }
    }
}

static void rotated_gradient(const rhm_phase_map *map, size_t classes, const rhm_patch_rows *rows, const float *r,
                             double *g) {
    const size_t stride = rhm_feature_stride(map->padded), pairs = map->padded / WIDTH;
    rotated_rows t;
    rotated_rows_of(&t, map, rows);
    size_t v = 0;
    for (; v + ROTATED_PAIRS <= pairs; v += ROTATED_PAIRS)
        rotated_column(&t, r, classes, pair_at(v), stride, g + pair_at(v), ROTATED_PAIRS);
    for (; v < pairs; v++)
        rotated_column(&t, r, classes, pair_at(v), stride, g + pair_at(v), 1);
}

#endif
