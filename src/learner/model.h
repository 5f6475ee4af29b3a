/* A trained model from the inside: how the trainer builds one. Readers use the public accessors of rhm/learner.h. */
#ifndef RHM_LEARNER_MODEL_H
#define RHM_LEARNER_MODEL_H

#include "rhm/learner.h"

/* One level; the fields are those of rhm_level_weights. Both arrays come from rhm_alloc and are owned. */
struct rhm_layer {
    uint32_t tokens;    /* s */
    uint32_t embedding; /* d_e */
    uint32_t classes;   /* |V_0| */
    uint32_t width;     /* M */
    double bandwidth;
    double ridge;
    float *frequencies; /* (M, s d_e) */
    float *weights;     /* (|V_0|, 2M) */
};

struct rhm_model {
    uint32_t levels, branching, classes, token_vocab;
    struct rhm_layer layer[RHM_MAX_LEVELS + 1]; /* entries 1..levels */
    rhm_grammar *grammar;                       /* owned, or NULL */
    char *report;                               /* owned, NUL-terminated, or NULL */
};

/* A model without levels yet; refuses shapes out of range and s^L that is not addressable. */
rhm_status rhm_model_new(rhm_model **out, uint32_t levels, uint32_t branching, uint32_t classes, uint32_t token_vocab,
                         rhm_error *error);

/*
 * Move the arrays of `layer` into the model and set its pointers to NULL; a level the model had is released. The shape
 * is checked against the model's, bandwidth and ridge must be sensible and every array element finite; on failure
 * `layer` keeps its arrays.
 */
rhm_status rhm_model_take_layer(rhm_model *model, uint32_t level, struct rhm_layer *layer, rhm_error *error);

/* Zeroed arrays for a layer whose shape fields are set. */
rhm_status rhm_layer_alloc(struct rhm_layer *layer, rhm_error *error);

/* Release the arrays; accepts a zeroed layer. */
void rhm_layer_clear(struct rhm_layer *layer);

/* Keep a copy of the grammar (NULL: forget it); its shape must be the model's. */
rhm_status rhm_model_keep_grammar(rhm_model *model, const rhm_grammar *grammar, rhm_error *error);

#endif
