/* Convolutional networks as a kind of model. */
#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "model/cnn.h"
#include "model/kinds.h"

rhm_status rhm_cnn_new(struct rhm_cnn **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                       rhm_error *error) {
    struct rhm_cnn *cnn = RHM_NEW(struct rhm_cnn, 1, 1, 1, "model", error);
    if (!cnn)
        return RHM_NO_MEMORY;
    const rhm_status status = rhm_model_init(&cnn->model, &rhm_cnn_kind, tree, classes, token_vocab, error);
    if (status == RHM_OK)
        *out = cnn;
    else
        rhm_free(cnn);
    return status;
}

static rhm_status create(rhm_model **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                         rhm_error *error) {
    struct rhm_cnn *cnn = NULL;
    RHM_TRY(rhm_cnn_new(&cnn, tree, classes, token_vocab, error));
    *out = &cnn->model;
    return RHM_OK;
}

static void clear(rhm_model *model) {
    rhm_free(((struct rhm_cnn *)model)->parameters);
}

static void hash_floats(struct sha256_ctx *hash, const float *numbers, size_t count) {
    sha256_update(hash, sizeof *numbers * count, (const uint8_t *)numbers);
}

static void hash(const rhm_model *model, struct sha256_ctx *hash) {
    const struct rhm_cnn *cnn = rhm_cnn_of(model);
    const rhm_network_shape *shape = &cnn->shape;
    sha256_update(hash, strlen(model->kind->name), (const uint8_t *)model->kind->name);
    for (uint32_t l = model->tree.levels; l >= 1; l--) {
        const uint32_t sizes[5] = {l, shape->branching[l], (uint32_t)cnn->layout.inputs[l],
                                   (uint32_t)cnn->layout.outputs[l],
                                   shape->bias ? (uint32_t)cnn->layout.positions[l] : 0};
        sha256_update(hash, sizeof sizes, (const uint8_t *)sizes);
        hash_floats(hash, &shape->weight_scale[l], 1);
    }
    const float scales[4] = {shape->bias ? shape->bias_scale : 0, shape->readout_scale, shape->input_scale,
                             shape->input_shift};
    hash_floats(hash, scales, 4);
    hash_floats(hash, cnn->parameters, cnn->layout.parameters);
}

static size_t nbytes(const rhm_model *model) {
    return sizeof(float) * rhm_cnn_of(model)->layout.parameters;
}

/* Root mean square of weights, which are 1 in the beginning. */
static double size_of(const float *weights, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)weights[i] * (double)weights[i];
    return sqrt(sum / (double)count);
}

static json_t *describe(const rhm_model *model, uint32_t l) {
    const struct rhm_cnn *cnn = rhm_cnn_of(model);
    const rhm_network_layout *layout = &cnn->layout;
    return json_pack("{s:i, s:i, s:i, s:i, s:I, s:I, s:f, s:f}", "level", (int)l, "tokens",
                     (int)cnn->shape.branching[l], "inputs", (int)layout->inputs[l], "width", (int)layout->outputs[l],
                     "positions", (json_int_t)layout->positions[l], "biases",
                     (json_int_t)(cnn->shape.bias ? layout->positions[l] * layout->outputs[l] : 0), "scale",
                     (double)cnn->shape.weight_scale[l], "rms",
                     size_of(cnn->parameters + layout->weights[l], rhm_network_weights(layout, &cnn->shape, l)));
}

static uint32_t embedding(const rhm_model *model, uint32_t level) {
    return (uint32_t)rhm_cnn_of(model)->layout.outputs[level];
}

const struct rhm_model_kind rhm_cnn_kind = {
    .name = "cnn",
    .create = create,
    .clear = clear,
    .hash = hash,
    .nbytes = nbytes,
    .describe = describe,
    .write = rhm_cnn_write,
    .read = rhm_cnn_read,
    .forward = rhm_cnn_forward,
    .embedding = embedding,
    .embed = rhm_cnn_embed,
};
