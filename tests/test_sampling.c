/* Samples: the generator's published answers, exact laws of small grammars, the documented layout of random words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/philox.h"
#include "derivations.h"
#include "rhm/sampling.h"
#include "sampling/alias.h"

static rhm_grammar *must_draw(rhm_shape shape, uint64_t seed) {
    rhm_grammar *grammar;
    rhm_error error = {0};
    if (rhm_grammar_draw(&grammar, &shape, RHM_FIRST_TOKEN_UNIFORM, seed, &error) != RHM_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, error.text);
    return grammar;
}

static rhm_sampler *must_sample(const rhm_grammar *grammar, uint64_t seed) {
    rhm_sampler *sampler;
    assert_int_equal(rhm_sampler_create(&sampler, grammar, seed, NULL), RHM_OK);
    return sampler;
}

/* ------------------------------------------------------------------------------------------------------ generator */

/* Random123 1.14, tests/kat_vectors, "philox4x32 10". */
static void philox_gives_the_published_answers(void **state) {
    (void)state;
    const struct {
        uint64_t seed, index;
        uint32_t stream, block;
        uint32_t answer[4];
    } known[] = {
        {0, 0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         0x85a308d3243f6a88,
         0x13198a2e,
         0x03707344,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const rhm_philox_block block = rhm_philox(known[i].seed, known[i].index, known[i].stream, known[i].block);
        assert_memory_equal(block.word, known[i].answer, sizeof known[i].answer);
    }
}

static void bounded_words_are_unbiased(void **state) {
    (void)state;
    rhm_random random = {.seed = 5, .stream = 1u << 20};
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(rhm_random_word(&random), rhm_philox(5, i / 4, 1u << 20, 0).word[i % 4]);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(rhm_random_below(&random, 1), 0);
    const uint32_t bounds[] = {2, 3, 7, 64, 1000};
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
        size_t observed[1000] = {0};
        double equal[1000];
        const size_t draws = 200 * (size_t)bounds[b];
        for (uint32_t i = 0; i < bounds[b]; i++)
            equal[i] = 1.0 / bounds[b];
        for (size_t i = 0; i < draws; i++) {
            const uint32_t value = rhm_random_below(&random, bounds[b]);
            assert_true(value < bounds[b]);
            observed[value]++;
        }
        assert_true(chi_square_ratio(observed, equal, bounds[b], draws) <= 1);
    }
    /* A quarter of all words are surplus for 3 2^30; kept, they would make every third value twice as likely. */
    const uint32_t bound = 0xc0000000u;
    size_t thirds[3] = {0};
    for (size_t i = 0; i < 30000; i++)
        thirds[rhm_random_below(&random, bound) % 3]++;
    assert_true(chi_square_ratio(thirds, (const double[]){1 / 3.0, 1 / 3.0, 1 / 3.0}, 3, 30000) <= 1);
}

/* The probabilities that the columns encode, read off the columns. */
static void alias_tables_encode_their_distribution(void **state) {
    (void)state;
    enum { MOST = 200 };
    uint64_t random = 1;
    double p[MOST], scratch[MOST], mass[MOST];
    uint32_t work[MOST];
    rhm_alias columns[MOST];
    for (uint32_t round = 0; round < 2000; round++) {
        const uint32_t count = 1 + test_random(&random, MOST);
        double sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            const double u = test_random(&random, 1u << 30) + 1.0;
            p[i] = round % 3 == 0 ? u : round % 3 == 1 ? (test_random(&random, 3) ? 0 : u) : ldexp(u, -(int)(i % 60));
            sum += p[i];
        }
        if (sum == 0)
            p[0] = sum = 1;
        for (uint32_t i = 0; i < count; i++) {
            p[i] /= sum;
            mass[i] = 0;
        }
        rhm_alias_build(columns, p, count, scratch, work);
        for (uint32_t i = 0; i < count; i++) {
            const double kept = columns[i].alias == i ? 1 : ldexp(columns[i].threshold, -32);
            assert_true(columns[i].alias < count);
            assert_true(kept > 0 || p[i] < 1e-6);
            mass[i] += kept / count;
            mass[columns[i].alias] += (1 - kept) / count;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (p[i] == 0)
                assert_true(mass[i] == 0);
            if (!(fabs(mass[i] - p[i]) <= ldexp(1, -32)))
                fail_msg("round %u: entry %u of %u has mass %.17g, not %.17g", round, i, count, mass[i], p[i]);
        }
    }
    /* Equal entries, whatever their value: no aliases. */
    for (uint32_t i = 0; i < 49; i++)
        p[i] = 1.0 / 49;
    rhm_alias_build(columns, p, 49, scratch, work);
    for (uint32_t i = 0; i < 49; i++)
        assert_int_equal(columns[i].alias, i);
    assert_int_equal(rhm_alias_choice(columns, 49, UINT32_MAX), 48);
    assert_int_equal(rhm_alias_choice(columns, 49, 0), 0);
}

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

