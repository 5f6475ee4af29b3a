#include "learners/layerwise/stage_file.h"

#include <string.h>

#include "core/fail.h"
#include "core/fields.h"
#include "core/memory.h"

#define COST(member)  offsetof(rhm_stage, member)
#define STATE(member) offsetof(rhm_search, member)
#define FIT(member)   offsetof(rhm_fit, member)
#define DRAW(member)  offsetof(rhm_drawn, member)

static const rhm_field cost_columns[] = {
    {"sample_seconds", RHM_FIELD_F64, COST(sample_seconds), .count = 0},
    {"embed_seconds", RHM_FIELD_F64, COST(embed_seconds), .count = 0},
    {"fit_seconds", RHM_FIELD_F64, COST(fit_seconds), .count = 0},
    {"kernel_seconds", RHM_FIELD_F64, COST(kernel_seconds), .count = 0},
    {"flops", RHM_FIELD_F64, COST(flops), .count = 0},
    {"fits", RHM_FIELD_U32, COST(fits), .count = 0},
    {"positions", RHM_FIELD_U32, COST(positions), .count = 0},
    {"earlier_work", RHM_FIELD_F64, COST(earlier_work), .count = 0},
};

static const rhm_field search_columns[] = {
    {"phase", RHM_FIELD_U32, STATE(phase), .count = 0},
    {"action", RHM_FIELD_U32, STATE(request.action), .count = 0},
    {"samples_asked", RHM_FIELD_U64, STATE(request.samples), .count = 0},
    {"held_out_asked", RHM_FIELD_U64, STATE(request.held_out), .count = 0},
    {"width_asked", RHM_FIELD_U32, STATE(request.width), .count = 0},
    {"bandwidth_asked", RHM_FIELD_F64, STATE(request.bandwidth), .count = 0},
    {"ridge_asked", RHM_FIELD_F64, STATE(request.ridge), .count = 0},
    {"solves", RHM_FIELD_F64, STATE(request.solves), .count = 0},
    {"keep", RHM_FIELD_BOOL, STATE(keep), .count = 0},
    {"fitted", RHM_FIELD_BOOL, STATE(fitted), .count = 0},
    {"best_iterations", RHM_FIELD_U32, STATE(best.iterations), .count = 0},
    {"best_route", RHM_FIELD_U32, STATE(best.route), .count = 0},
    {"best_loss", RHM_FIELD_F64, STATE(best.loss), .count = 0},
    {"best_accuracy", RHM_FIELD_F64, STATE(best.accuracy), .count = 0},
    {"best_evidence", RHM_FIELD_F64, STATE(best.evidence), .count = 0},
    {"best_clusters", RHM_FIELD_U32, STATE(best.clusters.count), .count = 0},
    {"best_separation", RHM_FIELD_F64, STATE(best.clusters.separation), .count = 0},
    {"best_radius", RHM_FIELD_F64, STATE(best.clusters.radius), .count = 0},
    {"best_fewer", RHM_FIELD_U32, STATE(best.clusters.fewer), .count = 0},
    {"best_fewer_separation", RHM_FIELD_F64, STATE(best.clusters.fewer_separation), .count = 0},
    {"best_fewer_radius", RHM_FIELD_F64, STATE(best.clusters.fewer_radius), .count = 0},
    {"width", RHM_FIELD_U32, STATE(width), .count = 0},
    {"bandwidth", RHM_FIELD_F64, STATE(bandwidth), .count = 0},
    {"ridge", RHM_FIELD_F64, STATE(ridge), .count = 0},
    {"separation", RHM_FIELD_F64, STATE(separation), .count = 0},
    {"samples", RHM_FIELD_U64, STATE(samples), .count = 0},
    {"most", RHM_FIELD_U64, STATE(most), .count = 0},
    {"drawn", RHM_FIELD_F64, STATE(drawn), .count = 0},
    {"distinct", RHM_FIELD_F64, STATE(distinct), .count = 0},
    {"direction", RHM_FIELD_U32, STATE(direction), .count = 0},
    {"steps", RHM_FIELD_U32, STATE(steps), .count = 0},
    {"best_gap", RHM_FIELD_F64, STATE(best_gap), .count = 0},
    {"best_samples", RHM_FIELD_U64, STATE(best_samples), .count = 0},
    {"stalls", RHM_FIELD_U32, STATE(stalls), .count = 0},
    {"helped", RHM_FIELD_BOOL, STATE(helped), .count = 0},
    {"can_draw", RHM_FIELD_BOOL, STATE(can_draw), .count = 0},
    {"can_widen", RHM_FIELD_BOOL, STATE(can_widen), .count = 0},
    {"widen_next", RHM_FIELD_BOOL, STATE(widen_next), .count = 0},
    {"drew_more", RHM_FIELD_BOOL, STATE(drew_more), .count = 0},
    {"widened", RHM_FIELD_BOOL, STATE(widened), .count = 0},
    {"late", RHM_FIELD_BOOL, STATE(late), .count = 0},
    {"ended", RHM_FIELD_BOOL, STATE(ended), .count = 0},
    {"work", RHM_FIELD_F64, STATE(work), .count = 0},
    {"foreseen", RHM_FIELD_F64, STATE(foreseen), .count = 0},
    {"allowed", RHM_FIELD_F64, STATE(allowed), .count = 0},
    {"drawn_work", RHM_FIELD_F64, STATE(drawn_work), .count = 0},
    {"last_fit", RHM_FIELD_F64, STATE(last_fit), .count = 0},
};

