#include "learner/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "engine/trace.h"
#include "learner/checkpoint.h"
#include "learner/diagnose.h"
#include "model/forward.h"

rhm_status rhm_train_options_resolve(rhm_train_options *out, const rhm_train_options *options, uint32_t levels,
                                     rhm_error *error) {
    rhm_train_options o = options ? *options : (rhm_train_options){0};
    o.tolerance = o.tolerance == 0 ? 1e-4 : o.tolerance;
    o.max_samples = o.max_samples ? o.max_samples : UINT64_C(1000000000000000);
    o.max_width = o.max_width ? o.max_width : 4096;
    o.test_samples = o.test_samples ? o.test_samples : 10000;
    if (!(o.tolerance > 0 && o.tolerance < 1))
        return rhm_fail(error, RHM_INVALID, "tolerance is %g: allowed is more than 0 and less than 1", o.tolerance);
    if (o.width > RHM_MAX_WIDTH || o.max_width > RHM_MAX_WIDTH)
        return rhm_fail(error, RHM_INVALID, "width is %u: allowed are 1 to %d, or 0 for an automatic choice",
                        o.width > RHM_MAX_WIDTH ? o.width : o.max_width, RHM_MAX_WIDTH);
    if (!(o.max_seconds >= 0))
        return rhm_fail(error, RHM_INVALID, "max_seconds is %g: allowed are positive numbers, or 0 for no limit",
                        o.max_seconds);
    if (!(o.checkpoint.seconds >= 0))
        return rhm_fail(error, RHM_INVALID,
                        "checkpoint.seconds is %g: allowed are positive numbers, or 0 for one a minute",
                        o.checkpoint.seconds);
    if ((unsigned)o.solver > RHM_CHOLESKY)
        return rhm_fail(error, RHM_INVALID, "solver %d is unknown", (int)o.solver);
    if ((unsigned)o.draw > RHM_DRAW_COUNTS)
        return rhm_fail(error, RHM_INVALID, "draw %d is unknown", (int)o.draw);
    if (o.raw && o.draw == RHM_DRAW_COUNTS)
        return rhm_fail(error, RHM_INVALID, "counts drawn directly have no raw samples: draw samples instead");
    for (uint32_t l = 1; l <= levels; l++) {
        if (!(o.bandwidth[l] >= 0 && o.bandwidth[l] <= 1e6))
            return rhm_fail(
                error, RHM_INVALID,
                "bandwidth of level %u is %g: allowed are positive numbers up to 1e6, or 0 for an automatic choice", l,
                o.bandwidth[l]);
        if (!((o.ridge[l] >= 0 && o.ridge[l] <= 1e6) || o.ridge[l] == RHM_RIDGE_PAPER))
            return rhm_fail(error, RHM_INVALID,
                            "ridge of level %u is %g: allowed are positive numbers up to 1e6, 0 for an automatic "
                            "choice, or the paper's",
                            l, o.ridge[l]);
        if (o.samples[l] > UINT64_C(1) << 53)
            return rhm_fail(error, RHM_INVALID, "%llu samples at level %u: allowed are at most 2^53",
                            (unsigned long long)o.samples[l], l);
    }
    *out = o;
    return RHM_OK;
}

/* Seconds as the report has them; whatever is left of the total went into bookkeeping. */
static void fill_report(rhm_level_report *r, const rhm_stage *stage, const rhm_choice *choice, double begin) {
    const rhm_fit *fit = &choice->fit;
    *r = (rhm_level_report){
        .level = stage->level,
        .draw = stage->training.draw.counted ? RHM_DRAW_COUNTS : RHM_DRAW_SAMPLES,
        .samples = stage->training.patches.samples,
        .kept_share = rhm_patches_kept_share(&stage->training.patches),
        .validation_samples = stage->validation.patches.samples,
        .distinct_patches = rhm_patches_distinct(&stage->training.patches),
        .width = fit->layer.width,
        .bandwidth = fit->layer.bandwidth,
        .ridge = fit->layer.ridge,
        .solver = stage->options->solver,
        .route = fit->route,
        .iterations = fit->solve.iterations,
        .residual = fit->solve.residual,
        .held_out_loss = fit->loss,
        .held_out_accuracy = fit->accuracy,
        .cluster_separation = fit->clusters.separation,
        .cluster_radius = fit->clusters.radius,
        .posterior_error_mean = NAN,
        .posterior_error_max = NAN,
        .posterior_error_floor = NAN,
        .synonym_accuracy = NAN,
        .separation = NAN,
        .radius = NAN,
        .clamped = fit->clamped,
        .attempts = stage->fits,
        .sample_seconds = stage->sample_seconds,
        .embed_seconds = stage->embed_seconds,
        .bandwidth_seconds = stage->fit_seconds - fit->seconds,
        .solve_seconds = fit->seconds,
        .kernel_seconds = stage->kernel_seconds,
        .total_seconds = rhm_seconds() - begin,
        .flops = stage->flops,
        .resolved = choice->resolved,
    };
    memcpy(r->limit, choice->limit, sizeof r->limit);
    if (!fit->solve.converged && !r->limit[0])
        snprintf(r->limit, sizeof r->limit, "the solver stopped at residual %.1e after %u iterations",
                 fit->solve.residual, fit->solve.iterations);
}

