/* Whether the order of a data set matters, and another one. */
#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"
#include "rhm/data.h"
#include "sampling/permutation.h"

enum { LEAST_PARTS = 5, MOST_PARTS = 80 };

/* Standard deviations of a chi-squared statistic; those of counts as small as one are half as large again. */
static const double BEYOND_CHANCE = 10;

/* ---- is it in random order? ------------------------------------------------------------------------------ */

typedef struct column {
    const uint16_t *symbol; /* every `stride`-th of them */
    size_t rows, stride;
    uint32_t vocab;
} column;

/* Pearson's chi-squared statistic of the symbols in equal parts of the rows, against the same law in all of them. Rare
 * symbols are one kind with those that follow, so that one is expected in each part: in a file that is sorted by symbol
 * they are neighbours. */
static bool differs(const column *c, size_t parts, uint32_t *count) {
    const size_t rows = c->rows / parts;
    size_t kinds = 0;
    double statistic = 0;
    for (size_t i = 0; i < parts * c->vocab; i++)
        count[i] = 0;
    for (size_t i = 0; i < parts * rows; i++)
        count[(size_t)c->symbol[i * c->stride] * parts + i / rows]++;
    uint64_t kind[MOST_PARTS] = {0}, all = 0;
    for (uint32_t v = 0; v < c->vocab; v++) {
        for (size_t p = 0; p < parts; p++) {
            kind[p] += count[v * parts + p];
            all += count[v * parts + p];
        }
        if (all < parts)
            continue;
        const double mean = (double)all / (double)parts;
        for (size_t p = 0; p < parts; p++) {
            statistic += ((double)kind[p] - mean) * ((double)kind[p] - mean) / mean;
            kind[p] = 0;
        }
        all = 0;
        kinds++;
    }
    const double freedom = kinds > 1 ? (double)(kinds - 1) * (double)(parts - 1) : 0;
    return kinds > 1 && statistic > freedom + BEYOND_CHANCE * sqrt(2 * freedom);
}

static rhm_status check(const column *c, const char *what, rhm_error *error) {
    for (size_t i = 0; c->symbol && i < c->rows; i++)
        if (c->symbol[i * c->stride] >= c->vocab)
            return rhm_fail(error, RHM_INVALID, "the %s of sequence %zu is %u: allowed are 0 to %u", what, i,
                            (unsigned)c->symbol[i * c->stride], c->vocab - 1);
    return RHM_OK;
}

rhm_status rhm_data_is_mixed(bool *mixed, const rhm_data *data, rhm_error *error) {
    const column columns[] = {{data->labels, data->count, 1, data->label_vocab},
                              {data->tokens, data->count, data->tree.leaves[0], data->token_vocab}};
    RHM_TRY(check(&columns[0], "label", error));
    RHM_TRY(check(&columns[1], "first token", error));
    const uint32_t vocab = data->label_vocab > data->token_vocab ? data->label_vocab : data->token_vocab;
    uint32_t *count = RHM_NEW(uint32_t, vocab, MOST_PARTS, 1, "counts of symbols in parts of the data set", error);
    if (!count)
        return RHM_NO_MEMORY;
    *mixed = true;
    for (size_t parts = LEAST_PARTS; parts <= MOST_PARTS; parts *= 4)
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
            if (*mixed && columns[i].symbol && data->count >= parts && differs(&columns[i], parts, count))
                *mixed = false;
    rhm_free(count);
    return RHM_OK;
}

/* ---- another order --------------------------------------------------------------------------------------- */

/* One of 0..bound-1; each has its probability to within 2^-64. */
static uint64_t choose(uint64_t seed, uint64_t index, uint64_t bound) {
    const rhm_philox_block block = rhm_philox(seed, index, RHM_SHUFFLE_STREAM, 0);
    const uint64_t word = (uint64_t)block.word[1] << 32 | block.word[0];
    return (uint64_t)((rhm_u128)word * bound >> 64);
}

static void exchange(uint16_t *rows, size_t width, size_t a, size_t b) {
    uint16_t *left = rows + a * width, *right = rows + b * width;
    for (size_t i = 0; i < width; i++) {
        const uint16_t kept = left[i];
        left[i] = right[i];
        right[i] = kept;
    }
}

/* Fisher and Yates' shuffle. */
void rhm_data_shuffle(rhm_data *data, uint64_t seed) {
    for (size_t i = data->count; i-- > 1;) {
        const size_t j = (size_t)choose(seed, i, (uint64_t)i + 1);
        exchange(data->tokens, data->tree.leaves[0], i, j);
        if (data->labels)
            exchange(data->labels, 1, i, j);
        for (uint32_t level = 1; level < data->tree.levels; level++)
            if (data->latents[level])
                exchange(data->latents[level], data->tree.nodes[level], i, j);
    }
    data->shuffled = 1;
}
