#include "learners/layerwise/checkpoint_file.h"

#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/fields.h"
#include "core/memory.h"
#include "learners/layerwise/stage_file.h"
#include "training/backend_choices.h"
#include "training/level_report.h"

enum { OBJECT_NBYTES = 48 };

static const char *object_of(char text[OBJECT_NBYTES], const char *name, size_t number) {
    snprintf(text, OBJECT_NBYTES, "%s_%zu", name, number);
    return text;
}

/* ---- finished levels ------------------------------------------------------------------------------------- */

static uint32_t first_finished(const rhm_kept *kept) {
    return kept->level + 1;
}

static rhm_status write_levels(rhm_h5 *file, const rhm_kept *kept, rhm_error *error) {
    const uint32_t first = first_finished(kept);
    char object[OBJECT_NBYTES];
    RHM_TRY(rhm_h5_write_group(file, "/levels", error));
    RHM_TRY(rhm_fields_write(file, "/levels/rows", &rhm_level_report_fields, &kept->report->level[first],
                             kept->task->tree.levels - kept->level, error));
    for (uint32_t l = first; l <= kept->task->tree.levels; l++) {
        const struct rhm_layer *layer = &rhm_model_layers(kept->model)[l];
        const rhm_h5_shape shape = rhm_h5_shape2(rhm_layer_outputs(layer), 2 * (uint64_t)layer->width);
        object_of(object, "/levels/weights", l);
        RHM_TRY(rhm_h5_write(file, object, RHM_H5_F32, &shape, layer->weights, error));
        RHM_TRY(rhm_h5_write_text_attribute(file, object, "limit", kept->report->level[l].limit, error));
    }
    return RHM_OK;
}

static rhm_status read_level(rhm_kept *kept, uint32_t l, const rhm_h5 *file, rhm_error *error) {
    rhm_task *task = kept->task;
    rhm_level_report *row = &kept->report->level[l];
    char object[OBJECT_NBYTES];
    object_of(object, "/levels/weights", l);
    if (row->level != l || row->width < 1 || row->width > RHM_MAX_WIDTH)
        return rhm_h5_refuse(file, object, error, "are of level %u and width %u", row->level, row->width);
    if (row->positions < 1 || row->positions > rhm_task_most_positions(task, l))
        return rhm_h5_refuse(file, object, error, "are of %u positions, and the level has %u at most", row->positions,
                             rhm_task_most_positions(task, l));
    task->positions[l] = row->positions;
    struct rhm_layer layer = {
        .tokens = task->tree.branching[l],
        .embedding = rhm_task_embedding(task, l),
        .classes = task->classes,
        .width = row->width,
        .bandwidth = row->bandwidth,
        .ridge = row->ridge,
        .positions = row->positions,
    };
    const rhm_h5_shape shape = rhm_h5_shape2(rhm_layer_outputs(&layer), 2 * (uint64_t)layer.width);
    RHM_TRY(rhm_layer_alloc(&layer, error));
    rhm_status status = rhm_layer_draw_frequencies(&layer, NULL, kept->seed, l, error);
    if (status == RHM_OK)
        status = rhm_h5_read_floats(file, object, &shape, RHM_H5_F32, layer.weights, error);
    if (status == RHM_OK)
        status = rhm_h5_read_text_attribute(file, object, "limit", row->limit, sizeof row->limit, error);
    if (status == RHM_OK)
        status = rhm_h5_blame(file, rhm_model_take_layer(kept->model, l, &layer, error), error);
    rhm_layer_clear(&layer);
    return status;
}

static rhm_status read_levels(rhm_kept *kept, const rhm_h5 *file, rhm_error *error) {
    size_t rows;
    RHM_TRY(rhm_fields_rows(file, "/levels/rows", &rhm_level_report_fields, &rows, error));
    if (rows != kept->task->tree.levels - kept->level)
        return rhm_h5_refuse(file, "/levels/rows", error, "has %zu rows with level %u in hand", rows, kept->level);
    RHM_TRY(rhm_fields_read(file, "/levels/rows", &rhm_level_report_fields, &kept->report->level[first_finished(kept)],
                            rows, error));
    for (uint32_t l = kept->task->tree.levels; l >= first_finished(kept); l--)
        RHM_TRY(read_level(kept, l, file, error));
    return RHM_OK;
}

