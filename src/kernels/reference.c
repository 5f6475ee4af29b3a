/*
 * The operations one lane at a time: what the vector kernels are compared with, and what runs where they cannot. Built
 * twice, with fmaf as an instruction and as a library call (both round once, so the bits agree).
 */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/sincos.h"
#include "kernels/tables.h"

/* Features k..k+RHM_LANES-1 of one patch as products of its tokens' phasors. */
static void phasor_group(const rhm_phase_map *map, const uint32_t *ids, size_t k, float *x) {
    memcpy(x, rhm_token_phasors(map, ids, 0) + 2 * k, sizeof *x * 2 * RHM_LANES);
    for (size_t t = 1; t < map->tokens; t++) {
        const float *by = rhm_token_phasors(map, ids, t) + 2 * k;
        for (size_t l = 0; l < RHM_LANES; l++) {
            const float cosine = x[l], sine = x[RHM_LANES + l];
            x[l] = fmaf(-sine, by[RHM_LANES + l], cosine * by[l]);
            x[RHM_LANES + l] = fmaf(sine, by[l], cosine * by[RHM_LANES + l]);
        }
    }
}

/* Cosines, then sines, of features k..k+RHM_LANES-1 of one patch. */
static void feature_group(const rhm_phase_map *map, const float *table, const uint32_t *ids, size_t k, float *x) {
    if (map->phasors) {
        phasor_group(map, ids, k, x);
        return;
    }
    float z[RHM_LANES];
    memcpy(z, map->offset + k, sizeof z);
    const float *row = map->half_turns + k * map->tokens * map->embedding;
    for (size_t t = 0; t < map->tokens; t++)
        for (size_t j = 0; j < map->embedding; j++, row += RHM_LANES)
            for (size_t l = 0; l < RHM_LANES; l++)
                z[l] = fmaf(row[l], table[ids[t] * map->embedding + j], z[l]);
    for (size_t l = 0; l < RHM_LANES; l++)
        rhm_cos_sin_half_turns(z[l], x + l, x + RHM_LANES + l);
}

static void features(const rhm_phase_map *map, const rhm_patch_rows *patches, float *x) {
    for (size_t i = 0; i < patches->count; i++)
        for (size_t k = 0; k < map->padded; k += RHM_LANES)
            feature_group(map, patches->table, patches->ids + i * map->tokens, k,
                          x + i * rhm_feature_stride(map->padded) + 2 * k);
}

/* An output on its way: in lanes, or, in a panel, the sum of a block and that of all blocks before it. */
typedef struct output {
    float lane[RHM_LANES];
    float block, blocks;
    size_t frequencies; /* added so far */
    bool panel;
} output;

static output output_of(size_t c, size_t classes) {
    return (output){.panel = c < classes / RHM_PANEL_CLASSES * RHM_PANEL_CLASSES};
}

static void end_block(output *y) {
    y->blocks = y->frequencies <= RHM_PANEL_FREQUENCIES ? y->block : y->blocks + y->block;
    y->block = 0;
}

/* Add a group: RHM_LANES cosines, then their sines. */
static void add_group(output *y, const float *w, const float *x) {
    for (size_t f = 0; f < 2 * RHM_LANES; f++) {
        float *sum = y->panel ? &y->block : &y->lane[f % RHM_LANES];
        *sum = fmaf(w[f], x[f], *sum);
    }
    y->frequencies += RHM_LANES;
    if (y->frequencies % RHM_PANEL_FREQUENCIES == 0)
        end_block(y);
}

