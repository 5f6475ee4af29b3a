/* Sampling without replacement: the permutation, the order of numbers, and what is refused. */
#include "learning.h"

#include "sampling/permutation.h"

/* ----------------------------------------------------------------------------------------------------- permutation */

static rhm_permutation permutation_of(uint64_t seed, rhm_u128 size) {
    const rhm_tile_ops ops = rhm_tile_ops_at(rhm_isa_here());
    return rhm_permutation_make(seed, RHM_DISTINCT_STREAM, size, &ops);
}

/* The definition in docs/reproducibility.md, a number at a time. */
static rhm_u128 permuted(uint64_t seed, rhm_u128 size, rhm_u128 number) {
    uint32_t bits = 2;
    while (size - 1 > ((rhm_u128)1 << bits) - 1)
        bits++;
    do {
        uint32_t width[2] = {bits / 2, bits - bits / 2}; /* of the left and the right half */
        rhm_u128 left = number >> width[1], right = number - (left << width[1]);
        for (uint32_t round = 0; round < 10; round++) {
            const rhm_philox_block b = rhm_philox(seed, (uint64_t)right, 1u << 17, round);
            const rhm_u128 f = (rhm_u128)b.word[1] << 32 | b.word[0],
                           changed = left ^ (f & (((rhm_u128)1 << width[0]) - 1));
            left = right;
            right = changed;
            const uint32_t old = width[0];
            width[0] = width[1];
            width[1] = old;
        }
        number = (left << width[1]) + right;
    } while (number >= size);
    return number;
}

static void it_is_the_documented_one(void **state) {
    (void)state;
    const rhm_u128 one = 1, sizes[] = {1, 2, 5, 64, 1000, one << 32, (one << 63) + 1, (one << 64) + 7, one << 127};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const rhm_permutation p = permutation_of(k + 7, sizes[k]);
        const size_t count = sizes[k] < 150 ? (size_t)sizes[k] : 150;
        rhm_u128 out[150];
        rhm_permute(&p, sizes[k] - count, count, out);
        for (size_t i = 0; i < count; i++)
            assert_true(out[i] == permuted(k + 7, sizes[k], sizes[k] - count + i));
    }
}

/* Everything once, for every small size, and the same however the numbers are asked for. */
static void a_permutation_is_one(void **state) {
    (void)state;
    enum { MOST = 300 };
    for (size_t size = 1; size <= MOST; size++) {
        const rhm_permutation p = permutation_of(size % 7, size);
        rhm_u128 all[MOST], part[MOST];
        bool seen[MOST] = {0};
        rhm_permute(&p, 0, size, all);
        for (size_t i = 0; i < size; i++) {
            assert_true(all[i] < size && !seen[all[i]]);
            seen[all[i]] = true;
        }
        const size_t first = size / 3;
        rhm_permute(&p, first, size - first, part);
        assert_memory_equal(part, all + first, sizeof *all * (size - first));
    }
}

/* All orders of four come equally often: chi-square with 23 degrees of freedom, 99.99 % quantile 58.6. */
static void all_orders_are_equally_likely(void **state) {
    (void)state;
    enum { SEEDS = 24000, ORDERS = 24 };
    uint32_t count[256] = {0}, orders = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const rhm_permutation p = permutation_of(seed, 4);
        rhm_u128 out[4];
        rhm_permute(&p, 0, 4, out);
        count[out[0] | out[1] << 2 | out[2] << 4 | out[3] << 6]++;
    }
    double square = 0;
    for (size_t i = 0; i < 256; i++)
        if (count[i] > 0) {
            const double off = count[i] - (double)SEEDS / ORDERS;
            orders++;
            square += off * off / ((double)SEEDS / ORDERS);
        }
    assert_int_equal(orders, ORDERS);
    assert_true(square < 58.6);
}

static int by_value(const void *a, const void *b) {
    const rhm_u128 x = *(const rhm_u128 *)a, y = *(const rhm_u128 *)b;
    return (x > y) - (x < y);
}

/* Of many: different, in range, and spread over it. */
static void large_permutations_are_in_range(void **state) {
    (void)state;
    enum { COUNT = 4000 };
    static rhm_u128 out[COUNT];
    const rhm_u128 one = 1, sizes[] = {one << 32,       (one << 32) + 1,      one << 63,        (one << 64) - 1,
                                       (one << 64) + 1, (one << 126) + 12345, (one << 127) - 1, one << 127};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const rhm_permutation p = permutation_of(k, sizes[k]);
        rhm_permute(&p, sizes[k] - COUNT, COUNT, out);
        double mean = 0;
        for (size_t i = 0; i < COUNT; i++) {
            assert_true(out[i] < sizes[k]);
            mean += (double)out[i] / (double)sizes[k] / COUNT;
        }
        assert_true(fabs(mean - 0.5) < 0.03); /* six standard errors */
        qsort(out, COUNT, sizeof *out, by_value);
        for (size_t i = 1; i < COUNT; i++)
            assert_true(out[i - 1] < out[i]);
    }
}