/* The layout of sampling/sampler.h, node by node and without tiles; symbols of level `level` at `position` of sample i.
 */
typedef struct layout {
    const rhm_grammar *grammar;
    uint64_t seed, sample;
    uint32_t stream;
} layout;

static uint32_t layout_word(const layout *at, uint64_t word) {
    return rhm_philox(at->seed, at->sample, at->stream, (uint32_t)(word / 4)).word[word % 4];
}

static uint64_t word_of_node(const rhm_shape *shape, uint32_t level, size_t position) {
    if (position == 0)
        return level + 1;
    uint64_t word = shape->levels + 1;
    for (uint32_t l = 1; l < level; l++)
        word += nodes_of(shape, l) - 1;
    return word + position - 1;
}

/* For grammars with uniform labels and rules. */
static uint32_t symbol_at(const layout *at, uint32_t level, size_t position) {
    const rhm_shape *shape = rhm_grammar_shape(at->grammar);
    if (level == 0)
        return (uint32_t)((uint64_t)layout_word(at, 0) * shape->vocab[0] >> 32);
    const size_t above = position / shape->branching[level];
    const uint32_t parent = symbol_at(at, level - 1, above);
    const uint64_t rule = (uint64_t)layout_word(at, word_of_node(shape, level - 1, above)) * shape->rules[level] >> 32;
    const size_t row = (size_t)parent * shape->rules[level] + rule;
    return rhm_grammar_patches(at->grammar, level)[row * shape->branching[level] + position % shape->branching[level]];
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
        const layout at = {.grammar = grammar, .seed = 0xfedcba9876543210u, .stream = 300, .sample = first + i};
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
    /* Sequences of 2^32 and 2^30 tokens: only what lies under the patch is drawn, and words past 2^31 exist. */
    for (uint32_t level = 26; level <= 32; level++)
        check_layout(rhm_shape_uniform(16, 4, 2, 32), level, 5, 18, 16);
    for (uint32_t level = 3; level <= 5; level++)
        check_layout(rhm_shape_uniform(8, 4, 64, 5), level, 5, 2, 200);
}

/* Published numbers depend on these bits; a change here is a change of the format. */
static void the_default_samples_never_change(void **state) {
    (void)state;
    rhm_grammar *grammar = must_draw(rhm_shape_uniform(16, 4, 2, 4), 1);
    rhm_sampler *sampler = must_sample(grammar, 1);
    uint16_t tokens[1000][16], labels[1000];
    rhm_sample_sequences(sampler, rhm_stream(RHM_TEST, 0), 0, 1000, tokens[0], labels, NULL);
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < 1000; i++) {
        hash = (hash ^ labels[i]) * 0x100000001b3u;
        for (size_t j = 0; j < 16; j++)
            hash = (hash ^ tokens[i][j]) * 0x100000001b3u;
    }
    if (hash != 0x5ecffd67c6935f93u)
        fail_msg("the samples of the default instance changed: 0x%016llx", (unsigned long long)hash);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
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

/* ----------------------------------------------------------------------------------------------------- consistency */

