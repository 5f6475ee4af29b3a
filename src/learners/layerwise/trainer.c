#include "learners/layerwise/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "engine/trace.h"
#include "learners/layerwise/checkpoint.h"
#include "learners/layerwise/diagnose.h"
#include "learners/layerwise/held_out.h"
#include "learners/layerwise/occurrence.h"
#include "learners/layerwise/positions.h"
#include "learners/layerwise/sample_sizes.h"
#include "learners/layerwise/unseen.h"
#include "learners/layerwise/watch.h"
#include "model/forward.h"
#include "training/level_report.h"

/* Seconds as the report has them; whatever is left of the total went into bookkeeping. */
static void fill_report(rhm_level_report *r, const rhm_stage *stage, const rhm_choice *choice, double begin) {
    static const double TOLERATED = 1.1; /* rounding W to float moves the residual */
    const rhm_fit *fit = &stage->best;
    const rhm_clusters formed = rhm_clusters_formed(&fit->clusters);
    *r = rhm_level_report_unknown();
    r->level = stage->level;
    r->draw = stage->training.draw.counted ? RHM_DRAW_COUNTS : RHM_DRAW_SAMPLES;
    r->samples = stage->training.patches.samples;
    r->kept_share = rhm_patches_kept_share(&stage->training.patches);
    r->validation_samples = stage->validation.patches.samples;
    r->distinct_patches = rhm_patches_distinct(&stage->training.patches);
    r->positions = stage->costs.positions;
    r->width = fit->layer.width;
    r->bandwidth = fit->layer.bandwidth;
    r->ridge = fit->layer.ridge;
    r->solver = stage->options->solver;
    r->route = fit->route;
    r->iterations = fit->solve.iterations;
    r->residual = fit->solve.residual;
    r->held_out_loss = fit->loss;
    r->held_out_accuracy = fit->accuracy;
    r->evidence = fit->evidence;
    r->converged = fit->solve.residual <= TOLERATED * stage->options->tolerance;
    r->symbols = stage->task->parents[stage->level];
    r->clusters = formed.count;
    r->cluster_separation = formed.separation;
    r->cluster_radius = formed.radius;
    r->clamped = fit->clamped;
    r->attempts = stage->costs.fits;
    r->sample_seconds = stage->costs.sample_seconds;
    r->embed_seconds = stage->costs.embed_seconds;
    r->bandwidth_seconds = stage->costs.fit_seconds - fit->seconds;
    r->solve_seconds = fit->seconds;
    r->kernel_seconds = stage->costs.kernel_seconds;
    r->total_seconds = rhm_seconds() - begin;
    r->flops = stage->costs.flops;
    r->work = choice->work;
    r->foreseen_work = choice->foreseen;
    r->allowed_work = choice->allowed;
    r->resolved = choice->resolved;
    memcpy(r->limit, choice->limit, sizeof r->limit);
}

static rhm_status diagnose(rhm_level_report *report, const rhm_stage *stage, const rhm_training_setup *setup,
                           const rhm_ready_layer *ready, rhm_error *error) {
    if (!setup->analysis || !rhm_grammar_parses(setup->grammar))
        return RHM_OK;
    const rhm_sample_set *set = &stage->validation;
    const int span = rhm_trace_begin(stage->engine, "diagnose", 0);
    rhm_embeddings outputs = {0};
    rhm_status status = rhm_held_out_embed(&outputs, stage->engine, ready, &set->patches.subtree[stage->level],
                                           &set->table[stage->level + 1], NULL, error);
    if (status == RHM_OK)
        status = rhm_diagnose(report, stage->engine, setup->grammar, &set->patches, &set->counts, &outputs,
                              report->samples, error);
    if (status == RHM_OK)
        status = rhm_unseen_mass(&report->unseen_mass, stage->engine, setup->grammar, &stage->training.patches, error);
    report->kernel_seconds += outputs.kernel_seconds;
    rhm_embeddings_clear(&outputs);
    rhm_trace_end(stage->engine, span, (rhm_span_work){.items = (double)rhm_patches_distinct(&set->patches)});
    return status;
}

/* What does not change from level to level. */
typedef struct training {
    const rhm_engine *engine;
    rhm_training_setup setup; /* whose task gets to know the positions of each level */
    const rhm_train_options *options;
    rhm_model *model;
    rhm_train_report *report;
    rhm_checkpoint *checkpoint;
    rhm_watch watch;
    rhm_ready_layer ready[RHM_MAX_LEVELS + 1];
    double separation; /* of neighbouring outputs of the level below, or 0 */
    double deadline;
} training;

static rhm_status begin_stage(training *t, rhm_stage *stage, uint32_t level, rhm_error *error) {
    RHM_TRY(rhm_stage_init(stage, t->engine, &t->setup.task, t->options, t->ready, level,
                           rhm_first_look(&t->setup.task, t->options, level, t->separation), t->setup.training[level],
                           t->setup.validation[level], error));
    stage->clock = rhm_seconds();
    stage->watch = &t->watch;
    return RHM_OK;
}

/* The same level with more positions; costs go on. */
static rhm_status begin_again(training *t, rhm_stage *stage, const rhm_choice *choice, uint32_t positions,
                              rhm_error *error) {
    const rhm_stage before = *stage;
    rhm_checkpoint_leave(t->checkpoint, false);
    rhm_stage_clear(stage);
    t->setup.task.positions[before.level] = positions;
    RHM_TRY(begin_stage(t, stage, before.level, error));
    stage->costs = before.costs;
    stage->costs.positions = positions;
    stage->costs.earlier_work = choice->work;
    rhm_checkpoint_enter(t->checkpoint, stage);
    return RHM_OK;
}

