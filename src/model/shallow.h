/* One map of random features for the whole sequence: a network of random features whose only patch is all tokens. */
#ifndef RHM_MODEL_SHALLOW_H
#define RHM_MODEL_SHALLOW_H

#include "model/random_features.h"

struct rhm_shallow {
    rhm_model model;
    rhm_model *flat; /* of one level; owned */
};

/* The tree of one level that has the tokens of another. */
rhm_tree rhm_flat_tree(const rhm_tree *tree);

/* A model without its layer yet; refuses vocabularies out of range. */
rhm_status rhm_shallow_new(rhm_model **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                           rhm_error *error);

/* As rhm_model_take_layer. */
rhm_status rhm_shallow_take_layer(rhm_model *model, struct rhm_layer *layer, rhm_error *error);

#endif