/* Latents obey the rules, the label heads them, and parsing the tokens finds it again. */
static void latents_explain_the_tokens(void **state) {
    (void)state;
    static tables t;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        enum { SAMPLES = 50 };
        random_tables(&t, seed, 1e9);
        const uint32_t levels = t.shape.levels;
        const size_t d = nodes_of(&t.shape, levels);
        rhm_grammar *grammar;
        assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
        rhm_sampler *sampler = must_sample(grammar, seed);
        static uint16_t symbols[RHM_MAX_LEVELS + 1][SAMPLES * MAX_TOKENS], plain[SAMPLES * MAX_TOKENS], labels[SAMPLES];
        uint16_t *latents[RHM_MAX_LEVELS + 1];
        for (uint32_t level = 0; level <= levels; level++)
            latents[level] = symbols[level];
        latents[0] = NULL;
        rhm_sample_sequences(sampler, 17, seed, SAMPLES, symbols[levels], symbols[0], latents);
        for (size_t i = 0; i < SAMPLES; i++) {
            for (uint32_t level = 1; level <= levels; level++)
                for (size_t p = 0; p < nodes_of(&t.shape, level - 1); p++) {
                    const uint32_t s = t.shape.branching[level];
                    uint32_t patch[3];
                    for (uint32_t j = 0; j < s; j++)
                        patch[j] = symbols[level][i * nodes_of(&t.shape, level) + p * s + j];
                    assert_int_equal(rhm_grammar_parent(grammar, level, patch),
                                     symbols[level - 1][i * nodes_of(&t.shape, level - 1) + p]);
                }
            assert_int_equal(rhm_grammar_parse(grammar, symbols[levels] + i * d), symbols[0][i]);
        }
        /* Asking for latents, for some of them, or for none changes nothing else. */
        if (levels == 3)
            latents[1] = NULL;
        rhm_sample_sequences(sampler, 17, seed, SAMPLES, plain, labels, latents);
        assert_memory_equal(plain, symbols[levels], SAMPLES * d * sizeof *plain);
        rhm_sample_sequences(sampler, 17, seed, SAMPLES, plain, labels, NULL);
        assert_memory_equal(plain, symbols[levels], SAMPLES * d * sizeof *plain);
        assert_memory_equal(labels, symbols[0], sizeof labels);
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
}

/* First patches are the first columns of the sequences, with non-uniform rules too, and parents are the latents. */
static void first_patches_are_prefixes(void **state) {
    (void)state;
    static tables t;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        enum { SAMPLES = 45 };
        random_tables(&t, seed, 1e9);
        const uint32_t levels = t.shape.levels;
        const size_t d = nodes_of(&t.shape, t.shape.levels);
        rhm_grammar *grammar;
        assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
        rhm_sampler *sampler = must_sample(grammar, seed);
        static uint16_t symbols[RHM_MAX_LEVELS + 1][SAMPLES * MAX_TOKENS], leaves[SAMPLES * MAX_TOKENS];
        static uint16_t labels[SAMPLES], parents[SAMPLES];
        uint16_t *latents[RHM_MAX_LEVELS + 1];
        for (uint32_t level = 0; level <= levels; level++)
            latents[level] = symbols[level];
        rhm_sample_sequences(sampler, 23, 1000, SAMPLES, symbols[levels], symbols[0], latents);
        for (uint32_t level = 1; level <= levels; level++) {
            const size_t width = nodes_between(&t.shape, level - 1, levels);
            rhm_sample_first_patches(sampler, 23, level, 1000, SAMPLES, leaves, labels, parents);
            assert_memory_equal(labels, symbols[0], sizeof labels);
            for (size_t i = 0; i < SAMPLES; i++) {
                assert_memory_equal(leaves + i * width, symbols[levels] + i * d, width * sizeof *leaves);
                assert_int_equal(parents[i], symbols[level - 1][i * nodes_of(&t.shape, level - 1)]);
            }
            memset(leaves, 0xff, sizeof leaves);
            rhm_sample_first_patches(sampler, 23, level, 1000, SAMPLES, leaves, labels, NULL);
            assert_memory_equal(leaves, symbols[levels], width * sizeof *leaves);
            for (size_t i = SAMPLES * width; i < SAMPLES * MAX_TOKENS; i++)
                assert_int_equal(leaves[i], 0xffff); /* nothing behind the last row */
        }
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
}

