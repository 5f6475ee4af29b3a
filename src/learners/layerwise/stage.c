#include "learners/layerwise/stage.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "kernels/phasors.h"
#include "learners/layerwise/held_out.h"
#include "learners/layerwise/inputs.h"
#include "learners/layerwise/score.h"
#include "learners/layerwise/tuning.h"

static rhm_status set_init(rhm_sample_set *set, const rhm_task *task, const rhm_train_options *options, uint32_t level,
                           uint64_t first_look, rhm_stream_of_samples stream, rhm_error *error) {
    const uint32_t positions = rhm_task_positions(task, level);
    set->stream = stream;
    RHM_TRY(rhm_draw_choose(&set->draw, stream.grammar ? stream.grammar->grammar : NULL, options, level, positions,
                            (double)first_look, error));
    RHM_TRY(rhm_patches_init(&set->patches, level, &task->tree, task->classes, error));
    set->patches.positions = positions;
    set->patches.raw = options->raw;
    set->patches.thinned = set->draw.thinned;
    return rhm_embeddings_one_hot(&set->table[task->tree.levels + 1], task->token_vocab, error);
}

static void set_clear(rhm_sample_set *set) {
    rhm_patches_destroy(&set->patches);
    rhm_patch_counts_clear(&set->counts);
    for (size_t j = 0; j < sizeof set->table / sizeof *set->table; j++)
        rhm_embeddings_clear(&set->table[j]);
}

rhm_status rhm_stage_init(rhm_stage *stage, const rhm_engine *engine, const rhm_task *task,
                          const rhm_train_options *options, const rhm_ready_layer *ready, uint32_t level,
                          uint64_t first_look, rhm_stream_of_samples training, rhm_stream_of_samples validation,
                          rhm_error *error) {
    *stage = (rhm_stage){.engine = engine, .task = task, .options = options, .ready = ready, .level = level};
    stage->costs.positions = rhm_task_positions(task, level);
    rhm_status status = set_init(&stage->training, task, options, level, first_look, training, error);
    if (status == RHM_OK)
        status = set_init(&stage->validation, task, options, level, first_look, validation, error);
    if (status != RHM_OK)
        rhm_stage_clear(stage);
    return status;
}

void rhm_stage_clear(rhm_stage *stage) {
    rhm_design_clear(&stage->design);
    rhm_fit_clear(&stage->best);
    set_clear(&stage->training);
    set_clear(&stage->validation);
    rhm_free(stage->input_parts);
    *stage = (rhm_stage){0};
}

enum {
    SLICE_LEAVES = 1 << 26,                         /* tokens drawn between two looks at the clock: about a second */
    FIRST_PATCHES = RHM_HELD_OUT_LEAST_RUN * 5 / 4, /* of a rank, after which they might be divided */
};

/* ---- patches divided among ranks --------------------------------------------------------------------------------- */

static bool may_divide(const rhm_stage *stage, const rhm_sample_set *set) {
    return rhm_ranks_size(rhm_engine_ranks(stage->engine)) > 1 && !set->patches.division &&
           stage->level < stage->task->tree.levels;
}

/* A copy on each rank is faster than parts: subtrees that parts share are made and embedded once. */
static rhm_status is_large(bool *out, const rhm_stage *stage, const rhm_patches *patches, rhm_error *error) {
    uint64_t ranks = patches->reserved_nbytes > stage->engine->memory_limit_nbytes / RHM_COPY_SHARE;
    RHM_TRY(rhm_spread_add(stage->engine, &ranks, 1, error));
    *out = ranks > 0;
    return RHM_OK;
}

/* As soon as each rank can have a run of them, if a copy takes much memory on any, and features will not be made of
 * phasors, which are of all embeddings. */
static rhm_status divide(const rhm_stage *stage, rhm_sample_set *set, rhm_error *error) {
    const rhm_patches *patches = &set->patches;
    const size_t rows = patches->subtree[stage->level + 1].count;
    if (patches->raw)
        return RHM_OK;
    const size_t width = stage->options->width ? stage->options->width : rhm_tuning_default.first_width;
    if (!may_divide(stage, set) ||
        !rhm_spread_is_many(stage->engine, rhm_held_out_runs(rhm_patches_distinct(patches))) ||
        rhm_phasors_fit(patches->tree.branching[stage->level], rhm_padded_width(width), rows))
        return RHM_OK;
    bool large;
    RHM_TRY(is_large(&large, stage, patches, error));
    return large ? rhm_patches_divide(&set->patches, stage->engine, stage->task->token_vocab, error) : RHM_OK;
}

