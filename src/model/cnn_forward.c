/* Sequences through a convolutional network, a block at a time: drawn by all threads, then the network's passes. */
#include <string.h>

#include "core/clock.h"
#include "core/elementary.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "model/cnn.h"

enum {
    BLOCK_TOKENS = 1 << 20, /* of the sequences that are drawn together */
    MOST_SEQUENCES = 1 << 13,
    PASS_NUMBERS = 1 << 20, /* outputs of a level that go through the network at a time */
    MOST_PASS = 256,
    CHUNK = 64, /* sequences that a thread draws at a time */
};

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Sequences of a pass: memory is bounded also where they are long and layers wide. */
static size_t pass_of(const struct rhm_cnn *cnn) {
    size_t most = 1;
    for (uint32_t l = 1; l <= cnn->shape.levels; l++) {
        const size_t numbers = cnn->layout.positions[l] * cnn->layout.outputs[l];
        most = numbers > most ? numbers : most;
    }
    const size_t pass = PASS_NUMBERS / most;
    return pass < 1 ? 1 : least(pass, MOST_PASS);
}

static rhm_status make_network(rhm_network **out, const rhm_engine *engine, const struct rhm_cnn *cnn, size_t count,
                               rhm_error *error) {
    RHM_TRY(rhm_network_make(out, engine, &cnn->shape, least(pass_of(cnn), count ? count : 1), error));
    const rhm_status status = rhm_network_load(*out, cnn->parameters, NULL, error);
    if (status != RHM_OK) {
        rhm_network_free(*out);
        *out = NULL;
    }
    return status;
}

typedef struct forward {
    const struct rhm_cnn *cnn;
    const rhm_batch *batch;
    rhm_outputs *outputs;
    rhm_network *network;
    rhm_buffer tokens, logits;
    uint16_t *labels;
    uint64_t done;
    size_t block, count; /* sequences of a block, and of the one in hand */
} forward;

static rhm_status draw(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    const forward *f = context;
    const size_t first = chunk * CHUNK, count = least(f->count - first, CHUNK);
    f->batch->source(f->batch->context, 1, f->batch->first + f->done + first, count,
                     (uint16_t *)f->tokens.data + first * f->cnn->layout.tokens, f->labels + first);
    return RHM_OK;
}

/* The softmax; e^-700 and less are 0. */
static void posterior_of(float *out, const float *logit, size_t classes, float largest) {
    double sum = 0;
    for (size_t c = 0; c < classes; c++) {
        const double x = (double)logit[c] - (double)largest;
        sum += x > -700 ? rhm_exp(x) : 0;
    }
    for (size_t c = 0; c < classes; c++) {
        const double x = (double)logit[c] - (double)largest;
        out[c] = (float)((x > -700 ? rhm_exp(x) : 0) / sum);
    }
}

static void take_answers(forward *f) {
    const size_t classes = f->cnn->shape.classes;
    const float *logits = f->logits.data;
    rhm_outputs *outputs = f->outputs;
    for (size_t i = 0; i < f->count; i++) {
        const float *logit = logits + i * classes;
        size_t label = 0;
        for (size_t c = 1; c < classes; c++)
            label = logit[c] > logit[label] ? c : label;
        outputs->score.correct += label == f->labels[i];
        if (outputs->labels)
            outputs->labels[f->done + i] = (uint16_t)label;
        if (outputs->posteriors)
            posterior_of(outputs->posteriors + (f->done + i) * classes, logit, classes, logit[label]);
    }
}

static rhm_status run(forward *f, const rhm_engine *engine, rhm_error *error) {
    for (; f->done < f->batch->count; f->done += f->count) {
        f->count = least(f->batch->count - f->done, f->block);
        rhm_engine_progress(engine, f->batch->stage, f->done, f->batch->count);
        const double begin = rhm_seconds();
        RHM_TRY(rhm_parallel(engine, (f->count + CHUNK - 1) / CHUNK, draw, f, error));
        const double drawn = rhm_seconds();
        RHM_TRY(rhm_network_forward(f->network, f->tokens.data, f->count, f->logits.data, error));
        f->outputs->score.sample_seconds += drawn - begin;
        f->outputs->score.kernel_seconds += rhm_seconds() - drawn;
        f->outputs->score.flops += 2 * rhm_network_multiply_adds(&f->cnn->shape, &f->cnn->layout) * (double)f->count;
        take_answers(f);
    }
    return RHM_OK;
}

rhm_status rhm_cnn_forward(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                           rhm_outputs *outputs, rhm_error *error) {
    const struct rhm_cnn *cnn = rhm_cnn_of(model);
    forward f = {.cnn = cnn, .batch = batch, .outputs = outputs};
    const size_t most = BLOCK_TOKENS / cnn->layout.tokens;
    f.block = least(least(most < 1 ? 1 : most, MOST_SEQUENCES), batch->count ? batch->count : 1);
    rhm_status status = make_network(&f.network, engine, cnn, f.block, error);
    if (status == RHM_OK)
        status = rhm_buffer_create(&f.tokens, engine, (rhm_home){.kind = RHM_HOME_TOUCH}, sizeof(uint16_t), f.block,
                                   cnn->layout.tokens, 1, "sequences to predict", error);
    if (status == RHM_OK)
        status = rhm_buffer_create(&f.logits, engine, (rhm_home){.kind = RHM_HOME_TOUCH}, sizeof(float), f.block,
                                   cnn->shape.classes, 1, "logits", error);
    if (status == RHM_OK && !(f.labels = RHM_NEW(uint16_t, f.block, 1, 1, "labels to compare with", error)))
        status = RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = run(&f, engine, error);
    rhm_free(f.labels);
    rhm_buffer_destroy(&f.logits, engine);
    rhm_buffer_destroy(&f.tokens, engine);
    rhm_network_free(f.network);
    outputs->score.samples += status == RHM_OK ? batch->count : 0;
    return status;
}

rhm_status rhm_cnn_embed(const rhm_model *model, const rhm_engine *engine, uint32_t level, const uint16_t *tokens,
                         size_t count, float *out, rhm_error *error) {
    const struct rhm_cnn *cnn = rhm_cnn_of(model);
    const size_t width = cnn->layout.positions[level] * cnn->layout.outputs[level];
    rhm_network *network = NULL;
    RHM_TRY(make_network(&network, engine, cnn, count, error));
    const size_t pass = rhm_network_batch(network);
    float *logits = RHM_NEW(float, pass, cnn->shape.classes, 1, "logits", error);
    rhm_status status = logits ? RHM_OK : RHM_NO_MEMORY;
    for (size_t done = 0; done < count && status == RHM_OK; done += pass) {
        const size_t now = least(count - done, pass);
        status = rhm_network_forward(network, tokens + done * cnn->layout.tokens, now, logits, error);
        if (status == RHM_OK)
            rhm_network_hidden(network, level, out + done * width);
    }
    rhm_free(logits);
    rhm_network_free(network);
    return status;
}
