/*
 * Counts of some patches only, against all derivations of small grammars and against counted samples of which the
 * others are thrown away. Chi-square limits as in test_draw.c.
 */
#include "pair_oracle.h"

#include "learners/layerwise/draw_choice.h"
#include "learners/layerwise/tuning.h"
#include "sampling/law.h"

enum { SAMPLES = 60000 };

static void draw_source(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                        uint16_t *labels) {
    rhm_sample_first_patches(context, rhm_stream(RHM_TRAINING, level), level, first, count, leaves, labels, NULL);
}

static rhm_patches thinned_init(const rhm_shape *shape, uint32_t level, size_t patches) {
    rhm_patches thinned = must_init(shape, level);
    thinned.thinned = patches;
    return thinned;
}

static rhm_law must_thin(const rhm_grammar *grammar, uint32_t level, size_t patches) {
    const rhm_law_choice choice = {patches, SEED, rhm_stream(RHM_TRAINING, level)};
    rhm_law law;
    rhm_error error = {0};
    assert_ok(rhm_law_create(&law, grammar, level, 1, &choice, &error), &error);
    return law;
}

static size_t rule_of(const rhm_law *law, uint32_t j, size_t place) {
    size_t rule = 0;
    while (law->at[j].of_rule[rule + 1] <= place)
        rule++;
    return rule;
}

static void expand_place(const rhm_law *law, uint32_t j, size_t place, uint32_t *leaves, size_t width) {
    uint32_t children[RHM_MAX_BRANCHING];
    rhm_law_children(law, j, rule_of(law, j, place), place, children);
    const size_t s = law->tree.branching[j];
    for (size_t t = 0; t < s; t++)
        if (j == law->tree.levels)
            leaves[t] = children[t];
        else
            expand_place(law, j + 1, children[t], leaves + t * (width / s), width / s);
}

/* conditional, (pairs): the probability of each pair given that its patch is chosen, 0 for others. Returns the chosen
 * ones' share. */
static double condition(const oracle *o, const rhm_law *law, double *conditional) {
    double share = 0;
    for (size_t place = 0; place < law->at[law->level].places; place++) {
        uint32_t pair[MAX_TOKENS + 1];
        expand_place(law, law->level, place, pair, o->width);
        for (uint32_t label = 0; label < law->classes; label++) {
            pair[o->width] = label;
            const uint32_t id = rhm_intern_find(&o->pair, pair);
            if (id == UINT32_MAX)
                continue;
            assert_true(conditional[id] == 0); /* no patch is chosen twice */
            conditional[id] = o->probability[id];
            share += o->probability[id];
        }
    }
    for (size_t i = 0; i < o->pair.count; i++)
        conditional[i] /= share;
    return share;
}

/* Samples of patches that are not chosen are thrown away; returns how many are left. */
static size_t keep_chosen(size_t *observed, const double *conditional, size_t pairs) {
    size_t kept = 0;
    for (size_t i = 0; i < pairs; i++)
        kept += observed[i] = conditional[i] > 0 ? observed[i] : 0;
    return kept;
}

