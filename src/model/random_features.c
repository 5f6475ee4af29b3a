#include "model/random_features.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"

static struct rhm_random_features *network_of(const rhm_model *model) {
    return (struct rhm_random_features *)(uintptr_t)model;
}

const struct rhm_layer *rhm_model_layers(const rhm_model *model) {
    return network_of(model)->layer;
}

rhm_status rhm_layer_alloc(struct rhm_layer *layer, rhm_error *error) {
    layer->frequencies = RHM_NEW(float, layer->width, layer->tokens, layer->embedding, "random frequencies", error);
    layer->weights =
        layer->frequencies ? RHM_NEW(float, rhm_layer_outputs(layer), 2, layer->width, "weights", error) : NULL;
    if (layer->weights)
        return RHM_OK;
    rhm_layer_clear(layer);
    return RHM_NO_MEMORY;
}

void rhm_layer_clear(struct rhm_layer *layer) {
    rhm_free(layer->frequencies);
    rhm_free(layer->weights);
    layer->frequencies = NULL;
    layer->weights = NULL;
}

static rhm_status check_finite(const float *values, size_t rows, size_t columns, const char *what, uint32_t level,
                               rhm_error *error) {
    for (size_t i = 0; i < rows * columns; i++)
        if (!isfinite(values[i]))
            return rhm_fail(error, RHM_INVALID,
                            "%s of level %u at row %zu, column %zu is %g; every entry must be finite", what, level,
                            i / columns, i % columns, (double)values[i]);
    return RHM_OK;
}

rhm_level_weights rhm_layer_view(const struct rhm_layer *layer) {
    return (rhm_level_weights){
        .tokens = layer->tokens,
        .embedding = layer->embedding,
        .classes = layer->classes,
        .width = layer->width,
        .bandwidth = layer->bandwidth,
        .ridge = layer->ridge,
        .frequencies = layer->frequencies,
        .weights = layer->weights,
        .positions = layer->positions ? layer->positions : 1,
    };
}

rhm_status rhm_layer_check(const rhm_model *model, uint32_t level, const rhm_level_weights *layer, uint32_t embedding,
                           rhm_error *error) {
    if (level < 1 || level > model->tree.levels)
        return rhm_fail(error, RHM_INVALID, "the model has levels 1 to %u; there is no level %u", model->tree.levels,
                        level);
    const uint32_t most = level == 1 ? 1 : RHM_MAX_OUTPUTS / model->classes;
    const uint32_t positions = layer->positions ? layer->positions : 1, outputs = positions * layer->classes;
    if (positions > most)
        return rhm_fail(error, RHM_INVALID, "level %u has %u blocks of %u outputs: allowed are 1 to %u", level,
                        positions, model->classes, most);
    if (layer->tokens != model->tree.branching[level] || layer->classes != model->classes ||
        layer->embedding != embedding)
        return rhm_fail(
            error, RHM_INVALID,
            "level %u maps %u x %u inputs to %u classes; this model needs %u x %u inputs and %u classes there", level,
            layer->tokens, layer->embedding, layer->classes, model->tree.branching[level], embedding, model->classes);
    if (layer->width < 1 || layer->width > INT32_MAX / 2)
        return rhm_fail(error, RHM_INVALID, "level %u has width %u; allowed are 1 to %d", level, layer->width,
                        INT32_MAX / 2);
    if (!(layer->bandwidth > 0) || !isfinite(layer->bandwidth))
        return rhm_fail(error, RHM_INVALID, "level %u has bandwidth %g; it must be positive and finite", level,
                        layer->bandwidth);
    if (!(layer->ridge >= 0) || !isfinite(layer->ridge))
        return rhm_fail(error, RHM_INVALID, "level %u has ridge %g; it must be finite and not negative", level,
                        layer->ridge);
    if (!layer->frequencies || !layer->weights)
        return rhm_fail(error, RHM_INVALID, "level %u has no %s", level,
                        layer->frequencies ? "weights" : "frequencies");
    const size_t inputs = (size_t)layer->tokens * layer->embedding;
    RHM_TRY(check_finite(layer->frequencies, layer->width, inputs, "the frequency", level, error));
    return check_finite(layer->weights, outputs, 2 * (size_t)layer->width, "the weight", level, error);
}

