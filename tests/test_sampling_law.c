/* The law of samples: exactly that of small grammars, from the documented layout of random words. */
#include "samplers.h"
#include "sampling/sampler.h"

/* ------------------------------------------------------------------------------------------------------ exact laws */

typedef struct law {
    const tables *t;
    size_t cells;
    size_t index[4096];       /* sequence as a tuple index */
    double probability[4096]; /* of that sequence: it has one derivation */
    size_t observed[4096];
    double label_probability[5];
    double patch_probability[RHM_MAX_LEVELS][125]; /* first patch of level l at [l - 1], as a tuple index */
} law;

static void note_sequence(void *context, const derivation *d) {
    law *all = context;
    const rhm_shape *shape = &all->t->shape;
    all->index[all->cells] =
        tuple_index(d->symbols[shape->levels], nodes_of(shape, shape->levels), shape->vocab[shape->levels]);
    all->probability[all->cells++] = d->probability;
    all->label_probability[d->symbols[0][0]] += d->probability;
    for (uint32_t level = 1; level <= shape->levels; level++)
        all->patch_probability[level - 1][tuple_index(d->symbols[level], shape->branching[level],
                                                      shape->vocab[level])] += d->probability;
}

static size_t widened_index(const uint16_t *symbols, size_t count, size_t base) {
    uint32_t wide[MAX_TOKENS];
    for (size_t i = 0; i < count; i++)
        wide[i] = symbols[i];
    return tuple_index(wide, count, base);
}

/* Whole sequences and labels. */
static void check_sequence_law(law *all, const rhm_sampler *sampler, size_t samples, uint64_t seed) {
    const rhm_shape *shape = &all->t->shape;
    const size_t d = nodes_of(shape, shape->levels);
    uint16_t *tokens = malloc(samples * d * sizeof *tokens);
    uint16_t *labels = malloc(samples * sizeof *labels);
    size_t observed_labels[5] = {0};
    rhm_sample_sequences(sampler, rhm_stream(RHM_TEST, 0), 0, samples, tokens, labels, NULL);
    for (size_t i = 0; i < samples; i++) {
        const size_t index = widened_index(tokens + i * d, d, shape->vocab[shape->levels]);
        size_t cell = 0;
        while (cell < all->cells && all->index[cell] != index)
            cell++;
        if (cell == all->cells)
            fail_msg("seed %llu: sample %zu is no sequence of the grammar", (unsigned long long)seed, i);
        all->observed[cell]++;
        observed_labels[labels[i]]++;
    }
    const double ratio = chi_square_ratio(all->observed, all->probability, all->cells, samples);
    const double label_ratio = chi_square_ratio(observed_labels, all->label_probability, shape->vocab[0], samples);
    if (!(ratio <= 1) || !(label_ratio <= 1))
        fail_msg("seed %llu: chi-square of sequences %.2f, of labels %.2f times the limit", (unsigned long long)seed,
                 ratio, label_ratio);
    free(tokens);
    free(labels);
}

/* First patches of one level, drawn on their own: the symbols of the patch are read off by parsing its leaves. */
static void check_patch_law(const law *all, const rhm_grammar *grammar, const rhm_sampler *sampler, uint32_t level,
                            size_t samples, uint64_t seed) {
    const rhm_shape *shape = &all->t->shape;
    const uint32_t s = shape->branching[level];
    const size_t width = nodes_between(shape, level - 1, shape->levels);
    uint16_t *leaves = malloc(samples * width * sizeof *leaves);
    uint16_t *labels = malloc(samples * sizeof *labels);
    uint16_t *parents = malloc(samples * sizeof *parents);
    size_t observed[125] = {0};
    rhm_sample_first_patches(sampler, rhm_stream(RHM_TRAINING, level), level, 0, samples, leaves, labels, parents);
    for (size_t i = 0; i < samples; i++) {
        uint32_t symbols[MAX_TOKENS];
        for (size_t j = 0; j < width; j++)
            symbols[j] = leaves[i * width + j];
        for (uint32_t l = shape->levels; l > level; l--)
            for (size_t j = 0; j < nodes_between(shape, level - 1, l - 1); j++)
                symbols[j] = rhm_grammar_parent(grammar, l, symbols + j * shape->branching[l]);
        assert_int_equal(rhm_grammar_parent(grammar, level, symbols), parents[i]);
        observed[tuple_index(symbols, s, shape->vocab[level])]++;
    }
    const double ratio =
        chi_square_ratio(observed, all->patch_probability[level - 1], power(shape->vocab[level], s), samples);
    if (!(ratio <= 1))
        fail_msg("seed %llu: chi-square of level-%u patches is %.2f times its limit", (unsigned long long)seed, level,
                 ratio);
    free(leaves);
    free(labels);
    free(parents);
}

