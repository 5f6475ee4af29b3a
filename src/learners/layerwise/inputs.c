#include "learners/layerwise/inputs.h"

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "learners/layerwise/held_out.h"

/* What the kernels have done for the embeddings of a set. */
typedef struct kernel_work {
    double seconds, flops;
} kernel_work;

static kernel_work work_of(const rhm_stage *stage, const rhm_sample_set *set) {
    kernel_work work = {0};
    for (uint32_t j = stage->task->tree.levels; j > stage->level; j--) {
        work.seconds += set->table[j].kernel_seconds;
        work.flops += set->table[j].flops;
    }
    return work;
}

/* What is done again, since other ranks have it, is no other work than one process does. */
static rhm_status embed(rhm_stage *stage, rhm_sample_set *set, const rhm_spread_part *own, bool again,
                        rhm_error *error) {
    const double begin = rhm_seconds();
    const int span = rhm_trace_begin(stage->engine, "embed", 0);
    kernel_work before = work_of(stage, set);
    if (again) {
        for (uint32_t j = stage->task->tree.levels; j > stage->level; j--)
            rhm_embeddings_clear(&set->table[j]);
        before.seconds = 0;
    }
    const rhm_status status =
        own ? rhm_embed_subtrees_part(set->table, stage->engine, stage->ready, &set->patches, *own, error)
            : rhm_embed_subtrees(set->table, stage->engine, stage->ready, &set->patches, NULL, error);
    const kernel_work after = work_of(stage, set);
    stage->costs.kernel_seconds += after.seconds - before.seconds;
    stage->costs.flops += after.flops - before.flops;
    rhm_trace_end(stage->engine, span, (rhm_span_work){0});
    stage->costs.embed_seconds += rhm_seconds() - begin;
    return status;
}

static bool waits_for_fit(const rhm_stage *stage, const rhm_sample_set *set) {
    return set == &stage->training && set->patches.raw && rhm_engine_ranks(stage->engine) &&
           stage->level < stage->task->tree.levels;
}

rhm_status rhm_inputs_refresh(rhm_stage *stage, rhm_sample_set *set, rhm_error *error) {
    const size_t distinct = rhm_patches_distinct(&set->patches);
    if (waits_for_fit(stage, set))
        return RHM_OK;
    const rhm_spread_part own = rhm_held_out_own(stage->engine, distinct);
    const bool part =
        set == &stage->validation && set->patches.raw && rhm_spread_is_many(stage->engine, rhm_held_out_runs(distinct));
    return embed(stage, set, part ? &own : NULL, false, error);
}

/* Gram matrices are made of the features of all patches on every rank, as are dense solutions. */
static bool needs_all(const rhm_stage *stage, const rhm_linear_plan *plan) {
    return plan->route == RHM_ROUTE_GRAM || stage->options->solver == RHM_CHOLESKY;
}

rhm_status rhm_inputs_for_fit(rhm_stage *stage, const struct rhm_layer *layer, const rhm_linear_plan *plan,
                              rhm_error *error) {
    rhm_sample_set *set = &stage->training;
    const rhm_embeddings *inputs = &set->table[stage->level + 1];
    if (!waits_for_fit(stage, set))
        return RHM_OK;
    const rhm_ranks *ranks = rhm_engine_ranks(stage->engine);
    const size_t distinct = rhm_patches_distinct(&set->patches);
    const bool same = inputs->count == set->patches.subtree[stage->level + 1].count;
    if (needs_all(stage, plan)) {
        const bool again = stage->input_rows > 0;
        stage->input_rows = 0;
        return embed(stage, set, NULL, again, error);
    }
    if (stage->input_rows == 0 && same)
        return RHM_OK;
    if (!stage->input_parts &&
        !(stage->input_parts = RHM_NEW(size_t, (size_t)rhm_ranks_size(ranks) + 1, 1, 1, "parts of ranks", error)))
        return RHM_NO_MEMORY;
    const rhm_phase_map shape = {
        .tokens = layer->tokens, .embedding = layer->embedding, .padded = rhm_padded_width(layer->width)};
    size_t rows;
    RHM_TRY(
        rhm_normal_parts(stage->input_parts, &rows, stage->engine, &shape, rhm_layer_outputs(layer), distinct, error));
    const int rank = rhm_ranks_rank(ranks);
    const rhm_spread_part own = {stage->input_parts[rank], stage->input_parts[rank + 1]};
    if (same && rows == stage->input_rows)
        return RHM_OK;
    const bool again = stage->input_rows > 0 && rows != stage->input_rows;
    stage->input_rows = rows;
    RHM_TRY(embed(stage, set, &own, again, error));
    set->table[stage->level + 1].parts = stage->input_parts;
    return RHM_OK;
}
