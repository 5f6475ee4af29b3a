/*
 * A level ready to run: its arrays in the kernels' layout, and patches pushed through it.
 *
 * Embeddings are handled centred, minus 1/|V_0| in every coordinate: deep posteriors differ from uniform by rho, and a
 * phase w . h computed from the small differences keeps the digits that w . h would lose. The phase of the centre
 * itself is added in double precision through the offset, so the features are those of the paper.
 */
#ifndef RHM_MODEL_LAYER_H
#define RHM_MODEL_LAYER_H

#include "kernels/kernels.h"
#include "model/random_features.h"
#include "patches/patches.h"
#include "rhm/ranks.h"

typedef struct rhm_ready_layer {
    rhm_phase_map map;
    size_t classes;    /* |V_0| */
    size_t outputs;    /* K |V_0| */
    size_t width;      /* M */
    bool one_hot;      /* level L */
    float *half_turns; /* owned; what map points to */
    float *offset;     /* owned */
    float *weights;    /* (outputs, features): M^(-1/2) W in feature order; owned */
} rhm_ready_layer;

/* One-hot inputs (level L) are not centred. Weights are set if layer->weights is not NULL. */
rhm_status rhm_ready_layer_make(rhm_ready_layer *ready, const struct rhm_layer *layer, bool one_hot, rhm_error *error);
void rhm_ready_layer_clear(rhm_ready_layer *ready); /* accepts a zeroed one */

/* Reorder W (K |V_0|, 2M as in files) into feature rows scaled by M^(-1/2). */
void rhm_ready_layer_set_weights(rhm_ready_layer *ready, const float *weights);

/* The random frequencies of a layer whose sizes and bandwidth are set: the same directions for every bandwidth, a
 * longer list for a larger width. On the engine's threads, of all its ranks, or with NULL on the calling one, where
 * nothing fails. */
rhm_status rhm_layer_draw_frequencies(struct rhm_layer *layer, const rhm_engine *engine, uint64_t seed, uint32_t level,
                                      rhm_error *error);

/* The weights of a layer as a solver has them: w (classes, stride) in feature order. */
void rhm_layer_store_weights(struct rhm_layer *layer, const double *w, size_t stride);

/* A growing table of centred embeddings: row i belongs to distinct patch i. Of several ranks each may have a part. */
typedef struct rhm_embeddings {
    size_t count, capacity, width;
    size_t first;             /* of the rows that are here */
    const size_t *parts;      /* NULL, or (ranks + 1), the caller's: patches of the level above whose rows ranks have */
    size_t all;               /* where each rank numbers rows of its own: those of all together, at least; else 0 */
    float *row;               /* (capacity, width): from that row on */
    const rhm_engine *engine; /* whose memory limit counts `reserved_nbytes`, or NULL */
    size_t reserved_nbytes;
    double kernel_seconds; /* spent in kernels to fill it, */
    double flops;          /* on so many multiply-adds of their products, counted as two */
} rhm_embeddings;

/* Where row 0 would be: for the rows that are here. */
static inline const float *rhm_embeddings_rows(const rhm_embeddings *table) {
    return table->row - table->first * table->width;
}

/* One-hot rows for `vocab` tokens. */
rhm_status rhm_embeddings_one_hot(rhm_embeddings *table, size_t vocab, rhm_error *error);
void rhm_embeddings_clear(rhm_embeddings *table);

/*
 * Append to `out` the normalised, centred outputs, every block by itself, of the distinct patches out->count, ...,
 * patches->count - 1, whose tuples name rows of `inputs`. *clamped (may be NULL) grows by the blocks that met the
 * floor.
 */
rhm_status rhm_embed(rhm_embeddings *out, const rhm_engine *engine, const rhm_ready_layer *layer,
                     const rhm_intern *patches, const rhm_embeddings *inputs, uint64_t *clamped, rhm_error *error);

/*
 * The same for the patches of this rank alone, own.first..own.end-1, whatever rows were here before; `inputs` must have
 * the rows that they name. The parts of all ranks are all patches. *clamped grows by what all ranks have met.
 */
rhm_status rhm_embed_part(rhm_embeddings *out, const rhm_engine *engine, const rhm_ready_layer *layer,
                          const rhm_intern *patches, const rhm_embeddings *inputs, rhm_ranks_part own,
                          uint64_t *clamped, rhm_error *error);

/* Push the subtrees of a collection of patches through levels L..level+1, extending tables[L+1], ..., tables[level+1]
 * (tables[L+1] holds the one-hot tokens). ready[j] is the level j. */
rhm_status rhm_embed_subtrees(rhm_embeddings *tables, const rhm_engine *engine, const rhm_ready_layer *ready,
                              const rhm_patches *patches, uint64_t *clamped, rhm_error *error);

#endif
