#include "model/model.h"

#include <string.h>

#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"
#include "hierarchy/copy.h"

/* Hash and files are little-endian, and arrays are hashed as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rhm supports little-endian machines only");
_Static_assert((int)RHM_SHA256_TEXT_NBYTES == (int)RHM_HASH_TEXT_NBYTES, "two hexadecimal digits per byte and a NUL");

rhm_status rhm_model_check_range(const char *what, uint32_t value, uint32_t low, uint32_t high, rhm_error *error) {
    if (value < low || value > high)
        return rhm_fail(error, RHM_INVALID, "the model's %s is %u; allowed are %u to %u", what, value, low, high);
    return RHM_OK;
}

rhm_status rhm_model_init(rhm_model *model, const struct rhm_model_kind *kind, const rhm_tree *tree, uint32_t classes,
                          uint32_t token_vocab, rhm_error *error) {
    RHM_TRY(rhm_model_check_range("number of classes", classes, 1, RHM_MAX_VOCAB, error));
    RHM_TRY(rhm_model_check_range("token vocabulary", token_vocab, 1, RHM_MAX_VOCAB, error));
    *model = (rhm_model){.kind = kind, .tree = *tree, .classes = classes, .token_vocab = token_vocab};
    return RHM_OK;
}

rhm_status rhm_model_keep_grammar(rhm_model *model, const rhm_grammar *grammar, rhm_error *error) {
    rhm_grammar *copy = NULL;
    if (grammar) {
        const rhm_shape *shape = rhm_grammar_shape(grammar);
        if (!rhm_tree_same(rhm_grammar_tree(grammar), &model->tree) || shape->vocab[0] != model->classes ||
            shape->vocab[shape->levels] != model->token_vocab)
            return rhm_fail(error, RHM_INVALID,
                            "the grammar (%u levels, %zu tokens a sequence, %u labels, %u tokens) is not of the "
                            "model's shape (%u levels, %zu tokens a sequence, %u labels, %u tokens)",
                            shape->levels, rhm_grammar_tree(grammar)->leaves[0], shape->vocab[0],
                            shape->vocab[shape->levels], model->tree.levels, model->tree.leaves[0], model->classes,
                            model->token_vocab);
        RHM_TRY(rhm_grammar_copy(&copy, grammar, error));
    }
    rhm_grammar_destroy(model->grammar);
    model->grammar = copy;
    return RHM_OK;
}

void rhm_model_destroy(rhm_model *model) {
    if (!model)
        return;
    model->kind->clear(model);
    rhm_grammar_destroy(model->grammar);
    rhm_free(model->report);
    rhm_free(model->notes);
    rhm_free(model);
}

const char *rhm_model_kind(const rhm_model *model) {
    return model->kind->name;
}

uint32_t rhm_model_levels(const rhm_model *model) {
    return model->tree.levels;
}

const rhm_tree *rhm_model_tree(const rhm_model *model) {
    return &model->tree;
}

rhm_data_hints rhm_model_data_hints(const rhm_model *model) {
    rhm_data_hints hints = {
        .token_vocab = model->token_vocab, .label_vocab = model->classes, .levels = model->tree.levels};
    memcpy(hints.branching, model->tree.branching, sizeof hints.branching);
    return hints;
}

uint32_t rhm_model_classes(const rhm_model *model) {
    return model->classes;
}

uint32_t rhm_model_token_vocab(const rhm_model *model) {
    return model->token_vocab;
}

size_t rhm_model_nbytes(const rhm_model *model) {
    return model->kind->nbytes(model);
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

rhm_status rhm_model_describe(const rhm_model *model, char **text, rhm_error *error) {
    json_t *levels = json_array();
    for (uint32_t level = model->kind->flat ? 1 : model->tree.levels; level >= 1; level--)
        rhm_json_append(&levels, model->kind->describe(model, level));
    const rhm_status status =
        rhm_json_dump(text, levels, JSON_REAL_PRECISION(17), "", "the description of a model", error);
    json_decref(levels);
    return status;
}

void rhm_model_hash(const rhm_model *model, char text[RHM_HASH_TEXT_NBYTES]) {
    struct sha256_ctx hash;
    sha256_init(&hash);
    model->kind->hash(model, &hash);
    rhm_sha256_text(&hash, text);
}
