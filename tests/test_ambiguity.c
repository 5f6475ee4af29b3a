/* Patches with several parents: how they are drawn, what of the analysis stays exact, and what is refused. */
#include "draws.h"

#include "derivations.h"

static rhm_grammar *must_draw_with(const rhm_shape *shape, const rhm_grammar_options *options) {
    rhm_grammar *grammar;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw_with(&grammar, shape, options, &error), &error);
    return grammar;
}

/* Rules of a symbol that another symbol has too; no symbol may have one twice. */
static size_t shared_rules(const rhm_grammar *grammar, uint32_t level) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const uint32_t *patches = rhm_grammar_patches(grammar, level);
    const size_t s = shape->branching[level], rules = shape->rules[level], rows = shape->vocab[level - 1] * rules;
    size_t shared = 0;
    for (size_t row = 0; row < rows; row++) {
        bool other = false;
        for (size_t from = 0; from < rows; from++) {
            const bool same = from != row && !memcmp(patches + from * s, patches + row * s, s * sizeof *patches);
            assert_false(same && from / rules == row / rules);
            other = other || same;
        }
        shared += other;
        assert_int_equal(rhm_grammar_parent(grammar, level, patches + row * s), other ? RHM_AMBIGUOUS : row / rules);
    }
    return shared;
}

/* Every pair of sets of rules is as likely: two symbols with two of four patches each, order included. */
static void independent_symbols_are_independent(void **state) {
    (void)state;
    enum { SEEDS = 14400 };
    const rhm_shape shape = {.levels = 1, .branching = {0, 2}, .vocab = {2, 2}, .rules = {0, 2}};
    static size_t observed[256];
    size_t outcomes = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        rhm_grammar *grammar =
            must_draw_with(&shape, &(rhm_grammar_options){.sampling = RHM_INDEPENDENT, .seed = seed});
        (void)shared_rules(grammar, 1);
        observed[tuple_index(rhm_grammar_patches(grammar, 1), 8, 2)]++;
        rhm_grammar_destroy(grammar);
    }
    double equal[144];
    for (size_t i = 0; i < 256; i++)
        if (observed[i])
            observed[outcomes++] = observed[i];
    assert_int_equal(outcomes, 144); /* (4 3)^2 */
    for (size_t i = 0; i < 144; i++)
        equal[i] = 1.0 / 144;
    assert_true(chi_square_ratio(observed, equal, 144, SEEDS) <= 1);
    /* More rules than there are patches in all, but not for one symbol. */
    const rhm_shape crowded = rhm_shape_uniform(8, 20, 2, 2);
    rhm_grammar *grammar = must_draw_with(&crowded, &(rhm_grammar_options){.sampling = RHM_INDEPENDENT});
    assert_int_equal(shared_rules(grammar, 2) > 100, 1);
    assert_true(rhm_grammar_patch_count(grammar, 2) <= 64);
    rhm_grammar_destroy(grammar);
}

static void a_share_of_the_rules_takes_others_patches(void **state) {
    (void)state;
    const rhm_shape shape = rhm_shape_uniform(16, 4, 2, 3);
    for (int sampling = RHM_FIRST_TOKEN_UNIFORM; sampling <= RHM_UNIFORM; sampling++)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            rhm_grammar_options options = {.sampling = (rhm_rule_sampling)sampling, .seed = seed};
            rhm_grammar *plain = must_draw_with(&shape, &options);
            options.ambiguity = 0.25;
            rhm_grammar *grammar = must_draw_with(&shape, &options);
            assert_false(rhm_grammar_parses(grammar));
            for (uint32_t level = 1; level <= 3; level++) {
                size_t changed = 0;
                for (size_t row = 0; row < 64; row++)
                    changed += memcmp(rhm_grammar_patches(plain, level) + 2 * row,
                                      rhm_grammar_patches(grammar, level) + 2 * row, 2 * sizeof(uint32_t)) != 0;
                assert_int_equal(changed, 16);
                assert_in_range(shared_rules(grammar, level), 17, 32);
                assert_true(rhm_grammar_ambiguous_count(grammar, level) > 0);
            }
            rhm_grammar_destroy(plain), rhm_grammar_destroy(grammar);
        }
}

typedef struct firsts {
    const tables *t;
    double symbol[RHM_MAX_LEVELS + 1][5][5]; /* [level][first symbol][label] */
    double patch[RHM_MAX_LEVELS + 1][125];
} firsts;

static void add_firsts(void *context, const derivation *d) {
    firsts *f = context;
    const rhm_shape *shape = &f->t->shape;
    for (uint32_t level = 1; level <= shape->levels; level++) {
        f->symbol[level][d->symbols[level - 1][0]][d->symbols[0][0]] += d->probability;
        f->patch[level][tuple_index(d->symbols[level], shape->branching[level], shape->vocab[level])] += d->probability;
    }
}