static const rhm_field fit_columns[] = {
    {"width", RHM_FIELD_U32, FIT(layer.width), .count = 0},
    {"bandwidth", RHM_FIELD_F64, FIT(layer.bandwidth), .count = 0},
    {"ridge", RHM_FIELD_F64, FIT(layer.ridge), .count = 0},
    {"route", RHM_FIELD_U32, FIT(route), .count = 0},
    {"iterations", RHM_FIELD_U32, FIT(solve.iterations), .count = 0},
    {"residual", RHM_FIELD_F64, FIT(solve.residual), .count = 0},
    {"converged", RHM_FIELD_BOOL, FIT(solve.converged), .count = 0},
    {"loss", RHM_FIELD_F64, FIT(loss), .count = 0},
    {"clusters", RHM_FIELD_U32, FIT(clusters.count), .count = 0},
    {"cluster_separation", RHM_FIELD_F64, FIT(clusters.separation), .count = 0},
    {"cluster_radius", RHM_FIELD_F64, FIT(clusters.radius), .count = 0},
    {"fewer_clusters", RHM_FIELD_U32, FIT(clusters.fewer), .count = 0},
    {"fewer_separation", RHM_FIELD_F64, FIT(clusters.fewer_separation), .count = 0},
    {"fewer_radius", RHM_FIELD_F64, FIT(clusters.fewer_radius), .count = 0},
    {"accuracy", RHM_FIELD_F64, FIT(accuracy), .count = 0},
    {"evidence", RHM_FIELD_F64, FIT(evidence), .count = 0},
    {"clamped", RHM_FIELD_U64, FIT(clamped), .count = 0},
    {"seconds", RHM_FIELD_F64, FIT(seconds), .count = 0},
};

static const rhm_field draw_columns[] = {
    {"samples", RHM_FIELD_U64, DRAW(samples), .count = 0},
    {"held_out", RHM_FIELD_U64, DRAW(held_out), .count = 0},
};

#define FIELDS(columns, type)                                                                                          \
    { columns, sizeof(columns) / sizeof *(columns), sizeof(type) }

static const rhm_fields cost_fields = FIELDS(cost_columns, rhm_stage),
                        search_fields = FIELDS(search_columns, rhm_search), fit_fields = FIELDS(fit_columns, rhm_fit),
                        draw_fields = FIELDS(draw_columns, rhm_drawn);

/* A member without a column above would be lost by an interruption. */
_Static_assert(sizeof(rhm_search) == 296, "rhm_search has changed: so must its columns in checkpoints");
_Static_assert(sizeof(rhm_fit) == 176, "rhm_fit has changed: so must its columns in checkpoints");
_Static_assert(sizeof(rhm_drawn) == 16, "rhm_drawn has changed: so must its columns in checkpoints");

static rhm_h5_shape weights_shape(const struct rhm_layer *layer) {
    return rhm_h5_shape2(rhm_layer_outputs(layer), 2 * (uint64_t)layer->width);
}

rhm_status rhm_stage_write(rhm_h5 *file, const rhm_stage *stage, rhm_error *error) {
    const rhm_fit *best = &stage->best;
    RHM_TRY(rhm_h5_write_group(file, "/stage", error));
    RHM_TRY(rhm_fields_write(file, "/stage/costs", &cost_fields, stage, 1, error));
    RHM_TRY(rhm_fields_write(file, "/stage/search", &search_fields, &stage->search, 1, error));
    RHM_TRY(rhm_fields_write(file, "/stage/draws", &draw_fields, stage->drawn, stage->draws, error));
    if (!best->layer.weights)
        return RHM_OK;
    const rhm_h5_shape shape = weights_shape(&best->layer);
    RHM_TRY(rhm_fields_write(file, "/stage/best", &fit_fields, best, 1, error));
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
    RHM_TRY(rhm_fields_rows(file, "/stage/draws", &draw_fields, &rows, error));
    if (rows > RHM_MOST_DRAWS)
        return rhm_h5_refuse(file, "/stage/draws", error, "has %zu rows: at most %d are expected", rows,
                             RHM_MOST_DRAWS);
    stage->draws = (uint32_t)rows;
    return rhm_fields_read(file, "/stage/draws", &draw_fields, stage->drawn, rows, error);
}

static rhm_status read_best(rhm_fit *best, const rhm_h5 *file, const rhm_task *task, uint32_t level, rhm_error *error) {
    RHM_TRY(read_row(file, "/stage/best", &fit_fields, best, error));
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
    RHM_TRY(read_row(file, "/stage/costs", &cost_fields, stage, error));
    if (stage->positions < 1 || stage->positions > rhm_task_most_positions(task, level))
        return rhm_h5_refuse(file, "/stage/costs", error, "have %u positions, and the level %u at most",
                             stage->positions, rhm_task_most_positions(task, level));
    task->positions[level] = stage->positions;
    RHM_TRY(read_row(file, "/stage/search", &search_fields, &stage->search, error));
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
    rhm_fields_copy(&cost_fields, stage, read);
    stage->search = read->search;
    stage->best = read->best;
    stage->draws = read->draws;
    stage->searching = read->searching;
    memcpy(stage->drawn, read->drawn, sizeof stage->drawn);
    read->best = (rhm_fit){0};
    if (stage->best.layer.frequencies)
        rhm_layer_draw_frequencies(&stage->best.layer, NULL, stage->options->seed, stage->level);
}