static uint64_t slice_of(const rhm_stage *stage, const rhm_sample_set *set) {
    const uint64_t leaves = stage->task->tree.leaves[stage->level - 1];
    const uint64_t positions = rhm_task_positions(stage->task, stage->level);
    const uint64_t samples = SLICE_LEAVES / (leaves * positions), have = set->patches.samples;
    uint64_t some = FIRST_PATCHES * (uint64_t)rhm_ranks_size(rhm_engine_ranks(stage->engine)) / positions;
    some = some > have ? some : have;
    const uint64_t slice = may_divide(stage, set) && some < samples ? some : samples;
    return slice ? slice : 1;
}

/* Raw samples are only copied into lists, which had better grow at once. */
static rhm_status add_samples(rhm_stage *stage, rhm_sample_set *set, const char *label, uint64_t samples,
                              rhm_error *error) {
    if (set->patches.raw && may_divide(stage, set))
        RHM_TRY(rhm_patches_divide(&set->patches, stage->engine, stage->task->token_vocab, error));
    while (set->patches.samples < samples) {
        const uint64_t slice = set->patches.raw ? UINT64_MAX : slice_of(stage, set);
        const uint64_t have = set->patches.samples, left = samples - have;
        rhm_engine_progress(stage->engine, label, have, samples);
        rhm_status status = rhm_patches_add(&set->patches, stage->engine, NULL, set->stream.source, set->stream.context,
                                            have, left < slice ? left : slice, NULL, error);
        if (status == RHM_OK)
            status = divide(stage, set, error);
        if (status == RHM_OK || status == RHM_INTERRUPTED)
            rhm_stage_offer(stage);
        if (status != RHM_OK)
            return status;
        rhm_engine_progress(stage->engine, label, set->patches.samples, samples);
    }
    return RHM_OK;
}

static rhm_status add_counts(rhm_stage *stage, rhm_sample_set *set, const char *label, uint64_t samples,
                             rhm_error *error) {
    const rhm_grammar_source *from = set->stream.grammar;
    rhm_engine_progress(stage->engine, label, set->patches.samples, samples);
    const int span = rhm_trace_begin(stage->engine, "draw counts", 0);
    RHM_TRY(rhm_patches_draw(&set->patches, stage->engine, from->grammar, from->seed, from->stream, set->draws,
                             samples - set->patches.samples, error));
    rhm_trace_end(stage->engine, span, (rhm_span_work){.items = (double)set->patches.cell.count});
    set->draws++;
    return RHM_OK;
}

static rhm_status add(rhm_stage *stage, rhm_sample_set *set, const char *what, uint64_t samples, rhm_error *error) {
    if (samples <= set->patches.samples)
        return RHM_OK;
    rhm_design_clear(&stage->design); /* it points into the sets */
    set->stale = true;
    char label[64];
    snprintf(label, sizeof label, "level %u: %s", stage->level, what);
    const double begin = rhm_seconds(), have = (double)set->patches.samples;
    const int span = rhm_trace_begin(stage->engine, set == &stage->training ? "draw" : "draw held-out", 0);
    const rhm_status status = set->draw.counted ? add_counts(stage, set, label, samples, error)
                                                : add_samples(stage, set, label, samples, error);
    rhm_trace_end(stage->engine, span, (rhm_span_work){.items = (double)set->patches.samples - have});
    stage->costs.sample_seconds += rhm_seconds() - begin;
    return status;
}

/* Counts by patch; and distinct patches that were not there before are pushed up to the inputs of the stage's level. */
static rhm_status refresh(rhm_stage *stage, rhm_sample_set *set, rhm_error *error) {
    if (!set->stale)
        return RHM_OK;
    const double begin = rhm_seconds();
    const int span = rhm_trace_begin(stage->engine, set == &stage->training ? "draw" : "draw held-out", 0);
    rhm_patch_counts_clear(&set->counts);
    const size_t distinct = rhm_patches_distinct(&set->patches);
    const rhm_spread_part own =
        set == &stage->training ? (rhm_spread_part){0, distinct} : rhm_held_out_own(stage->engine, distinct);
    if (!set->patches.division)
        RHM_TRY(rhm_patch_counts_make_part(&set->counts, &set->patches, own, stage->engine, error));
    rhm_trace_end(stage->engine, span, (rhm_span_work){0});
    stage->costs.sample_seconds += rhm_seconds() - begin;

    const rhm_status status = rhm_inputs_refresh(stage, set, error);
    set->stale = status != RHM_OK;
    return status;
}

