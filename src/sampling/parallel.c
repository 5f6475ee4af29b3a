/* Samples by all threads of an engine. */
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
    uint16_t *tokens, *labels;
    uint16_t *const *latents;
} drawing;

static rhm_status draw_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    const drawing *d = context;
    const rhm_tree *tree = &d->sampler->tree;
    const size_t from = chunk * d->chunk;
    const size_t count = d->count - from < d->chunk ? d->count - from : d->chunk;
    uint16_t *latents[RHM_MAX_LEVELS + 1] = {0};
    for (uint32_t level = 1; d->latents && level < tree->levels; level++)
        latents[level] = d->latents[level] ? d->latents[level] + from * tree->nodes[level] : NULL;
    rhm_sample_sequences(d->sampler, d->stream, d->first + from, count, d->tokens + from * tree->leaves[0],
                         d->labels + from, d->latents ? latents : NULL);
    return RHM_OK;
}

rhm_status rhm_sample_with_engine(const rhm_engine *engine, const rhm_sampler *sampler, uint32_t stream, uint64_t first,
                                  size_t count, uint16_t *tokens, uint16_t *labels, uint16_t *const *latents,
                                  rhm_error *error) {
    const size_t each = sampler->tree.leaves[0];
    drawing d = {sampler, stream, first, count, each < CHUNK_TOKENS ? CHUNK_TOKENS / each : 1, tokens, labels, latents};
    return rhm_parallel(engine, (count + d.chunk - 1) / d.chunk, draw_chunk, &d, error);
}
