/* Samples by all threads of an engine: many short ones, or parts of long ones. */
#include "engine/parallel.h"
#include "core/fail.h"
#include "rhm/sampling.h"
#include "sampling/sampler.h"

/* Tokens for one thread at a time: enough that nobody waits, few enough that a second-level cache holds them. */
enum { CHUNK_TOKENS = 1 << 16 };

typedef struct drawing {
    const rhm_sampler *sampler;
    uint32_t stream;
    uint64_t first;
    size_t count, chunk; /* samples, in all and at a time */
    uint32_t level;      /* 0, or where the parts begin that long samples are drawn in */
    bool past;           /* the caches */
    uint16_t *tokens, *labels;
    uint16_t *const *latents;
    const uint16_t *given; /* labels, or NULL */
} drawing;

static rhm_status draw_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    const drawing *d = context;
    const rhm_tree *tree = &d->sampler->tree;
    if (d->level > 0) {
        const size_t parts = tree->nodes[d->level];
        const size_t sample = chunk / parts;
        const rhm_part part = {d->stream, d->first + sample, 1, d->level, chunk % parts};
        const size_t width = tree->leaves[d->level];
        const rhm_part_out out = {
            .leaves = d->tokens + chunk * width, .given = d->given ? d->given + sample : NULL, .past = d->past};
        rhm_sample_part(d->sampler, &part, &out);
        rhm_sample_noise(d->sampler, d->stream, part.first, 1, part.node * width, width, out.leaves, NULL);
        return RHM_OK;
    }
    const size_t from = chunk * d->chunk;
    const size_t count = d->count - from < d->chunk ? d->count - from : d->chunk;
    uint16_t *latents[RHM_MAX_LEVELS + 1] = {0};
    for (uint32_t level = 1; d->latents && level < tree->levels; level++)
        latents[level] = d->latents[level] ? d->latents[level] + from * tree->nodes[level] : NULL;
    const rhm_part part = {d->stream, d->first + from, count, 0, 0};
    const rhm_part_out out = {.leaves = d->tokens + from * tree->leaves[0],
                              .labels = d->labels ? d->labels + from : NULL,
                              .latents = d->latents ? latents : NULL,
                              .given = d->given ? d->given + from : NULL,
                              .past = d->past};
    rhm_sample_part(d->sampler, &part, &out);
    rhm_sample_noise(d->sampler, d->stream, part.first, count, 0, tree->leaves[0], out.leaves, out.labels);
    return RHM_OK;
}

static rhm_status draw(drawing *d, const rhm_engine *engine, rhm_error *error) {
    const rhm_tree *tree = &d->sampler->tree;
    d->past = rhm_sample_past(d->sampler, d->count);
    while (!d->latents && tree->leaves[d->level] > CHUNK_TOKENS)
        d->level++;
    if (d->level > 0) {
        if (d->labels)
            rhm_sample_labels(d->sampler, d->stream, d->first, d->count, d->labels);
        return rhm_parallel(engine, d->count * tree->nodes[d->level], draw_chunk, d, error);
    }
    d->chunk = tree->leaves[0] < CHUNK_TOKENS ? CHUNK_TOKENS / tree->leaves[0] : 1;
    return rhm_parallel(engine, (d->count + d->chunk - 1) / d->chunk, draw_chunk, d, error);
}

rhm_status rhm_sample_with_engine(const rhm_engine *engine, const rhm_sampler *sampler, uint32_t stream, uint64_t first,
                                  size_t count, uint16_t *tokens, uint16_t *labels, uint16_t *const *latents,
                                  rhm_error *error) {
    drawing d = {.sampler = sampler,
                 .stream = stream,
                 .first = first,
                 .count = count,
                 .chunk = 1,
                 .tokens = tokens,
                 .labels = labels,
                 .latents = latents};
    return draw(&d, engine, error);
}

rhm_status rhm_sample_below(const rhm_engine *engine, const rhm_sampler *sampler, uint32_t stream, uint64_t first,
                            size_t count, const uint16_t *labels, uint16_t *tokens, uint16_t *const *latents,
                            rhm_error *error) {
    const uint32_t vocab = rhm_grammar_shape(sampler->grammar)->vocab[0];
    for (size_t i = 0; i < count; i++)
        if (labels[i] >= vocab)
            return rhm_fail(error, RHM_INVALID, "label %zu is %u: allowed are 0 to %u", i, labels[i], vocab - 1);
    drawing d = {.sampler = sampler,
                 .stream = stream,
                 .first = first,
                 .count = count,
                 .chunk = 1,
                 .tokens = tokens,
                 .latents = latents,
                 .given = labels};
    return draw(&d, engine, error);
}
