/*
 * What is regressed on what: distinct patches, made of the rows of a table of embeddings, with how often each came with
 * each label.
 *
 * Patches of several positions of a level are as many regressions side by side, blocks of classes: they share the
 * features, but each weighs the patches by how often these came at its own position.
 */
#ifndef RHM_LINEAR_DATA_H
#define RHM_LINEAR_DATA_H

#include "kernels/kernels.h"
#include "patches/patches.h"

/* Borrowed, with all it points to, by everything that is made of it. */
typedef struct rhm_linear_data {
    const rhm_phase_map *map; /* the features of a patch */
    size_t width;             /* M */
    size_t classes;           /* of all blocks: K |V_0| */
    size_t blocks;            /* K */
    const float *table;       /* (rows, d_e) */
    size_t rows;
    const rhm_intern *patches; /* their tokens are rows of the table */
    const rhm_patch_counts *counts;
    uint64_t samples; /* N, of each block unless counts->of_block says otherwise */
} rhm_linear_data;

static inline size_t rhm_linear_block_classes(const rhm_linear_data *data) {
    return data->classes / data->blocks;
}

static inline double rhm_linear_samples(const rhm_linear_data *data, size_t block) {
    return (double)(data->counts->of_block ? data->counts->of_block[block] : data->samples);
}

/* p_mu = n_mu / N of a distinct patch in one block. *cell is the first of the patch's cells that is in no earlier
 * block, and becomes the first of the next one. */
static inline double rhm_linear_next_share(const rhm_linear_data *data, size_t patch, size_t block, size_t *cell) {
    const rhm_patch_counts *counts = data->counts;
    const size_t end = counts->offset[patch + 1], classes = (block + 1) * rhm_linear_block_classes(data);
    uint64_t n = 0;
    for (; *cell < end && counts->label[*cell] < classes; ++*cell)
        n += counts->count[*cell];
    return (double)n / rhm_linear_samples(data, block);
}

static inline double rhm_linear_share(const rhm_linear_data *data, size_t patch, size_t block) {
    size_t cell = data->counts->offset[patch];
    double share = 0;
    for (size_t b = 0; b <= block; b++)
        share = rhm_linear_next_share(data, patch, b, &cell);
    return share;
}

#endif
