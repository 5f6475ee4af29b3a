/* Whole sequences drawn by all threads of an engine. */
#include "engine/parallel.h"
#include "sampling/sampler.h"

enum { CHUNK_TOKENS = 1 << 14 };

typedef struct drawing {
    const rhm_sampler *sampler;
    uint32_t stream;
    uint64_t first;
    size_t count, chunk, tokens_each;
    uint16_t *tokens, *labels;
} drawing;

static rhm_status draw_chunk(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const drawing *d = context;
    const size_t begin = c * d->chunk, count = d->count - begin < d->chunk ? d->count - begin : d->chunk;
    rhm_sample_sequences(d->sampler, d->stream, d->first + begin, count, d->tokens + begin * d->tokens_each,
                         d->labels + begin, NULL);
    return RHM_OK;
}

rhm_status rhm_sample_with_engine(const rhm_engine *engine, const rhm_sampler *sampler, uint32_t stream, uint64_t first,
                                  size_t count, uint16_t *tokens, uint16_t *labels, rhm_error *error) {
    drawing d = {sampler, stream, first, count, 1, sampler->tree.leaves[0], tokens, labels};
    d.chunk = CHUNK_TOKENS / d.tokens_each < 1 ? 1 : CHUNK_TOKENS / d.tokens_each;
    return rhm_parallel(engine, (count + d.chunk - 1) / d.chunk, draw_chunk, &d, error);
}