static float output_end(output *y) {
    if (y->frequencies % RHM_PANEL_FREQUENCIES != 0)
        end_block(y);
    for (size_t half = RHM_LANES / 2; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            y->lane[i] = y->lane[i] + y->lane[i + half];
    return y->panel ? y->blocks : y->lane[0];
}

/* Rows of 2 padded floats, without what is between those of w. */
static void pack(size_t classes, size_t padded, const float *w, float *packed) {
    for (size_t c = 0; c < classes; c++)
        memcpy(packed + c * 2 * padded, w + c * rhm_feature_stride(padded), sizeof *w * 2 * padded);
}

static void product(size_t classes, size_t padded, const float *w, size_t count, const float *x, float *y) {
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < classes; c++) {
            output sum = output_of(c, classes);
            for (size_t k = 0; k < padded; k += RHM_LANES)
                add_group(&sum, w + c * 2 * padded + 2 * k, x + i * rhm_feature_stride(padded) + 2 * k);
            y[i * classes + c] = output_end(&sum);
        }
}

static void gradient(size_t classes, size_t padded, size_t count, const float *r, const float *x, double *g) {
    const size_t stride = rhm_feature_stride(padded);
    for (size_t c = 0; c < classes; c++)
        for (size_t f = 0; f < 2 * padded; f += RHM_LANES) {
            float sum[RHM_LANES] = {0};
            for (size_t i = 0; i < count; i++)
                for (size_t l = 0; l < RHM_LANES; l++)
                    sum[l] = fmaf(r[i * classes + c], x[i * stride + f + l], sum[l]);
            for (size_t l = 0; l < RHM_LANES; l++)
                g[c * stride + f + l] += (double)sum[l];
        }
}

static void forward(const rhm_phase_map *map, size_t classes, const float *w, const rhm_patch_rows *patches, float *y) {
    enum { BLOCK = 16 }; /* classes that share one evaluation of the features */
    for (size_t i = 0; i < patches->count; i++)
        for (size_t first = 0; first < classes; first += BLOCK) {
            const size_t block = classes - first < BLOCK ? classes - first : BLOCK;
            output sum[BLOCK];
            float x[2 * RHM_LANES];
            for (size_t c = 0; c < block; c++)
                sum[c] = output_of(first + c, classes);
            for (size_t k = 0; k < map->padded; k += RHM_LANES) {
                feature_group(map, patches->table, patches->ids + i * map->tokens, k, x);
                for (size_t c = 0; c < block; c++)
                    add_group(&sum[c], w + (first + c) * 2 * map->padded + 2 * k, x);
            }
            for (size_t c = 0; c < block; c++)
                y[i * classes + first + c] = output_end(&sum[c]);
        }
}

/* Phasors k..k+RHM_LANES-1 of all tokens of a patch but the last. */
static void common_group(const rhm_phase_map *map, const uint32_t *ids, size_t k, float *x) {
    rhm_phase_map common = *map;
    common.tokens--;
    phasor_group(&common, ids, k, x);
}

/* The first patches from `begin` on, as far as they have the tokens of the first but for the last, and at most `most`.
 */
static size_t run_length(const rhm_phase_map *map, const rhm_patch_rows *patches, size_t begin, size_t most) {
    const uint32_t *first = patches->ids + begin * map->tokens;
    size_t n = 1;
    while (n < most && begin + n < patches->count &&
           memcmp(first, first + n * map->tokens, sizeof *first * (map->tokens - 1)) == 0)
        n++;
    return n;
}

static void rotated_forward(const rhm_phase_map *map, size_t classes, const float *w, const rhm_patch_rows *patches,
                            float *y) {
    enum { MOST = 16 }; /* patches that share one rotation */
    for (size_t i = 0, n; i < patches->count; i += n) {
        const uint32_t *ids = patches->ids + i * map->tokens;
        n = run_length(map, patches, i, MOST);
        for (size_t c = 0; c < classes; c++) {
            float p[2 * RHM_LANES], u[2 * RHM_LANES];
            output sum[MOST];
            for (size_t j = 0; j < n; j++)
                sum[j] = output_of(c, classes);
            for (size_t k = 0; k < map->padded; k += RHM_LANES) {
                const float *cosines = w + c * 2 * map->padded + 2 * k, *sines = cosines + RHM_LANES;
                common_group(map, ids, k, p);
                for (size_t l = 0; l < RHM_LANES; l++) {
                    u[l] = fmaf(sines[l], p[RHM_LANES + l], cosines[l] * p[l]);
                    u[RHM_LANES + l] = fmaf(-cosines[l], p[RHM_LANES + l], sines[l] * p[l]);
                }
                for (size_t j = 0; j < n; j++)
                    add_group(&sum[j], u, rhm_token_phasors(map, ids + j * map->tokens, map->tokens - 1) + 2 * k);
            }
            for (size_t j = 0; j < n; j++)
                y[(i + j) * classes + c] = output_end(&sum[j]);
        }
    }
}