static void sampling_has_the_exact_law(void **state) {
    (void)state;
    static tables t;
    static law all;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        random_tables(&t, seed, 4096);
        if (pow(t.shape.vocab[t.shape.levels], (double)nodes_of(&t.shape, t.shape.levels)) > 1e18)
            continue; /* the sequence does not fit a tuple index */
        memset(&all, 0, sizeof all);
        all.t = &t;
        visit_derivations(&t, note_sequence, &all);
        rhm_grammar *grammar;
        assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
        rhm_sampler *sampler = must_sample(grammar, 1000 + seed);
        const size_t samples = 2000 + 20 * all.cells;
        check_sequence_law(&all, sampler, samples, seed);
        for (uint32_t level = 1; level <= t.shape.levels; level++)
            check_patch_law(&all, grammar, sampler, level, 20000, seed);
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
}

/* ---------------------------------------------------------------------------------------------------------- layout */

/* The layout, symbol by symbol and from the root: symbols of level `level` at `position` of sample i. */
typedef struct layout {
    const rhm_grammar *grammar;
    const rhm_sampler *sampler;
    uint64_t seed, sample;
    uint32_t stream;
} layout;

static uint32_t choice_at(const layout *at, const rhm_choice *choice, const rhm_alias *columns, rhm_place place,
                          const rhm_stratum *stratum, size_t subtree) {
    const uint32_t sharing = stratum->top == 0 ? at->sampler->layout.sharing : 1;
    const rhm_philox_block block =
        rhm_philox(at->seed, at->sample / sharing, at->stream, stratum->block + (uint32_t)subtree);
    return rhm_choose(choice, columns, place, block.word[at->sample % sharing * (4 / sharing) + rhm_word_of(place)]);
}

static uint32_t symbol_at(const layout *at, uint32_t level, size_t position) {
    const rhm_shape *shape = rhm_grammar_shape(at->grammar);
    const rhm_layout *made = &at->sampler->layout;
    const rhm_stratum *stratum = made->stratum;
    if (level == 0)
        return choice_at(at, &made->label, at->sampler->labels, stratum->label, stratum, 0);
    const size_t above = position / shape->branching[level];
    const uint32_t parent = symbol_at(at, level - 1, above);
    while (stratum->end < level)
        stratum++;
    const size_t below = nodes_between(shape, stratum->top, level - 1);
    const rhm_place place = stratum->place[stratum->offset[level - 1 - stratum->top] + above % below];
    const rhm_alias *columns = at->sampler->rewriting[level].columns;
    const size_t row = (size_t)parent * shape->rules[level];
    const uint32_t rule =
        choice_at(at, &made->rule[level], columns ? columns + row : NULL, place, stratum, above / below);
    return rhm_grammar_patches(at->grammar,
                               level)[(row + rule) * shape->branching[level] + position % shape->branching[level]];
}

/* `count` samples of the first level-`level` patch, checked at `checks` places each (all of them where that is enough).
 */
