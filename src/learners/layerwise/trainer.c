#include "learners/layerwise/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "engine/trace.h"
#include "learners/layerwise/checkpoint.h"
#include "learners/layerwise/diagnose.h"
#include "learners/layerwise/sample_sizes.h"
#include "learners/layerwise/unseen.h"
#include "learners/layerwise/watch.h"
#include "model/forward.h"

/* Seconds as the report has them; whatever is left of the total went into bookkeeping. */
static void fill_report(rhm_level_report *r, const rhm_stage *stage, const rhm_choice *choice, double begin) {
    static const double TOLERATED = 1.1; /* rounding W to float moves the residual */
    const rhm_fit *fit = &stage->best;
    const rhm_clusters formed = rhm_clusters_formed(&fit->clusters);
    *r = (rhm_level_report){
        .level = stage->level,
        .draw = stage->training.draw.counted ? RHM_DRAW_COUNTS : RHM_DRAW_SAMPLES,
        .samples = stage->training.patches.samples,
        .kept_share = rhm_patches_kept_share(&stage->training.patches),
        .validation_samples = stage->validation.patches.samples,
        .distinct_patches = rhm_patches_distinct(&stage->training.patches),
        .positions = 1,
        .width = fit->layer.width,
        .bandwidth = fit->layer.bandwidth,
        .ridge = fit->layer.ridge,
        .solver = stage->options->solver,
        .route = fit->route,
        .iterations = fit->solve.iterations,
        .residual = fit->solve.residual,
        .held_out_loss = fit->loss,
        .held_out_accuracy = fit->accuracy,
        .evidence = fit->evidence,
        .converged = fit->solve.residual <= TOLERATED * stage->options->tolerance,
        .symbols = stage->task->parents[stage->level],
        .clusters = formed.count,
        .cluster_separation = formed.separation,
        .cluster_radius = formed.radius,
        .posterior_error_mean = NAN,
        .posterior_error_max = NAN,
        .posterior_error_floor = NAN,
        .synonym_accuracy = NAN,
        .separation = NAN,
        .radius = NAN,
        .unseen_mass = NAN,
        .clamped = fit->clamped,
        .attempts = stage->fits,
        .sample_seconds = stage->sample_seconds,
        .embed_seconds = stage->embed_seconds,
        .bandwidth_seconds = stage->fit_seconds - fit->seconds,
        .solve_seconds = fit->seconds,
        .kernel_seconds = stage->kernel_seconds,
        .total_seconds = rhm_seconds() - begin,
        .flops = stage->flops,
        .work = choice->work,
        .foreseen_work = choice->foreseen,
        .allowed_work = choice->allowed,
        .resolved = choice->resolved,
    };
    memcpy(r->limit, choice->limit, sizeof r->limit);
}

static rhm_status diagnose(rhm_level_report *report, const rhm_stage *stage, const rhm_lesson *lesson,
                           const rhm_ready_layer *ready, rhm_error *error) {
    if (!lesson->analysis || !rhm_grammar_parses(lesson->grammar))
        return RHM_OK;
    const rhm_sample_set *set = &stage->validation;
    const int span = rhm_trace_begin(stage->engine, "diagnose", 0);
    rhm_embeddings outputs = {0};
    rhm_status status = rhm_embed(&outputs, stage->engine, ready, &set->patches.subtree[stage->level],
                                  &set->table[stage->level + 1], NULL, error);
    if (status == RHM_OK)
        status = rhm_diagnose(report, lesson->grammar, lesson->analysis, &set->patches, &set->counts, &outputs,
                              report->samples, error);
    if (status == RHM_OK)
        status = rhm_unseen_mass(&report->unseen_mass, lesson->grammar, &stage->training.patches, error);
    report->kernel_seconds += outputs.kernel_seconds;
    rhm_embeddings_clear(&outputs);
    rhm_trace_end(stage->engine, span, (rhm_span_work){.items = (double)rhm_patches_distinct(&set->patches)});
    return status;
}