static void rotated_gradient(const rhm_phase_map *map, size_t classes, const rhm_patch_rows *patches, const float *r,
                             double *g) {
    const size_t stride = rhm_feature_stride(map->padded);
    for (size_t c = 0; c < classes; c++)
        for (size_t k = 0; k < map->padded; k += RHM_LANES) {
            float total[2 * RHM_LANES] = {0}, sum[2 * RHM_LANES], p[2 * RHM_LANES];
            float *cosines = total, *sines = total + RHM_LANES;
            for (size_t i = 0, end; i < patches->count; i = end) {
                common_group(map, patches->ids + i * map->tokens, k, p);
                end = i + run_length(map, patches, i, SIZE_MAX);
                memset(sum, 0, sizeof sum);
                for (size_t j = i; j < end; j++)
                    for (size_t f = 0; f < 2 * RHM_LANES; f++)
                        sum[f] = fmaf(
                            r[j * classes + c],
                            rhm_token_phasors(map, patches->ids + j * map->tokens, map->tokens - 1)[2 * k + f], sum[f]);
                for (size_t l = 0; l < RHM_LANES; l++) {
                    const float cosine = sum[l], sine = sum[RHM_LANES + l];
                    cosines[l] = fmaf(-p[RHM_LANES + l], sine, fmaf(p[l], cosine, cosines[l]));
                    sines[l] = fmaf(p[l], sine, fmaf(p[RHM_LANES + l], cosine, sines[l]));
                }
            }
            for (size_t l = 0; l < 2 * RHM_LANES; l++)
                g[c * stride + 2 * k + l] += (double)total[l];
        }
}

static void gram(size_t blocks, size_t count, const float *a, const float *b, size_t b_stride, double *c) {
    for (size_t block = 0; block < blocks; block++, b += b_stride)
        for (size_t i = 0; i < RHM_LANES; i++)
            for (size_t j = 0; j < RHM_LANES; j++, c++) {
                float sum = 0;
                for (size_t p = 0; p < count; p++)
                    sum = fmaf(a[p * RHM_LANES + i], b[p * RHM_LANES + j], sum);
                *c += (double)sum;
            }
}

static void gram_product(size_t classes, size_t blocks, const double *c, size_t c_stride, bool transposed,
                         const double *d, double *y) {
    for (size_t block = 0; block < blocks; block++)
        for (size_t j = 0; j < RHM_LANES; j++)
            for (size_t i = 0; i < RHM_LANES; i++) {
                const double cij = c[block * c_stride + (transposed ? j * RHM_LANES + i : i * RHM_LANES + j)];
                const double *row = d + (block * RHM_LANES + j) * classes;
                for (size_t v = 0; v < classes; v++)
                    y[i * classes + v] = fma(cij, row[v], y[i * classes + v]);
            }
}

const rhm_kernels RHM_TABLE = {
    .name = "reference",
    .isa = RHM_ISA_SCALAR,
    .features = features,
    .pack = pack,
    .product = product,
    .gradient = gradient,
    .forward = forward,
    .rotated_forward = rotated_forward,
    .rotated_gradient = rotated_gradient,
    .gram = gram,
    .gram_product = gram_product,
};
