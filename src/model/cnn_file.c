#include <math.h>
#include <stdio.h>

#include "core/fail.h"
#include "core/memory.h"
#include "model/cnn.h"
#include "rhm/learner.h"

enum { OBJECT_NBYTES = 48 };

static const char group[] = "/model", readout[] = "/model/readout";

/* Numbers of the network as a whole, and where they are. */
static const struct {
    const char *name;
    size_t place;
} scales[] = {
    {"bias_scale", offsetof(rhm_network_shape, bias_scale)},
    {"readout_scale", offsetof(rhm_network_shape, readout_scale)},
    {"input_scale", offsetof(rhm_network_shape, input_scale)},
    {"input_shift", offsetof(rhm_network_shape, input_shift)},
};

enum { SCALES = sizeof scales / sizeof scales[0] };

static const char *object_of(char text[OBJECT_NBYTES], const char *name, uint32_t level) {
    snprintf(text, OBJECT_NBYTES, "/model/%s_%u", name, level);
    return text;
}

static rhm_h5_shape weights_of(const struct rhm_cnn *cnn, uint32_t l) {
    return rhm_h5_shape3(cnn->shape.branching[l], cnn->layout.inputs[l], cnn->layout.outputs[l]);
}

static rhm_h5_shape bias_of(const struct rhm_cnn *cnn, uint32_t l) {
    return rhm_h5_shape2(cnn->layout.positions[l], cnn->layout.outputs[l]);
}

static rhm_h5_shape readout_of(const struct rhm_cnn *cnn) {
    return rhm_h5_shape2(cnn->layout.inputs[0], cnn->layout.outputs[0]);
}

rhm_status rhm_cnn_write(rhm_h5 *file, const rhm_model *model, rhm_error *error) {
    const struct rhm_cnn *cnn = rhm_cnn_of(model);
    char object[OBJECT_NBYTES];
    for (size_t i = 0; i < SCALES; i++) {
        const float scale = *(const float *)(const void *)((const char *)&cnn->shape + scales[i].place);
        RHM_TRY(rhm_h5_write_attribute(file, group, scales[i].name, RHM_H5_F32, 0, &scale, error));
    }
    for (uint32_t l = 1; l <= model->tree.levels; l++) {
        rhm_h5_shape shape = weights_of(cnn, l);
        RHM_TRY(rhm_h5_write(file, object_of(object, "weights", l), RHM_H5_F32, &shape,
                             cnn->parameters + cnn->layout.weights[l], error));
        RHM_TRY(rhm_h5_write_attribute(file, object, "scale", RHM_H5_F32, 0, &cnn->shape.weight_scale[l], error));
        shape = bias_of(cnn, l);
        if (cnn->shape.bias)
            RHM_TRY(rhm_h5_write(file, object_of(object, "bias", l), RHM_H5_F32, &shape,
                                 cnn->parameters + cnn->layout.bias[l], error));
    }
    const rhm_h5_shape shape = readout_of(cnn);
    return rhm_h5_write(file, readout, RHM_H5_F32, &shape, cnn->parameters + cnn->layout.weights[0], error);
}

static rhm_status read_scale(float *out, const rhm_h5 *file, const char *object, const char *name, rhm_error *error) {
    double value;
    RHM_TRY(rhm_h5_read_float_attribute(file, object, name, &value, error));
    if (!(fabs(value) <= 1e30))
        return rhm_h5_refuse(file, object, error, "has the attribute %s %g: wanted is a finite number up to 1e30", name,
                             value);
    *out = (float)value;
    return RHM_OK;
}

/* The shape is that of the arrays. */
static rhm_status read_shape(rhm_network_shape *out, const rhm_model *model, const rhm_h5 *file, rhm_error *error) {
    char object[OBJECT_NBYTES];
    *out = (rhm_network_shape){.levels = model->tree.levels,
                               .positions = 1,
                               .vocab = model->token_vocab,
                               .classes = model->classes,
                               .bias = rhm_h5_has(file, object_of(object, "bias", model->tree.levels))};
    for (size_t i = 0; i < SCALES; i++)
        RHM_TRY(read_scale((float *)(void *)((char *)out + scales[i].place), file, group, scales[i].name, error));
    size_t inputs = model->token_vocab;
    for (uint32_t l = model->tree.levels; l >= 1; l--) {
        rhm_h5_shape shape;
        RHM_TRY(rhm_h5_read_shape(file, object_of(object, "weights", l), RHM_H5_FLOATS, &shape, error));
        if (shape.rank != 3 || shape.extent[0] != model->tree.branching[l] || shape.extent[1] != inputs ||
            shape.extent[2] < 1 || shape.extent[2] > RHM_MAX_WIDTH)
            return rhm_h5_refuse(file, object, error, "must be %u x %zu x (1 to %d channels)", model->tree.branching[l],
                                 inputs, RHM_MAX_WIDTH);
        RHM_TRY(read_scale(&out->weight_scale[l], file, object, "scale", error));
        out->branching[l] = model->tree.branching[l];
        out->width[l] = inputs = (size_t)shape.extent[2];
    }
    return RHM_OK;
}

rhm_status rhm_cnn_read(rhm_model *model, const rhm_h5 *file, rhm_error *error) {
    struct rhm_cnn *cnn = (struct rhm_cnn *)model;
    rhm_network_shape shape;
    char object[OBJECT_NBYTES];
    RHM_TRY(read_shape(&shape, model, file, error));
    RHM_TRY(rhm_h5_blame(file, rhm_cnn_shape(cnn, &shape, error), error));
    for (uint32_t l = model->tree.levels; l >= 1; l--) {
        const rhm_h5_shape weights = weights_of(cnn, l), bias = bias_of(cnn, l);
        RHM_TRY(rhm_h5_read_floats(file, object_of(object, "weights", l), &weights, RHM_H5_F32,
                                   cnn->parameters + cnn->layout.weights[l], error));
        if (shape.bias)
            RHM_TRY(rhm_h5_read_floats(file, object_of(object, "bias", l), &bias, RHM_H5_F32,
                                       cnn->parameters + cnn->layout.bias[l], error));
    }
    const rhm_h5_shape last = readout_of(cnn);
    RHM_TRY(rhm_h5_read_floats(file, readout, &last, RHM_H5_F32, cnn->parameters + cnn->layout.weights[0], error));
    for (size_t i = 0; i < cnn->layout.parameters; i++)
        if (!isfinite(cnn->parameters[i]))
            return rhm_h5_refuse(file, group, error,
                                 "has parameter %zu, level %u first, which is %g: all must be finite", i,
                                 model->tree.levels, (double)cnn->parameters[i]);
    return RHM_OK;
}
