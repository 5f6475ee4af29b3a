/* Sequences by their numbers: mixed-radix digits are the label and the rules, and the tables of the sampler the rest.
 */
#include <inttypes.h>
#include <string.h>

#include "core/fail.h"
#include "engine/parallel.h"
#include "sampling/permutation.h"
#include "sampling/sampler.h"

enum {
    MOST_BITS = 127,
    CHUNK = 512, /* sequences for one thread at a time */
    MOST_WIDTH = 1 << 16,
};

/* Every level with more than one rule has a digit for each of its nodes, so there are at most MOST_BITS. */
typedef struct radix {
    uint32_t base[RHM_MAX_LEVELS + 1];  /* m_l */
    uint32_t group[RHM_MAX_LEVELS + 1]; /* digits that are split off together, */
    uint32_t power[RHM_MAX_LEVELS + 1]; /* and the base to their number, below 2^32 */
    uint32_t bits[RHM_MAX_LEVELS + 1];  /* of a base that is a power of two, else 0 */
} radix;

static radix radix_of(const rhm_sampler *sampler) {
    radix r = {0};
    for (uint32_t level = 1; level <= sampler->tree.levels; level++) {
        r.base[level] = r.power[level] = sampler->rewriting[level].rules;
        r.group[level] = 1;
        while ((r.base[level] & (r.base[level] - 1)) == 0 && UINT32_C(1) << r.bits[level] < r.base[level])
            r.bits[level]++;
        while (r.base[level] > 1 && (uint64_t)r.power[level] * r.base[level] <= UINT32_MAX) {
            r.power[level] *= r.base[level];
            r.group[level]++;
        }
    }
    return r;
}

static rhm_status count_sequences(rhm_u128 *out, const rhm_sampler *sampler, rhm_error *error) {
    const rhm_grammar_options *origin = rhm_grammar_origin(sampler->grammar);
    rhm_u128 count = rhm_grammar_shape(sampler->grammar)->vocab[0];
    if (origin->token_noise > 0 || origin->label_noise > 0)
        return rhm_fail(error, RHM_UNSUPPORTED, "noisy sequences cannot be drawn without replacement: draw them with");
    if (sampler->labels)
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "sampling without replacement needs equally probable labels: draw with replacement");
    for (uint32_t level = 1; level <= sampler->tree.levels; level++) {
        if (sampler->rewriting[level].columns)
            return rhm_fail(error, RHM_UNSUPPORTED,
                            "sampling without replacement needs equally probable rules, but those of level %u are not: "
                            "draw with replacement",
                            level);
        if (rhm_grammar_ambiguous_count(sampler->grammar, level) > 0)
            return rhm_fail(error, RHM_UNSUPPORTED,
                            "patches of level %u have several parents, so that different derivations may read the "
                            "same: draw with replacement",
                            level);
        const uint32_t rules = sampler->rewriting[level].rules;
        for (size_t node = 0; rules > 1 && node < sampler->tree.nodes[level - 1]; node++) {
            if (count > ((rhm_u128)1 << MOST_BITS) / rules)
                return rhm_fail(error, RHM_UNSUPPORTED,
                                "the grammar writes more than 2^127 sequences: draw with replacement, which repeats "
                                "none of so many");
            count *= rules;
        }
    }
    *out = count;
    return RHM_OK;
}

rhm_status rhm_sequence_count(rhm_number *out, const rhm_sampler *sampler, rhm_error *error) {
    rhm_u128 count;
    RHM_TRY(count_sequences(&count, sampler, error));
    *out = (rhm_number){(uint64_t)count, (uint64_t)(count >> 64)};
    return RHM_OK;
}

/* ---- one sequence ------------------------------------------------------------------------------------------------ */

/* The last `count` digits of a number, the first of them first; what is left of the number. */
static rhm_u128 split(rhm_u128 number, const radix *r, uint32_t level, size_t count, uint16_t *digit) {
    const uint32_t base = r->base[level], bits = r->bits[level];
    while (count > 0) {
        const size_t group = count < r->group[level] ? count : r->group[level];
        uint32_t power = r->power[level];
        for (size_t g = group; g < r->group[level]; g++)
            power /= base;
        uint32_t rest;
        if (number >> 64 == 0) {
            rest = (uint32_t)((uint64_t)number % power);
            number = (uint64_t)number / power;
        } else {
            rest = (uint32_t)(number % power);
            number /= power;
        }
        for (size_t g = 0; g < group; g++) {
            digit[--count] = (uint16_t)(bits ? rest & (base - 1) : rest % base);
            rest = bits ? rest >> bits : rest / base;
        }
    }
    return number;
}