/* ------------------------------------------------------------------------------------------------------- sequences */

typedef struct set {
    uint16_t *tokens, *labels, *latents[RHM_MAX_LEVELS + 1];
} set;

static set set_of(const rhm_tree *tree, size_t count) {
    set s = {calloc(count * tree->leaves[0], sizeof(uint16_t)), calloc(count, sizeof(uint16_t)), {0}};
    for (uint32_t l = 1; l < tree->levels; l++)
        s.latents[l] = calloc(count * tree->nodes[l], sizeof(uint16_t));
    return s;
}

static void release(set *s) {
    free(s->tokens);
    free(s->labels);
    for (uint32_t l = 1; l < RHM_MAX_LEVELS; l++)
        free(s->latents[l]);
}

static rhm_sampler *sampler_of(const rhm_grammar *grammar, uint64_t seed) {
    rhm_sampler *sampler;
    rhm_error error = {0};
    assert_ok(rhm_sampler_create(&sampler, grammar, seed, &error), &error);
    return sampler;
}

static rhm_grammar *grammar_of(const rhm_shape *shape, uint64_t seed) {
    rhm_grammar *grammar;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw(&grammar, shape, RHM_UNIFORM, seed, &error), &error);
    return grammar;
}

static const rhm_shape small = {.levels = 3, .vocab = {3, 4, 5, 6}, .rules = {0, 2, 1, 3}, .branching = {0, 2, 2, 2}};

/* The definition, from the most significant digit down: what a number of the whole set says, level by level. */
static void write_by_definition(const rhm_grammar *grammar, uint64_t number, uint64_t all, uint16_t *symbols[]) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    uint64_t group = all / shape->vocab[0];
    symbols[0][0] = (uint16_t)(number / group);
    number %= group;
    for (uint32_t level = 1; level <= shape->levels; level++) {
        const uint32_t *patches = rhm_grammar_patches(grammar, level);
        const uint32_t m = shape->rules[level], s = shape->branching[level];
        for (size_t p = 0; p < rhm_grammar_tree(grammar)->nodes[level - 1]; p++) {
            group /= m;
            const uint64_t rule = number / group;
            number %= group;
            for (uint32_t j = 0; j < s; j++)
                symbols[level][p * s + j] = (uint16_t)patches[(symbols[level - 1][p] * m + rule) * s + j];
        }
    }
}