/* What level `level` reads and level - 1 reads of it, as far as these levels are there; else as the layer has it. */
static rhm_status check_neighbours(const rhm_model *model, uint32_t level, const struct rhm_layer *layer,
                                   rhm_error *error) {
    const struct rhm_layer *all = network_of(model)->layer;
    const rhm_level_weights checked = rhm_layer_view(layer);
    const bool first = level >= model->tree.levels;
    const uint32_t embedding = first                    ? model->token_vocab
                               : all[level + 1].weights ? rhm_layer_outputs(&all[level + 1])
                                                        : layer->embedding;
    RHM_TRY(rhm_layer_check(model, level, &checked, embedding, error));
    if (level > 1 && all[level - 1].weights && all[level - 1].embedding != rhm_layer_outputs(layer))
        return rhm_fail(error, RHM_INVALID, "level %u has %u outputs, but level %u reads %u numbers of each", level,
                        rhm_layer_outputs(layer), level - 1, all[level - 1].embedding);
    return RHM_OK;
}

rhm_status rhm_model_take_layer(rhm_model *model, uint32_t level, struct rhm_layer *layer, rhm_error *error) {
    RHM_TRY(check_neighbours(model, level, layer, error));
    rhm_layer_clear(&network_of(model)->layer[level]);
    network_of(model)->layer[level] = *layer;
    layer->frequencies = NULL;
    layer->weights = NULL;
    return RHM_OK;
}

void rhm_random_features_clear(rhm_model *model) {
    for (uint32_t level = 1; level <= model->tree.levels; level++)
        rhm_layer_clear(&network_of(model)->layer[level]);
}

size_t rhm_random_features_nbytes(const rhm_model *model) {
    size_t sum = 0;
    for (uint32_t level = 1; level <= model->tree.levels; level++) {
        const struct rhm_layer *layer = &network_of(model)->layer[level];
        sum += sizeof(float) * layer->width *
               ((size_t)layer->tokens * layer->embedding + 2 * (size_t)rhm_layer_outputs(layer));
    }
    return sum;
}

json_t *rhm_random_features_describe(const rhm_model *model, uint32_t level) {
    const struct rhm_layer *layer = &network_of(model)->layer[level];
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f}", "level", (int)level, "tokens", (int)layer->tokens,
                     "embedding", (int)layer->embedding, "classes", (int)layer->classes, "positions",
                     layer->positions ? (int)layer->positions : 1, "width", (int)layer->width, "bandwidth",
                     layer->bandwidth, "ridge", layer->ridge);
}

static void hash_array(struct sha256_ctx *hash, const float *values, size_t count) {
    sha256_update(hash, count * sizeof *values, (const uint8_t *)values);
}

void rhm_random_features_hash(const rhm_model *model, struct sha256_ctx *hash) {
    for (uint32_t level = model->tree.levels; level >= 1; level--) {
        const struct rhm_layer *layer = &network_of(model)->layer[level];
        const uint32_t shape[5] = {level, layer->tokens, layer->embedding, rhm_layer_outputs(layer), layer->width};
        const double numbers[2] = {layer->bandwidth, layer->ridge};
        sha256_update(hash, sizeof shape, (const uint8_t *)shape);
        sha256_update(hash, sizeof numbers, (const uint8_t *)numbers);
        hash_array(hash, layer->frequencies, (size_t)layer->width * layer->tokens * layer->embedding);
        hash_array(hash, layer->weights, (size_t)rhm_layer_outputs(layer) * 2 * layer->width);
    }
}
