/* Parsing and drawing, against all derivations of small grammars. */
#include "drawn.h"

enum { RANDOM_GRAMMARS = 400 };

/* ------------------------------------------------------------------------------------------------------- parsing */

typedef struct language {
    const tables *t;
    const rhm_grammar *grammar;
    uint32_t *label; /* of every sequence, as a tuple index; UINT32_MAX where not derivable */
} language;

static void note_sequence(void *context, const derivation *d) {
    language *all = context;
    const rhm_shape *shape = &all->t->shape;
    const size_t index =
        tuple_index(d->symbols[shape->levels], nodes_of(shape, shape->levels), shape->vocab[shape->levels]);
    assert_int_equal(all->label[index], UINT32_MAX); /* one derivation per sequence: the grammar is not ambiguous */
    all->label[index] = d->symbols[0][0];
    for (uint32_t level = 1; level <= shape->levels; level++)
        for (size_t p = 0; p < nodes_of(shape, level - 1); p++)
            assert_int_equal(rhm_grammar_parent(all->grammar, level, d->symbols[level] + p * shape->branching[level]),
                             d->symbols[level - 1][p]);
}

static void parsing_decides_every_sequence(void **state) {
    (void)state;
    static tables t;
    size_t checked = 0;
    for (uint64_t seed = 1; seed <= RANDOM_GRAMMARS; seed++) {
        random_tables(&t, seed, 3000);
        const size_t d = nodes_of(&t.shape, t.shape.levels);
        const uint32_t vocab = t.shape.vocab[t.shape.levels];
        if (pow(vocab, (double)d) > 70000)
            continue;
        const size_t sequences = power(vocab, d);
        language all = {.t = &t, .label = malloc(sequences * sizeof(uint32_t))};
        memset(all.label, 0xff, sequences * sizeof(uint32_t));
        rhm_grammar *grammar;
        assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
        all.grammar = grammar;
        visit_derivations(&t, note_sequence, &all);
        for (size_t index = 0; index < sequences; index++) {
            uint16_t tokens[MAX_TOKENS];
            for (size_t rest = index, i = d; i-- > 0; rest /= vocab)
                tokens[i] = (uint16_t)(rest % vocab);
            if (rhm_grammar_parse(grammar, tokens) != all.label[index])
                fail_msg("seed %llu sequence %zu: parsed as %u, not %u", (unsigned long long)seed, index,
                         rhm_grammar_parse(grammar, tokens), all.label[index]);
        }
        uint16_t outside[MAX_TOKENS] = {0};
        outside[d - 1] = (uint16_t)vocab;
        assert_int_equal(rhm_grammar_parse(grammar, outside), UINT32_MAX);
        checked++;
        free(all.label);
        rhm_grammar_destroy(grammar);
    }
    assert_true(checked > 100);
}

/* ------------------------------------------------------------------------------------------------------- drawing */

static void check_drawn(const rhm_grammar *grammar, bool first_token_uniform) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    for (uint32_t level = 1; level <= shape->levels; level++) {
        const uint32_t s = shape->branching[level];
        const size_t rows = (size_t)shape->vocab[level - 1] * shape->rules[level];
        const uint32_t *patches = rhm_grammar_patches(grammar, level);
        size_t *first = calloc(shape->vocab[level], sizeof *first);
        assert_int_equal(rhm_grammar_patch_count(grammar, level), rows);
        for (size_t row = 0; row < rows; row++) {
            /* Each patch belongs to its own row's parent alone, so no two parents share one... */
            assert_int_equal(rhm_grammar_parent(grammar, level, patches + row * s), row / shape->rules[level]);
            assert_true(rhm_grammar_probability(grammar, level)[row] == 1.0 / shape->rules[level]);
            /* ... and no parent has one twice. */
            for (size_t other = row / shape->rules[level] * shape->rules[level]; other < row; other++)
                assert_memory_not_equal(patches + row * s, patches + other * s, s * sizeof *patches);
            for (uint32_t i = 0; i < s; i++)
                assert_true(patches[row * s + i] < shape->vocab[level]);
            first[patches[row * s]]++;
        }
        for (uint32_t symbol = 0; first_token_uniform && symbol < shape->vocab[level]; symbol++)
            assert_int_equal(first[symbol], rows / shape->vocab[level]);
        free(first);
    }
}

