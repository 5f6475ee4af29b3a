#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/h5file.h"
#include "core/memory.h"
#include "grammar/grammar_file.h"
#include "learner/model.h"

static const char group[] = "/model";

enum { OBJECT_NBYTES = 48 };

/* "/model/weights_3" */
static const char *object_of(char text[OBJECT_NBYTES], const char *name, uint32_t level) {
    snprintf(text, OBJECT_NBYTES, "%s/%s_%u", group, name, level);
    return text;
}

static rhm_status write_attributes(rhm_h5 *file, const rhm_model *model, rhm_error *error) {
    const float floor = RHM_NORMALIZATION_FLOOR;
    char hash[RHM_HASH_TEXT_NBYTES];
    rhm_model_hash(model, hash);
    RHM_TRY(rhm_h5_write_attribute(file, group, "levels", RHM_H5_U32, 0, &model->levels, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "branching", RHM_H5_U32, 0, &model->branching, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "label_vocab", RHM_H5_U32, 0, &model->classes, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "token_vocab", RHM_H5_U32, 0, &model->token_vocab, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "normalization_floor", RHM_H5_F32, 0, &floor, error));
    return rhm_h5_write_text_attribute(file, group, "model_hash", hash, error);
}

static rhm_status write_level(rhm_h5 *file, const struct rhm_layer *layer, uint32_t level, rhm_error *error) {
    char object[OBJECT_NBYTES];
    const rhm_h5_shape frequencies = rhm_h5_shape2(layer->width, (uint64_t)layer->tokens * layer->embedding);
    const rhm_h5_shape weights = rhm_h5_shape2(layer->classes, 2 * (uint64_t)layer->width);
    RHM_TRY(rhm_h5_write(file, object_of(object, "frequencies", level), RHM_H5_F32, &frequencies, layer->frequencies,
                         error));
    RHM_TRY(rhm_h5_write(file, object_of(object, "weights", level), RHM_H5_F32, &weights, layer->weights, error));
    RHM_TRY(rhm_h5_write_attribute(file, object, "bandwidth", RHM_H5_F64, 0, &layer->bandwidth, error));
    return rhm_h5_write_attribute(file, object, "ridge", RHM_H5_F64, 0, &layer->ridge, error);
}