/* One level: choose, diagnose, and hand the fitted layer to the model and, ready to run, to the levels above. */
static rhm_status train_level(rhm_model *model, rhm_ready_layer *ready, rhm_train_report *report, double *separation,
                              const rhm_engine *engine, const rhm_lesson *lesson, const rhm_train_options *options,
                              rhm_checkpoint *checkpoint, rhm_watch *watch, uint32_t level, double deadline,
                              rhm_error *error) {
    const int span = rhm_trace_begin(engine, "level", level);
    rhm_stage stage;
    rhm_choice choice = {0};
    RHM_TRY(rhm_stage_init(&stage, engine, &lesson->task, options, ready, level,
                           rhm_first_look(&lesson->task, options, level, *separation), lesson->training[level],
                           lesson->validation[level], error));
    stage.clock = rhm_seconds();
    stage.watch = watch;
    rhm_watch_enter(watch, level, *separation);
    rhm_checkpoint_enter(checkpoint, &stage);
    const double begin = rhm_stage_seconds(&stage);
    rhm_status status = rhm_choose(&choice, &stage, *separation, deadline, error);
    if (status == RHM_OK)
        status = rhm_stage_settle(&stage, error);
    if (status != RHM_OK)
        goto done;
    *separation = rhm_clusters_formed(&stage.best.clusters).separation;
    if ((status = rhm_ready_layer_make(&ready[level], &stage.best.layer, level == lesson->task.tree.levels, error)) !=
        RHM_OK)
        goto done;
    fill_report(&report->level[level], &stage, &choice, begin);
    if ((status = diagnose(&report->level[level], &stage, lesson, &ready[level], error)) != RHM_OK)
        goto done;
    report->level[level].total_seconds = rhm_seconds() - begin;
    status = rhm_model_take_layer(model, level, &stage.best.layer, error);
    if (status == RHM_OK)
        rhm_watch_finished(watch, level);
done:
    if (status == RHM_INTERRUPTED)
        rhm_checkpoint_offer(checkpoint);
    rhm_checkpoint_leave(checkpoint, status == RHM_OK);
    rhm_stage_clear(&stage);
    rhm_trace_end(engine, span, (rhm_span_work){0});
    return status;
}

rhm_status rhm_train_lesson(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                            const rhm_lesson *lesson, const rhm_train_options *options, rhm_error *error) {
    const rhm_task *task = &lesson->task;
    RHM_TRY(rhm_tuning_check(&rhm_tuning_default, error));
    report->tuning = RHM_TUNING_VERSION;
    rhm_ready_layer ready[RHM_MAX_LEVELS + 1] = {0};
    rhm_model *model = NULL;
    rhm_status status = rhm_random_features_new(&model, &task->tree, task->classes, task->token_vocab, error);
    if (status == RHM_OK && lesson->grammar)
        status = rhm_model_keep_grammar(model, lesson->grammar, error);
    rhm_checkpoint *checkpoint = NULL;
    if (status == RHM_OK)
        status = rhm_checkpoint_open(&checkpoint, engine, lesson, options, model, report, error);
    const double begin = rhm_checkpoint_begin(checkpoint);
    const double deadline = options->max_seconds > 0 ? begin + options->max_seconds : HUGE_VAL;
    double separation = 0;
    rhm_watch watch;
    rhm_watch_begin(&watch, lesson, options, report);
    for (uint32_t level = task->tree.levels; level >= 1 && status == RHM_OK; level--) {
        if (!rhm_checkpoint_has(checkpoint, level)) {
            status = train_level(model, ready, report, &separation, engine, lesson, options, checkpoint, &watch, level,
                                 deadline, error);
            continue;
        }
        separation = report->level[level].cluster_separation;
        status =
            rhm_ready_layer_make(&ready[level], &rhm_model_layers(model)[level], level == task->tree.levels, error);
        rhm_watch_finished(&watch, level);
    }
    report->seconds = rhm_seconds() - begin;
    if (status == RHM_OK) {
        *out = model;
        model = NULL;
    }
    rhm_checkpoint_close(checkpoint);
    rhm_ready_model_clear(ready);
    rhm_model_destroy(model);
    return status;
}