/* An interrupted stage is kept as it is now; solvers have done so themselves. */
static rhm_status keep(const rhm_stage *stage, rhm_status status) {
    if (status == RHM_INTERRUPTED)
        rhm_stage_offer(stage);
    return status;
}

static rhm_status draw_both(rhm_stage *stage, uint64_t samples, uint64_t held_out, rhm_error *error) {
    RHM_TRY(add(stage, &stage->training, "sampling", samples, error));
    return add(stage, &stage->validation, "validation", held_out, error);
}

rhm_status rhm_stage_restore(rhm_stage *stage, rhm_error *error) {
    stage->training.stale = stage->validation.stale = true;
    for (uint32_t i = 0; i < stage->draws; i++)
        RHM_TRY(keep(stage, draw_both(stage, stage->drawn[i].samples, stage->drawn[i].held_out, error)));
    return RHM_OK;
}

rhm_status rhm_stage_draw(rhm_stage *stage, uint64_t samples, uint64_t held_out, rhm_error *error) {
    if (stage->draws == RHM_MOST_DRAWS)
        return rhm_fail(error, RHM_INVALID, "level %u was drawn %d times: more are not foreseen", stage->level,
                        RHM_MOST_DRAWS);
    rhm_status status = draw_both(stage, samples, held_out, error);
    if (status == RHM_OK)
        status = refresh(stage, &stage->training, error);
    if (status == RHM_OK)
        status = refresh(stage, &stage->validation, error);
    stage->clock = rhm_seconds() - stage->begin;
    if (status == RHM_OK)
        stage->drawn[stage->draws++] = (rhm_drawn){samples, held_out};
    return keep(stage, status);
}

rhm_status rhm_stage_settle(rhm_stage *stage, rhm_error *error) {
    return keep(stage, refresh(stage, &stage->validation, error));
}

static rhm_status group(rhm_stage *stage, const rhm_embeddings *outputs, size_t distinct, rhm_fit *fit,
                        rhm_error *error) {
    float *points;
    size_t count;
    RHM_TRY(rhm_held_out_points(&points, &count, stage->engine, outputs, distinct, RHM_CLUSTER_POINTS, error));
    rhm_cluster_bound(points, count, stage->costs.positions, stage->task->classes);
    const rhm_status status =
        rhm_cluster(&fit->clusters, stage->engine, points, count, rhm_task_outputs(stage->task, stage->level),
                    stage->task->parents[stage->level], stage->options->seed, error);
    rhm_free(points);
    return status;
}

static rhm_status measure(rhm_stage *stage, const rhm_ready_layer *ready, rhm_fit *fit, rhm_error *error) {
    const rhm_sample_set *set = &stage->validation;
    const size_t distinct = rhm_patches_distinct(&set->patches);
    rhm_embeddings out = {0};
    rhm_status status = rhm_held_out_embed(&out, stage->engine, ready, &set->patches.subtree[stage->level],
                                           &set->table[stage->level + 1], &fit->clamped, error);
    stage->costs.kernel_seconds += out.kernel_seconds;
    if (status == RHM_OK) {
        stage->costs.flops += out.flops;
        const int span = rhm_trace_begin(stage->engine, "score", 0);
        status = rhm_score_outputs(fit, stage->engine, set, out.row, error);
        rhm_trace_end(stage->engine, span, (rhm_span_work){.items = (double)distinct});
    }
    if (status == RHM_OK) {
        const int span = rhm_trace_begin(stage->engine, "cluster", 0);
        status = group(stage, &out, distinct, fit, error);
        rhm_trace_end(stage->engine, span, (rhm_span_work){.items = (double)distinct});
    }
    rhm_embeddings_clear(&out);
    return status;
}

/* Everything of a fit but its ridge: what the last fit left behind, if it had the same width and bandwidth. */
static rhm_status design_for(rhm_stage *stage, const struct rhm_layer *layer, const rhm_solve_watch *watch,
                             const char *label, rhm_error *error) {
    const rhm_task *task = stage->task;
    const uint32_t width = layer->width;
    RHM_TRY(refresh(stage, &stage->training, error));
    RHM_TRY(refresh(stage, &stage->validation, error));
    const rhm_intern *patches = &stage->training.patches.subtree[stage->level];
    const rhm_route_sizes sizes = {
        .patches = (double)patches->count,
        .width = width,
        .classes = rhm_task_outputs(task, stage->level),
        .blocks = rhm_task_positions(task, stage->level),
        .inputs = (double)layer->tokens * layer->embedding,
    };
    rhm_design_key key = {
        .samples = stage->training.patches.samples,
        .seed = stage->options->seed,
        .level = stage->level,
        .width = width,
        .bandwidth = layer->bandwidth,
    };
    key.plan = rhm_linear_plan_choose(&sizes, stage->options->solver, fmax(1, stage->solves));
    RHM_TRY(rhm_inputs_for_fit(stage, layer, &key.plan, error));
    return rhm_design_make(&stage->design, stage->engine, &key, layer, stage->level == task->tree.levels,
                           &stage->training.table[stage->level + 1], patches, &stage->training.counts, label, watch,
                           error);
}

