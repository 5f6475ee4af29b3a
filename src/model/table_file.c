#include <stdio.h>

#include "core/fail.h"
#include "core/memory.h"
#include "model/table.h"

enum { OBJECT_NBYTES = 48 };

static const char posteriors[] = "/model/posteriors", prior[] = "/model/prior";

static const char *object_of(char text[OBJECT_NBYTES], const char *name, uint32_t level) {
    snprintf(text, OBJECT_NBYTES, "/model/%s_%u", name, level);
    return text;
}

rhm_status rhm_table_write(rhm_h5 *file, const rhm_model *model, rhm_error *error) {
    const struct rhm_table *table = rhm_table_of(model);
    char object[OBJECT_NBYTES];
    for (uint32_t l = 1; l <= model->tree.levels; l++) {
        const struct rhm_table_level *level = &table->level[l];
        const rhm_h5_shape patches = rhm_h5_shape2(level->patch.count, level->patch.words);
        const rhm_h5_shape ids = rhm_h5_shape1(level->patch.count);
        RHM_TRY(rhm_h5_write(file, object_of(object, "patches", l), RHM_H5_U32, &patches, level->patch.tuples, error));
        RHM_TRY(rhm_h5_write(file, object_of(object, "ids", l), RHM_H5_U32, &ids, level->id, error));
        RHM_TRY(rhm_h5_write_attribute(file, object, "outputs", RHM_H5_U32, 0, &level->outputs, error));
        RHM_TRY(rhm_h5_write_attribute(file, object, "other", RHM_H5_U32, 0, &level->other, error));
        RHM_TRY(rhm_h5_write_attribute(file, object, "positions", RHM_H5_U32, 0, &level->positions, error));
    }
    const size_t count = table->level[1].patch.count;
    const rhm_h5_shape rows = rhm_h5_shape2(count, model->classes), row = rhm_h5_shape1(model->classes);
    RHM_TRY(rhm_h5_write(file, posteriors, RHM_H5_F32, &rows, table->posterior, error));
    return rhm_h5_write(file, prior, RHM_H5_F32, &row, table->posterior + count * model->classes, error);
}

static rhm_status read_patches(struct rhm_table_level *level, const rhm_h5 *file, uint32_t l, uint32_t branching,
                               rhm_error *error) {
    char object[OBJECT_NBYTES];
    rhm_h5_shape shape;
    RHM_TRY(rhm_h5_read_shape(file, object_of(object, "patches", l), RHM_H5_INTEGERS, &shape, error));
    if (shape.rank != 2 || shape.extent[1] != branching || shape.extent[0] > UINT32_MAX / 2)
        return rhm_h5_refuse(file, object, error, "has %u dimensions: wanted are patches of %u ids, one a row",
                             shape.rank, branching);
    const size_t count = (size_t)shape.extent[0];
    uint32_t *tuples = RHM_NEW(uint32_t, count, branching, 1, "patches of a model", error);
    level->id = tuples ? RHM_NEW(uint32_t, count, 1, 1, "ids of a model", error) : NULL;
    rhm_status status = level->id ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = rhm_h5_read_symbols(file, object, &shape, level->inputs, RHM_H5_U32, tuples, error);
    if (status == RHM_OK)
        status = rhm_intern_init(&level->patch, branching, count, error);
    for (size_t i = 0; i < count && status == RHM_OK; i++) {
        uint32_t number;
        bool is_new;
        status = rhm_intern_add(&level->patch, tuples + i * branching, &number, &is_new, error);
        if (status == RHM_OK && !is_new)
            status = rhm_h5_refuse(file, object, error, "has row %zu twice, first as row %u", i, number);
    }
    rhm_free(tuples);
    const rhm_h5_shape ids = rhm_h5_shape1(count);
    return status != RHM_OK ? status
                            : rhm_h5_read_symbols(file, object_of(object, "ids", l), &ids, level->outputs, RHM_H5_U32,
                                                  level->id, error);
}

static rhm_status read_level(struct rhm_table *table, const rhm_h5 *file, uint32_t l, rhm_error *error) {
    struct rhm_table_level *level = &table->level[l];
    char object[OBJECT_NBYTES];
    uint64_t outputs, other, positions = 0;
    object_of(object, "ids", l);
    RHM_TRY(rhm_h5_read_integer_attribute(file, object, "outputs", 1, 1, RHM_MAX_VOCAB, &outputs, error));
    RHM_TRY(rhm_h5_read_integer_attribute(file, object, "other", 1, 0, outputs - 1, &other, error));
    if (rhm_h5_has_attribute(file, object, "positions"))
        RHM_TRY(rhm_h5_read_integer_attribute(file, object, "positions", 1, 0, UINT32_MAX, &positions, error));
    level->inputs = l == table->model.tree.levels ? table->model.token_vocab : table->level[l + 1].outputs;
    level->outputs = (uint32_t)outputs;
    level->other = (uint32_t)other;
    level->positions = (uint32_t)positions;
    return read_patches(level, file, l, table->model.tree.branching[l], error);
}

rhm_status rhm_table_read(rhm_model *model, const rhm_h5 *file, rhm_error *error) {
    struct rhm_table *table = (struct rhm_table *)model;
    for (uint32_t l = table->model.tree.levels; l >= 1; l--)
        RHM_TRY(read_level(table, file, l, error));
    for (uint32_t l = table->model.tree.levels; l >= 1; l--)
        RHM_TRY(rhm_h5_blame(file, rhm_table_ready_level(table, l, error), error));
    const size_t count = table->level[1].patch.count, classes = table->model.classes;
    const rhm_h5_shape rows = rhm_h5_shape2(count, classes), row = rhm_h5_shape1(classes);
    if (!(table->posterior = RHM_NEW(float, count + 1, classes, 1, "posteriors of a model", error)))
        return RHM_NO_MEMORY;
    RHM_TRY(rhm_h5_read_floats(file, posteriors, &rows, RHM_H5_F32, table->posterior, error));
    RHM_TRY(rhm_h5_read_floats(file, prior, &row, RHM_H5_F32, table->posterior + count * classes, error));
    return rhm_h5_blame(file, rhm_table_finish(table, error), error);
}
