#include "learners/layerwise/stage_fields.h"

#include "learners/layerwise/stage.h"

#define COST(member)  .place = offsetof(rhm_stage_costs, member)
#define STATE(member) .place = offsetof(rhm_search, member)
#define FIT(member)   .place = offsetof(rhm_fit, member)
#define DRAW(member)  .place = offsetof(rhm_drawn, member)

static const rhm_field cost_columns[] = {
    {"sample_seconds", RHM_FIELD_F64, COST(sample_seconds)},
    {"embed_seconds", RHM_FIELD_F64, COST(embed_seconds)},
    {"fit_seconds", RHM_FIELD_F64, COST(fit_seconds)},
    {"kernel_seconds", RHM_FIELD_F64, COST(kernel_seconds)},
    {"flops", RHM_FIELD_F64, COST(flops)},
    {"fits", RHM_FIELD_U32, COST(fits)},
    {"positions", RHM_FIELD_U32, COST(positions)},
    {"earlier_work", RHM_FIELD_F64, COST(earlier_work)},
};

static const rhm_field search_columns[] = {
    {"phase", RHM_FIELD_U32, STATE(phase)},
    {"action", RHM_FIELD_U32, STATE(request.action)},
    {"samples_asked", RHM_FIELD_U64, STATE(request.samples)},
    {"held_out_asked", RHM_FIELD_U64, STATE(request.held_out)},
    {"width_asked", RHM_FIELD_U32, STATE(request.width)},
    {"bandwidth_asked", RHM_FIELD_F64, STATE(request.bandwidth)},
    {"ridge_asked", RHM_FIELD_F64, STATE(request.ridge)},
    {"solves", RHM_FIELD_F64, STATE(request.solves)},
    {"iterations_asked", RHM_FIELD_U32, STATE(request.iterations)},
    {"keep", RHM_FIELD_BOOL, STATE(keep)},
    {"fitted", RHM_FIELD_BOOL, STATE(fitted)},
    {"best_iterations", RHM_FIELD_U32, STATE(best.iterations)},
    {"best_route", RHM_FIELD_U32, STATE(best.route)},
    {"best_loss", RHM_FIELD_F64, STATE(best.loss)},
    {"best_accuracy", RHM_FIELD_F64, STATE(best.accuracy)},
    {"best_evidence", RHM_FIELD_F64, STATE(best.evidence)},
    {"best_clusters", RHM_FIELD_U32, STATE(best.clusters.count)},
    {"best_separation", RHM_FIELD_F64, STATE(best.clusters.separation)},
    {"best_radius", RHM_FIELD_F64, STATE(best.clusters.radius)},
    {"best_fewer", RHM_FIELD_U32, STATE(best.clusters.fewer)},
    {"best_fewer_separation", RHM_FIELD_F64, STATE(best.clusters.fewer_separation)},
    {"best_fewer_radius", RHM_FIELD_F64, STATE(best.clusters.fewer_radius)},
    {"width", RHM_FIELD_U32, STATE(width)},
    {"bandwidth", RHM_FIELD_F64, STATE(bandwidth)},
    {"ridge", RHM_FIELD_F64, STATE(ridge)},
    {"separation", RHM_FIELD_F64, STATE(separation)},
    {"samples", RHM_FIELD_U64, STATE(samples)},
    {"most", RHM_FIELD_U64, STATE(most)},
    {"drawn", RHM_FIELD_F64, STATE(drawn)},
    {"distinct", RHM_FIELD_F64, STATE(distinct)},
    {"held_out_distinct", RHM_FIELD_F64, STATE(held_out_distinct)},
    {"direction", RHM_FIELD_U32, STATE(direction)},
    {"steps", RHM_FIELD_U32, STATE(steps)},
    {"best_gap", RHM_FIELD_F64, STATE(best_gap)},
    {"best_samples", RHM_FIELD_U64, STATE(best_samples)},
    {"stalls", RHM_FIELD_U32, STATE(stalls)},
    {"helped", RHM_FIELD_BOOL, STATE(helped)},
    {"can_draw", RHM_FIELD_BOOL, STATE(can_draw)},
    {"can_widen", RHM_FIELD_BOOL, STATE(can_widen)},
    {"widen_next", RHM_FIELD_BOOL, STATE(widen_next)},
    {"drew_more", RHM_FIELD_BOOL, STATE(drew_more)},
    {"widened", RHM_FIELD_BOOL, STATE(widened)},
    {"late", RHM_FIELD_BOOL, STATE(late)},
    {"ended", RHM_FIELD_BOOL, STATE(ended)},
    {"work", RHM_FIELD_F64, STATE(work)},
    {"foreseen", RHM_FIELD_F64, STATE(foreseen)},
    {"allowed", RHM_FIELD_F64, STATE(allowed)},
    {"drawn_work", RHM_FIELD_F64, STATE(drawn_work)},
    {"last_fit", RHM_FIELD_F64, STATE(last_fit)},
};

static const rhm_field fit_columns[] = {
    {"width", RHM_FIELD_U32, FIT(layer.width)},
    {"bandwidth", RHM_FIELD_F64, FIT(layer.bandwidth)},
    {"ridge", RHM_FIELD_F64, FIT(layer.ridge)},
    {"route", RHM_FIELD_U32, FIT(route)},
    {"iterations", RHM_FIELD_U32, FIT(solve.iterations)},
    {"residual", RHM_FIELD_F64, FIT(solve.residual)},
    {"converged", RHM_FIELD_BOOL, FIT(solve.converged)},
    {"loss", RHM_FIELD_F64, FIT(loss)},
    {"clusters", RHM_FIELD_U32, FIT(clusters.count)},
    {"cluster_separation", RHM_FIELD_F64, FIT(clusters.separation)},
    {"cluster_radius", RHM_FIELD_F64, FIT(clusters.radius)},
    {"fewer_clusters", RHM_FIELD_U32, FIT(clusters.fewer)},
    {"fewer_separation", RHM_FIELD_F64, FIT(clusters.fewer_separation)},
    {"fewer_radius", RHM_FIELD_F64, FIT(clusters.fewer_radius)},
    {"accuracy", RHM_FIELD_F64, FIT(accuracy)},
    {"evidence", RHM_FIELD_F64, FIT(evidence)},
    {"clamped", RHM_FIELD_U64, FIT(clamped)},
    {"seconds", RHM_FIELD_F64, FIT(seconds)},
};

static const rhm_field draw_columns[] = {
    {"samples", RHM_FIELD_U64, DRAW(samples)},
    {"held_out", RHM_FIELD_U64, DRAW(held_out)},
};

#define FIELDS(columns, type)                                                                                          \
    { columns, sizeof(columns) / sizeof *(columns), sizeof(type) }

const rhm_fields rhm_stage_cost_fields = FIELDS(cost_columns, rhm_stage_costs);
const rhm_fields rhm_search_fields = FIELDS(search_columns, rhm_search);
const rhm_fields rhm_fit_fields = FIELDS(fit_columns, rhm_fit);
const rhm_fields rhm_drawn_fields = FIELDS(draw_columns, rhm_drawn);