static void check_layout(rhm_shape shape, uint32_t level, uint64_t first, size_t count, size_t checks) {
    rhm_grammar *grammar = must_draw(shape, 3);
    rhm_sampler *sampler = must_sample(grammar, 0xfedcba9876543210u);
    const size_t width = nodes_between(&shape, level - 1, shape.levels);
    uint16_t *leaves = malloc(count * width * sizeof *leaves);
    uint16_t *labels = malloc(count * sizeof *labels);
    uint16_t *parents = malloc(count * sizeof *parents);
    uint64_t random = level;
    rhm_sample_first_patches(sampler, 300, level, first, count, leaves, labels, parents);
    for (size_t i = 0; i < count; i++) {
        const layout at = {
            .grammar = grammar, .sampler = sampler, .seed = 0xfedcba9876543210u, .stream = 300, .sample = first + i};
        assert_int_equal(labels[i], symbol_at(&at, 0, 0));
        assert_int_equal(parents[i], symbol_at(&at, level - 1, 0));
        for (size_t check = 0; check < checks && check < width; check++) {
            const size_t position = checks < width ? test_random(&random, (uint32_t)width) : check;
            if (leaves[i * width + position] != symbol_at(&at, shape.levels, position))
                fail_msg("level %u, sample %zu, leaf %zu", level, i, position);
        }
    }
    free(leaves);
    free(labels);
    free(parents);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

static void words_are_laid_out_as_documented(void **state) {
    (void)state;
    for (uint32_t level = 1; level <= 8; level++)
        check_layout(rhm_shape_uniform(16, 4, 2, 8), level, 7, 37, SIZE_MAX);
    for (uint32_t level = 1; level <= 5; level++)
        check_layout(rhm_shape_uniform(6, 4, 3, 5), level, (uint64_t)1 << 32, 17, SIZE_MAX);
    for (uint32_t level = 1; level <= 3; level++)
        check_layout(rhm_shape_uniform(5, 3, 4, 3), level, UINT32_MAX - 20, 33, SIZE_MAX);
    for (uint32_t level = 1; level <= 2; level++)
        check_layout(rhm_shape_uniform(7, 7, 5, 2), level, 0, 20, SIZE_MAX);
    const uint32_t branchings[][RHM_MAX_LEVELS + 1] = {{0, 2, 3, 4, 2}, {0, 5, 2, 2, 3}, {0, 3, 64, 2, 2}};
    for (size_t b = 0; b < sizeof branchings / sizeof *branchings; b++)
        for (uint32_t level = 1; level <= 4; level++) {
            rhm_shape mixed = rhm_shape_uniform(b == 1 ? 300 : 6, 4, 2, 4);
            memcpy(mixed.branching, branchings[b], sizeof mixed.branching);
            check_layout(mixed, level, 3, 70, SIZE_MAX);
        }
    check_layout(rhm_shape_uniform(65536, 2, 2, 2), 1, 0, 20, SIZE_MAX);
    /* Sequences of 2^32 and 2^30 tokens: only what lies under the patch is drawn. */
    for (uint32_t level = 26; level <= 32; level++)
        check_layout(rhm_shape_uniform(16, 4, 2, 32), level, 5, 18, 16);
    for (uint32_t level = 3; level <= 5; level++)
        check_layout(rhm_shape_uniform(8, 4, 64, 5), level, 5, 2, 200);
}

/* Two nodes that shared a random word would agree always. Rules are bits here: 255 nodes, all pairs. */
static void nodes_are_independent(void **state) {
    (void)state;
    enum { LEVELS = 8, NODES = 255, SAMPLES = 4096, WORDS = SAMPLES / 64 };
    rhm_grammar *grammar = must_draw(rhm_shape_uniform(4, 2, 2, LEVELS), 9);
    rhm_sampler *sampler = must_sample(grammar, 2);
    uint16_t *symbols[LEVELS + 1];
    for (uint32_t level = 0; level <= LEVELS; level++)
        symbols[level] = malloc(SAMPLES * power(2, level) * sizeof(uint16_t));
    rhm_sample_sequences(sampler, rhm_stream(RHM_EXPORT, 0), 0, SAMPLES, symbols[LEVELS], symbols[0], symbols);
    static uint64_t bits[NODES][WORDS];
    memset(bits, 0, sizeof bits);
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t node = 0;
        for (uint32_t level = 0; level < LEVELS; level++)
            for (size_t p = 0; p < power(2, level); p++, node++) {
                const uint32_t parent = symbols[level][i * power(2, level) + p];
                const uint16_t *patch = symbols[level + 1] + i * power(2, level + 1) + 2 * p;
                const uint32_t *second = rhm_grammar_patches(grammar, level + 1) + (parent * 2 + 1) * 2;
                bits[node][i / 64] |= (uint64_t)(patch[0] == second[0] && patch[1] == second[1]) << i % 64;
            }
        assert_int_equal(node, NODES);
    }
    const double limit = 6 * sqrt(SAMPLES / 4.0);
    for (size_t a = 0; a < NODES; a++)
        for (size_t b = 0; b <= a; b++) {
            int agree = 0;
            for (size_t w = 0; w < WORDS; w++)
                agree += __builtin_popcountll(a == b ? bits[a][w] : ~(bits[a][w] ^ bits[b][w]));
            if (fabs(agree - SAMPLES / 2.0) > limit)
                fail_msg("nodes %zu and %zu agree %d times in %d", a, b, agree, SAMPLES);
        }
    for (uint32_t level = 0; level <= LEVELS; level++)
        free(symbols[level]);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sampling_has_the_exact_law),
        cmocka_unit_test(words_are_laid_out_as_documented),
        cmocka_unit_test(nodes_are_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
