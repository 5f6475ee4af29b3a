/* Random features as a kind of model. */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "model/kinds.h"
#include "model/random_features.h"

rhm_status rhm_random_features_new(rhm_model **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                                   rhm_error *error) {
    struct rhm_random_features *network = RHM_NEW(struct rhm_random_features, 1, 1, 1, "model", error);
    if (!network)
        return RHM_NO_MEMORY;
    const rhm_status status =
        rhm_model_init(&network->model, &rhm_random_features_kind, tree, classes, token_vocab, error);
    if (status == RHM_OK)
        *out = &network->model;
    else
        rhm_free(network);
    return status;
}

/* `below` is the level below, or NULL. */
static rhm_status copy_level(rhm_model *model, uint32_t level, const rhm_level_weights *source,
                             const rhm_level_weights *below, rhm_error *error) {
    const uint32_t blocks = below && below->positions ? below->positions : 1;
    const uint32_t embedding = below ? blocks * model->classes : model->token_vocab;
    RHM_TRY(rhm_layer_check(model, level, source, embedding, error));
    struct rhm_layer layer = {
        .tokens = source->tokens,
        .embedding = source->embedding,
        .classes = source->classes,
        .width = source->width,
        .bandwidth = source->bandwidth,
        .ridge = source->ridge,
        .positions = source->positions ? source->positions : 1,
    };
    RHM_TRY(rhm_layer_alloc(&layer, error));
    memcpy(layer.frequencies, source->frequencies, sizeof(float) * layer.width * layer.tokens * layer.embedding);
    memcpy(layer.weights, source->weights, sizeof(float) * rhm_layer_outputs(&layer) * 2 * layer.width);
    ((struct rhm_random_features *)model)->layer[level] = layer;
    return RHM_OK;
}

rhm_status rhm_model_create(rhm_model **out, uint32_t levels, const rhm_level_weights *level,
                            const rhm_grammar *grammar, rhm_error *error) {
    RHM_TRY(rhm_model_check_range("number of levels", levels, 1, RHM_MAX_LEVELS, error));
    uint32_t branching[RHM_MAX_LEVELS + 1] = {0};
    for (uint32_t l = 1; l <= levels; l++)
        branching[l] = level[l].tokens;
    rhm_model *model = NULL;
    rhm_tree tree;
    RHM_TRY(rhm_tree_make(&tree, levels, branching, error));
    RHM_TRY(rhm_random_features_new(&model, &tree, level[levels].classes, level[levels].embedding, error));
    rhm_status status = RHM_OK;
    for (uint32_t l = 1; l <= levels && status == RHM_OK; l++)
        status = copy_level(model, l, &level[l], l < levels ? &level[l + 1] : NULL, error);
    if (status == RHM_OK)
        status = rhm_model_keep_grammar(model, grammar, error);
    if (status != RHM_OK) {
        rhm_model_destroy(model);
        return status;
    }
    *out = model;
    return RHM_OK;
}

rhm_level_weights rhm_model_level(const rhm_model *model, uint32_t level) {
    return model->kind == &rhm_random_features_kind ? rhm_layer_view(&rhm_model_layers(model)[level])
                                                    : (rhm_level_weights){0};
}

const struct rhm_model_kind rhm_random_features_kind = {
    .name = "random-features",
    .create = rhm_random_features_new,
    .clear = rhm_random_features_clear,
    .hash = rhm_random_features_hash,
    .nbytes = rhm_random_features_nbytes,
    .describe = rhm_random_features_describe,
    .write = rhm_random_features_write,
    .read = rhm_random_features_read,
    .forward = rhm_random_features_forward,
    .together = rhm_random_features_together,
    .embedding = rhm_random_features_embedding,
    .embed = rhm_random_features_embed,
};
