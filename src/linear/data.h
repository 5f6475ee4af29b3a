/*
 * What is regressed on what: distinct patches, made of the rows of a table of embeddings, with how often each came with
 * each label.
 */
#ifndef RHM_LINEAR_DATA_H
#define RHM_LINEAR_DATA_H

#include "kernels/kernels.h"
#include "patches/patches.h"

/* Borrowed, with all it points to, by everything that is made of it. */
typedef struct rhm_linear_data {
    const rhm_phase_map *map; /* the features of a patch */
    size_t width;             /* M */
    size_t classes;           /* |V_0| */
    const float *table;       /* (rows, d_e) */
    size_t rows;
    const rhm_intern *patches; /* their tokens are rows of the table */
    const rhm_patch_counts *counts;
    uint64_t samples; /* N */
} rhm_linear_data;

/* p_mu = n_mu / N of a distinct patch. */
static inline double rhm_linear_share(const rhm_linear_data *data, size_t patch) {
    uint64_t n = 0;
    for (size_t cell = data->counts->offset[patch]; cell < data->counts->offset[patch + 1]; cell++)
        n += data->counts->count[cell];
    return (double)n / (double)data->samples;
}

#endif