static rhm_status diagnose(rhm_level_report *report, const rhm_stage *stage, const rhm_lesson *lesson,
                           const rhm_ready_layer *ready, rhm_error *error) {
    if (!lesson->analysis)
        return RHM_OK;
    const rhm_sample_set *set = &stage->validation;
    const int span = rhm_trace_begin(stage->engine, "diagnose", 0);
    rhm_embeddings outputs = {0};
    rhm_status status = rhm_embed(&outputs, stage->engine, ready, &set->patches.subtree[stage->level],
                                  &set->table[stage->level + 1], NULL, error);
    if (status == RHM_OK)
        status = rhm_diagnose(report, lesson->grammar, lesson->analysis, &set->patches, &set->counts, &outputs,
                              report->samples, error);
    report->kernel_seconds += outputs.kernel_seconds;
    rhm_embeddings_clear(&outputs);
    rhm_trace_end(stage->engine, span, (rhm_span_work){.items = (double)rhm_patches_distinct(&set->patches)});
    return status;
}

/* One level: choose, diagnose, and hand the fitted layer to the model and, ready to run, to the levels above. */
static rhm_status train_level(rhm_model *model, rhm_ready_layer *ready, rhm_train_report *report, double *separation,
                              const rhm_engine *engine, const rhm_lesson *lesson, const rhm_train_options *options,
                              rhm_checkpoint *checkpoint, uint32_t level, double deadline, rhm_error *error) {
    const int span = rhm_trace_begin(engine, "level", level);
    rhm_stage stage;
    rhm_choice choice = {0};
    RHM_TRY(rhm_stage_init(&stage, engine, &lesson->task, options, ready, level,
                           rhm_first_look(&lesson->task, options, level, *separation), lesson->training[level],
                           lesson->validation[level], error));
    stage.clock = rhm_seconds();
    rhm_checkpoint_enter(checkpoint, &stage);
    const double begin = rhm_stage_seconds(&stage);
    rhm_status status = rhm_choose(&choice, &stage, *separation, deadline, error);
    if (status == RHM_OK)
        status = rhm_stage_settle(&stage, error);
    if (status != RHM_OK)
        goto done;
    *separation = choice.fit.clusters.separation;
    if ((status = rhm_ready_layer_make(&ready[level], &choice.fit.layer, level == lesson->task.tree.levels, error)) !=
        RHM_OK)
        goto done;
    fill_report(&report->level[level], &stage, &choice, begin);
    if ((status = diagnose(&report->level[level], &stage, lesson, &ready[level], error)) != RHM_OK)
        goto done;
    report->level[level].total_seconds = rhm_seconds() - begin;
    status = rhm_model_take_layer(model, level, &choice.fit.layer, error);
done:
    if (status == RHM_INTERRUPTED)
        rhm_checkpoint_offer(checkpoint);
    rhm_fit_clear(&choice.fit);
    rhm_checkpoint_leave(checkpoint, status == RHM_OK);
    rhm_stage_clear(&stage);
    rhm_trace_end(engine, span, (rhm_span_work){0});
    return status;
}

static rhm_status test(rhm_train_report *report, const rhm_engine *engine, const rhm_model *model,
                       const rhm_ready_layer *ready, const rhm_lesson *lesson, rhm_error *error) {
    const double begin = rhm_seconds();
    rhm_outputs outputs = {0};
    if (lesson->test_samples == 0)
        return RHM_OK;
    const int span = rhm_trace_begin(engine, "test", 0);
    const rhm_batch batch = {lesson->test.source, lesson->test.context, 0, lesson->test_samples, "testing"};
    RHM_TRY(rhm_run_sequences(engine, model, ready, &batch, &outputs, error));
    const rhm_score score = outputs.score;
    rhm_trace_end(engine, span, (rhm_span_work){.items = (double)score.samples});
    report->test_samples = score.samples;
    report->test_clamped = score.clamped;
    report->test_accuracy = (double)score.correct / (double)score.samples;
    report->test_sample_seconds = score.sample_seconds;
    report->test_kernel_seconds = score.kernel_seconds;
    report->test_seconds = rhm_seconds() - begin;
    return RHM_OK;
}

rhm_status rhm_train_lesson(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                            const rhm_lesson *lesson, const rhm_train_options *options, rhm_error *error) {
    const rhm_task *task = &lesson->task;
    const int span = rhm_trace_begin(engine, "train", 0);
    rhm_train_report own_report;
    if (!report)
        report = &own_report;
    *report = (rhm_train_report){.levels = task->tree.levels, .test_accuracy = NAN};
    *out = NULL;

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
    for (uint32_t level = task->tree.levels; level >= 1 && status == RHM_OK; level--) {
        if (!rhm_checkpoint_has(checkpoint, level)) {
            status = train_level(model, ready, report, &separation, engine, lesson, options, checkpoint, level,
                                 deadline, error);
            continue;
        }
        separation = report->level[level].cluster_separation;
        status =
            rhm_ready_layer_make(&ready[level], &rhm_model_layers(model)[level], level == task->tree.levels, error);
    }
    if (status == RHM_OK)
        status = test(report, engine, model, ready, lesson, error);
    report->seconds = rhm_seconds() - begin;
    rhm_trace_end(engine, span, (rhm_span_work){0});
    if (status == RHM_OK) {
        *out = model;
        model = NULL;
    }
    rhm_checkpoint_close(checkpoint);
    rhm_ready_model_clear(ready);
    rhm_model_destroy(model);
    return status;
}

const char *rhm_solver_name(rhm_solver solver) {
    switch (solver) {
    case RHM_CG: return "cg";
    case RHM_GD: return "gd";
    case RHM_GD_PAPER: return "gd-paper";
    case RHM_CHOLESKY: return "cholesky";
    }
    return "unknown";
}
