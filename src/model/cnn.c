#include "model/cnn.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

const struct rhm_cnn *rhm_cnn_of(const rhm_model *model) {
    return (const struct rhm_cnn *)model;
}

rhm_status rhm_cnn_shape(struct rhm_cnn *cnn, const rhm_network_shape *shape, rhm_error *error) {
    const rhm_tree *tree = &cnn->model.tree;
    rhm_network_layout layout;
    RHM_TRY(rhm_network_layout_init(&layout, shape, error));
    if (shape->levels != tree->levels || layout.tokens != tree->leaves[0] ||
        memcmp(shape->branching + 1, tree->branching + 1, sizeof *tree->branching * tree->levels) != 0 ||
        shape->vocab != cnn->model.token_vocab || shape->classes != cnn->model.classes)
        return rhm_fail(error, RHM_INVALID,
                        "the network (%u levels, %zu tokens a sequence of %zu, %zu labels) is not of the model's shape "
                        "(%u levels, %zu tokens of %u, %u labels)",
                        shape->levels, layout.tokens, shape->vocab, shape->classes, tree->levels, tree->leaves[0],
                        cnn->model.token_vocab, cnn->model.classes);
    float *parameters = RHM_NEW(float, layout.parameters, 1, 1, "parameters of a network", error);
    if (!parameters)
        return RHM_NO_MEMORY;
    rhm_free(cnn->parameters);
    cnn->parameters = parameters;
    cnn->shape = *shape;
    cnn->layout = layout;
    return RHM_OK;
}

double rhm_cnn_products(const rhm_network_shape *shape, const rhm_network_layout *layout, uint32_t level) {
    const double inputs = level == shape->levels ? (double)layout->inputs[level] : 1;
    return (double)rhm_network_weights(layout, shape, level) / inputs * (double)layout->positions[level];
}
