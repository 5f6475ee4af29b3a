/* What a grammar may not be, and that it keeps what it was given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "derivations.h"
#include "rhm/grammar.h"

static void check_refused_shape(rhm_shape shape, rhm_rule_sampling sampling, const char *sentence_part) {
    rhm_grammar *grammar = (rhm_grammar *)&shape; /* anything but NULL */
    rhm_error error = {0};
    assert_int_equal(rhm_grammar_draw(&grammar, &shape, sampling, 1, &error), RHM_INVALID);
    assert_null(grammar);
    assert_int_equal(error.status, RHM_INVALID);
    if (!strstr(error.text, sentence_part))
        fail_msg("'%s' does not contain '%s'", error.text, sentence_part);
    assert_int_equal(rhm_grammar_draw(&grammar, &shape, sampling, 1, NULL), RHM_INVALID);
}

static void bad_shapes_are_refused(void **state) {
    (void)state;
    const rhm_rule_sampling any = RHM_UNIFORM;
    check_refused_shape(rhm_shape_uniform(8, 4, 2, 0), any, "levels is 0: it must be 1 to 32");
    check_refused_shape(rhm_shape_uniform(8, 4, 2, 33), any, "levels is 33");
    check_refused_shape(rhm_shape_uniform(8, 4, 2, UINT32_MAX), any, "levels is 4294967295");
    check_refused_shape(rhm_shape_uniform(8, 4, 1, 3), any, "branching is 1: it must be 2 to 64");
    check_refused_shape(rhm_shape_uniform(8, 4, 65, 3), any, "branching is 65");
    check_refused_shape(rhm_shape_uniform(0, 4, 2, 3), any, "level 0 has 0 symbols: it must have 1 to 65536");
    check_refused_shape(rhm_shape_uniform(65537, 4, 2, 3), any, "level 0 has 65537 symbols");
    check_refused_shape(rhm_shape_uniform(8, 0, 2, 3), any, "level 1 has 0 rules");
    check_refused_shape(rhm_shape_uniform(8, 9, 2, 3), any, "level 1 needs 72 distinct patches");
    check_refused_shape(rhm_shape_uniform(65536, UINT32_MAX, 2, 1), any, "distinct patches");
    check_refused_shape(rhm_shape_uniform(65536, 32768, 8, 1), any, "2147483648 rules in all");
    check_refused_shape(rhm_shape_uniform(8, 4, 3, 21), any, "3^21 tokens");
    check_refused_shape(rhm_shape_uniform(8, 4, 64, 32), any, "64^32 tokens");
    check_refused_shape(rhm_shape_uniform(8, 4, 2, 3), RHM_GIVEN, "'given'");
    rhm_shape uneven = {.levels = 2, .branching = {0, 2, 2}, .vocab = {4, 4, 3}, .rules = {0, 2, 2}};
    check_refused_shape(uneven, RHM_FIRST_TOKEN_UNIFORM, "level 2 has 8 rules");
    rhm_grammar *sound;
    assert_int_equal(rhm_grammar_draw(&sound, &uneven, RHM_UNIFORM, 1, NULL), RHM_OK);
    rhm_grammar_destroy(sound);
    uneven.vocab[1] = 0;
    check_refused_shape(uneven, any, "level 1 has 0 symbols");

    assert_int_equal(rhm_shape_check(&(rhm_shape){.levels = 32,
                                                  .branching = {0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
                                                                2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2},
                                                  .vocab = {0}},
                                     NULL),
                     RHM_INVALID);
    const rhm_shape deepest = rhm_shape_uniform(8, 4, 2, 32);
    assert_int_equal(rhm_shape_check(&deepest, NULL), RHM_OK);
    rhm_tree tree;
    assert_int_equal(rhm_tree_make(&tree, deepest.levels, deepest.branching, NULL), RHM_OK);
    assert_true(tree.leaves[0] == (size_t)1 << 32);
}

static tables sound_tables(void) {
    tables t = {.shape = rhm_shape_uniform(2, 2, 2, 2), .label_probability = {0.25, 0.75}};
    for (uint32_t l = 0; l < 2; l++)
        for (uint32_t i = 0; i < 4; i++) {
            t.patch[l][2 * i] = i / 2;
            t.patch[l][2 * i + 1] = i % 2;
            t.probability[l][i] = 0.5;
        }
    return t;
}

static void check_refused_tables(const tables *t, const char *sentence_part) {
    rhm_grammar *grammar;
    rhm_error error = {0};
    assert_int_equal(create_from_tables(&grammar, t, &error), RHM_INVALID);
    assert_null(grammar);
    assert_int_equal(error.status, RHM_INVALID);
    if (!strstr(error.text, sentence_part))
        fail_msg("'%s' does not contain '%s'", error.text, sentence_part);
}

