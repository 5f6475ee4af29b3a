/*
 * What is regressed on what: distinct patches, made of the rows of a table of embeddings, with how often each came with
 * each label.
 *
 * Patches of several positions of a level are as many regressions side by side, blocks of classes: they share the
 * features, but each weighs the patches by how often these came at its own position. What a block makes of patches that
 * hardly ever came there is arbitrary, and different for synonyms. So blocks can be told that a small part of their
 * samples are patches from all blocks with labels in the block's own proportions, which say nothing.
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
    const size_t *begin; /* NULL, or (ranks + 1): the table has the rows of each rank's patches on that rank alone; so
                            may the lists of patches and counts */
    const rhm_intern *patches; /* their tokens are rows of the table */
    const rhm_patch_counts *counts;
    uint64_t samples;        /* N, of each block unless counts->of_block says otherwise */
    double pooled;           /* samples from all blocks, for each of a block's own; 0 where there is one block */
    const double *frequency; /* (classes), where some are pooled: of the labels of each block */
} rhm_linear_data;

static inline size_t rhm_linear_block_classes(const rhm_linear_data *data) {
    return data->classes / data->blocks;
}

static inline double rhm_linear_samples(const rhm_linear_data *data, size_t block) {
    return (double)(data->counts->of_block ? data->counts->of_block[block] : data->samples);
}

/* The cells of a distinct patch, block after block. */
typedef struct rhm_linear_cells {
    size_t next, end;
    double pooled; /* share of the patch in the samples of all blocks, times data->pooled */
} rhm_linear_cells;

static inline rhm_linear_cells rhm_linear_cells_of(const rhm_linear_data *data, size_t patch) {
    const rhm_patch_counts *counts = data->counts;
    rhm_linear_cells cells = {counts->offset[patch], counts->offset[patch + 1], 0};
    double samples = 0;
    for (size_t cell = cells.next; data->pooled > 0 && cell < cells.end; cell++)
        cells.pooled += (double)counts->count[cell];
    for (size_t block = 0; data->pooled > 0 && block < data->blocks; block++)
        samples += rhm_linear_samples(data, block);
    cells.pooled *= samples > 0 ? data->pooled / samples : 0;
    return cells;
}

/* p_mu of the patch in the next block. */
static inline double rhm_linear_next_share(const rhm_linear_data *data, size_t block, rhm_linear_cells *cells) {
    const size_t classes = (block + 1) * rhm_linear_block_classes(data);
    uint64_t n = 0;
    for (; cells->next < cells->end && data->counts->label[cells->next] < classes; cells->next++)
        n += data->counts->count[cells->next];
    return ((double)n / rhm_linear_samples(data, block) + cells->pooled) / (1 + data->pooled);
}

static inline double rhm_linear_share(const rhm_linear_data *data, size_t patch, size_t block) {
    rhm_linear_cells cells = rhm_linear_cells_of(data, patch);
    double share = 0;
    for (size_t b = 0; b <= block; b++)
        share = rhm_linear_next_share(data, b, &cells);
    return share;
}

/* p_mu q_mu of a patch for one label, with which it came `count` times; `pooled` of its cells. */
static inline double rhm_linear_joint(const rhm_linear_data *data, size_t label, uint64_t count, double pooled) {
    const double usual = pooled > 0 ? pooled * data->frequency[label] : 0;
    const double own = (double)count / rhm_linear_samples(data, label / rhm_linear_block_classes(data));
    return (own + usual) / (1 + data->pooled);
}

#endif
