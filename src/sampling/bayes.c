/* What the most probable label is worth, on samples of a grammar or of a file. */
#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"
#include "engine/spread.h"
#include "ranks/group.h"
#include "rhm/oracle.h"
#include "sampling/sampler.h"
#include "sampling/source.h"

enum {
    BLOCK_TOKENS = 1 << 22, /* sequences that are drawn, and inferred, together */
    MOST_SEQUENCES = 1 << 15,
    CHUNK_TOKENS = 1 << 14,
};

static const double z95 = 1.959963984540054;

void rhm_oracle_mask(uint64_t seed, uint32_t stream, uint64_t first, size_t count, size_t tokens, double share,
                     uint8_t *masked) {
    const uint64_t threshold = (uint64_t)(share * 0x1p32 + 0.5);
    for (size_t i = 0; i < count; i++)
        for (size_t block = 0; 4 * block < tokens; block++) {
            const rhm_philox_block b = rhm_philox(seed, first + i, stream | RHM_MASK_STREAM, (uint32_t)block);
            for (size_t w = 0; w < 4 && 4 * block + w < tokens; w++)
                masked[i * tokens + 4 * block + w] = b.word[w] < threshold;
        }
}

static void summarise(rhm_bayes *b) {
    const double n = (double)b->samples, p = (double)b->correct / n, z2 = z95 * z95;
    const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
    const double half = z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    b->accuracy = p;
    /* Where all are right, or none, the end of the interval is the share itself, which rounding may miss. */
    b->accuracy_low = b->correct == 0 ? 0 : fmin(p, centre - half);
    b->accuracy_high = b->correct == b->samples ? 1 : fmax(p, centre + half);
    b->expected_accuracy = b->sums[0] / n;
    b->expected_accuracy_error = sqrt(fmax(0, b->sums[2] / n - b->expected_accuracy * b->expected_accuracy) / n);
    b->cross_entropy = b->sums[1] / n;
    b->cross_entropy_error = isinf(b->cross_entropy)
                                 ? (double)INFINITY
                                 : sqrt(fmax(0, b->sums[3] / n - b->cross_entropy * b->cross_entropy) / n);
}

void rhm_bayes_add(rhm_bayes *bayes, const double *posteriors, const uint16_t *labels, size_t count, uint32_t classes) {
    for (size_t i = 0; i < count; i++) {
        const double *p = posteriors + i * classes;
        size_t best = 0;
        for (size_t c = 1; c < classes; c++)
            best = p[c] > p[best] ? c : best;
        bayes->samples++;
        if (isnan(p[0])) {
            bayes->impossible++;
            bayes->sums[1] = bayes->sums[3] = (double)INFINITY;
            continue;
        }
        const double surprise = -log(p[labels[i]]);
        bayes->correct += best == labels[i];
        bayes->sums[0] += p[best];
        bayes->sums[1] += surprise;
        bayes->sums[2] += p[best] * p[best];
        bayes->sums[3] += surprise * surprise;
    }
    if (bayes->samples > 0)
        summarise(bayes);
}

typedef struct drawing {
    rhm_patch_source *source;
    const void *context;
    uint64_t first;
    size_t count, chunk, tokens_each;
    uint16_t *tokens, *labels;
} drawing;

static rhm_status draw_chunk(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const drawing *d = context;
    const size_t begin = c * d->chunk, count = d->count - begin < d->chunk ? d->count - begin : d->chunk;
    d->source(d->context, 1, d->first + begin, count, d->tokens + begin * d->tokens_each, d->labels + begin);
    return RHM_OK;
}

/* What the oracle of this rank says of its share of the sequences, on rank 0 of all of them. */
static rhm_status infer(drawing *d, const rhm_engine *engine, const rhm_oracle *oracle, double *posteriors,
                        uint32_t classes, rhm_error *error) {
    rhm_ranks *ranks = rhm_engine_ranks(engine);
    const size_t all = d->count;
    const rhm_ranks_part own = rhm_ranks_share(ranks, all, RHM_ORACLE_TOGETHER);
    drawing mine = *d;
    mine.first += own.first;
    mine.count = own.end - own.first;
    mine.tokens += own.first * d->tokens_each;
    mine.labels += own.first;
    const rhm_beliefs beliefs = {.posteriors = posteriors + own.first * classes};
    RHM_TRY(rhm_parallel(engine, (mine.count + d->chunk - 1) / d->chunk, draw_chunk, &mine, error));
    RHM_TRY(rhm_oracle_infer(oracle, mine.tokens, NULL, mine.count, &beliefs, error));
    RHM_TRY(rhm_ranks_collect(ranks, d->labels, sizeof *d->labels, all, RHM_ORACLE_TOGETHER, error));
    return rhm_ranks_collect(ranks, posteriors, sizeof *posteriors * classes, all, RHM_ORACLE_TOGETHER, error);
}

