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
    const size_t stride = rhm_feature_stride(map->padded);
    memcpy(x, map->phasors + ids[0] * stride + 2 * k, sizeof *x * 2 * RHM_LANES);
    for (size_t t = 1; t < map->tokens; t++) {
        const float *by = map->phasors + (t * map->phasor_rows + ids[t]) * stride + 2 * k;
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

static void accumulate(float lane[RHM_LANES], const float *w, const float *x, size_t length) {
    for (size_t f = 0; f < length; f += RHM_LANES)
        for (size_t l = 0; l < RHM_LANES; l++)
            lane[l] = fmaf(w[f + l], x[f + l], lane[l]);
}

static float lane_sum(float lane[RHM_LANES]) {
    for (size_t half = RHM_LANES / 2; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] = lane[i] + lane[i + half];
    return lane[0];
}

/* Rows of 2 padded floats, without what is between those of w. */
static void pack(size_t classes, size_t padded, const float *w, float *packed) {
    for (size_t c = 0; c < classes; c++)
        memcpy(packed + c * 2 * padded, w + c * rhm_feature_stride(padded), sizeof *w * 2 * padded);
}

static void product(size_t classes, size_t padded, const float *w, size_t count, const float *x, float *y) {
    const size_t stride = rhm_feature_stride(padded);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < classes; c++) {
            float lane[RHM_LANES] = {0};
            accumulate(lane, w + c * 2 * padded, x + i * stride, 2 * padded);
            y[i * classes + c] = lane_sum(lane);
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
            float lane[BLOCK][RHM_LANES] = {{0}}, x[2 * RHM_LANES];
            for (size_t k = 0; k < map->padded; k += RHM_LANES) {
                feature_group(map, patches->table, patches->ids + i * map->tokens, k, x);
                for (size_t c = 0; c < block; c++)
                    accumulate(lane[c], w + (first + c) * 2 * map->padded + 2 * k, x, 2 * RHM_LANES);
            }
            for (size_t c = 0; c < block; c++)
                y[i * classes + first + c] = lane_sum(lane[c]);
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
    .gram = gram,
    .gram_product = gram_product,
};