/* With as many positions as it takes for all patches to occur. */
static rhm_status begin_where_all_occur(training *t, rhm_stage *stage, rhm_error *error) {
    const double begin = rhm_seconds();
    const rhm_choice nothing = {.work = stage->costs.earlier_work};
    uint32_t positions;
    RHM_TRY(rhm_positions_showing_all(&positions, stage, t->separation, error));
    if (positions > stage->costs.positions)
        RHM_TRY(begin_again(t, stage, &nothing, positions, error));
    stage->costs.sample_seconds += rhm_seconds() - begin;
    return RHM_OK;
}

/*
 * Search with as many positions as it takes. Where none tells all symbols apart the most stay: what they show is more,
 * though separation or gap of a search with fewer may be larger. Going back to those cost accuracy (V = 8, m = 6, L =
 * 3, 6000 samples: .957 and .958 became .923 and .946 by the gap; V = 4, m = 3, L = 5, 1000: .409 became .261 by the
 * separation).
 */
static rhm_status choose(training *t, rhm_stage *stage, rhm_choice *choice, rhm_error *error) {
    if (!stage->searching)
        RHM_TRY(begin_where_all_occur(t, stage, error));
    for (;;) {
        RHM_TRY(rhm_choose(choice, stage, t->separation, t->deadline, error));
        const uint32_t more = rhm_positions_more(stage->task, t->options, stage->level, stage->costs.positions);
        bool late;
        RHM_TRY(rhm_stage_late(&late, stage, t->deadline, error));
        if (choice->apart || more == 0 || late)
            return rhm_stage_settle(stage, error);
        RHM_TRY(begin_again(t, stage, choice, more, error));
    }
}

/* One level: choose, diagnose, and hand the fitted layer to the model and, ready to run, to the levels above. */
static rhm_status train_level(training *t, uint32_t level, rhm_error *error) {
    const int span = rhm_trace_begin(t->engine, "level", level);
    rhm_level_report *report = &t->report->level[level];
    rhm_stage stage;
    rhm_choice choice = {0};
    if (!rhm_checkpoint_begun(t->checkpoint))
        t->setup.task.positions[level] = rhm_positions_first(&t->setup.task, t->options, level);
    RHM_TRY(begin_stage(t, &stage, level, error));
    rhm_watch_enter(&t->watch, level, t->separation);
    rhm_checkpoint_enter(t->checkpoint, &stage);
    const double begin = rhm_stage_seconds(&stage);
    rhm_status status = choose(t, &stage, &choice, error);
    if (status != RHM_OK)
        goto done;
    t->separation = rhm_clusters_formed(&stage.best.clusters).separation;
    if ((status = rhm_ready_layer_make(&t->ready[level], &stage.best.layer, level == t->setup.task.tree.levels,
                                       error)) != RHM_OK)
        goto done;
    fill_report(report, &stage, &choice, begin);
    if ((status = diagnose(report, &stage, &t->setup, &t->ready[level], error)) != RHM_OK)
        goto done;
    report->total_seconds = rhm_seconds() - begin;
    status = rhm_model_take_layer(t->model, level, &stage.best.layer, error);
    if (status == RHM_OK)
        rhm_watch_finished(&t->watch, level);
done:
    if (status == RHM_INTERRUPTED)
        rhm_checkpoint_offer(t->checkpoint);
    rhm_checkpoint_leave(t->checkpoint, status == RHM_OK);
    rhm_stage_clear(&stage);
    rhm_trace_end(t->engine, span, (rhm_span_work){0});
    return status;
}

static rhm_status train_levels(training *t, rhm_error *error) {
    const rhm_task *task = &t->setup.task;
    for (uint32_t level = task->tree.levels; level >= 1; level--) {
        if (!rhm_checkpoint_has(t->checkpoint, level)) {
            RHM_TRY(train_level(t, level, error));
            continue;
        }
        t->separation = t->report->level[level].cluster_separation;
        RHM_TRY(rhm_ready_layer_make(&t->ready[level], &rhm_model_layers(t->model)[level], level == task->tree.levels,
                                     error));
        rhm_watch_finished(&t->watch, level);
    }
    return RHM_OK;
}

rhm_status rhm_train_levels(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                            const rhm_training_setup *setup, const rhm_train_options *options, rhm_error *error) {
    training t = {.engine = engine, .setup = *setup, .options = options, .report = report};
    const rhm_task *task = &t.setup.task;
    RHM_TRY(rhm_tuning_check(&rhm_tuning_default, error));
    RHM_TRY(rhm_positions_check(task, options, error));
    report->tuning = RHM_TUNING_VERSION;
    rhm_status status = rhm_random_features_new(&t.model, &task->tree, task->classes, task->token_vocab, error);
    if (status == RHM_OK && setup->grammar)
        status = rhm_model_keep_grammar(t.model, setup->grammar, error);
    if (status == RHM_OK)
        status = rhm_checkpoint_open(&t.checkpoint, engine, &t.setup, options, t.model, report, error);
    const double begin = rhm_checkpoint_begin(t.checkpoint);
    t.deadline = options->max_seconds > 0 ? begin + options->max_seconds : HUGE_VAL;
    rhm_watch_begin(&t.watch, &t.setup, options, report);
    if (status == RHM_OK)
        status = train_levels(&t, error);
    report->seconds = rhm_seconds() - begin;
    if (status == RHM_OK) {
        *out = t.model;
        t.model = NULL;
    }
    rhm_checkpoint_close(t.checkpoint);
    rhm_ready_model_clear(t.ready);
    rhm_model_destroy(t.model);
    return status;
}
