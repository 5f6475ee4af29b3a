#include "model/forward.h"

#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"

enum {
    BLOCK_TOKENS = 1 << 22, /* tokens whose subtrees are evaluated together, each distinct one once */
    FEWEST_SEQUENCES = 256,
    MOST_SEQUENCES = 1 << 16,
};

rhm_status rhm_ready_model(rhm_ready_layer *ready, const rhm_model *model, rhm_error *error) {
    memset(ready, 0, sizeof *ready * (RHM_MAX_LEVELS + 1));
    for (uint32_t l = 1; l <= model->tree.levels; l++) {
        const rhm_status status =
            rhm_ready_layer_make(&ready[l], &rhm_model_layers(model)[l], l == model->tree.levels, error);
        if (status != RHM_OK) {
            rhm_ready_model_clear(ready);
            return status;
        }
    }
    return RHM_OK;
}

void rhm_ready_model_clear(rhm_ready_layer *ready) {
    for (uint32_t l = 1; l <= RHM_MAX_LEVELS; l++)
        rhm_ready_layer_clear(&ready[l]);
}

static size_t argmax(const float *y, size_t classes) {
    size_t largest = 0;
    for (size_t c = 1; c < classes; c++)
        largest = y[c] > y[largest] ? c : largest;
    return largest;
}

/* Count the samples of every (sequence, label) pair whose label is the largest output. */
static uint64_t count_correct(const rhm_patches *patches, const rhm_embeddings *out) {
    uint64_t correct = 0;
    for (size_t cell = 0; cell < patches->cell.count; cell++) {
        const uint32_t *pair = rhm_intern_tuple(&patches->cell, cell);
        if (argmax(out->row + pair[0] * out->width, out->width) == pair[1])
            correct += patches->count[cell];
    }
    return correct;
}

typedef struct block {
    const rhm_engine *engine;
    const rhm_model *model;
    const rhm_ready_layer *ready;
    const rhm_batch *batch;
    uint32_t *ids; /* (block): the distinct sequence of each sample, or NULL */
} block;

static rhm_status run_block(const block *b, uint64_t first, uint64_t count, rhm_score *score, uint16_t *predicted,
                            float *posterior, rhm_error *error) {
    const rhm_model *model = b->model;
    const size_t classes = model->classes;
    rhm_patches patches;
    rhm_embeddings table[RHM_MAX_LEVELS + 2] = {0};
    rhm_embeddings *out = &table[1];
    RHM_TRY(rhm_patches_init(&patches, 1, &model->tree, model->classes, error));
    rhm_status status = rhm_embeddings_one_hot(&table[model->tree.levels + 1], model->token_vocab, error);
    uint64_t clamped = 0;
    const double begin = rhm_seconds();
    if (status == RHM_OK)
        status = rhm_patches_add(&patches, b->engine, NULL, b->batch->source, b->batch->context, first, count, b->ids,
                                 error);
    const double sample_seconds = rhm_seconds() - begin;
    if (status != RHM_OK ||
        (status = rhm_embed_subtrees(table, b->engine, b->ready, &patches, &clamped, error)) != RHM_OK ||
        (status = rhm_embed(out, b->engine, &b->ready[1], &patches.subtree[1], &table[2], &clamped, error)) != RHM_OK)
        goto done;
    score->samples += count;
    score->correct += count_correct(&patches, out);
    score->clamped += clamped;
    score->sample_seconds += sample_seconds;
    for (uint32_t l = 1; l <= model->tree.levels; l++) {
        score->kernel_seconds += table[l].kernel_seconds;
        score->flops += table[l].flops;
    }
    const float centre = (float)(1.0 / (double)classes);
    for (uint64_t i = 0; b->ids && i < count; i++) {
        const float *y = out->row + b->ids[i] * classes;
        if (predicted)
            predicted[i] = (uint16_t)argmax(y, classes);
        for (size_t c = 0; posterior && c < classes; c++)
            posterior[i * classes + c] = y[c] + centre;
    }
done:
    for (size_t j = 0; j < sizeof table / sizeof *table; j++)
        rhm_embeddings_clear(&table[j]);
    rhm_patches_destroy(&patches);
    return status;
}

size_t rhm_forward_block(const rhm_tree *tree) {
    const size_t size = BLOCK_TOKENS / tree->leaves[0];
    return size < FEWEST_SEQUENCES ? FEWEST_SEQUENCES : size > MOST_SEQUENCES ? MOST_SEQUENCES : size;
}

size_t rhm_random_features_together(const rhm_model *model) {
    return rhm_forward_block(&model->tree);
}

rhm_status rhm_run_sequences(const rhm_engine *engine, const rhm_model *model, const rhm_ready_layer *ready,
                             const rhm_batch *batch, rhm_outputs *outputs, rhm_error *error) {
    const uint64_t size = rhm_forward_block(&model->tree);
    uint16_t *labels = outputs->labels;
    float *posteriors = outputs->posteriors;
    block b = {engine, model, ready, batch, NULL};
    if ((labels || posteriors) && !(b.ids = RHM_NEW(uint32_t, size, 1, 1, "sequence ids", error)))
        return RHM_NO_MEMORY;
    rhm_status status = RHM_OK;
    for (uint64_t done = 0; done < batch->count && status == RHM_OK; done += size) {
        const uint64_t now = batch->count - done < size ? batch->count - done : size;
        rhm_engine_progress(engine, batch->stage, done, batch->count);
        status = run_block(&b, batch->first + done, now, &outputs->score, labels ? labels + done : NULL,
                           posteriors ? posteriors + done * model->classes : NULL, error);
    }
    rhm_free(b.ids);
    return status;
}

rhm_status rhm_random_features_forward(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                                       rhm_outputs *outputs, rhm_error *error) {
    rhm_ready_layer ready[RHM_MAX_LEVELS + 1];
    RHM_TRY(rhm_ready_model(ready, model, error));
    const rhm_status status = rhm_run_sequences(engine, model, ready, batch, outputs, error);
    rhm_ready_model_clear(ready);
    return status;
}
