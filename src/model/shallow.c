#include "model/shallow.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "model/kinds.h"

static rhm_model *flat_of(const rhm_model *model) {
    return ((const struct rhm_shallow *)model)->flat;
}

rhm_tree rhm_flat_tree(const rhm_tree *tree) {
    rhm_tree flat = {.levels = 1};
    flat.branching[1] = (uint32_t)tree->leaves[0];
    flat.nodes[0] = flat.leaves[1] = 1;
    flat.nodes[1] = flat.leaves[0] = tree->leaves[0];
    return flat;
}

rhm_status rhm_shallow_new(rhm_model **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                           rhm_error *error) {
    const rhm_tree flat = rhm_flat_tree(tree);
    struct rhm_shallow *shallow = RHM_NEW(struct rhm_shallow, 1, 1, 1, "model", error);
    if (!shallow)
        return RHM_NO_MEMORY;
    rhm_status status = rhm_model_init(&shallow->model, &rhm_shallow_kind, tree, classes, token_vocab, error);
    if (status == RHM_OK)
        status = rhm_random_features_new(&shallow->flat, &flat, classes, token_vocab, error);
    if (status == RHM_OK)
        *out = &shallow->model;
    else
        rhm_free(shallow);
    return status;
}

rhm_status rhm_shallow_take_layer(rhm_model *model, struct rhm_layer *layer, rhm_error *error) {
    return rhm_model_take_layer(flat_of(model), 1, layer, error);
}

static void clear_flat(rhm_model *model) {
    rhm_model_destroy(flat_of(model));
}

static void hash_flat(const rhm_model *model, struct sha256_ctx *hash) {
    sha256_update(hash, strlen(model->kind->name), (const uint8_t *)model->kind->name);
    rhm_random_features_hash(flat_of(model), hash);
}

static size_t flat_nbytes(const rhm_model *model) {
    return rhm_random_features_nbytes(flat_of(model));
}

static json_t *describe_flat(const rhm_model *model, uint32_t level) {
    return rhm_random_features_describe(flat_of(model), level);
}

static rhm_status write_flat(rhm_h5 *file, const rhm_model *model, rhm_error *error) {
    return rhm_random_features_write(file, flat_of(model), error);
}

static rhm_status read_flat(rhm_model *model, const rhm_h5 *file, rhm_error *error) {
    return rhm_random_features_read(flat_of(model), file, error);
}

/* Whole sequences are first patches of level 1 in both trees. */
static rhm_status forward_flat(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                               rhm_outputs *outputs, rhm_error *error) {
    return rhm_random_features_forward(flat_of(model), engine, batch, outputs, error);
}

static size_t flat_together(const rhm_model *model) {
    return rhm_random_features_together(flat_of(model));
}

static uint32_t flat_embedding(const rhm_model *model, uint32_t level) {
    return level == 1 ? rhm_random_features_embedding(flat_of(model), 1) : 0;
}

static rhm_status embed_flat(const rhm_model *model, const rhm_engine *engine, uint32_t level, const uint16_t *tokens,
                             size_t count, float *out, rhm_error *error) {
    return level == 1 ? rhm_random_features_embed(flat_of(model), engine, 1, tokens, count, out, error)
                      : rhm_fail(error, RHM_UNSUPPORTED,
                                 "a shallow model has the outputs of level 1 alone, not of level %u", level);
}

const struct rhm_model_kind rhm_shallow_kind = {
    .name = "shallow",
    .flat = true,
    .create = rhm_shallow_new,
    .clear = clear_flat,
    .hash = hash_flat,
    .nbytes = flat_nbytes,
    .describe = describe_flat,
    .write = write_flat,
    .read = read_flat,
    .forward = forward_flat,
    .together = flat_together,
    .embedding = flat_embedding,
    .embed = embed_flat,
};