static rhm_status score(rhm_bayes *out, const rhm_engine *engine, const rhm_grammar *grammar, rhm_patch_source *source,
                        const void *context, uint64_t first, uint64_t count, rhm_error *error) {
    const size_t tokens = rhm_grammar_tree(grammar)->leaves[0];
    const uint32_t classes = rhm_grammar_shape(grammar)->vocab[0];
    size_t block = BLOCK_TOKENS / tokens < 1 ? 1 : BLOCK_TOKENS / tokens;
    block = block < MOST_SEQUENCES ? block : MOST_SEQUENCES;
    drawing d = {.source = source, .context = context, .tokens_each = tokens};
    d.chunk = CHUNK_TOKENS / tokens < 1 ? 1 : CHUNK_TOKENS / tokens;
    rhm_oracle *oracle = NULL;
    double *posteriors = NULL;
    rhm_bayes bayes = {0};
    rhm_status status = rhm_oracle_create(&oracle, engine, grammar, RHM_PRECISION_AUTO, error);
    if (status == RHM_OK && (!(d.tokens = RHM_NEW(uint16_t, block, tokens, 1, "sequences", error)) ||
                             !(d.labels = RHM_NEW(uint16_t, block, 1, 1, "labels", error)) ||
                             !(posteriors = RHM_NEW(double, block, classes, 1, "posteriors", error))))
        status = RHM_NO_MEMORY;
    for (uint64_t done = 0; done < count && status == RHM_OK; done += d.count) {
        d.first = first + done;
        d.count = count - done < block ? (size_t)(count - done) : block;
        rhm_engine_progress(engine, "exact inference", done, count);
        status = infer(&d, engine, oracle, posteriors, classes, error);
        if (status == RHM_OK && rhm_ranks_rank(rhm_engine_ranks(engine)) == 0)
            rhm_bayes_add(&bayes, posteriors, d.labels, d.count, classes);
    }
    if (status == RHM_OK)
        status = rhm_ranks_broadcast(rhm_engine_ranks(engine), &bayes, sizeof bayes, error);
    rhm_free(d.tokens);
    rhm_free(d.labels);
    rhm_free(posteriors);
    rhm_oracle_destroy(oracle);
    if (status == RHM_OK)
        *out = bayes;
    return status;
}

rhm_status rhm_bayes_of_grammar(rhm_bayes *out, const rhm_engine *engine, const rhm_grammar *grammar, uint64_t seed,
                                uint32_t stream, uint64_t first, uint64_t count, rhm_error *error) {
    rhm_sampler *sampler;
    RHM_TRY(rhm_sampler_create(&sampler, grammar, seed, error));
    const rhm_grammar_source source = {grammar, seed, sampler, stream};
    const rhm_status status = score(out, engine, grammar, rhm_draw_from_grammar, &source, first, count, error);
    rhm_sampler_destroy(sampler);
    return status;
}

rhm_status rhm_bayes_of_data(rhm_bayes *out, const rhm_engine *engine, const rhm_grammar *grammar, const rhm_data *data,
                             size_t first, size_t count, rhm_error *error) {
    if (!rhm_tree_same(&data->tree, rhm_grammar_tree(grammar)))
        return rhm_fail(error, RHM_INVALID,
                        "the data set has %zu tokens a sequence in %u levels, the grammar %zu in %u",
                        data->tree.leaves[0], data->tree.levels, rhm_grammar_tree(grammar)->leaves[0],
                        rhm_grammar_tree(grammar)->levels);
    if (!data->labels)
        return rhm_fail(error, RHM_INVALID, "the data set has no labels to compare with");
    if (first > data->count || count > data->count - first)
        return rhm_fail(error, RHM_INVALID, "sequences %zu to %zu were asked for, but the data set has %zu", first,
                        first + count, data->count);
    for (size_t i = first; i < first + count; i++)
        if (data->labels[i] >= rhm_grammar_shape(grammar)->vocab[0])
            return rhm_fail(error, RHM_INVALID, "the label of sequence %zu is %u: the grammar has %u labels", i,
                            data->labels[i], rhm_grammar_shape(grammar)->vocab[0]);
    const rhm_data_source source = {data, 0};
    return score(out, engine, grammar, rhm_draw_from_data, &source, first, count, error);
}

rhm_status rhm_bayes_bound(double *accuracy, const rhm_engine *engine, const rhm_bayes_of *of, rhm_error *error) {
    rhm_bayes bayes = {0};
    *accuracy = (double)NAN;
    if (!of->grammar || of->count == 0)
        return RHM_OK;
    *accuracy = 1;
    if (rhm_grammar_parses(of->grammar) && rhm_grammar_origin(of->grammar)->label_noise == 0)
        return RHM_OK;
    if (of->data)
        RHM_TRY(rhm_bayes_of_data(&bayes, engine, of->grammar, of->data, (size_t)of->first, (size_t)of->count, error));
    else
        RHM_TRY(rhm_bayes_of_grammar(&bayes, engine, of->grammar, of->seed, of->stream, of->first, of->count, error));
    *accuracy = bayes.accuracy;
    return RHM_OK;
}
