#include "learners/cnn/descent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "engine/trace.h"
#include "learners/cnn/initial.h"
#include "learners/cnn/streams.h"
#include "model/cnn.h"

enum { COPIES = 3 }; /* of the parameters that are there at a time, beside the network's */

size_t rhm_cnn_batch(const rhm_cnn_recipe *recipe, size_t sequences) {
    return recipe->batch < sequences ? (size_t)recipe->batch : sequences;
}

double rhm_cnn_multiply_adds(const rhm_network_shape *shape, const rhm_network_layout *layout, bool whole) {
    double sum = 0;
    for (uint32_t l = 0; l <= shape->levels; l++) {
        const double product = rhm_cnn_products(shape, layout, l);
        const bool trained = whole || l <= 1;
        /* Forward, the gradient of the weights, and that of the inputs unless nothing below needs it. */
        sum += product * (1 + trained + (trained && l < shape->levels && (whole || l == 0)));
    }
    return sum;
}

/* Before memory is asked for that the system might promise and not have. */
static rhm_status reserve(rhm_cnn_descent *d, rhm_error *error) {
    size_t nbytes = COPIES * sizeof(float);
    if (!rhm_size_mul(&nbytes, d->layout.parameters))
        return rhm_fail(error, RHM_NO_MEMORY, "%zu parameters of a network exceed the address space",
                        d->layout.parameters);
    RHM_TRY(rhm_memory_reserve(d->engine, nbytes, "parameters of a network", error));
    d->reserved = nbytes;
    return RHM_OK;
}

rhm_status rhm_cnn_descent_init(rhm_cnn_descent *out, const rhm_engine *engine, const rhm_problem *problem,
                                const rhm_train_options *options, const rhm_cnn_recipe *recipe,
                                rhm_cnn_sequences *sequences, rhm_train_report *report, rhm_error *error) {
    const size_t batch = rhm_cnn_batch(recipe, sequences->count);
    *out = (rhm_cnn_descent){.engine = engine,
                             .problem = problem,
                             .options = options,
                             .recipe = recipe,
                             .sequences = sequences,
                             .report = report,
                             .level = recipe->schedule == RHM_BY_LEVEL ? rhm_problem_tree(problem)->levels : 1};
    rhm_cnn_network(&out->shape, recipe, problem, 1, 1);
    RHM_TRY(rhm_network_layout_init(&out->layout, &out->shape, error));
    RHM_TRY(reserve(out, error));
    if (!(out->parameters = RHM_NEW(float, out->layout.parameters, 1, 1, "parameters of a network", error)) ||
        !(out->token = RHM_NEW(uint16_t, batch, sequences->tokens, 1, "sequences of a step", error)) ||
        !(out->label = RHM_NEW(uint16_t, batch, 1, 1, "labels of a step", error)))
        return RHM_NO_MEMORY;
    return rhm_cnn_initial(out->parameters, engine, &out->shape, &out->layout, options->seed, error);
}

void rhm_cnn_descent_clear(rhm_cnn_descent *d) {
    rhm_network_free(d->network);
    if (d->reserved)
        rhm_memory_release(d->engine, d->reserved);
    rhm_free(d->parameters);
    rhm_free(d->token);
    rhm_free(d->label);
    *d = (rhm_cnn_descent){0};
}

/* ---- stages ------------------------------------------------------------------------------------------------------ */

/* Convolutions of a stage between its own parameters and those of the whole network, of which it sees the first
 * positions. */
static void copy_levels(const rhm_cnn_descent *d, float *stage, bool into_stage) {
    const rhm_network_layout *layout = rhm_network_layout_of(d->network);
    for (uint32_t l = d->level; l <= d->shape.levels; l++) {
        const uint32_t k = l - d->level + 1;
        float *weights = d->parameters + d->layout.weights[l], *own = stage + layout->weights[k];
        const size_t nbytes = sizeof *own * rhm_network_weights(&d->layout, &d->shape, l);
        memcpy(into_stage ? own : weights, into_stage ? weights : own, nbytes);
        if (!d->shape.bias)
            continue;
        float *bias = d->parameters + d->layout.bias[l], *own_bias = stage + layout->bias[k];
        const size_t bias_nbytes = sizeof *own * layout->positions[k] * layout->outputs[k];
        memcpy(into_stage ? own_bias : bias, into_stage ? bias : own_bias, bias_nbytes);
    }
}