static void numbers_say_what_they_are_said_to(void **state) {
    (void)state;
    rhm_grammar *grammar = grammar_of(&small, 5);
    const rhm_tree *tree = rhm_grammar_tree(grammar);
    rhm_sampler *sampler = sampler_of(grammar, 1);
    rhm_engine *engine = engine_of(2);
    rhm_number all;
    rhm_error error = {0};
    assert_ok(rhm_sequence_count(&all, sampler, &error), &error);
    assert_int_equal(all.high, 0);
    assert_int_equal(all.low, 3 * 2 * 81);
    set s = set_of(tree, all.low);
    assert_ok(rhm_sample_numbered(engine, sampler, (rhm_number){0}, all.low, s.tokens, s.labels, s.latents, &error),
              &error);
    for (uint64_t i = 0; i < all.low; i++) {
        uint16_t symbol[4][8], *symbols[4] = {symbol[0], symbol[1], symbol[2], symbol[3]};
        write_by_definition(grammar, i, all.low, symbols);
        assert_int_equal(s.labels[i], symbol[0][0]);
        assert_memory_equal(s.latents[1] + i * 2, symbol[1], 2 * sizeof(uint16_t));
        assert_memory_equal(s.latents[2] + i * 4, symbol[2], 4 * sizeof(uint16_t));
        assert_memory_equal(s.tokens + i * 8, symbol[3], 8 * sizeof(uint16_t));
    }
    release(&s);
    rhm_engine_destroy(engine);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

static int by_tokens(const void *a, const void *b) {
    return memcmp(a, b, 8 * sizeof(uint16_t));
}

/* The whole set, shuffled: every sequence once, whatever the threads and the pieces it is asked for in. */
static void every_sequence_comes_once(void **state) {
    (void)state;
    enum { ALL = 3 * 2 * 81, TRAIN = 300 };
    rhm_grammar *grammar = grammar_of(&small, 5);
    rhm_sampler *sampler = sampler_of(grammar, 9), *other = sampler_of(grammar, 10);
    set whole = set_of(rhm_grammar_tree(grammar), ALL), piece = set_of(rhm_grammar_tree(grammar), ALL);
    rhm_error error = {0};
    for (int threads = 1; threads <= 3; threads++) {
        rhm_engine *engine = engine_of(threads);
        assert_ok(rhm_sample_distinct(engine, sampler, (rhm_number){0}, ALL, whole.tokens, whole.labels, NULL, &error),
                  &error);
        assert_ok(rhm_sample_distinct(engine, sampler, (rhm_number){TRAIN, 0}, ALL - TRAIN, piece.tokens + TRAIN * 8,
                                      piece.labels + TRAIN, NULL, &error),
                  &error);
        assert_ok(
            rhm_sample_distinct(engine, sampler, (rhm_number){0}, TRAIN, piece.tokens, piece.labels, NULL, &error),
            &error);
        assert_memory_equal(whole.tokens, piece.tokens, ALL * 8 * sizeof(uint16_t));
        assert_memory_equal(whole.labels, piece.labels, ALL * sizeof(uint16_t));
        assert_ok(rhm_sample_distinct(engine, other, (rhm_number){0}, ALL, piece.tokens, piece.labels, NULL, &error),
                  &error);
        assert_memory_not_equal(whole.tokens, piece.tokens, ALL * 8 * sizeof(uint16_t));
        rhm_engine_destroy(engine);
    }
    for (size_t i = 0; i < ALL; i++)
        assert_int_equal(rhm_grammar_parse(grammar, whole.tokens + i * 8), whole.labels[i]);
    qsort(whole.tokens, ALL, 8 * sizeof(uint16_t), by_tokens);
    for (size_t i = 1; i < ALL; i++)
        assert_true(by_tokens(whole.tokens + (i - 1) * 8, whole.tokens + i * 8) != 0);
    release(&whole);
    release(&piece);
    rhm_sampler_destroy(sampler);
    rhm_sampler_destroy(other);
    rhm_grammar_destroy(grammar);
}

/* 4^63 2 = 2^127 sequences of (4,4,2): as many as there may be. One rule for all at the last level adds none. */
static void two_to_the_127_are_allowed(void **state) {
    (void)state;
    rhm_shape shape = {.levels = 7, .vocab = {2, 4, 4, 4, 4, 4, 4, 4}};
    for (uint32_t l = 1; l <= 7; l++) {
        shape.rules[l] = l < 7 ? 4 : 1;
        shape.branching[l] = 2;
    }
    rhm_grammar *grammar = grammar_of(&shape, 1);
    rhm_sampler *sampler = sampler_of(grammar, 3);
    rhm_engine *engine = engine_of(2);
    set s = set_of(rhm_grammar_tree(grammar), 20);
    rhm_number all;
    rhm_error error = {0};
    assert_ok(rhm_sequence_count(&all, sampler, &error), &error);
    assert_true(all.low == 0 && all.high == UINT64_C(1) << 63);
    const rhm_number last = {UINT64_MAX - 19, (UINT64_C(1) << 63) - 1};
    assert_ok(rhm_sample_distinct(engine, sampler, last, 20, s.tokens, s.labels, s.latents, &error), &error);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(rhm_grammar_parse(grammar, s.tokens + i * 128), s.labels[i]);
    assert_int_equal(rhm_sample_distinct(engine, sampler, last, 21, s.tokens, s.labels, NULL, &error), RHM_INVALID);
    assert_int_equal(rhm_sample_numbered(engine, sampler, all, 1, s.tokens, s.labels, NULL, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "different sequences"));
    release(&s);
    rhm_engine_destroy(engine);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

static void refuse(const rhm_shape *shape, const rhm_grammar_options *options, const char *says) {
    rhm_grammar *grammar;
    rhm_number all = {7, 7};
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw_with(&grammar, shape, options, &error), &error);
    rhm_sampler *sampler = sampler_of(grammar, 1);
    assert_int_equal(rhm_sequence_count(&all, sampler, &error), RHM_UNSUPPORTED);
    assert_non_null(strstr(error.text, says));
    assert_true(all.low == 7 && all.high == 7);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

static void others_are_refused(void **state) {
    (void)state;
    const rhm_shape deep = rhm_shape_uniform(4, 4, 2, 7), flat = rhm_shape_uniform(6, 3, 2, 2);
    refuse(&deep, &(rhm_grammar_options){0}, "2^127");
    refuse(&flat, &(rhm_grammar_options){.token_noise = 0.1}, "noisy");
    refuse(&flat, &(rhm_grammar_options){.label_noise = 0.1}, "noisy");
    refuse(&flat, &(rhm_grammar_options){.label_law = {RHM_LAW_ZIPF, 1}}, "labels");
    refuse(&flat, &(rhm_grammar_options){.rule_law = {{0}, {0}, {RHM_LAW_ZIPF, 1}}}, "level 2");
    refuse(&flat, &(rhm_grammar_options){.ambiguity = 0.5}, "parents");
}

/* ----------------------------------------------------------------------------------------------------- given labels */

static void samples_below_given_labels(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    rhm_grammar *grammar = grammar_of(&small, 5);
    rhm_sampler *sampler = sampler_of(grammar, 4);
    rhm_engine *engine = engine_of(2);
    set drawn = set_of(rhm_grammar_tree(grammar), COUNT), below = set_of(rhm_grammar_tree(grammar), COUNT);
    rhm_error error = {0};
    assert_ok(rhm_sample_with_engine(engine, sampler, 3, 77, COUNT, drawn.tokens, drawn.labels, drawn.latents, &error),
              &error);
    assert_ok(rhm_sample_below(engine, sampler, 3, 77, COUNT, drawn.labels, below.tokens, below.latents, &error),
              &error);
    assert_memory_equal(drawn.tokens, below.tokens, COUNT * 8 * sizeof(uint16_t));
    assert_memory_equal(drawn.latents[2], below.latents[2], COUNT * 4 * sizeof(uint16_t));
    for (size_t i = 0; i < COUNT; i++)
        below.labels[i] = (uint16_t)(i % 3);
    assert_ok(rhm_sample_below(engine, sampler, 3, 77, COUNT, below.labels, below.tokens, NULL, &error), &error);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(rhm_grammar_parse(grammar, below.tokens + i * 8), i % 3);
    below.labels[999] = 3;
    assert_int_equal(rhm_sample_below(engine, sampler, 3, 77, COUNT, below.labels, below.tokens, NULL, &error),
                     RHM_INVALID);
    assert_non_null(strstr(error.text, "label 999 is 3: allowed are 0 to 2"));
    release(&drawn);
    release(&below);
    rhm_engine_destroy(engine);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

/* Long sequences, which threads draw in parts. */
static void long_samples_below_given_labels(void **state) {
    (void)state;
    const rhm_shape shape = rhm_shape_uniform(4, 2, 2, 18);
    rhm_grammar *grammar = grammar_of(&shape, 1);
    rhm_sampler *sampler = sampler_of(grammar, 4);
    rhm_engine *engine = engine_of(2);
    const size_t d = rhm_grammar_tree(grammar)->leaves[0];
    uint16_t *drawn = calloc(3 * d, sizeof *drawn), *below = calloc(3 * d, sizeof *below), labels[3];
    rhm_error error = {0};
    assert_ok(rhm_sample_with_engine(engine, sampler, 3, 5, 3, drawn, labels, NULL, &error), &error);
    assert_ok(rhm_sample_below(engine, sampler, 3, 5, 3, labels, below, NULL, &error), &error);
    assert_memory_equal(drawn, below, 3 * d * sizeof *drawn);
    labels[1] = (uint16_t)((labels[1] + 1) % 4);
    assert_ok(rhm_sample_below(engine, sampler, 3, 5, 3, labels, below, NULL, &error), &error);
    assert_memory_equal(drawn, below, d * sizeof *drawn);
    assert_memory_equal(drawn + 2 * d, below + 2 * d, d * sizeof *drawn);
    assert_int_equal(rhm_grammar_parse(grammar, below + d), labels[1]);
    free(drawn);
    free(below);
    rhm_engine_destroy(engine);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_documented_one),          cmocka_unit_test(a_permutation_is_one),
        cmocka_unit_test(all_orders_are_equally_likely),     cmocka_unit_test(large_permutations_are_in_range),
        cmocka_unit_test(numbers_say_what_they_are_said_to), cmocka_unit_test(every_sequence_comes_once),
        cmocka_unit_test(two_to_the_127_are_allowed),        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(samples_below_given_labels),        cmocka_unit_test(long_samples_below_given_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
