#include <inttypes.h>
#include <stdio.h>

#include "core/fail.h"
#include "model/random_features.h"

static const char group[] = "/model";

enum { OBJECT_NBYTES = 48 };

/* "/model/weights_3" */
static const char *object_of(char text[OBJECT_NBYTES], const char *name, uint32_t level) {
    snprintf(text, OBJECT_NBYTES, "%s/%s_%u", group, name, level);
    return text;
}

static rhm_status write_level(rhm_h5 *file, const struct rhm_layer *layer, uint32_t level, rhm_error *error) {
    char object[OBJECT_NBYTES];
    const rhm_h5_shape frequencies = rhm_h5_shape2(layer->width, (uint64_t)layer->tokens * layer->embedding);
    const rhm_h5_shape weights = rhm_h5_shape2(rhm_layer_outputs(layer), 2 * (uint64_t)layer->width);
    RHM_TRY(rhm_h5_write(file, object_of(object, "frequencies", level), RHM_H5_F32, &frequencies, layer->frequencies,
                         error));
    RHM_TRY(rhm_h5_write(file, object_of(object, "weights", level), RHM_H5_F32, &weights, layer->weights, error));
    const uint32_t positions = layer->positions ? layer->positions : 1;
    RHM_TRY(rhm_h5_write_attribute(file, object, "positions", RHM_H5_U32, 0, &positions, error));
    RHM_TRY(rhm_h5_write_attribute(file, object, "bandwidth", RHM_H5_F64, 0, &layer->bandwidth, error));
    return rhm_h5_write_attribute(file, object, "ridge", RHM_H5_F64, 0, &layer->ridge, error);
}

rhm_status rhm_random_features_write(rhm_h5 *file, const rhm_model *model, rhm_error *error) {
    const float floor = RHM_NORMALIZATION_FLOOR;
    const struct rhm_layer *layer = rhm_model_layers(model);
    double bandwidth[RHM_MAX_LEVELS], ridge[RHM_MAX_LEVELS];
    const rhm_h5_shape levels = rhm_h5_shape1(model->tree.levels);
    RHM_TRY(rhm_h5_write_attribute(file, group, "normalization_floor", RHM_H5_F32, 0, &floor, error));
    for (uint32_t level = 1; level <= model->tree.levels; level++) {
        if (!layer[level].weights)
            return rhm_fail(error, RHM_INVALID, "level %u of the model is not trained: it cannot be saved", level);
        RHM_TRY(write_level(file, &layer[level], level, error));
        bandwidth[level - 1] = layer[level].bandwidth;
        ridge[level - 1] = layer[level].ridge;
    }
    RHM_TRY(rhm_h5_write(file, "/model/bandwidth", RHM_H5_F64, &levels, bandwidth, error));
    return rhm_h5_write(file, "/model/ridge", RHM_H5_F64, &levels, ridge, error);
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

static rhm_status check_floor(const rhm_h5 *file, rhm_error *error) {
    double floor;
    if (!rhm_h5_has_attribute(file, group, "normalization_floor"))
        return RHM_OK;
    RHM_TRY(rhm_h5_read_float_attribute(file, group, "normalization_floor", &floor, error));
    if ((float)floor == RHM_NORMALIZATION_FLOOR)
        return RHM_OK;
    return rhm_h5_blame(file,
                        rhm_fail(error, RHM_UNSUPPORTED, "the model normalises with the floor %g; this library has %g",
                                 floor, (double)RHM_NORMALIZATION_FLOOR),
                        error);
}

/* Blocks of outputs; files without the attribute have one. */
static rhm_status read_positions(const rhm_h5 *file, const char *object, uint32_t classes, uint32_t *positions,
                                 rhm_error *error) {
    uint64_t value = 1;
    if (rhm_h5_has_attribute(file, object, "positions"))
        RHM_TRY(
            rhm_h5_read_integer_attribute(file, object, "positions", 1, 1, RHM_MAX_OUTPUTS / classes, &value, error));
    *positions = (uint32_t)value;
    return RHM_OK;
}

/* The width is whatever the file has; every other extent follows from the attributes. */
static rhm_status read_level(rhm_model *model, const rhm_h5 *file, uint32_t level, double bandwidth, double ridge,
                             rhm_error *error) {
    char object[OBJECT_NBYTES];
    rhm_h5_shape frequencies, weights;
    uint32_t positions, below = 1;
    if (level < model->tree.levels)
        RHM_TRY(read_positions(file, object_of(object, "weights", level + 1), model->classes, &below, error));
    RHM_TRY(read_positions(file, object_of(object, "weights", level), model->classes, &positions, error));
    RHM_TRY(rhm_h5_read_shape(file, object_of(object, "weights", level), RHM_H5_FLOATS, &weights, error));
    RHM_TRY(rhm_h5_read_shape(file, object_of(object, "frequencies", level), RHM_H5_FLOATS, &frequencies, error));
    struct rhm_layer layer = {
        .tokens = model->tree.branching[level],
        .embedding = level == model->tree.levels ? model->token_vocab : below * model->classes,
        .classes = model->classes,
        .bandwidth = bandwidth,
        .ridge = ridge,
        .positions = positions,
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
    weights = rhm_h5_shape2(rhm_layer_outputs(&layer), 2 * (uint64_t)layer.width);
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

/* Levels run from 1 to L: what is missing is named when it is read, what is too much would otherwise go unseen. */
static rhm_status check_numbers(const rhm_model *model, const rhm_h5 *file, rhm_error *error) {
    static const char *const stems[] = {"frequencies", "weights"};
    const uint64_t expected = (UINT64_C(2) << model->tree.levels) - 2;
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        uint64_t seen;
        RHM_TRY(rhm_h5_numbers(file, group, stems[i], &seen, error));
        for (uint32_t number = 0; number < RHM_H5_NUMBERS; number++)
            if ((seen & ~expected) >> number & 1)
                return rhm_h5_refuse(file, group, error, "has a superfluous %s_%u: its levels are 1 to %u", stems[i],
                                     number, model->tree.levels);
    }
    return RHM_OK;
}

rhm_status rhm_random_features_read(rhm_model *model, const rhm_h5 *file, rhm_error *error) {
    double bandwidth[RHM_MAX_LEVELS], ridge[RHM_MAX_LEVELS];
    RHM_TRY(check_floor(file, error));
    RHM_TRY(check_numbers(model, file, error));
    RHM_TRY(read_numbers(file, "bandwidth", model->tree.levels, bandwidth, error));
    RHM_TRY(read_numbers(file, "ridge", model->tree.levels, ridge, error));
    for (uint32_t level = 1; level <= model->tree.levels; level++)
        RHM_TRY(read_level(model, file, level, bandwidth[level - 1], ridge[level - 1], error));
    return RHM_OK;
}
