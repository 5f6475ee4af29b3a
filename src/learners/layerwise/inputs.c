#include "learners/layerwise/inputs.h"

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "kernels/phasors.h"
#include "learners/layerwise/held_out.h"
#include "patches/division.h"

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

static rhm_status embed(rhm_stage *stage, rhm_sample_set *set, rhm_error *error) {
    const struct rhm_division *d = set->patches.division;
    const bool alone = d && !d->whole;
    const double begin = rhm_seconds();
    const int span = rhm_trace_begin(stage->engine, "embed", 0);
    const kernel_work before = work_of(stage, set);
    rhm_status status = rhm_embed_subtrees(set->table, alone ? rhm_engine_alone(stage->engine) : stage->engine,
                                           stage->ready, &set->patches, NULL, error);
    rhm_trace_end(stage->engine, span, (rhm_span_work){0});
    const kernel_work after = work_of(stage, set);
    uint64_t flops = (uint64_t)(after.flops - before.flops);
    if (status == RHM_OK && alone)
        status = rhm_spread_count(stage->engine, &flops, error);
    stage->costs.kernel_seconds += after.seconds - before.seconds;
    stage->costs.flops += (double)flops;
    stage->costs.embed_seconds += rhm_seconds() - begin;
    return status;
}

/* Those above a level. */
static void clear_tables(const rhm_stage *stage, rhm_sample_set *set, uint32_t end) {
    for (uint32_t j = stage->level + 1; j < end; j++)
        rhm_embeddings_clear(&set->table[j]);
}

/* Patches of ranks, and what is below them: tables of subtrees that have other numbers now are made anew. */
static rhm_status settle(rhm_stage *stage, rhm_sample_set *set, const rhm_ranks_part *of_rank, rhm_error *error) {
    const struct rhm_division *d = set->patches.division;
    const double begin = rhm_seconds();
    clear_tables(stage, set, rhm_division_kept(&set->patches));
    const rhm_status status = rhm_patches_settle(&set->patches, &set->counts, stage->engine, of_rank, error);
    stage->costs.sample_seconds += rhm_seconds() - begin;
    if (status != RHM_OK)
        return status;
    if (d->whole)
        clear_tables(stage, set, stage->task->tree.levels + 1);
    RHM_TRY(embed(stage, set, error));
    set->table[stage->level + 1].all = d->whole ? 0 : d->rows;
    return RHM_OK;
}

static rhm_status settle_held_out(rhm_stage *stage, rhm_error *error) {
    const rhm_engine *engine = stage->engine;
    rhm_sample_set *set = &stage->validation;
    rhm_ranks_part *of_rank =
        RHM_NEW(rhm_ranks_part, (size_t)rhm_ranks_size(rhm_engine_ranks(engine)), 1, 1, "parts of ranks", error);
    if (!of_rank)
        return RHM_NO_MEMORY;
    rhm_held_out_parts(of_rank, engine, rhm_patches_distinct(&set->patches));
    const rhm_status status = settle(stage, set, of_rank, error);
    rhm_free(of_rank);
    return status;
}

rhm_status rhm_inputs_refresh(rhm_stage *stage, rhm_sample_set *set, rhm_error *error) {
    if (!set->patches.division)
        return embed(stage, set, error);
    return set == &stage->training ? RHM_OK : settle_held_out(stage, error);
}

/* Gram matrices are made of the features of all patches on every rank, as are dense solutions. */
static bool needs_all(const rhm_stage *stage, const rhm_linear_plan *plan) {
    return plan->route == RHM_ROUTE_GRAM || stage->options->solver == RHM_CHOLESKY;
}

/* Parts of ranks in passes of a fit, which begin at stage->input_parts; and what else decides them. */
static rhm_status find_parts(rhm_stage *stage, const struct rhm_layer *layer, size_t *rows, rhm_error *error) {
    const size_t ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(stage->engine));
    if (!stage->input_parts && !(stage->input_parts = RHM_NEW(size_t, ranks + 1, 1, 1, "parts of ranks", error)))
        return RHM_NO_MEMORY;
    const rhm_phase_map shape = {
        .tokens = layer->tokens, .embedding = layer->embedding, .padded = rhm_padded_width(layer->width)};
    return rhm_normal_parts(stage->input_parts, rows, stage->engine, &shape, rhm_layer_outputs(layer),
                            rhm_patches_distinct(&stage->training.patches), error);
}

static rhm_status settle_parts(rhm_stage *stage, bool whole, rhm_error *error) {
    const size_t ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(stage->engine));
    const size_t distinct = rhm_patches_distinct(&stage->training.patches);
    rhm_ranks_part *of_rank = RHM_NEW(rhm_ranks_part, ranks, 1, 1, "parts of ranks", error);
    if (!of_rank)
        return RHM_NO_MEMORY;
    for (size_t rank = 0; rank < ranks; rank++)
        of_rank[rank] = whole ? (rhm_ranks_part){0, distinct}
                              : (rhm_ranks_part){stage->input_parts[rank], stage->input_parts[rank + 1]};
    rhm_design_clear(&stage->design); /* it points into the set */
    const rhm_status status = settle(stage, &stage->training, of_rank, error);
    rhm_free(of_rank);
    stage->training.table[stage->level + 1].parts = whole ? NULL : stage->input_parts;
    return status;
}

/* Whether phasors pay is a matter of all embeddings, which ranks with parts do not know: then every rank has all. Of
 * raw samples there are as many as there could be. */
static bool may_pay(const rhm_patches *patches, const struct rhm_layer *layer) {
    return !patches->raw && rhm_phasors_fit(layer->tokens, rhm_padded_width(layer->width), patches->division->rows);
}

rhm_status rhm_inputs_for_fit(rhm_stage *stage, const struct rhm_layer *layer, const rhm_linear_plan *plan,
                              rhm_error *error) {
    const rhm_patches *patches = &stage->training.patches;
    const struct rhm_division *d = patches->division;
    size_t rows = 0;
    if (!d || (d->settled && d->whole))
        return RHM_OK;
    const bool whole = needs_all(stage, plan) || may_pay(patches, layer);
    if (!whole)
        RHM_TRY(find_parts(stage, layer, &rows, error));
    if (d->settled && rows == stage->input_rows)
        return RHM_OK;
    stage->input_rows = rows;
    return settle_parts(stage, whole, error);
}