static void drawn_grammars_are_what_they_claim(void **state) {
    (void)state;
    const rhm_shape shapes[] = {
        rhm_shape_uniform(16, 4, 2, 4),
        rhm_shape_uniform(8, 8, 2, 3), /* all V^s patches */
        rhm_shape_uniform(12, 3, 3, 3),
        rhm_shape_uniform(2, 1, 5, 6),
        {.levels = 3, .branching = {0, 2, 2, 2}, .vocab = {3, 6, 4, 8}, .rules = {0, 4, 2, 6}},
        {.levels = 3, .branching = {0, 3, 2, 64}, .vocab = {3, 6, 4, 8}, .rules = {0, 4, 2, 6}},
        {.levels = 1, .branching = {0, 2}, .vocab = {1, 1}, .rules = {0, 1}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (rhm_rule_sampling sampling = RHM_FIRST_TOKEN_UNIFORM; sampling <= RHM_UNIFORM; sampling++)
            for (uint64_t seed = 0; seed < 5; seed++) {
                rhm_grammar *grammar = must_draw(shapes[i], sampling, seed);
                assert_int_equal(rhm_grammar_sampling(grammar), sampling);
                assert_int_equal(rhm_grammar_seed(grammar), seed);
                check_drawn(grammar, sampling == RHM_FIRST_TOKEN_UNIFORM);
                rhm_grammar_destroy(grammar);
            }
}

static void levels_and_seeds_differ(void **state) {
    (void)state;
    rhm_grammar *a = must_draw(rhm_shape_uniform(16, 4, 2, 3), RHM_FIRST_TOKEN_UNIFORM, 1);
    rhm_grammar *again = must_draw(rhm_shape_uniform(16, 4, 2, 3), RHM_FIRST_TOKEN_UNIFORM, 1);
    rhm_grammar *b = must_draw(rhm_shape_uniform(16, 4, 2, 3), RHM_FIRST_TOKEN_UNIFORM, (uint64_t)1 << 32 | 1);
    const size_t nbytes = 16 * 4 * 2 * sizeof(uint32_t);
    for (uint32_t level = 1; level <= 3; level++) {
        assert_memory_equal(rhm_grammar_patches(a, level), rhm_grammar_patches(again, level), nbytes);
        assert_memory_not_equal(rhm_grammar_patches(a, level), rhm_grammar_patches(b, level), nbytes);
        assert_memory_not_equal(rhm_grammar_patches(a, level), rhm_grammar_patches(a, level % 3 + 1), nbytes);
    }
    rhm_grammar_destroy(a);
    rhm_grammar_destroy(again);
    rhm_grammar_destroy(b);
}

/* How often each outcome of a tiny one-level draw appears over many seeds: all legal ones must be equally likely. */
static void check_uniform_over_outcomes(rhm_shape shape, rhm_rule_sampling sampling, size_t legal_outcomes,
                                        size_t seeds) {
    const size_t digits = (size_t)shape.vocab[0] * shape.rules[1] * shape.branching[1];
    const size_t codes = power(shape.vocab[1], digits);
    size_t *observed = calloc(codes, sizeof *observed);
    for (uint64_t seed = 0; seed < seeds; seed++) {
        rhm_grammar *grammar = must_draw(shape, sampling, seed);
        observed[tuple_index(rhm_grammar_patches(grammar, 1), digits, shape.vocab[1])]++;
        rhm_grammar_destroy(grammar);
    }
    size_t outcomes = 0;
    for (size_t i = 0; i < codes; i++)
        if (observed[i] > 0)
            observed[outcomes++] = observed[i];
    assert_int_equal(outcomes, legal_outcomes);
    double *equal = malloc(outcomes * sizeof *equal);
    for (size_t i = 0; i < outcomes; i++)
        equal[i] = 1 / (double)outcomes;
    const double ratio = chi_square_ratio(observed, equal, outcomes, seeds);
    if (!(ratio <= 1))
        fail_msg("chi-square is %.2f times its limit", ratio);
    free(equal);
    free(observed);
}

static void all_rule_tables_are_equally_likely(void **state) {
    (void)state;
    const rhm_shape two = {.levels = 1, .branching = {0, 2}, .vocab = {2, 2}, .rules = {0, 1}};
    const rhm_shape full = {.levels = 1, .branching = {0, 2}, .vocab = {2, 2}, .rules = {0, 2}};
    const rhm_shape three = {.levels = 1, .branching = {0, 2}, .vocab = {3, 3}, .rules = {0, 1}};
    /* 4 3 ordered pairs of tuples; 4! orders of all four; 9 8 7 ordered triples. */
    check_uniform_over_outcomes(two, RHM_UNIFORM, 12, 6000);
    check_uniform_over_outcomes(full, RHM_UNIFORM, 24, 12000);
    check_uniform_over_outcomes(three, RHM_UNIFORM, 504, 25200);
    /* A suffix for each first token, then any order: 2^2 2!, (2!/(2! 0!))^2 4! and 3^3 3!. */
    check_uniform_over_outcomes(two, RHM_FIRST_TOKEN_UNIFORM, 8, 6000);
    check_uniform_over_outcomes(full, RHM_FIRST_TOKEN_UNIFORM, 24, 12000);
    check_uniform_over_outcomes(three, RHM_FIRST_TOKEN_UNIFORM, 162, 16200);
}

/* 65536^8 = 2^128 tuples: nothing may depend on their number. */
static void huge_tuple_spaces_cost_nothing(void **state) {
    (void)state;
    for (rhm_rule_sampling sampling = RHM_FIRST_TOKEN_UNIFORM; sampling <= RHM_UNIFORM; sampling++) {
        rhm_grammar *grammar = must_draw(rhm_shape_uniform(65536, 1, 8, 1), sampling, 3);
        check_drawn(grammar, sampling == RHM_FIRST_TOKEN_UNIFORM);
        rhm_grammar_destroy(grammar);
    }
    rhm_grammar *deep = must_draw(rhm_shape_uniform(300, 2, 64, 5), RHM_UNIFORM, 4);
    check_drawn(deep, false);
    rhm_grammar_destroy(deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing_decides_every_sequence), cmocka_unit_test(drawn_grammars_are_what_they_claim),
        cmocka_unit_test(levels_and_seeds_differ),        cmocka_unit_test(all_rule_tables_are_equally_likely),
        cmocka_unit_test(huge_tuple_spaces_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