static rhm_status write_model(rhm_h5 *file, const rhm_model *model, rhm_error *error) {
    double bandwidth[RHM_MAX_LEVELS], ridge[RHM_MAX_LEVELS];
    const rhm_h5_shape levels = rhm_h5_shape1(model->levels);
    RHM_TRY(rhm_h5_write_group(file, group, error));
    RHM_TRY(write_attributes(file, model, error));
    for (uint32_t level = 1; level <= model->levels; level++) {
        if (!model->layer[level].weights)
            return rhm_fail(error, RHM_INVALID, "level %u of the model is not trained: it cannot be saved", level);
        RHM_TRY(write_level(file, &model->layer[level], level, error));
        bandwidth[level - 1] = model->layer[level].bandwidth;
        ridge[level - 1] = model->layer[level].ridge;
    }
    RHM_TRY(rhm_h5_write(file, "/model/bandwidth", RHM_H5_F64, &levels, bandwidth, error));
    RHM_TRY(rhm_h5_write(file, "/model/ridge", RHM_H5_F64, &levels, ridge, error));
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

/* bandwidth or ridge of every level: the array /model/NAME or, in files of others, an attribute of weights_l. */
static rhm_status read_numbers(const rhm_h5 *file, const char *name, uint32_t levels, double values[RHM_MAX_LEVELS],
                               rhm_error *error) {
    char object[OBJECT_NBYTES];
    snprintf(object, sizeof object, "%s/%s", group, name);
    const rhm_h5_shape shape = rhm_h5_shape1(levels);
    if (rhm_h5_has(file, object))
        return rhm_h5_read_floats(file, object, &shape, RHM_H5_F64, values, error);
    for (uint32_t level = 1; level <= levels; level++)
        RHM_TRY(
            rhm_h5_read_float_attribute(file, object_of(object, "weights", level), name, &values[level - 1], error));
    return RHM_OK;
}

/* A model of the shape that the attributes state, without its levels. */
static rhm_status read_attributes(rhm_model **out, const rhm_h5 *file, rhm_error *error) {
    static const struct {
        const char *name;
        uint64_t low, high;
    } attributes[4] = {
        {"levels", 1, RHM_MAX_LEVELS},
        {"branching", 2, RHM_MAX_BRANCHING},
        {"label_vocab", 1, RHM_MAX_VOCAB},
        {"token_vocab", 1, RHM_MAX_VOCAB},
    };
    uint64_t found[4];
    if (!rhm_h5_has(file, group)) {
        const char *kind = rhm_h5_kind(file);
        return rhm_h5_refuse(file, group, error, "is missing: %s%s%s", kind[0] ? "this is a file of a " : "no model",
                             kind, kind[0] ? ", not of a model" : " is in this file");
    }
    for (size_t i = 0; i < 4; i++)
        RHM_TRY(rhm_h5_read_integer_attribute(file, group, attributes[i].name, 1, attributes[i].low, attributes[i].high,
                                              &found[i], error));
    if (rhm_h5_has_attribute(file, group, "normalization_floor")) {
        double floor;
        RHM_TRY(rhm_h5_read_float_attribute(file, group, "normalization_floor", &floor, error));
        if ((float)floor != RHM_NORMALIZATION_FLOOR)
            return rhm_h5_blame(file,
                                rhm_fail(error, RHM_UNSUPPORTED,
                                         "the model normalises with the floor %g; this library has %g", floor,
                                         (double)RHM_NORMALIZATION_FLOOR),
                                error);
    }
    return rhm_h5_blame(
        file, rhm_model_new(out, (uint32_t)found[0], (uint32_t)found[1], (uint32_t)found[2], (uint32_t)found[3], error),
        error);
}

/* The width is whatever the file has; every other extent follows from the attributes. */
static rhm_status read_level(rhm_model *model, const rhm_h5 *file, uint32_t level, double bandwidth, double ridge,
                             rhm_error *error) {
    char object[OBJECT_NBYTES];
    rhm_h5_shape frequencies, weights;
    RHM_TRY(rhm_h5_read_shape(file, object_of(object, "weights", level), RHM_H5_FLOATS, &weights, error));
    RHM_TRY(rhm_h5_read_shape(file, object_of(object, "frequencies", level), RHM_H5_FLOATS, &frequencies, error));
    struct rhm_layer layer = {
        .tokens = model->branching,
        .embedding = level == model->levels ? model->token_vocab : model->classes,
        .classes = model->classes,
        .bandwidth = bandwidth,
        .ridge = ridge,
    };
    const uint64_t inputs = (uint64_t)layer.tokens * layer.embedding;
    if (frequencies.rank != 2 || frequencies.extent[1] != inputs || frequencies.extent[0] < 1 ||
        frequencies.extent[0] > INT32_MAX / 2)
        return rhm_h5_refuse(file, object, error,
                             "has %u dimensions, the last of extent %" PRIu64 "; width x %" PRIu64
                             " expected, %u symbols of %u numbers",
                             frequencies.rank, frequencies.rank ? frequencies.extent[frequencies.rank - 1] : 0, inputs,
                             layer.tokens, layer.embedding);
    layer.width = (uint32_t)frequencies.extent[0];
    weights = rhm_h5_shape2(layer.classes, 2 * (uint64_t)layer.width);
    RHM_TRY(rhm_layer_alloc(&layer, error));
    rhm_status status = rhm_h5_read_floats(file, object, &frequencies, RHM_H5_F32, layer.frequencies, error);
    if (status == RHM_OK)
        status =
            rhm_h5_read_floats(file, object_of(object, "weights", level), &weights, RHM_H5_F32, layer.weights, error);
    if (status == RHM_OK)
        status = rhm_h5_blame(file, rhm_model_take_layer(model, level, &layer, error), error);
    rhm_layer_clear(&layer);
    return status;
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

static rhm_status read_levels(rhm_model *model, const rhm_h5 *file, rhm_error *error) {
    double bandwidth[RHM_MAX_LEVELS], ridge[RHM_MAX_LEVELS];
    RHM_TRY(read_numbers(file, "bandwidth", model->levels, bandwidth, error));
    RHM_TRY(read_numbers(file, "ridge", model->levels, ridge, error));
    for (uint32_t level = 1; level <= model->levels; level++)
        RHM_TRY(read_level(model, file, level, bandwidth[level - 1], ridge[level - 1], error));
    return check_hash(model, file, error);
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
    RHM_TRY(read_attributes(model, file, error));
    RHM_TRY(read_levels(*model, file, error));
    return read_surroundings(*model, file, error);
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
