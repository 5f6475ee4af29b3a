#include "learners/layerwise/stage_file.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "learners/layerwise/stage_fields.h"

static rhm_h5_shape weights_shape(const struct rhm_layer *layer) {
    return rhm_h5_shape2(rhm_layer_outputs(layer), 2 * (uint64_t)layer->width);
}

rhm_status rhm_stage_write(rhm_h5 *file, const rhm_stage *stage, rhm_error *error) {
    const rhm_fit *best = &stage->best;
    RHM_TRY(rhm_h5_write_group(file, "/stage", error));
    RHM_TRY(rhm_fields_write(file, "/stage/costs", &rhm_stage_cost_fields, &stage->costs, 1, error));
    RHM_TRY(rhm_fields_write(file, "/stage/search", &rhm_search_fields, &stage->search, 1, error));
    RHM_TRY(rhm_fields_write(file, "/stage/draws", &rhm_drawn_fields, stage->drawn, stage->draws, error));
    if (!best->layer.weights)
        return RHM_OK;
    const rhm_h5_shape shape = weights_shape(&best->layer);
    RHM_TRY(rhm_fields_write(file, "/stage/best", &rhm_fit_fields, best, 1, error));
    return rhm_h5_write(file, "/stage/best_weights", RHM_H5_F32, &shape, best->layer.weights, error);
}

uint64_t rhm_stage_nbytes(const rhm_stage *stage) {
    return sizeof(float) * (uint64_t)rhm_layer_outputs(&stage->best.layer) * 2 * stage->best.layer.width;
}

static rhm_status read_row(const rhm_h5 *file, const char *object, const rhm_fields *fields, void *row,
                           rhm_error *error) {
    size_t rows;
    RHM_TRY(rhm_fields_rows(file, object, fields, &rows, error));
    if (rows != 1)
        return rhm_h5_refuse(file, object, error, "has %zu rows: one is expected", rows);
    return rhm_fields_read(file, object, fields, row, 1, error);
}

static rhm_status read_draws(rhm_stage *stage, const rhm_h5 *file, rhm_error *error) {
    size_t rows;
    RHM_TRY(rhm_fields_rows(file, "/stage/draws", &rhm_drawn_fields, &rows, error));
    if (rows > RHM_MOST_DRAWS)
        return rhm_h5_refuse(file, "/stage/draws", error, "has %zu rows: at most %d are expected", rows,
                             RHM_MOST_DRAWS);
    stage->draws = (uint32_t)rows;
    return rhm_fields_read(file, "/stage/draws", &rhm_drawn_fields, stage->drawn, rows, error);
}

static rhm_status read_best(rhm_fit *best, const rhm_h5 *file, const rhm_task *task, uint32_t level, rhm_error *error) {
    RHM_TRY(read_row(file, "/stage/best", &rhm_fit_fields, best, error));
    struct rhm_layer *layer = &best->layer;
    if (layer->width < 1 || layer->width > RHM_MAX_WIDTH)
        return rhm_h5_refuse(file, "/stage/best", error, "is of width %u", layer->width);
    layer->tokens = task->tree.branching[level];
    layer->embedding = rhm_task_embedding(task, level);
    layer->classes = task->classes;
    layer->positions = rhm_task_positions(task, level);
    RHM_TRY(rhm_layer_alloc(layer, error));
    const rhm_h5_shape shape = weights_shape(layer);
    return rhm_h5_read_floats(file, "/stage/best_weights", &shape, RHM_H5_F32, layer->weights, error);
}

rhm_status rhm_stage_read(rhm_stage *stage, const rhm_h5 *file, rhm_task *task, uint32_t level, rhm_error *error) {
    const rhm_search *search = &stage->search;
    RHM_TRY(read_row(file, "/stage/costs", &rhm_stage_cost_fields, &stage->costs, error));
    if (stage->costs.positions < 1 || stage->costs.positions > rhm_task_most_positions(task, level))
        return rhm_h5_refuse(file, "/stage/costs", error, "have %u positions, and the level %u at most",
                             stage->costs.positions, rhm_task_most_positions(task, level));
    task->positions[level] = stage->costs.positions;
    RHM_TRY(read_row(file, "/stage/search", &rhm_search_fields, &stage->search, error));
    RHM_TRY(read_draws(stage, file, error));
    const bool fits = search->request.action == RHM_SEARCH_FIT;
    if ((unsigned)search->phase >= RHM_SEARCH_STEPS || (unsigned)search->request.action > RHM_SEARCH_END ||
        (fits && (search->request.width < 1 || search->request.width > RHM_MAX_WIDTH)))
        return rhm_h5_refuse(file, "/stage/search", error, "is at step %d and asks for %d with width %u",
                             (int)search->phase, (int)search->request.action, search->request.width);
    if (rhm_h5_has(file, "/stage/best"))
        RHM_TRY(read_best(&stage->best, file, task, level, error));
    if (search->fitted != (stage->best.layer.weights != NULL))
        return rhm_h5_refuse(file, "/stage", error, "has %s best fit, but its search has %s",
                             search->fitted ? "no" : "a", search->fitted ? "one" : "none");
    stage->searching = true;
    return RHM_OK;
}

void rhm_stage_take(rhm_stage *stage, rhm_stage *read) {
    stage->costs = read->costs;
    stage->search = read->search;
    stage->best = read->best;
    stage->draws = read->draws;
    stage->searching = read->searching;
    memcpy(stage->drawn, read->drawn, sizeof stage->drawn);
    read->best = (rhm_fit){0};
    if (stage->best.layer.frequencies)
        rhm_layer_draw_frequencies(&stage->best.layer, NULL, stage->options->seed, stage->level, NULL);
}
