#include "model/layer.h"

#include <math.h>

#include "core/fail.h"
#include "core/gaussian.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "kernels/operator.h"

static const double PI = 0x1.921fb54442d18p+1;

rhm_status rhm_ready_layer_make(rhm_ready_layer *ready, const struct rhm_layer *layer, bool one_hot, rhm_error *error) {
    const size_t inputs = (size_t)layer->tokens * layer->embedding, padded = rhm_padded_width(layer->width);
    *ready = (rhm_ready_layer){
        .classes = layer->classes, .outputs = rhm_layer_outputs(layer), .width = layer->width, .one_hot = one_hot};
    if (!(ready->half_turns = RHM_NEW(float, padded, inputs, 1, "frequencies", error)) ||
        !(ready->offset = RHM_NEW(float, padded, 1, 1, "phase offsets", error)) ||
        !(ready->weights = RHM_NEW(float, ready->outputs, rhm_feature_stride(padded), 1, "weights", error))) {
        rhm_ready_layer_clear(ready);
        return RHM_NO_MEMORY;
    }
    const double centre = one_hot ? 0 : 1.0 / layer->classes;
    for (size_t k = 0; k < layer->width; k++) {
        const float *w = layer->frequencies + k * inputs;
        double phase = 0;
        for (size_t j = 0; j < inputs; j++) {
            ready->half_turns[(k / RHM_LANES * inputs + j) * RHM_LANES + k % RHM_LANES] = (float)((double)w[j] / PI);
            phase += (double)w[j] * centre;
        }
        phase /= PI;
        ready->offset[k] = (float)(phase - 2 * rint(phase / 2));
    }
    ready->map = (rhm_phase_map){.tokens = layer->tokens,
                                 .embedding = layer->embedding,
                                 .padded = padded,
                                 .half_turns = ready->half_turns,
                                 .offset = ready->offset};
    if (layer->weights)
        rhm_ready_layer_set_weights(ready, layer->weights);
    return RHM_OK;
}

void rhm_ready_layer_clear(rhm_ready_layer *ready) {
    rhm_free(ready->half_turns);
    rhm_free(ready->offset);
    rhm_free(ready->weights);
    *ready = (rhm_ready_layer){0};
}

void rhm_ready_layer_set_weights(rhm_ready_layer *ready, const float *weights) {
    const size_t stride = rhm_feature_stride(ready->map.padded), width = ready->width;
    const double scale = 1 / sqrt((double)width);
    for (size_t c = 0; c < ready->outputs; c++)
        for (size_t k = 0; k < width; k++)
            for (int sine = 0; sine < 2; sine++)
                ready->weights[c * stride + rhm_feature_index(k, sine)] =
                    (float)((double)weights[c * 2 * width + (sine ? width : 0) + k] * scale);
}

/* A logarithm, a sine and ten rounds of Philox each: what thousands of them take is worth a loop. */
enum {
    FREQUENCIES_A_CHUNK = 1024,
    SHARED_FREQUENCIES = 1 << 13, /* of each thread of all ranks: 0.2 ms, more than messages take */
};

typedef struct frequency_work {
    struct rhm_layer *layer;
    uint64_t seed;
    uint32_t level;
    size_t count;
} frequency_work;

static rhm_status draw_some(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const frequency_work *work = context;
    const struct rhm_layer *layer = work->layer;
    const size_t first = chunk * FREQUENCIES_A_CHUNK, left = work->count - first;
    for (size_t i = first; i < first + (left < FREQUENCIES_A_CHUNK ? left : FREQUENCIES_A_CHUNK); i++)
        layer->frequencies[i] =
            (float)(rhm_gaussian(work->seed, UINT32_C(1) << 16 | work->level, i) / layer->bandwidth);
    return RHM_OK;
}

rhm_status rhm_layer_draw_frequencies(struct rhm_layer *layer, const rhm_engine *engine, uint64_t seed, uint32_t level,
                                      rhm_error *error) {
    frequency_work work = {layer, seed, level, (size_t)layer->width * layer->tokens * layer->embedding};
    const size_t chunks = (work.count + FREQUENCIES_A_CHUNK - 1) / FREQUENCIES_A_CHUNK;
    const rhm_spread_output drawn = {layer->frequencies, sizeof(float) * FREQUENCIES_A_CHUNK,
                                     sizeof(float) * work.count};
    if (engine && work.count >= SHARED_FREQUENCIES * rhm_spread_threads(engine))
        return rhm_spread_many(engine, chunks, draw_some, &work, &drawn, 1, error);
    if (engine)
        return rhm_parallel(engine, chunks, draw_some, &work, error);
    for (size_t chunk = 0; chunk < chunks; chunk++)
        RHM_TRY(draw_some(&work, chunk, 0, error));
    return RHM_OK;
}

