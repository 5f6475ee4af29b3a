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

/* Tokens 4 block, ... of up to RHM_WORD_TILE samples, whose indices have the same high word. */
static void replace_tokens(const rhm_sampler *sampler, const rhm_tile_stream *words, uint32_t stream, uint32_t block,
                           size_t count, size_t width, uint16_t *leaves) {
    const rhm_grammar_options *origin = rhm_grammar_origin(sampler->grammar);
    const uint32_t vocab = rhm_grammar_shape(sampler->grammar)->vocab[sampler->tree.levels];
    const uint64_t threshold = threshold_of(origin->token_noise);
    uint32_t word[4][RHM_WORD_TILE];
    sampler->ops.words(words, block, word[0]);
    for (size_t w = 0; w < 4 && 4 * (size_t)block + w < width; w++)
        for (size_t i = 0; i < count; i++) {
            const size_t token = 4 * (size_t)block + w;
            if (word[w][i] < threshold)
                leaves[i * width + token] = replacement(sampler, stream, words->first + i, (uint32_t)token, vocab);
        }
}

void rhm_sample_noise(const rhm_sampler *sampler, uint32_t stream, uint64_t first, size_t count, size_t width,
                      uint16_t *leaves, uint16_t *labels) {
    const rhm_grammar_options *origin = rhm_grammar_origin(sampler->grammar);
    for (size_t done = 0, now = 0; origin->token_noise > 0 && done < count; done += now) {
        const uint64_t to_carry = (UINT64_C(1) << 32) - (uint32_t)(first + done);
        now = count - done < RHM_WORD_TILE ? count - done : RHM_WORD_TILE;
        now = to_carry < now ? (size_t)to_carry : now;
        const rhm_tile_stream words = rhm_tile_stream_of(sampler->seed, first + done, stream | RHM_NOISE_STREAM);
        for (size_t block = 0; 4 * block < width; block++)
            replace_tokens(sampler, &words, stream, (uint32_t)block, now, width, leaves + done * width);
    }
    const uint64_t threshold = threshold_of(origin->label_noise);
    for (size_t i = 0; labels && threshold > 0 && i < count; i++)
        if (rhm_philox(sampler->seed, first + i, stream | RHM_NOISE_STREAM, LABEL_BLOCK).word[0] < threshold)
            labels[i] = replacement(sampler, stream, first + i, LABEL_BLOCK, sampler->label_count);
}
