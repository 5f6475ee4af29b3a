/* Noise on samples that are drawn: which tokens and labels are replaced, and by what. */
#include "core/philox.h"
#include "sampling/sampler.h"

#define LABEL_BLOCK UINT32_MAX

/* Words below it replace. Probability 1 takes them all, hence 64 bits. */
static uint64_t threshold_of(double noise) {
    return (uint64_t)(noise * 0x1p32 + 0.5);
}

static uint16_t replacement(const rhm_sampler *sampler, uint32_t stream, uint64_t index, uint32_t block,
                            uint32_t vocab) {
    const rhm_philox_block b = rhm_philox(sampler->seed, index, stream | RHM_REPLACEMENT_STREAM, block);
    return (uint16_t)rhm_uniform_choice(vocab, b.word[0]);
}

typedef struct noise {
    const rhm_sampler *sampler;
    uint32_t stream, vocab;
    uint64_t threshold;
    size_t begin, width; /* tokens of a row */
} noise;

/* Blocks block..block+each-1 of the stream of noise, of `rows` samples: together at most RHM_TILE. */
static void replace_tokens(const noise *n, uint64_t index, size_t rows, size_t block, size_t each, uint16_t *leaves) {
    const rhm_blocks blocks = {&n->sampler->keys, n->stream | RHM_NOISE_STREAM, index, (uint32_t)block, (uint32_t)each};
    uint32_t word[RHM_BLOCK_WORDS][RHM_TILE];
    n->sampler->ops.words(&blocks, rows * each, word[0]);
    for (size_t i = 0; i < rows * each; i++)
        for (size_t w = 0; w < RHM_BLOCK_WORDS; w++) {
            const size_t row = i / each, token = 4 * (block + i % each) + w;
            if (word[w][i] < n->threshold && token >= n->begin && token - n->begin < n->width)
                leaves[row * n->width + token - n->begin] =
                    replacement(n->sampler, n->stream, index + row, (uint32_t)token, n->vocab);
        }
}

void rhm_sample_noise(const rhm_sampler *sampler, uint32_t stream, uint64_t first, size_t count, size_t begin,
                      size_t width, uint16_t *leaves, uint16_t *labels) {
    const rhm_grammar_options *origin = rhm_grammar_origin(sampler->grammar);
    const noise n = {.sampler = sampler,
                     .stream = stream,
                     .vocab = rhm_grammar_shape(sampler->grammar)->vocab[sampler->tree.levels],
                     .threshold = threshold_of(origin->token_noise),
                     .begin = begin,
                     .width = width};
    const size_t end = (begin + width + 3) / 4, all = end - begin / 4,
                 rows = all > 0 && all < RHM_TILE ? RHM_TILE / all : 1;
    for (size_t i = 0; n.threshold > 0 && i < count; i += rows)
        for (size_t b = begin / 4; b < end; b += RHM_TILE)
            replace_tokens(&n, first + i, count - i < rows ? count - i : rows, b,
                           end - b < RHM_TILE ? end - b : RHM_TILE, leaves + i * width);
    const uint64_t threshold = threshold_of(origin->label_noise);
    for (size_t i = 0; labels && threshold > 0 && i < count; i++)
        if (rhm_philox(sampler->seed, first + i, stream | RHM_NOISE_STREAM, LABEL_BLOCK).word[0] < threshold)
            labels[i] = replacement(sampler, stream, first + i, LABEL_BLOCK, sampler->layout.label.count);
}
