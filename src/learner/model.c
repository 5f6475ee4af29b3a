#include "learner/model.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/sha256.h"
#include "grammar/copy.h"

/* Hash and files are little-endian, and arrays are hashed as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rhm supports little-endian machines only");
_Static_assert((int)RHM_SHA256_TEXT_NBYTES == (int)RHM_HASH_TEXT_NBYTES, "two hexadecimal digits per byte and a NUL");

static rhm_status check_range(const char *what, uint32_t value, uint32_t low, uint32_t high, rhm_error *error) {
    if (value < low || value > high)
        return rhm_fail(error, RHM_INVALID, "the model's %s is %u; allowed are %u to %u", what, value, low, high);
    return RHM_OK;
}

rhm_status rhm_model_new(rhm_model **out, uint32_t levels, uint32_t branching, uint32_t classes, uint32_t token_vocab,
                         rhm_error *error) {
    RHM_TRY(check_range("number of levels", levels, 1, RHM_MAX_LEVELS, error));
    RHM_TRY(check_range("branching", branching, 2, RHM_MAX_BRANCHING, error));
    RHM_TRY(check_range("number of classes", classes, 1, RHM_MAX_VOCAB, error));
    RHM_TRY(check_range("token vocabulary", token_vocab, 1, RHM_MAX_VOCAB, error));
    size_t nbytes = sizeof(uint16_t);
    for (uint32_t level = 0; level < levels; level++)
        if (!rhm_size_mul(&nbytes, branching) || nbytes > PTRDIFF_MAX)
            return rhm_fail(error, RHM_INVALID,
                            "a model of %u levels with branching %u reads %u^%u tokens, which no memory can hold",
                            levels, branching, branching, levels);
    rhm_model *model = RHM_NEW(rhm_model, 1, 1, 1, "model", error);
    if (!model)
        return RHM_NO_MEMORY;
    model->levels = levels;
    model->branching = branching;
    model->classes = classes;
    model->token_vocab = token_vocab;
    *out = model;
    return RHM_OK;
}

rhm_status rhm_layer_alloc(struct rhm_layer *layer, rhm_error *error) {
    layer->frequencies = RHM_NEW(float, layer->width, layer->tokens, layer->embedding, "random frequencies", error);
    layer->weights = layer->frequencies ? RHM_NEW(float, layer->classes, 2, layer->width, "weights", error) : NULL;
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

static rhm_level_weights view(const struct rhm_layer *layer) {
    return (rhm_level_weights){
        .tokens = layer->tokens,
        .embedding = layer->embedding,
        .classes = layer->classes,
        .width = layer->width,
        .bandwidth = layer->bandwidth,
        .ridge = layer->ridge,
        .frequencies = layer->frequencies,
        .weights = layer->weights,
    };
}

static rhm_status check_layer(const rhm_model *model, uint32_t level, const rhm_level_weights *layer,
                              rhm_error *error) {
    if (level < 1 || level > model->levels)
        return rhm_fail(error, RHM_INVALID, "the model has levels 1 to %u; there is no level %u", model->levels, level);
    const uint32_t embedding = level == model->levels ? model->token_vocab : model->classes;
    if (layer->tokens != model->branching || layer->classes != model->classes || layer->embedding != embedding)
        return rhm_fail(
            error, RHM_INVALID,
            "level %u maps %u x %u inputs to %u classes; this model needs %u x %u inputs and %u classes there", level,
            layer->tokens, layer->embedding, layer->classes, model->branching, embedding, model->classes);
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
    return check_finite(layer->weights, layer->classes, 2 * (size_t)layer->width, "the weight", level, error);
}

rhm_status rhm_model_take_layer(rhm_model *model, uint32_t level, struct rhm_layer *layer, rhm_error *error) {
    const rhm_level_weights checked = view(layer);
    RHM_TRY(check_layer(model, level, &checked, error));
    rhm_layer_clear(&model->layer[level]);
    model->layer[level] = *layer;
    layer->frequencies = NULL;
    layer->weights = NULL;
    return RHM_OK;
}

rhm_status rhm_model_keep_grammar(rhm_model *model, const rhm_grammar *grammar, rhm_error *error) {
    rhm_grammar *copy = NULL;
    if (grammar) {
        const rhm_shape *shape = rhm_grammar_shape(grammar);
        if (shape->levels != model->levels || shape->branching != model->branching ||
            shape->vocab[0] != model->classes || shape->vocab[shape->levels] != model->token_vocab)
            return rhm_fail(error, RHM_INVALID,
                            "the grammar (levels %u, branching %u, %u labels, %u tokens) is not of the model's shape "
                            "(levels %u, branching %u, %u labels, %u tokens)",
                            shape->levels, shape->branching, shape->vocab[0], shape->vocab[shape->levels],
                            model->levels, model->branching, model->classes, model->token_vocab);
        RHM_TRY(rhm_grammar_copy(&copy, grammar, error));
    }
    rhm_grammar_destroy(model->grammar);
    model->grammar = copy;
    return RHM_OK;
}

static rhm_status copy_level(rhm_model *model, uint32_t level, const rhm_level_weights *source, rhm_error *error) {
    RHM_TRY(check_layer(model, level, source, error));
    struct rhm_layer layer = {
        .tokens = source->tokens,
        .embedding = source->embedding,
        .classes = source->classes,
        .width = source->width,
        .bandwidth = source->bandwidth,
        .ridge = source->ridge,
    };
    RHM_TRY(rhm_layer_alloc(&layer, error));
    memcpy(layer.frequencies, source->frequencies, sizeof(float) * layer.width * layer.tokens * layer.embedding);
    memcpy(layer.weights, source->weights, sizeof(float) * layer.classes * 2 * layer.width);
    model->layer[level] = layer;
    return RHM_OK;
}

rhm_status rhm_model_create(rhm_model **out, uint32_t levels, const rhm_level_weights *level,
                            const rhm_grammar *grammar, rhm_error *error) {
    RHM_TRY(check_range("number of levels", levels, 1, RHM_MAX_LEVELS, error));
    rhm_model *model = NULL;
    RHM_TRY(rhm_model_new(&model, levels, level[levels].tokens, level[levels].classes, level[levels].embedding, error));
    rhm_status status = RHM_OK;
    for (uint32_t l = 1; l <= levels && status == RHM_OK; l++)
        status = copy_level(model, l, &level[l], error);
    if (status == RHM_OK)
        status = rhm_model_keep_grammar(model, grammar, error);
    if (status != RHM_OK) {
        rhm_model_destroy(model);
        return status;
    }
    *out = model;
    return RHM_OK;
}

void rhm_model_destroy(rhm_model *model) {
    if (!model)
        return;
    for (uint32_t level = 1; level <= model->levels; level++)
        rhm_layer_clear(&model->layer[level]);
    rhm_grammar_destroy(model->grammar);
    rhm_free(model->report);
    rhm_free(model);
}

uint32_t rhm_model_levels(const rhm_model *model) {
    return model->levels;
}

uint32_t rhm_model_branching(const rhm_model *model) {
    return model->branching;
}

uint32_t rhm_model_classes(const rhm_model *model) {
    return model->classes;
}

uint32_t rhm_model_token_vocab(const rhm_model *model) {
    return model->token_vocab;
}

rhm_level_weights rhm_model_level(const rhm_model *model, uint32_t level) {
    return view(&model->layer[level]);
}

const rhm_grammar *rhm_model_grammar(const rhm_model *model) {
    return model->grammar;
}

const char *rhm_model_report(const rhm_model *model) {
    return model->report;
}

rhm_status rhm_model_set_report(rhm_model *model, const char *text, rhm_error *error) {
    char *copy = NULL;
    if (text) {
        const size_t nbytes = strlen(text) + 1;
        copy = RHM_NEW(char, nbytes, 1, 1, "report of a model", error);
        if (!copy)
            return RHM_NO_MEMORY;
        memcpy(copy, text, nbytes);
    }
    rhm_free(model->report);
    model->report = copy;
    return RHM_OK;
}

static void hash_array(struct sha256_ctx *hash, const float *values, size_t count) {
    sha256_update(hash, count * sizeof *values, (const uint8_t *)values);
}

void rhm_model_hash(const rhm_model *model, char text[RHM_HASH_TEXT_NBYTES]) {
    struct sha256_ctx hash;
    sha256_init(&hash);
    for (uint32_t level = model->levels; level >= 1; level--) {
        const struct rhm_layer *layer = &model->layer[level];
        const uint32_t shape[5] = {level, layer->tokens, layer->embedding, layer->classes, layer->width};
        const double numbers[2] = {layer->bandwidth, layer->ridge};
        sha256_update(&hash, sizeof shape, (const uint8_t *)shape);
        sha256_update(&hash, sizeof numbers, (const uint8_t *)numbers);
        hash_array(&hash, layer->frequencies, (size_t)layer->width * layer->tokens * layer->embedding);
        hash_array(&hash, layer->weights, (size_t)layer->classes * 2 * layer->width);
    }
    rhm_sha256_text(&hash, text);
}

const char *rhm_solver_name(rhm_solver solver) {
    switch (solver) {
    case RHM_CG: return "cg";
    case RHM_GD: return "gd";
    case RHM_GD_PAPER: return "gd-paper";
    case RHM_CHOLESKY: return "cholesky";
    }
    return "unknown";
}