/* Posteriors of symbols, and kappa over distinct patches, from all derivations. */
static void analysis_equals_enumeration(void **state) {
    (void)state;
    static tables t;
    static firsts f;
    size_t ambiguous = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        random_tables(&t, seed, 3000);
        ambiguous += share_patches(&t, seed) > 0;
        const uint32_t *patches[RHM_MAX_LEVELS];
        const double *probability[RHM_MAX_LEVELS];
        for (uint32_t l = 0; l < t.shape.levels; l++) {
            patches[l] = t.patch[l];
            probability[l] = t.probability[l];
        }
        const rhm_grammar_options allowed = {.sampling = RHM_GIVEN, .ambiguity = 1};
        rhm_grammar *grammar;
        rhm_analysis analysis;
        rhm_error error = {0};
        assert_ok(
            rhm_grammar_create_with(&grammar, &t.shape, patches, probability, t.label_probability, &allowed, &error),
            &error);
        assert_ok(rhm_analyse(&analysis, grammar, &error), &error);
        memset(&f, 0, sizeof f);
        f.t = &t;
        visit_derivations(&t, add_firsts, &f);
        double kappa = 0;
        for (uint32_t level = 1; level <= t.shape.levels; level++) {
            const size_t classes = t.shape.vocab[0], s = t.shape.branching[level];
            bool is_patch[125] = {false};
            size_t count = 0;
            for (size_t row = 0; row < t.shape.vocab[level - 1] * t.shape.rules[level]; row++)
                if (t.probability[level - 1][row] > 0)
                    is_patch[tuple_index(t.patch[level - 1] + row * s, s, t.shape.vocab[level])] = true;
            for (size_t i = 0; i < 125; i++)
                count += is_patch[i];
            assert_int_equal(rhm_grammar_patch_count(grammar, level), count);
            for (size_t i = 0; i < 125; i++)
                if (is_patch[i])
                    kappa =
                        fmax(kappa, f.patch[level][i] > 0 ? 1 / ((double)count * f.patch[level][i]) : (double)INFINITY);
            for (size_t v = 0; v < t.shape.vocab[level - 1]; v++) {
                double sum = 0;
                for (size_t z = 0; z < classes; z++)
                    sum += f.symbol[level][v][z];
                for (size_t z = 0; z < classes && sum > 0; z++)
                    assert_true(fabs(analysis.posterior[level][v * classes + z] - f.symbol[level][v][z] / sum) < 1e-12);
            }
        }
        assert_true(isinf(kappa) ? isinf(analysis.kappa) : fabs(analysis.kappa / kappa - 1) < 1e-12);
        rhm_analysis_clear(&analysis);
        rhm_grammar_destroy(grammar);
    }
    assert_true(ambiguous > 60);
}

static void what_needs_a_parse_says_so(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 1});
    const rhm_shape shape = rhm_shape_uniform(6, 3, 2, 2);
    rhm_error error = {0};
    rhm_grammar *again, *grammar = must_draw_with(&shape, &(rhm_grammar_options){.seed = 3, .ambiguity = 0.5});
    assert_ok(rhm_grammar_save(grammar, "a.h5", &error), &error);
    assert_ok(rhm_grammar_load(&again, "a.h5", &error), &error);
    assert_same_grammar(grammar, again);
    assert_memory_equal(rhm_grammar_origin(grammar), rhm_grammar_origin(again), sizeof(rhm_grammar_options));
    rhm_analysis analysis;
    char text[2048];
    assert_ok(rhm_analyse(&analysis, again, &error), &error);
    rhm_analysis_explain(&analysis, text, sizeof text);
    assert_non_null(strstr(text, "several parents: no parse is unique"));
    rhm_analysis_clear(&analysis);

    uint16_t tokens[4], label;
    size_t ambiguous = 0;
    rhm_sampler *sampler;
    assert_ok(rhm_sampler_create(&sampler, grammar, 1, &error), &error);
    for (uint64_t i = 0; i < 200; i++) {
        rhm_sample_sequences(sampler, 300, i, 1, tokens, &label, NULL);
        const uint32_t parsed = rhm_grammar_parse(grammar, tokens);
        assert_true(parsed == label || parsed == RHM_AMBIGUOUS);
        ambiguous += parsed == RHM_AMBIGUOUS;
    }
    assert_in_range(ambiguous, 50, 199);
    rhm_sampler_destroy(sampler);
    rhm_patches patches = must_init(&shape, 2);
    assert_refused(rhm_patches_draw(&patches, engine, grammar, SEED, 1, 0, 10, &error), RHM_INVALID, &error,
                   "ambiguous");
    rhm_patches_destroy(&patches);

    const uint32_t *given[2] = {rhm_grammar_patches(grammar, 1), rhm_grammar_patches(grammar, 2)};
    rhm_grammar *none = NULL;
    assert_refused(rhm_grammar_create(&none, &shape, given, NULL, NULL, &error), RHM_INVALID, &error, "two parents");
    const double bad[] = {-1, 2, (double)NAN};
    for (size_t i = 0; i < 3; i++)
        assert_refused(rhm_grammar_draw_with(&none, &shape, &(rhm_grammar_options){.ambiguity = bad[i]}, &error),
                       RHM_INVALID, &error, "ambiguity");
    const rhm_shape much = rhm_shape_uniform(2, 5, 2, 1);
    assert_refused(rhm_grammar_draw_with(&none, &much, &(rhm_grammar_options){.sampling = RHM_INDEPENDENT}, &error),
                   RHM_INVALID, &error, "only 4");
    rhm_grammar_destroy(grammar), rhm_grammar_destroy(again);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(independent_symbols_are_independent),
        cmocka_unit_test(a_share_of_the_rules_takes_others_patches),
        cmocka_unit_test(analysis_equals_enumeration),
        cmocka_unit_test(what_needs_a_parse_says_so),
    };
    return cmocka_run_group_tests_name("ambiguity", tests, enter_directory, leave_directory);
}
