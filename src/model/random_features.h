/* The network of the paper: per level random frequencies and a linear map of their cosines and sines. */
#ifndef RHM_MODEL_RANDOM_FEATURES_H
#define RHM_MODEL_RANDOM_FEATURES_H

#include "model/model.h"

/* One level; the fields are those of rhm_level_weights. Both arrays come from rhm_alloc and are owned. */
struct rhm_layer {
    uint32_t tokens;    /* s_l */
    uint32_t embedding; /* d_e */
    uint32_t classes;   /* |V_0| */
    uint32_t width;     /* M */
    double bandwidth;
    double ridge;
    float *frequencies; /* (M, s_l d_e) */
    float *weights;     /* (K |V_0|, 2M) */
    uint32_t positions; /* K: blocks of |V_0| outputs; 0 is taken as 1 */
};

/* K |V_0|: numbers that embed a patch. */
static inline uint32_t rhm_layer_outputs(const struct rhm_layer *layer) {
    return layer->classes * (layer->positions ? layer->positions : 1);
}

struct rhm_random_features {
    rhm_model model;
    struct rhm_layer layer[RHM_MAX_LEVELS + 1]; /* entries 1..levels */
};

/* A model without levels yet; refuses vocabularies out of range. */
rhm_status rhm_random_features_new(rhm_model **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                                   rhm_error *error);

/* layer[0..levels] of a model that is known to have random features. */
const struct rhm_layer *rhm_model_layers(const rhm_model *model);

/*
 * Move the arrays of `layer` into the model and set its pointers to NULL; a level the model had is released. The shape
 * is checked against the model's and that of the levels next to it, as far as they are there; bandwidth and ridge must
 * be sensible and every array element finite. On failure `layer` keeps its arrays.
 */
rhm_status rhm_model_take_layer(rhm_model *model, uint32_t level, struct rhm_layer *layer, rhm_error *error);

/* Zeroed arrays for a layer whose shape fields are set. */
rhm_status rhm_layer_alloc(struct rhm_layer *layer, rhm_error *error);

/* Release the arrays; accepts a zeroed layer. */
void rhm_layer_clear(struct rhm_layer *layer);

/* A level as the public API shows it; whether it fits the model, `embedding` being the numbers that it reads of a
 * token. */
rhm_level_weights rhm_layer_view(const struct rhm_layer *layer);
rhm_status rhm_layer_check(const rhm_model *model, uint32_t level, const rhm_level_weights *layer, uint32_t embedding,
                           rhm_error *error);

/* The operations of the kind. */
uint32_t rhm_random_features_embedding(const rhm_model *model, uint32_t level);
rhm_status rhm_random_features_embed(const rhm_model *model, const rhm_engine *engine, uint32_t level,
                                     const uint16_t *tokens, size_t count, float *out, rhm_error *error);
void rhm_random_features_clear(rhm_model *model);
void rhm_random_features_hash(const rhm_model *model, struct sha256_ctx *hash);
size_t rhm_random_features_nbytes(const rhm_model *model);
json_t *rhm_random_features_describe(const rhm_model *model, uint32_t level);
rhm_status rhm_random_features_write(rhm_h5 *file, const rhm_model *model, rhm_error *error);
rhm_status rhm_random_features_read(rhm_model *model, const rhm_h5 *file, rhm_error *error);
rhm_status rhm_random_features_forward(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                                       rhm_outputs *outputs, rhm_error *error);
size_t rhm_random_features_together(const rhm_model *model);

#endif
