#include "rhm/inference.h"

#include "core/fail.h"
#include "model/model.h"

static rhm_status check_tokens(const rhm_model *model, const uint16_t *tokens, size_t first, size_t count,
                               rhm_error *error) {
    const uint32_t vocab = rhm_model_token_vocab(model);
    const size_t width = rhm_model_tree(model)->leaves[0];
    for (size_t i = first * width; i < (first + count) * width; i++)
        if (tokens[i] >= vocab)
            return rhm_fail(error, RHM_INVALID, "token %zu of sequence %zu is %u: the model knows the tokens 0 to %u",
                            i % width, i / width, tokens[i], vocab - 1);
    return RHM_OK;
}

static rhm_accuracy accuracy_of(const rhm_score *score) {
    return (rhm_accuracy){score->samples, score->correct, score->clamped};
}

rhm_status rhm_predict(const rhm_engine *engine, const rhm_model *model, const uint16_t *tokens, size_t count,
                       uint16_t *labels, float *posteriors, uint64_t *clamped, rhm_error *error) {
    RHM_TRY(check_tokens(model, tokens, 0, count, error));
    const rhm_data data = {
        .count = count,
        .tree = *rhm_model_tree(model),
        .token_vocab = rhm_model_token_vocab(model),
        .label_vocab = rhm_model_classes(model),
        .tokens = (uint16_t *)(uintptr_t)tokens, /* only read */
    };
    const rhm_data_source source = {&data, 0};
    const rhm_batch batch = {rhm_draw_from_data, &source, 0, count, "predicting"};
    rhm_outputs outputs = {.labels = labels, .posteriors = posteriors};
    RHM_TRY(rhm_model_forward(model, engine, &batch, &outputs, error));
    if (clamped)
        *clamped = outputs.score.clamped;
    return RHM_OK;
}

rhm_status rhm_model_check_grammar(const rhm_model *model, const rhm_grammar *grammar, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const rhm_tree *tree = rhm_grammar_tree(grammar);
    if (rhm_tree_same(tree, rhm_model_tree(model)) && shape->vocab[shape->levels] == rhm_model_token_vocab(model) &&
        shape->vocab[0] == rhm_model_classes(model))
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID,
                    "the grammar (%u levels, %zu tokens a sequence, %u tokens, %u labels) does not fit the model (%u, "
                    "%zu, %u, %u): they must agree, and branch alike",
                    shape->levels, tree->leaves[0], shape->vocab[shape->levels], shape->vocab[0],
                    rhm_model_levels(model), rhm_model_tree(model)->leaves[0], rhm_model_token_vocab(model),
                    rhm_model_classes(model));
}

rhm_status rhm_evaluate(rhm_accuracy *out, const rhm_engine *engine, const rhm_model *model, const rhm_grammar *grammar,
                        uint64_t seed, uint32_t stream, uint64_t first, uint64_t count, rhm_error *error) {
    rhm_sampler *sampler;
    RHM_TRY(rhm_model_check_grammar(model, grammar, error));
    RHM_TRY(rhm_sampler_create(&sampler, grammar, seed, error));
    const rhm_grammar_source source = {grammar, seed, sampler, stream};
    const rhm_batch batch = {rhm_draw_from_grammar, &source, first, count, "evaluating"};
    rhm_outputs outputs = {0};
    const rhm_status status = rhm_model_forward(model, engine, &batch, &outputs, error);
    rhm_sampler_destroy(sampler);
    if (status == RHM_OK)
        *out = accuracy_of(&outputs.score);
    return status;
}

rhm_status rhm_evaluate_data(rhm_accuracy *out, const rhm_engine *engine, const rhm_model *model, const rhm_data *data,
                             size_t first, size_t count, rhm_error *error) {
    const rhm_tree *tree = rhm_model_tree(model);
    if (!rhm_tree_same(&data->tree, tree))
        return rhm_fail(error, RHM_INVALID,
                        "the data set has %zu tokens a sequence in %u levels, the model reads %zu in %u, or branches "
                        "otherwise",
                        data->tree.leaves[0], data->tree.levels, tree->leaves[0], tree->levels);
    if (!data->labels)
        return rhm_fail(error, RHM_INVALID, "the data set has no labels to compare with");
    if (first > data->count || count > data->count - first)
        return rhm_fail(error, RHM_INVALID, "sequences %zu to %zu were asked for, but the data set has %zu", first,
                        first + count, data->count);
    RHM_TRY(check_tokens(model, data->tokens, first, count, error));
    const rhm_data_source source = {data, first};
    const rhm_batch batch = {rhm_draw_from_data, &source, 0, count, "evaluating"};
    rhm_outputs outputs = {0};
    RHM_TRY(rhm_model_forward(model, engine, &batch, &outputs, error));
    *out = accuracy_of(&outputs.score);
    return RHM_OK;
}

uint32_t rhm_model_embedding(const rhm_model *model, uint32_t level) {
    return model->kind->embedding && level >= 1 && level <= model->tree.levels ? model->kind->embedding(model, level)
                                                                               : 0;
}

rhm_status rhm_model_embed(const rhm_engine *engine, const rhm_model *model, uint32_t level, const uint16_t *tokens,
                           size_t count, float *embeddings, rhm_error *error) {
    if (!model->kind->embed)
        return rhm_fail(error, RHM_UNSUPPORTED, "models of the kind %s do not show the outputs of their levels",
                        model->kind->name);
    if (level < 1 || level > model->tree.levels)
        return rhm_fail(error, RHM_INVALID, "level %u: the model has the levels 1 to %u", level, model->tree.levels);
    RHM_TRY(check_tokens(model, tokens, 0, count, error));
    return model->kind->embed(model, engine, level, tokens, count, embeddings, error);
}