/* ---- the fit in hand ------------------------------------------------------------------------------------- */

static const rhm_solve_state *state_of(const rhm_kept *kept) {
    return kept->shown ? kept->shown : &kept->solve;
}

static rhm_status write_solver(rhm_h5 *file, const rhm_kept *kept, rhm_error *error) {
    const rhm_solve_state *state = state_of(kept);
    const uint32_t phase = state->phase;
    char object[OBJECT_NBYTES];
    RHM_TRY(rhm_h5_write_group(file, "/solver", error));
    RHM_TRY(rhm_h5_write_attribute(file, "/solver", "phase", RHM_H5_U32, 0, &phase, error));
    RHM_TRY(rhm_h5_write_attribute(file, "/solver", "iterations", RHM_H5_U32, 0, &state->iterations, error));
    RHM_TRY(rhm_h5_write_attribute(file, "/solver", "seconds", RHM_H5_F64, 0, &kept->fit_seconds, error));
    const rhm_h5_shape numbers = rhm_h5_shape1(RHM_STATE_NUMBERS);
    RHM_TRY(rhm_h5_write(file, "/solver/numbers", RHM_H5_F64, &numbers, state->number, error));
    for (size_t v = 0; v < RHM_STATE_VECTORS; v++) {
        const rhm_h5_shape shape = rhm_h5_shape1(state->length[v]);
        if (state->length[v])
            RHM_TRY(rhm_h5_write(file, object_of(object, "/solver/vector", v), RHM_H5_F64, &shape, state->vector[v],
                                 error));
    }
    return RHM_OK;
}

static rhm_status read_vector(rhm_solve_state *state, size_t v, const rhm_h5 *file, rhm_error *error) {
    char object[OBJECT_NBYTES];
    rhm_h5_shape shape;
    if (!rhm_h5_has(file, object_of(object, "/solver/vector", v)))
        return RHM_OK;
    RHM_TRY(rhm_h5_read_shape(file, object, RHM_H5_FLOATS, &shape, error));
    if (shape.rank != 1)
        return rhm_h5_refuse(file, object, error, "is not a vector");
    state->length[v] = (size_t)shape.extent[0];
    state->vector[v] = RHM_NEW(double, state->length[v], 1, 1, "state of a solver", error);
    if (!state->vector[v])
        return RHM_NO_MEMORY;
    return rhm_h5_read_floats(file, object, &shape, RHM_H5_F64, state->vector[v], error);
}

static rhm_status read_solver(rhm_kept *kept, const rhm_h5 *file, rhm_error *error) {
    uint64_t phase, iterations;
    rhm_solve_state *state = &kept->solve;
    if (!rhm_h5_has(file, "/solver"))
        return RHM_OK;
    RHM_TRY(rhm_h5_read_integer_attribute(file, "/solver", "phase", 1, 0, RHM_PHASES - 1, &phase, error));
    RHM_TRY(rhm_h5_read_integer_attribute(file, "/solver", "iterations", 1, 0, UINT32_MAX, &iterations, error));
    RHM_TRY(rhm_h5_read_float_attribute(file, "/solver", "seconds", &kept->fit_seconds, error));
    const rhm_h5_shape numbers = rhm_h5_shape1(RHM_STATE_NUMBERS);
    RHM_TRY(rhm_h5_read_floats(file, "/solver/numbers", &numbers, RHM_H5_F64, state->number, error));
    state->phase = (rhm_solve_phase)phase;
    state->iterations = (uint32_t)iterations;
    for (size_t v = 0; v < RHM_STATE_VECTORS; v++)
        RHM_TRY(read_vector(state, v, file, error));
    return RHM_OK;
}