void rhm_layer_store_weights(struct rhm_layer *layer, const double *w, size_t stride) {
    const size_t m = layer->width;
    for (size_t c = 0; c < rhm_layer_outputs(layer); c++)
        for (size_t k = 0; k < m; k++)
            for (int sine = 0; sine < 2; sine++)
                layer->weights[c * 2 * m + (sine ? m : 0) + k] = (float)w[c * stride + rhm_feature_index(k, sine)];
}

rhm_status rhm_embeddings_one_hot(rhm_embeddings *table, size_t vocab, rhm_error *error) {
    *table = (rhm_embeddings){.count = vocab, .capacity = vocab, .width = vocab};
    if (!(table->row = RHM_NEW(float, vocab, vocab, 1, "one-hot tokens", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < vocab; i++)
        table->row[i * vocab + i] = 1;
    return RHM_OK;
}

void rhm_embeddings_clear(rhm_embeddings *table) {
    if (table->engine)
        rhm_memory_release(table->engine, table->reserved_nbytes);
    rhm_free(table->row);
    *table = (rhm_embeddings){0};
}

enum { CHUNK_PATCHES = 192 }; /* a multiple of the kernels' blocks, small enough to balance few patches over threads */

typedef struct embed_work {
    rhm_operator op;
    const rhm_intern *patches;
    const rhm_embeddings *inputs;
    float *row; /* of the first patch, on */
    size_t first, last;
    size_t classes; /* of a block */
    uint64_t clamped;
} embed_work;

static rhm_status embed_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    embed_work *work = context;
    const size_t first = work->first + chunk * CHUNK_PATCHES;
    const size_t count = work->last - first < CHUNK_PATCHES ? work->last - first : CHUNK_PATCHES;
    const size_t outputs = work->op.classes, classes = work->classes;
    const rhm_patch_rows rows = {rhm_embeddings_rows(work->inputs), rhm_intern_tuple(work->patches, first), count};
    float *y = work->row + (first - work->first) * outputs;
    RHM_TRY(work->op.operations->forward(&work->op, thread, &rows, y, error));
    const uint64_t clamped =
        rhm_normalise(classes, count * (outputs / classes), RHM_NORMALIZATION_FLOOR, 1.0 / (double)classes, y);
#pragma omp atomic
    work->clamped += clamped;
    return RHM_OK;
}

static rhm_span_work forward_work(const rhm_ready_layer *layer, const rhm_operator *op, size_t count) {
    const size_t tokens = layer->map.tokens, embedding = layer->map.embedding;
    const size_t of_patch = sizeof(uint32_t) * tokens + sizeof(float) * layer->outputs;
    const size_t of_level = sizeof(float) * layer->width * (tokens * embedding + 2 * layer->outputs + 1);
    return (rhm_span_work){
        .flops =
            2.0 * (double)count * (double)layer->width * (rhm_operator_feature_terms(op) + 2 * (double)layer->outputs),
        .nbytes = (double)count * (double)of_patch + (double)of_level,
        .items = (double)count,
        .tokens = (uint32_t)tokens,
        .embedding = (uint32_t)embedding,
        .classes = (uint32_t)layer->outputs,
        .width = (uint32_t)layer->width,
        .rows = (uint32_t)op->phasor_rows,
    };
}

static rhm_status make_rows(rhm_embeddings *out, const rhm_engine *engine, size_t width, size_t count,
                            rhm_error *error) {
    if (count <= out->capacity)
        return RHM_OK;
    const size_t capacity = count < 2 * out->capacity ? 2 * out->capacity : count;
    const size_t nbytes = sizeof(float) * width * (capacity - out->capacity);
    RHM_TRY(rhm_memory_reserve(engine, nbytes, "embeddings of distinct patches", error));
    out->engine = engine;
    out->reserved_nbytes += nbytes;
    void *row = out->row;
    RHM_TRY(rhm_grow(&row, sizeof(float) * width, out->count, capacity, "embeddings of distinct patches", error));
    out->row = row;
    out->capacity = capacity;
    out->width = width;
    return RHM_OK;
}

/* The rows of the patches work->first..work->last-1, of all ranks' patches among which they are `count`; `spread`: with
 * all ranks, on all of them. */
static rhm_status fill_rows(embed_work *work, rhm_embeddings *out, const rhm_engine *engine,
                            const rhm_ready_layer *layer, size_t count, bool spread, rhm_error *error) {
    const rhm_embeddings *inputs = work->inputs;
    const size_t own = work->last - work->first, chunks = (own + CHUNK_PATCHES - 1) / CHUNK_PATCHES;
    RHM_TRY(rhm_operator_init(&work->op, engine, RHM_WORK_FORWARD, &layer->map, layer->outputs, count, error));
    rhm_status status = rhm_operator_set_weights(&work->op, layer->weights, error);
    /* Tokens are always the same few. Of embeddings there are more with every draw: how their patches are computed must
     * not depend on how many there happen to be, since a training that is resumed embeds them all at once. */
    if (status == RHM_OK && layer->one_hot)
        status = rhm_operator_share(&work->op, inputs->row, inputs->count, SIZE_MAX, error);
    const int span = rhm_trace_begin(engine, work->op.phasor_rows ? "forward (phasors)" : "forward", 0);
    const int64_t begin = rhm_trace_now();
    const size_t row_nbytes = sizeof(float) * layer->outputs;
    const rhm_spread_output rows = {work->row, CHUNK_PATCHES * row_nbytes, own * row_nbytes};
    if (status == RHM_OK)
        status = spread ? rhm_spread(engine, chunks, embed_chunk, work, &rows, 1, error)
                        : rhm_parallel(engine, chunks, embed_chunk, work, error);
    if (status == RHM_OK)
        status = rhm_spread_count(engine, &work->clamped, error);
    out->kernel_seconds += 1e-9 * (double)(rhm_trace_now() - begin);
    const rhm_span_work done = forward_work(layer, &work->op, count);
    out->flops += status == RHM_OK ? done.flops : 0;
    rhm_trace_end(engine, span, done);
    rhm_operator_clear(&work->op);
    return status;
}

rhm_status rhm_embed(rhm_embeddings *out, const rhm_engine *engine, const rhm_ready_layer *layer,
                     const rhm_intern *patches, const rhm_embeddings *inputs, uint64_t *clamped, rhm_error *error) {
    if (patches->count == out->count)
        return RHM_OK;
    RHM_TRY(make_rows(out, engine, layer->outputs, patches->count, error));
    embed_work work = {
        .patches = patches,
        .inputs = inputs,
        .row = out->row + out->count * layer->outputs,
        .first = out->count,
        .last = patches->count,
        .classes = layer->classes,
    };
    RHM_TRY(fill_rows(&work, out, engine, layer, work.last - work.first, true, error));
    out->count = patches->count;
    if (clamped)
        *clamped += work.clamped;
    return RHM_OK;
}

rhm_status rhm_embed_part(rhm_embeddings *out, const rhm_engine *engine, const rhm_ready_layer *layer,
                          const rhm_intern *patches, const rhm_embeddings *inputs, rhm_ranks_part own,
                          uint64_t *clamped, rhm_error *error) {
    const size_t count = own.end - own.first, new = patches->count - out->count;
    if (new == 0)
        return RHM_OK;
    rhm_embeddings part = {
        .width = layer->outputs, .first = own.first, .kernel_seconds = out->kernel_seconds, .flops = out->flops};
    rhm_embeddings_clear(out);
    *out = part;
    RHM_TRY(make_rows(out, engine, layer->outputs, count, error));
    embed_work work = {
        .patches = patches,
        .inputs = inputs,
        .row = out->row,
        .first = own.first,
        .last = own.end,
        .classes = layer->classes,
    };
    RHM_TRY(fill_rows(&work, out, engine, layer, new, false, error));
    out->count = patches->count;
    if (clamped)
        *clamped += work.clamped;
    return RHM_OK;
}

rhm_status rhm_embed_subtrees(rhm_embeddings *tables, const rhm_engine *engine, const rhm_ready_layer *ready,
                              const rhm_patches *patches, uint64_t *clamped, rhm_error *error) {
    for (uint32_t j = patches->tree.levels; j > patches->level; j--)
        RHM_TRY(rhm_embed(&tables[j], engine, &ready[j], &patches->subtree[j], &tables[j + 1], clamped, error));
    return RHM_OK;
}