rhm_status rhm_stage_fit(rhm_stage *stage, uint32_t width, double bandwidth, double ridge, rhm_fit *fit,
                         rhm_error *error) {
    const rhm_task *task = stage->task;
    *fit = (rhm_fit){.layer = {
                         .tokens = task->tree.branching[stage->level],
                         .embedding = rhm_task_embedding(task, stage->level),
                         .classes = task->classes,
                         .width = width,
                         .bandwidth = bandwidth,
                         .ridge = ridge,
                         .positions = rhm_task_positions(task, stage->level),
                     }};
    const rhm_solve_watch watch =
        stage->keeper.fitting ? stage->keeper.fitting(stage->keeper.context) : (rhm_solve_watch){0};
    const double begin = rhm_seconds() - watch.seconds;
    rhm_design *design = &stage->design;
    const int span = rhm_trace_begin(stage->engine, "fit", 0);
    char label[64];
    snprintf(label, sizeof label, "level %u: fit %u (M = %u), solver passes", stage->level, stage->costs.fits + 1,
             width);
    rhm_status status = design_for(stage, &fit->layer, &watch, label, error);
    if (status != RHM_OK)
        goto done;
    fit->route = design->key.plan.route;
    if ((status = rhm_layer_alloc(&fit->layer, error)) != RHM_OK)
        goto done;
    memcpy(fit->layer.frequencies, design->layer.frequencies,
           sizeof(float) * width * fit->layer.tokens * fit->layer.embedding);
    memset(design->solution, 0, sizeof(double) * rhm_normal_size(design->normal));
    const rhm_solve_options solve = {
        .solver = stage->options->solver,
        .preconditioner = design->key.plan.sample ? &design->preconditioner : NULL,
        .lambda = ridge,
        .tolerance = stage->options->tolerance,
        .max_iterations = stage->most_iterations,
        .patch_count = task->patches[stage->level],
    };
    const int solving = rhm_trace_begin(stage->engine, "solve", 0);
    if ((status = rhm_solve(design->normal, &solve, design->target, design->solution, &fit->solve, error)) != RHM_OK)
        goto done;
    rhm_trace_end(stage->engine, solving,
                  (rhm_span_work){.items = (double)fit->solve.iterations,
                                  .classes = rhm_task_outputs(task, stage->level),
                                  .width = width});
    rhm_layer_store_weights(&fit->layer, design->solution, design->normal->stride);
    rhm_ready_layer_set_weights(&design->ready, fit->layer.weights);
    fit->seconds = rhm_seconds() - begin;
    status = measure(stage, &design->ready, fit, error);
    if (status == RHM_INTERRUPTED) {
        const rhm_solve_state solved = rhm_solved_state(design->normal, &fit->solve, design->solution);
        rhm_solve_show(&watch, &solved);
    }
    stage->costs.fits++;
done:
    stage->costs.fit_seconds += rhm_seconds() - begin;
    const rhm_design_work work = rhm_design_take_work(design);
    stage->costs.flops += work.flops;
    stage->costs.kernel_seconds += work.kernel_seconds;
    rhm_trace_end(stage->engine, span, (rhm_span_work){0});
    if (design->normal) {
        design->normal->label = NULL;
        design->normal->watch = NULL;
    }
    stage->clock = rhm_seconds() - stage->begin;
    if (status == RHM_OK && stage->keeper.fitted)
        stage->keeper.fitted(stage->keeper.context);
    if (status != RHM_OK)
        rhm_fit_clear(fit);
    return keep(stage, status);
}

rhm_status rhm_stage_late(bool *late, const rhm_stage *stage, double deadline, rhm_error *error) {
    double after = rhm_stage_seconds(stage) - deadline;
    RHM_TRY(rhm_spread_agree(stage->engine, &after, error));
    *late = after > 0;
    return RHM_OK;
}

void rhm_fit_clear(rhm_fit *fit) {
    rhm_layer_clear(&fit->layer);
}
