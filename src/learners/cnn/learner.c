/*
 * The hierarchical convolutional network, trained by gradient descent, as the field trains it. What a training is:
 * recipe.c; its sequences: sequences.c; its steps: descent.c.
 */
#include <math.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/fail.h"
#include "learners/cnn/checkpoint.h"
#include "learners/cnn/plan.h"
#include "learners/learner.h"
#include "model/cnn.h"
#include "training/level_report.h"

/* ---- the report -------------------------------------------------------------------------------------------------- */

static void begin_report(rhm_descent_report *out, const rhm_cnn_recipe *recipe, const rhm_network_layout *layout,
                         uint32_t levels) {
    *out = (rhm_descent_report){
        .protocol = recipe->protocol,
        .learning_rate = recipe->learning_rate,
        .parameters = layout->parameters,
        .used = {.bias = recipe->bias,
                 .weight_scale = recipe->weight_scale,
                 .whitening = recipe->whitening,
                 .rate_schedule = recipe->rate_schedule,
                 .sampling = recipe->sampling,
                 .schedule = recipe->schedule,
                 .arithmetic = recipe->arithmetic,
                 .bias_scale = recipe->bias == RHM_BIAS_NONE ? RHM_NONE : recipe->bias_scale,
                 .momentum = recipe->momentum > 0 ? recipe->momentum : RHM_NONE,
                 .rate_period = recipe->rate_schedule == RHM_RATE_COSINE ? recipe->rate_period : RHM_NONE,
                 .loss_threshold = recipe->loss_threshold >= 0 ? recipe->loss_threshold : RHM_NONE,
                 .regulariser = recipe->regulariser > 0 ? recipe->regulariser : RHM_NONE,
                 .batch = recipe->batch,
                 .epochs = recipe->epochs,
                 .sequences = recipe->sequences},
    };
    for (uint32_t l = 1; l <= levels; l++)
        out->used.width[l] = (uint32_t)recipe->width[l];
}

