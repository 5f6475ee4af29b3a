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
} drawing;

static rhm_status draw_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    const drawing *d = context;
    const rhm_tree *tree = &d->sampler->tree;
    if (d->level > 0) {
        const size_t parts = tree->nodes[d->level];
        const rhm_part part = {d->stream, d->first + chunk / parts, 1, d->level, chunk % parts};
        const size_t width = tree->leaves[d->level];
        const rhm_part_out out = {.leaves = d->tokens + chunk * width, .past = d->past};
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
                              .labels = d->labels + from,
                              .latents = d->latents ? latents : NULL,
                              .past = d->past};
    rhm_sample_part(d->sampler, &part, &out);
    rhm_sample_noise(d->sampler, d->stream, part.first, count, 0, tree->leaves[0], out.leaves, out.labels);
    return RHM_OK;
}

rhm_status rhm_sample_with_engine(const rhm_engine *engine, const rhm_sampler *sampler, uint32_t stream, uint64_t first,
                                  size_t count, uint16_t *tokens, uint16_t *labels, uint16_t *const *latents,
                                  rhm_error *error) {
    const rhm_tree *tree = &sampler->tree;
    drawing d = {sampler, stream, first, count, 1, 0, rhm_sample_past(sampler, count), tokens, labels, latents};
    while (!latents && tree->leaves[d.level] > CHUNK_TOKENS)
        d.level++;
    if (d.level > 0) {
        rhm_sample_labels(sampler, stream, first, count, labels);
        return rhm_parallel(engine, count * tree->nodes[d.level], draw_chunk, &d, error);
    }
    d.chunk = tree->leaves[0] < CHUNK_TOKENS ? CHUNK_TOKENS / tree->leaves[0] : 1;
    return rhm_parallel(engine, (count + d.chunk - 1) / d.chunk, draw_chunk, &d, error);
}
