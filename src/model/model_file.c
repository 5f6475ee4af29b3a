/* The frame of a model file, the same for all kinds; what is inside is the kind's (kinds.h). */
#include <string.h>

#include "core/fail.h"
#include "hierarchy/grammar_file.h"
#include "hierarchy/tree_file.h"
#include "model/kinds.h"

static const char group[] = "/model";

enum { KIND_NBYTES = 64 };

static rhm_status write_attributes(rhm_h5 *file, const rhm_model *model, rhm_error *error) {
    char hash[RHM_HASH_TEXT_NBYTES];
    rhm_model_hash(model, hash);
    RHM_TRY(rhm_h5_write_text_attribute(file, group, "kind", model->kind->name, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "levels", RHM_H5_U32, 0, &model->tree.levels, error));
    RHM_TRY(rhm_tree_write_branching(file, group, &model->tree, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "label_vocab", RHM_H5_U32, 0, &model->classes, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "token_vocab", RHM_H5_U32, 0, &model->token_vocab, error));
    return rhm_h5_write_text_attribute(file, group, "model_hash", hash, error);
}

static rhm_status write_model(rhm_h5 *file, const rhm_model *model, rhm_error *error) {
    RHM_TRY(rhm_h5_write_group(file, group, error));
    RHM_TRY(write_attributes(file, model, error));
    RHM_TRY(model->kind->write(file, model, error));
    if (model->grammar)
        RHM_TRY(rhm_grammar_write_group(file, model->grammar, error));
    return model->report ? rhm_h5_write_text(file, "/report", model->report, error) : RHM_OK;
}

rhm_status rhm_model_save(const rhm_model *model, const char *path, rhm_error *error) {
    rhm_h5 *file = NULL;
    RHM_TRY(rhm_h5_create(&file, path, "model", error));
    const rhm_status status = write_model(file, model, error);
    if (status == RHM_OK)
        return rhm_h5_commit(&file, error);
    rhm_h5_close(&file);
    return status;
}

/* Files of others, and those from before there were kinds, name none. */
static rhm_status read_kind(const struct rhm_model_kind **kind, const rhm_h5 *file, rhm_error *error) {
    char name[KIND_NBYTES], names[256];
    *kind = &rhm_random_features_kind;
    if (!rhm_h5_has_attribute(file, group, "kind"))
        return RHM_OK;
    RHM_TRY(rhm_h5_read_text_attribute(file, group, "kind", name, sizeof name, error));
    *kind = rhm_model_kind_find(name);
    if (*kind)
        return RHM_OK;
    rhm_model_kind_names(names, sizeof names);
    return rhm_h5_blame(
        file, rhm_fail(error, RHM_UNSUPPORTED, "the model is of the kind '%s'; this library knows %s", name, names),
        error);
}

static rhm_status read_model(rhm_model **out, const rhm_h5 *file, rhm_error *error) {
    static const struct {
        const char *name;
        uint64_t low, high;
    } attributes[3] = {
        {"levels", 1, RHM_MAX_LEVELS},
        {"label_vocab", 1, RHM_MAX_VOCAB},
        {"token_vocab", 1, RHM_MAX_VOCAB},
    };
    uint64_t found[3];
    if (!rhm_h5_has(file, group)) {
        const char *kind = rhm_h5_kind(file);
        return rhm_h5_refuse(file, group, error, "is missing: %s%s%s",
                             kind[0] ? "this is a file of the kind " : "no model", kind,
                             kind[0] ? ", not a model" : " is in this file");
    }
    for (size_t i = 0; i < 3; i++)
        RHM_TRY(rhm_h5_read_integer_attribute(file, group, attributes[i].name, 1, attributes[i].low, attributes[i].high,
                                              &found[i], error));
    const struct rhm_model_kind *kind;
    RHM_TRY(read_kind(&kind, file, error));
    rhm_tree tree;
    RHM_TRY(rhm_tree_read(&tree, file, group, (uint32_t)found[0], error));
    RHM_TRY(rhm_h5_blame(file, kind->create(out, &tree, (uint32_t)found[1], (uint32_t)found[2], error), error));
    return kind->read(*out, file, error);
}

static rhm_status check_hash(const rhm_model *model, const rhm_h5 *file, rhm_error *error) {
    char stated[RHM_HASH_TEXT_NBYTES], found[RHM_HASH_TEXT_NBYTES];
    if (!rhm_h5_has_attribute(file, group, "model_hash"))
        return RHM_OK;
    RHM_TRY(rhm_h5_read_text_attribute(file, group, "model_hash", stated, sizeof stated, error));
    rhm_model_hash(model, found);
    if (strcmp(stated, found) == 0)
        return RHM_OK;
    return rhm_h5_blame(file,
                        rhm_fail(error, RHM_CORRUPT,
                                 "the model's hash is %.12s..., its attribute model_hash says %.12s...", found, stated),
                        error);
}

static rhm_status read_surroundings(rhm_model *model, const rhm_h5 *file, rhm_error *error) {
    if (rhm_h5_has(file, "/report"))
        RHM_TRY(rhm_h5_read_text(file, "/report", &model->report, error));
    if (!rhm_h5_has(file, "/grammar"))
        return RHM_OK;
    rhm_grammar *grammar = NULL;
    RHM_TRY(rhm_grammar_read_group(&grammar, file, error));
    const rhm_status status = rhm_h5_blame(file, rhm_model_keep_grammar(model, grammar, error), error);
    rhm_grammar_destroy(grammar);
    return status;
}

static rhm_status read_file(void *context, const rhm_h5 *file, rhm_error *error) {
    rhm_model **model = context;
    RHM_TRY(read_model(model, file, error));
    RHM_TRY(check_hash(*model, file, error));
    RHM_TRY(read_surroundings(*model, file, error));
    return rhm_h5_notes(file, &(*model)->notes, error);
}

rhm_status rhm_model_load(rhm_model **out, const char *path, rhm_error *error) {
    rhm_model *model = NULL;
    *out = NULL;
    const rhm_status status = rhm_h5_load(path, read_file, &model, error);
    if (status == RHM_OK)
        *out = model;
    else
        rhm_model_destroy(model);
    return status;
}

const char *rhm_model_notes(const rhm_model *model) {
    return model->notes;
}
