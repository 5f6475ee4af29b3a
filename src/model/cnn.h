/*
 * A convolutional network trained by gradient descent (network/network.h), whose softmax is the posterior of the label.
 * A level is the convolution that turns it into the level above.
 */
#ifndef RHM_MODEL_CNN_H
#define RHM_MODEL_CNN_H

#include "model/model.h"
#include "network/network.h"

struct rhm_cnn {
    rhm_model model;
    rhm_network_shape shape;
    rhm_network_layout layout;
    float *parameters; /* (layout.parameters), owned; NULL: none yet */
};

/* A model without parameters yet. The shape's tree, vocabulary and classes are the model's. */
rhm_status rhm_cnn_new(struct rhm_cnn **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                       rhm_error *error);

/* Take over the shape and make room for its parameters, zero; refuses what is not of the model's tree. */
rhm_status rhm_cnn_shape(struct rhm_cnn *cnn, const rhm_network_shape *shape, rhm_error *error);

/* Multiply-adds of a forward pass for each sequence at a level, 0: the readout. Of tokens rows of weights are added, a
 * multiply-add a number. */
double rhm_cnn_products(const rhm_network_shape *shape, const rhm_network_layout *layout, uint32_t level);

const struct rhm_cnn *rhm_cnn_of(const rhm_model *model);

/* The parts of the kind that have a file of their own. */
rhm_status rhm_cnn_write(rhm_h5 *file, const rhm_model *model, rhm_error *error);
rhm_status rhm_cnn_read(rhm_model *model, const rhm_h5 *file, rhm_error *error);
rhm_status rhm_cnn_forward(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                           rhm_outputs *outputs, rhm_error *error);
rhm_status rhm_cnn_embed(const rhm_model *model, const rhm_engine *engine, uint32_t level, const uint16_t *tokens,
                         size_t count, float *out, rhm_error *error);

#endif