static rhm_status load(rhm_cnn_descent *d, rhm_error *error) {
    const rhm_network_layout *layout = rhm_network_layout_of(d->network);
    const size_t readout = layout->inputs[0] * layout->outputs[0];
    float *stage = RHM_NEW(float, layout->parameters, 1, 1, "parameters of a network", error);
    if (!stage)
        return RHM_NO_MEMORY;
    rhm_status status = RHM_OK;
    copy_levels(d, stage, true);
    if (d->level == 1)
        memcpy(stage + layout->weights[0], d->parameters + d->layout.weights[0], sizeof *stage * readout);
    else
        status = rhm_cnn_normal(stage + layout->weights[0], readout, d->engine, d->options->seed,
                                RHM_CNN_STREAM | RHM_CNN_READOUTS | d->level, error);
    if (status == RHM_OK)
        status = rhm_network_load(d->network, stage, NULL, error);
    rhm_free(stage);
    return status;
}

rhm_status rhm_cnn_descent_enter(rhm_cnn_descent *d, rhm_error *error) {
    const bool all = d->recipe->schedule == RHM_END_TO_END;
    rhm_network_shape shape;
    rhm_cnn_network(&shape, d->recipe, d->problem, d->level, all ? 1 : d->recipe->positions[d->level]);
    RHM_TRY(rhm_cnn_network_make(&d->network, d->recipe, d->engine, &shape,
                                 rhm_cnn_batch(d->recipe, d->sequences->count), error));
    d->report->descent.backend = rhm_network_backend(d->network);
    d->first_epoch = d->report->descent.epochs;
    d->clock = rhm_seconds();
    return load(d, error);
}

bool rhm_cnn_descent_ended(const rhm_cnn_descent *d) {
    const rhm_descent_report *r = &d->report->descent;
    if (r->epochs == d->first_epoch || d->done > 0)
        return false;
    return r->epoch[r->epochs - 1].loss <= d->recipe->loss_threshold || r->epochs - d->first_epoch >= d->recipe->epochs;
}

static rhm_status refuse_diverged(const rhm_cnn_descent *d, const char *what, rhm_error *error) {
    char level[32] = "";
    if (d->recipe->schedule == RHM_BY_LEVEL)
        snprintf(level, sizeof level, " of level %u", d->level);
    return rhm_fail(
        error, RHM_FAILED,
        "gradient descent has diverged: %s after epoch %zu%s, step %llu; try a smaller learning rate than %g", what,
        d->report->descent.epochs - d->first_epoch, level, (unsigned long long)d->report->descent.steps,
        d->recipe->learning_rate);
}