/* Random grammars with uneven and absent rules and labels, all levels but the lowest. */
static void kept_samples_have_their_law(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    for (uint64_t seed = 1; seed <= 120; seed++) {
        tables t;
        rhm_grammar *grammar;
        rhm_sampler *sampler;
        rhm_error error = {0};
        random_tables(&t, seed, 20000);
        assert_ok(create_from_tables(&grammar, &t, &error), &error);
        assert_ok(rhm_sampler_create(&sampler, grammar, seed, &error), &error);
        for (uint32_t level = 1; level < t.shape.levels; level++) {
            const size_t wanted = 1 + seed * 7 % 60;
            oracle o = make_oracle(&t, level);
            rhm_law law = must_thin(grammar, level, wanted);
            double *conditional = calloc(o.pair.count, sizeof *conditional);
            const double share = condition(&o, &law, conditional);
            assert_true(fabs(law.share - share) < 1e-12);
            double possible = 0;
            for (size_t i = 0; i < o.pair.count; i++)
                possible += conditional[i] > 0;
            assert_true(law.cells == possible);
            rhm_patches drawn = thinned_init(&t.shape, level, wanted), counted = must_init(&t.shape, level);
            must_draw(&drawn, engine, grammar, 0, SAMPLES);
            assert_true(drawn.samples == SAMPLES && rhm_patches_kept_share(&drawn) == law.share);
            assert_ok(rhm_patches_add(&counted, engine, NULL, draw_source, sampler, 0, SAMPLES, NULL, &error), &error);
            size_t *observed = observe(&o, &drawn), *other = observe(&o, &counted);
            assert_int_equal(keep_chosen(observed, conditional, o.pair.count), SAMPLES);
            const size_t kept = keep_chosen(other, conditional, o.pair.count);
            assert_true(fabs((double)kept - SAMPLES * share) < 6 * sqrt(SAMPLES * share));
            const double ratio = chi_square_ratio(observed, conditional, o.pair.count, SAMPLES);
            const double samples = chi_square_ratio(other, conditional, o.pair.count, kept);
            if (!(ratio <= 1) || !(samples <= 1))
                fail_msg("seed %llu, level %u: chi-square %.2f, of kept samples %.2f times the limit",
                         (unsigned long long)seed, level, ratio, samples);
            free(observed), free(other), free(conditional);
            rhm_patches_destroy(&drawn);
            rhm_patches_destroy(&counted);
            rhm_law_destroy(&law);
            free_oracle(&o);
        }
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

/* Equally many of each rule, or all it has; the others are of other seeds and streams. */
static void patches_are_chosen_evenly(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(6, 3, 2, 3);
    const size_t rules = 18, derivations = 9, all = rules * derivations;
    for (size_t wanted = 1; wanted < 3 * all; wanted += 17) {
        rhm_law law = must_thin(grammar, 2, wanted);
        const size_t each = wanted < rules ? 1 : wanted / rules < derivations ? wanted / rules : derivations;
        assert_int_equal(law.at[2].places, rules * each);
        assert_true(fabs(law.share - (double)each / (double)derivations) < 1e-12);
        const rhm_law_choice other = {wanted, SEED, rhm_stream(RHM_VALIDATION, 2)};
        rhm_law twin;
        assert_int_equal(rhm_law_create(&twin, grammar, 2, 1, &other, NULL), RHM_OK);
        assert_int_equal(twin.at[2].places, law.at[2].places);
        assert_true(memcmp(law.chosen, twin.chosen, sizeof *law.chosen * 2 * law.at[2].places) != 0);
        rhm_law_destroy(&twin);
        rhm_law_destroy(&law);
    }
    rhm_grammar_destroy(grammar);
}

/* The choice stays the same from call to call, and for any number of threads. */
static void threads_and_rounds_keep_the_choice(void **state) {
    (void)state;
    enum { ROUNDS = 3, PATCHES = 5000, ENGINES = 3 };
    const uint64_t counts[ROUNDS] = {100, 4000, UINT64_C(1) << 40};
    rhm_grammar *grammar = drawn_grammar(8, 4, 2, 5);
    rhm_engine *engine[ENGINES];
    rhm_patches patches[ENGINES];
    for (int e = 0; e < ENGINES; e++) {
        engine[e] = must_engine((rhm_engine_options){.threads = 1 + 2 * e});
        patches[e] = thinned_init(rhm_grammar_shape(grammar), 2, PATCHES);
        for (size_t round = 0; round < ROUNDS; round++)
            must_draw(&patches[e], engine[e], grammar, round, counts[round]);
        assert_int_equal(rhm_patches_distinct(&patches[e]), PATCHES / 32 * 32);
        assert_true(same_patches(&patches[e], &patches[0]));
    }
    for (int e = 0; e < ENGINES; e++) {
        rhm_patches_destroy(&patches[e]);
        rhm_engine_destroy(engine[e]);
    }
    rhm_grammar_destroy(grammar);
}

static void the_lowest_level_is_never_thinned(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 1});
    rhm_grammar *grammar = drawn_grammar(6, 3, 2, 3);
    rhm_patches patches = thinned_init(rhm_grammar_shape(grammar), 3, 10);
    rhm_error error = {0};
    assert_refused(rhm_patches_draw(&patches, engine, grammar, 1, 1, 0, 1, &error), RHM_INVALID, &error, "level 3");
    rhm_patches_destroy(&patches);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* Which stages thin: only the one above the last affordable table, only if it takes many samples and is allowed very
 * many, and only if nobody has said how many. */
static void costly_stages_thin(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(8, 4, 2, 8);
    const uint64_t many = UINT64_C(1000000000000000);
    const struct {
        uint32_t level;
        double first_look;
        rhm_train_options options;
        bool refused, counted;
        size_t thinned;
    } cases[] = {
        {5, 1e6, {.max_samples = many}, false, true, RHM_THINNED_PATCHES},
        {5, 1e6, {.max_samples = many, .draw = RHM_DRAW_COUNTS}, false, true, RHM_THINNED_PATCHES},
        {5, 1e5, {.max_samples = many}, false, false, 0},
        {5, 1e5, {.max_samples = many, .draw = RHM_DRAW_COUNTS}, true, false, 0},
        {5, 1e6, {.max_samples = 1000000000}, false, false, 0},
        {5, 1e6, {.max_samples = many, .draw = RHM_DRAW_SAMPLES}, false, false, 0},
        {5, 1e6, {.max_samples = many, .raw = true}, false, false, 0},
        {5, 1e6, {.max_samples = many, .samples = {[5] = 1000000}}, false, false, 0},
        {5, 1e6, {.max_samples = many, .samples = {[4] = 1000000}}, false, true, RHM_THINNED_PATCHES},
        {4, 1e6, {.max_samples = many}, false, false, 0},
        {6, 1e6, {.max_samples = many}, false, true, 0},
        {8, 1e6, {.max_samples = many}, false, true, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_draw_choice choice;
        rhm_error error = {0};
        const rhm_status status =
            rhm_draw_choose(&choice, grammar, &cases[i].options, cases[i].level, 1, cases[i].first_look, &error);
        if (cases[i].refused) {
            assert_refused(status, RHM_INVALID, &error, "level 5");
            continue;
        }
        assert_ok(status, &error);
        if (choice.counted != cases[i].counted || choice.thinned != cases[i].thinned)
            fail_msg("case %zu: counted %d, thinned %zu", i, choice.counted, choice.thinned);
        assert_true((choice.share < 1) == (choice.thinned > 0));
    }
    rhm_draw_choice choice;
    assert_int_equal(rhm_draw_choose(&choice, NULL, &cases[0].options, 5, 1, 1e6, NULL), RHM_OK);
    assert_false(choice.counted);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_samples_have_their_law),
        cmocka_unit_test(patches_are_chosen_evenly),
        cmocka_unit_test(threads_and_rounds_keep_the_choice),
        cmocka_unit_test(the_lowest_level_is_never_thinned),
        cmocka_unit_test(costly_stages_thin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