static void bad_tables_are_refused(void **state) {
    (void)state;
    tables t = sound_tables();
    rhm_grammar *grammar;
    assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
    rhm_grammar_destroy(grammar);

    t.patch[1][5] = 2;
    check_refused_tables(&t, "level 2, symbol 1, rule 0: token 1 is 2: it must be 0 to 1");
    t.patch[1][5] = UINT32_MAX;
    check_refused_tables(&t, "token 1 is 4294967295");

    t = sound_tables();
    t.patch[1][2] = t.patch[1][3] = 1;
    check_refused_tables(&t, "level 2: the patch (1, 1) has two parents, symbols 0 and 1");
    t.patch[1][2] = t.patch[1][3] = 0;
    check_refused_tables(&t, "level 2: symbol 0 has the patch (0, 0) twice");
    /* Absent rules do not count: the same tables are sound when one of the two never applies. */
    t.probability[1][0] = 0;
    t.probability[1][1] = 1;
    assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
    assert_int_equal(rhm_grammar_patch_count(grammar, 2), 3);
    assert_int_equal(rhm_grammar_parent(grammar, 2, (const uint32_t[]){0, 1}), UINT32_MAX);
    rhm_grammar_destroy(grammar);

    const struct {
        double value;
        const char *sentence_part;
    } bad[] = {
        {-0.5, "has probability -0.5: it must be finite and not negative"},
        {(double)NAN, "has probability nan"},
        {(double)INFINITY, "has probability inf"},
        {0.5 + 3e-9, "sum to 1.000000003: they must sum to 1"},
        {0.25, "sum to 0.75"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        t = sound_tables();
        t.probability[0][3] = bad[i].value;
        check_refused_tables(&t, bad[i].sentence_part);
        check_refused_tables(&t, "level 1, symbol 1");
        t = sound_tables();
        t.label_probability[0] = 0.5;
        t.label_probability[1] = bad[i].value;
        check_refused_tables(&t, bad[i].sentence_part);
        check_refused_tables(&t, "label distribution");
    }
    t = sound_tables();
    t.probability[0][3] = 0.5 + 5e-10;
    assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
    assert_true(rhm_grammar_probability(grammar, 1)[3] == 0.5 + 5e-10); /* stored as given */
    rhm_grammar_destroy(grammar);

    /* A long patch is cut in the sentence. */
    uint32_t patches[128] = {0};
    rhm_shape wide = {.levels = 1, .branching = {0, 64}, .vocab = {2, 2}, .rules = {0, 1}};
    rhm_error error;
    assert_int_equal(rhm_grammar_create(&grammar, &wide, (const uint32_t *const[]){patches}, NULL, NULL, &error),
                     RHM_INVALID);
    assert_non_null(strstr(error.text, "(0, 0, 0, 0, 0, 0, 0, 0, ...) has two parents, symbols 0 and 1"));
}

static void accessors_return_what_was_given(void **state) {
    (void)state;
    tables t;
    random_tables(&t, 77, 3000);
    rhm_grammar *grammar;
    assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
    assert_memory_equal(rhm_grammar_shape(grammar), &t.shape, sizeof t.shape);
    assert_int_equal(rhm_grammar_sampling(grammar), RHM_GIVEN);
    assert_true(rhm_grammar_seed(grammar) == 0);
    assert_memory_equal(rhm_grammar_label_probability(grammar), t.label_probability, t.shape.vocab[0] * sizeof(double));
    for (uint32_t level = 1; level <= t.shape.levels; level++) {
        const size_t rows = (size_t)t.shape.vocab[level - 1] * t.shape.rules[level];
        assert_memory_equal(rhm_grammar_patches(grammar, level), t.patch[level - 1],
                            rows * t.shape.branching[level] * sizeof(uint32_t));
        assert_memory_equal(rhm_grammar_probability(grammar, level), t.probability[level - 1], rows * sizeof(double));
    }
    rhm_grammar_destroy(grammar);
    rhm_grammar_destroy(NULL);
    rhm_analysis_clear(&(rhm_analysis){0});
    assert_string_equal(rhm_rule_sampling_name(RHM_FIRST_TOKEN_UNIFORM), "first-token-uniform");
    assert_string_equal(rhm_rule_sampling_name(RHM_UNIFORM), "uniform");
    assert_string_equal(rhm_rule_sampling_name(RHM_GIVEN), "given");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_shapes_are_refused),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(accessors_return_what_was_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