rhm_status rhm_cnn_descent_leave(rhm_cnn_descent *d, rhm_error *error) {
    const rhm_network_layout *layout = rhm_network_layout_of(d->network);
    rhm_descent_report *r = &d->report->descent;
    float *stage = RHM_NEW(float, layout->parameters, 1, 1, "parameters of a network", error);
    if (!stage)
        return RHM_NO_MEMORY;
    rhm_network_store(d->network, stage, NULL);
    for (size_t i = 0; i < layout->parameters; i++)
        if (!isfinite(stage[i])) {
            rhm_free(stage);
            return refuse_diverged(d, "parameters are not finite", error);
        }
    copy_levels(d, stage, false);
    if (d->level == 1)
        memcpy(d->parameters + d->layout.weights[0], stage + layout->weights[0],
               sizeof *stage * layout->inputs[0] * layout->outputs[0]);
    rhm_free(stage);
    r->reached = (r->reached || d->first_epoch == 0) && r->epoch[r->epochs - 1].loss <= d->recipe->loss_threshold;
    rhm_network_free(d->network);
    d->network = NULL;
    d->level--;
    return RHM_OK;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static rhm_status begin_epoch(rhm_cnn_descent *d, rhm_error *error) {
    const rhm_descent_report *r = &d->report->descent;
    int used = 0;
    RHM_TRY(rhm_cnn_sequences_turn(d->sequences, r->epochs, error));
    d->words[0] = '\0';
    if (d->recipe->schedule == RHM_BY_LEVEL)
        used = snprintf(d->words, sizeof d->words, "level %u, ", d->level);
    used += snprintf(d->words + used, sizeof d->words - (size_t)used, "epoch %zu of %llu",
                     r->epochs - d->first_epoch + 1, (unsigned long long)d->recipe->epochs);
    if (r->epochs > d->first_epoch)
        snprintf(d->words + used, sizeof d->words - (size_t)used, ", loss %.4g", r->epoch[r->epochs - 1].loss);
    d->span = rhm_trace_begin(d->engine, "epoch", d->recipe->schedule == RHM_BY_LEVEL ? d->level : 0);
    return RHM_OK;
}

static void show(const rhm_cnn_descent *d) {
    const uint32_t levels = d->shape.levels;
    rhm_train_state state = {.level = d->level, .finished = levels + 1, .report = d->report};
    if (!d->options->watch)
        return;
    for (uint32_t l = 1; l <= levels; l++) {
        const bool trained = l == d->level || d->recipe->schedule == RHM_BY_LEVEL;
        state.expected[l] = trained ? (double)d->recipe->epochs : 0;
        state.done[l] = !trained || l < d->level ? 0
                        : l > d->level           ? state.expected[l]
                                                 : (double)(d->report->descent.epochs - d->first_epoch);
    }
    d->options->watch(d->options->watcher, &state);
}

static rhm_status end_epoch(rhm_cnn_descent *d, rhm_error *error) {
    rhm_descent_report *r = &d->report->descent;
    const double now = rhm_seconds(), count = (double)d->sequences->count;
    const uint64_t batch = rhm_cnn_batch(d->recipe, d->sequences->count);
    const rhm_epoch_report epoch = {
        .level = d->recipe->schedule == RHM_BY_LEVEL ? d->level : 0,
        .steps = (d->sequences->count + batch - 1) / batch,
        .rate = rhm_cnn_rate(d->recipe, r->epochs - d->first_epoch),
        .loss = d->loss / count,
        .accuracy = (double)d->correct / count,
        .seconds = d->seconds + now - d->clock,
    };
    const bool full = (r->epochs & (r->epochs - 1)) == 0; /* 0 or a power of two */
    if (full)
        RHM_TRY(rhm_grow((void **)&r->epoch, sizeof epoch, r->epochs, r->epochs ? 2 * r->epochs : 1,
                         "reports of epochs", error));
    r->epoch[r->epochs++] = epoch;
    r->seconds += epoch.seconds;
    rhm_trace_end(d->engine, d->span, (rhm_span_work){.items = count});
    d->done = 0;
    d->loss = d->seconds = 0;
    d->correct = 0;
    d->clock = now;
    show(d);
    return RHM_OK;
}

rhm_status rhm_cnn_descent_step(rhm_cnn_descent *d, rhm_error *error) {
    const rhm_cnn_recipe *recipe = d->recipe;
    const size_t tokens = rhm_network_layout_of(d->network)->tokens, left = d->sequences->count - d->done;
    const size_t batch = rhm_cnn_batch(recipe, d->sequences->count), count = left < batch ? left : batch;
    rhm_network_rule rule = {
        .rate = (float)rhm_cnn_rate(recipe, d->report->descent.epochs - d->first_epoch),
        .momentum = (float)recipe->momentum,
        .penalty = (float)recipe->regulariser,
    };
    rhm_network_result result;
    for (uint32_t k = 2; k <= d->shape.levels && recipe->schedule == RHM_BY_LEVEL; k++)
        rule.frozen[k] = true;
    if (d->sequences->epoch != d->report->descent.epochs)
        RHM_TRY(begin_epoch(d, error));
    rhm_cnn_sequences_take(d->sequences, d->done, count, tokens, d->token, d->label);
    RHM_TRY(rhm_network_step(d->network, d->token, d->label, count, &rule, &result, error));
    d->report->descent.steps++;
    d->report->descent.visits += count;
    if (!isfinite(result.loss))
        return refuse_diverged(d, "the cross-entropy is not finite", error);
    d->loss += result.loss;
    d->correct += result.correct;
    d->done += count;
    rhm_engine_progress(d->engine, d->words, d->done, d->sequences->count);
    return d->done == d->sequences->count ? end_epoch(d, error) : RHM_OK;
}