/* Time and work of the epochs in which a level was trained; end to end by the multiply-adds of its products. */
static void fill_level(rhm_level_report *r, const rhm_cnn_descent *d, uint32_t level) {
    const rhm_descent_report *whole = &d->report->descent;
    const bool by_level = d->recipe->schedule == RHM_BY_LEVEL;
    double seconds = 0, visits = 0;
    double products = 0, own = 0;
    for (uint32_t l = 0; l <= d->shape.levels; l++) {
        const double one = rhm_cnn_products(&d->shape, &d->layout, l);
        products += one;
        own += l == level || (level == 1 && l == 0) ? one : 0;
    }
    for (size_t e = 0; e < whole->epochs; e++) {
        const rhm_epoch_report *epoch = &whole->epoch[e];
        if (by_level && epoch->level != level)
            continue;
        seconds += epoch->seconds;
        visits += (double)d->sequences->count;
    }
    rhm_network_shape stage = d->shape;
    rhm_network_layout layout = d->layout;
    if (by_level) {
        rhm_cnn_network(&stage, d->recipe, d->problem, level, d->recipe->positions[level]);
        (void)rhm_network_layout_init(&layout, &stage, NULL); /* it was trained */
    }
    const double share = by_level ? 1 : own / products;
    *r = rhm_level_report_unknown();
    r->level = level;
    r->draw = RHM_DRAW_SAMPLES;
    r->samples = d->sequences->count;
    r->kept_share = 1;
    r->positions = (uint32_t)(by_level ? d->recipe->positions[level] : d->layout.positions[level]);
    r->symbols = d->problem->parents[level];
    r->solve_seconds = r->kernel_seconds = r->total_seconds = seconds * share;
    r->flops = 2 * rhm_cnn_multiply_adds(&stage, &layout, !by_level) * visits * share;
    r->converged = r->resolved = true;
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static rhm_status run(rhm_cnn_descent *d, rhm_cnn_checkpoint *checkpoint, rhm_error *error) {
    while (d->level > 0) {
        if (!d->network)
            RHM_TRY(rhm_cnn_descent_enter(d, error));
        while (!rhm_cnn_descent_ended(d)) {
            const rhm_status status = rhm_cnn_descent_step(d, error);
            if (status == RHM_OK || status == RHM_INTERRUPTED)
                rhm_cnn_checkpoint_offer(checkpoint);
            RHM_TRY(status);
        }
        RHM_TRY(rhm_cnn_descent_leave(d, error));
        rhm_cnn_checkpoint_write(checkpoint);
    }
    return RHM_OK;
}

static rhm_status make_model(rhm_model **out, const rhm_cnn_descent *d, rhm_error *error) {
    const rhm_problem *problem = d->problem;
    struct rhm_cnn *cnn = NULL;
    RHM_TRY(rhm_cnn_new(&cnn, rhm_problem_tree(problem), rhm_problem_classes(problem), rhm_problem_token_vocab(problem),
                        error));
    rhm_status status = rhm_cnn_shape(cnn, &d->shape, error);
    for (size_t i = 0; status == RHM_OK && i < d->layout.parameters; i++)
        cnn->parameters[i] = d->parameters[i];
    if (status == RHM_OK)
        status = rhm_model_keep_grammar(&cnn->model, problem->grammar, error);
    if (status == RHM_OK)
        *out = &cnn->model;
    else
        rhm_model_destroy(&cnn->model);
    return status;
}

/* On sequences of the same sample without replacement that are not among the P. */
static rhm_status test(rhm_train_report *report, const rhm_engine *engine, const rhm_model *model,
                       const rhm_cnn_sequences *s, rhm_error *error) {
    const rhm_data data = {.count = s->count + s->tested,
                           .tree = *rhm_model_tree(model),
                           .token_vocab = rhm_model_token_vocab(model),
                           .label_vocab = rhm_model_classes(model),
                           .tokens = s->token,
                           .labels = s->label};
    const rhm_data_source source = {&data, s->count};
    const rhm_batch batch = {rhm_draw_from_data, &source, 0, s->tested, "testing"};
    return s->tested ? rhm_problem_test_batch(report, engine, model, &batch, error) : RHM_OK;
}

static rhm_status train(rhm_model **out, rhm_train_report *report, rhm_cnn_descent *d, rhm_error *error) {
    const double begin = rhm_seconds();
    rhm_cnn_checkpoint *checkpoint = NULL;
    RHM_TRY(rhm_cnn_checkpoint_open(&checkpoint, d, error));
    rhm_status status = run(d, checkpoint, error);
    const double begun = rhm_cnn_checkpoint_begin(checkpoint, begin);
    rhm_cnn_checkpoint_close(checkpoint);
    RHM_TRY(status);
    for (uint32_t l = 1; l <= d->shape.levels; l++)
        fill_level(&report->level[l], d, l);
    status = make_model(out, d, error);
    report->seconds = rhm_seconds() - begun;
    return status;
}

static rhm_status fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                      const rhm_train_options *options, rhm_error *error) {
    const double begin = rhm_seconds();
    rhm_cnn_recipe recipe;
    rhm_cnn_sequences sequences = {0};
    rhm_cnn_descent descent = {0};
    rhm_model *model = NULL;
    RHM_TRY(rhm_cnn_recipe_make(&recipe, problem, options, error));
    RHM_TRY(rhm_cnn_sequences_count(&recipe, problem, options, error));
    rhm_status status = rhm_cnn_sequences_open(&sequences, engine, problem, &recipe, options->seed, error);
    const double sampled = rhm_seconds() - begin;
    if (status == RHM_OK)
        status = rhm_cnn_descent_init(&descent, engine, problem, options, &recipe, &sequences, report, error);
    if (status == RHM_OK) {
        begin_report(&report->descent, &recipe, &descent.layout, report->levels);
        status = train(&model, report, &descent, error);
    }
    if (status == RHM_OK) {
        report->level[report->levels].sample_seconds = sampled;
        report->seconds += sampled;
        status = test(report, engine, model, &sequences, error);
    }
    rhm_cnn_descent_clear(&descent);
    rhm_cnn_sequences_close(&sequences);
    if (status == RHM_OK)
        *out = model;
    else
        rhm_model_destroy(model);
    return status;
}

static const char *const options_taken[] = {"protocol",
                                            "width",
                                            "widths",
                                            "learning-rate",
                                            "bias",
                                            "weight-scale",
                                            "whitening",
                                            "sampling",
                                            "schedule",
                                            "bias-scale",
                                            "momentum",
                                            "rate-schedule",
                                            "loss-threshold",
                                            "regulariser",
                                            "rate-period",
                                            "batch",
                                            "epochs",
                                            "sequences",
                                            "positions",
                                            "checkpoint",
                                            "resume",
                                            "checkpoint-seconds",
                                            "backend",
                                            "arithmetic",
                                            NULL};

const struct rhm_learner rhm_cnn_learner = {
    .info = {.name = "cnn",
             .summary = "a convolutional network, trained by stochastic gradient descent: what the field trains",
             .source = "Phys. Rev. X 14, 031001",
             .needs = "labelled samples",
             .model_kind = "cnn",
             .options = options_taken},
    .fit = fit,
    .plan = rhm_cnn_plan,
    .spread = RHM_SPREAD_FIT,
};
