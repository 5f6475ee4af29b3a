/* What depth buys: one map of random features of the whole sequence, and one ridge regression of the label. */
#include <math.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/fail.h"
#include "engine/trace.h"
#include "learners/learner.h"
#include "learners/shallow/search.h"
#include "model/shallow.h"
#include "rhm/sampling.h"
#include "training/level_report.h"

static void fill_report(rhm_level_report *r, const rhm_shallow_task *t, const rhm_shallow_fit *fit, double seconds) {
    *r = rhm_level_report_unknown();
    r->level = 1;
    r->draw = RHM_DRAW_SAMPLES;
    r->samples = t->training.patches.samples;
    r->kept_share = 1;
    r->validation_samples = t->held_out.patches.samples;
    r->distinct_patches = rhm_patches_distinct(&t->training.patches);
    r->positions = 1;
    r->width = t->width;
    r->bandwidth = fit->layer.bandwidth;
    r->ridge = fit->layer.ridge;
    r->solver = t->options->solver;
    r->route = fit->route;
    r->iterations = fit->solve.iterations;
    r->residual = fit->solve.residual;
    r->converged = fit->solve.converged;
    r->held_out_loss = fit->loss;
    r->held_out_accuracy = fit->accuracy;
    r->symbols = t->classes;
    r->clusters = t->classes;
    r->clamped = fit->clamped;
    r->attempts = fit->fits;
    r->sample_seconds = t->sample_seconds;
    r->solve_seconds = t->fit_seconds;
    r->kernel_seconds = fit->kernel_seconds;
    r->total_seconds = seconds;
    r->flops = fit->flops;
    r->resolved = true;
}

static void show(const rhm_train_options *options, const rhm_train_report *report, bool done) {
    const rhm_train_state state = {.level = done ? 0 : 1,
                                   .finished = done ? 1 : 2,
                                   .done = {0, done ? 1 : 0},
                                   .expected = {0, 1},
                                   .report = report};
    if (options->watch)
        options->watch(options->watcher, &state);
}

static rhm_status make_model(rhm_model **out, const rhm_problem *problem, const rhm_shallow_task *t,
                             const rhm_tree *tree, rhm_shallow_fit *fit, rhm_error *error) {
    rhm_model *model = NULL;
    RHM_TRY(rhm_shallow_new(&model, tree, t->classes, t->token_vocab, error));
    rhm_status status = rhm_shallow_take_layer(model, &fit->layer, error);
    if (status == RHM_OK)
        status = rhm_model_keep_grammar(model, problem->grammar, error);
    if (status == RHM_OK)
        *out = model;
    else
        rhm_model_destroy(model);
    return status;
}

static rhm_status fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                      const rhm_train_options *options, rhm_error *error) {
    const double begin = rhm_seconds();
    rhm_shallow_task task;
    rhm_shallow_fit best = {0};
    report->levels = 1;
    show(options, report, false);
    rhm_status status = rhm_shallow_search(&best, &task, engine, problem, options, error);
    const rhm_tree *tree = problem->data ? &problem->data->tree : rhm_grammar_tree(problem->grammar);
    if (status == RHM_OK) {
        fill_report(&report->level[1], &task, &best, rhm_seconds() - begin);
        status = make_model(out, problem, &task, tree, &best, error);
    }
    rhm_layer_clear(&best.layer);
    rhm_shallow_task_clear(&task);
    report->seconds = rhm_seconds() - begin;
    if (status == RHM_OK)
        show(options, report, true);
    return status;
}

static const char *const options_taken[] = {"samples", "max-samples", "width",   "bandwidth", "ridge",
                                            "solver",  "tolerance",   "backend", NULL};

const struct rhm_learner rhm_shallow_learner = {
    .info = {.name = "shallow",
             .summary = "one ridge regression on random features of whole sequences: what depth buys",
             .source = "arXiv 2601.19756, with one level for all tokens",
             .needs = "labelled samples",
             .model_kind = "shallow",
             .options = options_taken},
    .fit = fit,
    .plan = rhm_shallow_plan,
};