void rhm_kept_clear(rhm_kept *kept) {
    for (size_t v = 0; v < RHM_STATE_VECTORS; v++)
        rhm_free(kept->solve.vector[v]);
    kept->solve = (rhm_solve_state){0};
    kept->fit_seconds = 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------- */

static rhm_status write_all(rhm_h5 *file, const rhm_kept *kept, const rhm_stage *stage, rhm_error *error) {
    RHM_TRY(rhm_fingerprint_write(file, "/run", &kept->fingerprint, error));
    RHM_TRY(rhm_h5_write_attribute(file, "/run", "level", RHM_H5_U32, 0, &kept->level, error));
    RHM_TRY(rhm_h5_write_attribute(file, "/run", "seconds", RHM_H5_F64, 0, &kept->seconds, error));
    RHM_TRY(rhm_h5_write_attribute(file, "/run", "level_begin", RHM_H5_F64, 0, &kept->level_begin, error));
    RHM_TRY(rhm_h5_write_attribute(file, "/run", "samples_file", RHM_H5_U64, 0, &kept->samples, error));
    RHM_TRY(write_levels(file, kept, error));
    RHM_TRY(rhm_backend_choices_write(file, kept->engine, error));
    if (!stage)
        return RHM_OK;
    RHM_TRY(rhm_stage_write(file, stage, error));
    return state_of(kept)->phase != RHM_PHASE_START ? write_solver(file, kept, error) : RHM_OK;
}

rhm_status rhm_kept_write(const rhm_kept *kept, const rhm_stage *stage, const char *path, rhm_error *error) {
    rhm_h5 *file = NULL;
    RHM_TRY(rhm_h5_create(&file, path, "checkpoint", error));
    const rhm_status status = write_all(file, kept, stage, error);
    if (status == RHM_OK)
        return rhm_h5_commit(&file, error);
    rhm_h5_close(&file);
    return status;
}

uint64_t rhm_kept_nbytes(const rhm_kept *kept, const rhm_stage *stage) {
    enum { TABLES_NBYTES = 1 << 16 };
    uint64_t nbytes = TABLES_NBYTES + (stage ? rhm_stage_nbytes(stage) : 0);
    for (uint32_t l = first_finished(kept); l <= kept->task->tree.levels; l++)
        nbytes += sizeof(float) * (uint64_t)rhm_layer_outputs(&rhm_model_layers(kept->model)[l]) * 2 *
                  rhm_model_layers(kept->model)[l].width;
    for (size_t v = 0; v < RHM_STATE_VECTORS; v++)
        nbytes += sizeof(double) * state_of(kept)->length[v];
    return nbytes;
}

typedef struct reading {
    rhm_kept *kept;
    rhm_stage *stage;
} reading;

rhm_status rhm_kept_check_kind(const rhm_h5 *file, const char *kind, rhm_error *error) {
    if (strcmp(rhm_h5_kind(file), kind) != 0)
        return rhm_h5_refuse(file, "this file", error, "was not written as a %s file of a checkpoint", kind);
    return RHM_OK;
}

static rhm_status read_all(void *context, const rhm_h5 *file, rhm_error *error) {
    const reading *r = context;
    rhm_kept *kept = r->kept;
    uint64_t level;
    RHM_TRY(rhm_kept_check_kind(file, "checkpoint", error));
    RHM_TRY(rhm_fingerprint_check(file, "/run", &kept->fingerprint, error));
    RHM_TRY(rhm_h5_read_integer_attribute(file, "/run", "level", 1, 0, kept->task->tree.levels, &level, error));
    kept->level = (uint32_t)level;
    RHM_TRY(rhm_h5_read_float_attribute(file, "/run", "seconds", &kept->seconds, error));
    RHM_TRY(rhm_h5_read_float_attribute(file, "/run", "level_begin", &kept->level_begin, error));
    RHM_TRY(rhm_h5_read_integer_attribute(file, "/run", "samples_file", 1, 0, UINT64_MAX, &kept->samples, error));
    RHM_TRY(read_levels(kept, file, error));
    RHM_TRY(rhm_backend_choices_read(file, kept->engine, error));
    kept->in_stage = rhm_h5_has(file, "/stage");
    if (!kept->in_stage)
        return RHM_OK;
    RHM_TRY(rhm_stage_read(r->stage, file, kept->task, kept->level, error));
    return read_solver(kept, file, error);
}

rhm_status rhm_kept_read(rhm_kept *kept, rhm_stage *stage, const char *path, rhm_error *error) {
    reading r = {kept, stage};
    return rhm_h5_load(path, read_all, &r, error);
}