typedef struct numbered {
    const rhm_sampler *sampler;
    radix radix;
    rhm_u128 first;
    rhm_permutation permutation; /* size 0: in order */
    size_t count, chunk;
    uint16_t *tokens, *labels;
    uint16_t *const *latents;
} numbered;

static inline __attribute__((always_inline)) void rewrite(uint16_t *work, const rhm_rewriting *rewriting,
                                                          const uint16_t *digit, size_t nodes, size_t s) {
    for (size_t p = nodes; p-- > 0;) {
        const size_t rule = (size_t)work[p] * rewriting->rules + (rewriting->rules > 1 ? digit[p] : 0);
        memcpy(work + p * s, rewriting->patches + rule * s, sizeof *work * s);
    }
}

/* A level is rewritten in place from the last symbol to the first, as in subtrees.c. */
static void write_sequence(const numbered *n, rhm_u128 number, size_t row) {
    const rhm_tree *tree = &n->sampler->tree;
    uint16_t digit[MOST_BITS + 1], *at[RHM_MAX_LEVELS + 1], *free_digit = digit;
    for (uint32_t level = tree->levels; level >= 1; level--) {
        at[level] = free_digit;
        if (n->radix.base[level] == 1)
            continue;
        number = split(number, &n->radix, level, tree->nodes[level - 1], free_digit);
        free_digit += tree->nodes[level - 1];
    }
    uint16_t *work = n->tokens + row * tree->leaves[0];
    work[0] = n->labels[row] = (uint16_t)number;
    for (uint32_t level = 1; level <= tree->levels; level++) {
        const rhm_rewriting *rewriting = &n->sampler->rewriting[level];
        if (tree->branching[level] == 2)
            rewrite(work, rewriting, at[level], tree->nodes[level - 1], 2);
        else
            rewrite(work, rewriting, at[level], tree->nodes[level - 1], tree->branching[level]);
        if (n->latents && level < tree->levels && n->latents[level])
            memcpy(n->latents[level] + row * tree->nodes[level], work, sizeof *work * tree->nodes[level]);
    }
}

static rhm_status write_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    const numbered *n = context;
    const size_t from = chunk * n->chunk;
    const size_t count = n->count - from < n->chunk ? n->count - from : n->chunk;
    rhm_u128 number[CHUNK];
    if (n->permutation.size > 0)
        rhm_permute(&n->permutation, n->first + from, count, number);
    for (size_t i = 0; i < count; i++)
        write_sequence(n, n->permutation.size > 0 ? number[i] : n->first + from + i, from + i);
    return RHM_OK;
}

static rhm_status sample(const rhm_engine *engine, numbered *n, rhm_number first, bool shuffled, rhm_error *error) {
    rhm_u128 size;
    RHM_TRY(count_sequences(&size, n->sampler, error));
    n->radix = radix_of(n->sampler);
    n->first = (rhm_u128)first.high << 64 | first.low;
    if (n->first > size || n->count > size - n->first)
        return rhm_fail(error, RHM_INVALID, "there are %.15g different sequences, not the %.15g from %.15g on",
                        (double)size, (double)n->count, (double)n->first);
    if (shuffled)
        n->permutation = rhm_permutation_make(n->sampler->seed, RHM_DISTINCT_STREAM, size, &n->sampler->ops);
    const size_t width = n->sampler->tree.leaves[0];
    n->chunk = width > MOST_WIDTH / CHUNK ? (MOST_WIDTH + width - 1) / width : CHUNK;
    return rhm_parallel(engine, (n->count + n->chunk - 1) / n->chunk, write_chunk, n, error);
}

rhm_status rhm_sample_numbered(const rhm_engine *engine, const rhm_sampler *sampler, rhm_number first, size_t count,
                               uint16_t *tokens, uint16_t *labels, uint16_t *const *latents, rhm_error *error) {
    numbered n = {.sampler = sampler, .count = count, .tokens = tokens, .labels = labels, .latents = latents};
    return sample(engine, &n, first, false, error);
}

rhm_status rhm_sample_distinct(const rhm_engine *engine, const rhm_sampler *sampler, rhm_number first, size_t count,
                               uint16_t *tokens, uint16_t *labels, uint16_t *const *latents, rhm_error *error) {
    numbered n = {.sampler = sampler, .count = count, .tokens = tokens, .labels = labels, .latents = latents};
    return sample(engine, &n, first, true, error);
}