static void chunks_do_not_matter(void **state) {
    (void)state;
    enum { SAMPLES = 200, D = 81 };
    rhm_grammar *grammar = must_draw(rhm_shape_uniform(6, 4, 3, 4), 2);
    rhm_sampler *sampler = must_sample(grammar, 3);
    static uint16_t whole[SAMPLES * D], parts[SAMPLES * D], labels[SAMPLES], part_labels[SAMPLES];
    const uint64_t first = ((uint64_t)1 << 32) - 100; /* across the carry into the high index word */
    for (uint32_t level = 1; level <= 4; level++) {
        const size_t width = power(3, 5 - level);
        rhm_sample_first_patches(sampler, 5, level, first, SAMPLES, whole, labels, NULL);
        for (size_t chunk = 1; chunk < SAMPLES; chunk = chunk * 2 + 1) {
            memset(parts, 0xff, sizeof parts);
            for (size_t done = 0; done < SAMPLES; done += chunk) {
                const size_t count = SAMPLES - done < chunk ? SAMPLES - done : chunk;
                rhm_sample_first_patches(sampler, 5, level, first + done, count, parts + done * width,
                                         part_labels + done, NULL);
            }
            assert_memory_equal(parts, whole, SAMPLES * width * sizeof *parts);
            assert_memory_equal(part_labels, labels, sizeof labels);
        }
    }
    rhm_sample_first_patches(sampler, 5, 1, 0, 0, NULL, NULL, NULL); /* nothing asked, nothing touched */
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

static void streams_seeds_and_indices_differ(void **state) {
    (void)state;
    enum { SAMPLES = 64, D = 16, SETS = 9 };
    rhm_grammar *grammar = must_draw(rhm_shape_uniform(16, 4, 2, 4), 1);
    static uint16_t tokens[SETS][SAMPLES * D], labels[SETS][SAMPLES];
    const struct {
        uint64_t seed;
        uint32_t stream;
        uint64_t first;
    } set[SETS] = {
        {1, rhm_stream(RHM_TRAINING, 1), 0},
        {1, rhm_stream(RHM_TRAINING, 2), 0},
        {1, rhm_stream(RHM_VALIDATION, 1), 0},
        {1, rhm_stream(RHM_TEST, 0), 0},
        {1, rhm_stream(RHM_EXPORT, 0), 0},
        {2, rhm_stream(RHM_TRAINING, 1), 0},
        {(uint64_t)1 << 32 | 1, rhm_stream(RHM_TRAINING, 1), 0},
        {1, rhm_stream(RHM_TRAINING, 1), (uint64_t)1 << 32},
        {1, rhm_stream(RHM_TRAINING, 1), SAMPLES},
    };
    for (size_t a = 0; a < SETS; a++) {
        rhm_sampler *sampler = must_sample(grammar, set[a].seed);
        rhm_sample_sequences(sampler, set[a].stream, set[a].first, SAMPLES, tokens[a], labels[a], NULL);
        rhm_sampler_destroy(sampler);
        for (size_t b = 0; b < a; b++) {
            /* Independent sequences agree in all 16 tokens with probability below 16^-8. */
            for (size_t i = 0; i < SAMPLES; i++)
                for (size_t j = 0; j < SAMPLES; j++)
                    assert_memory_not_equal(tokens[a] + i * D, tokens[b] + j * D, D * sizeof(uint16_t));
            size_t equal_labels = 0;
            for (size_t i = 0; i < SAMPLES; i++)
                equal_labels += labels[a][i] == labels[b][i];
            assert_true(equal_labels < 24); /* 4 expected */
        }
    }
    rhm_grammar_destroy(grammar);
    rhm_sampler_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(bounded_words_are_unbiased),
        cmocka_unit_test(alias_tables_encode_their_distribution),
        cmocka_unit_test(sampling_has_the_exact_law),
        cmocka_unit_test(words_are_laid_out_as_documented),
        cmocka_unit_test(the_default_samples_never_change),
        cmocka_unit_test(nodes_are_independent),
        cmocka_unit_test(latents_explain_the_tokens),
        cmocka_unit_test(first_patches_are_prefixes),
        cmocka_unit_test(chunks_do_not_matter),
        cmocka_unit_test(streams_seeds_and_indices_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
