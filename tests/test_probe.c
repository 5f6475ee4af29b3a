/* Probes: groups and linear maps against counts by hand, changes against what the grammar says they leave alone. */
#include "learning.h"

#include "probes/derivation.h"
#include "probes/groups.h"
#include "rhm/learner.h"
#include "rhm/probe.h"

/* ---- agreement of groups --------------------------------------------------------------------------------- */

/* Over all pairs of points, as Hubert and Arabie define it. */
static double rand_by_pairs(const uint32_t *a, const uint32_t *b, size_t count) {
    double both = 0, in_a = 0, in_b = 0, pairs = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++, pairs++) {
            in_a += a[i] == a[j];
            in_b += b[i] == b[j];
            both += a[i] == a[j] && b[i] == b[j];
        }
    return (both - in_a * in_b / pairs) / ((in_a + in_b) / 2 - in_a * in_b / pairs);
}

static void agreement_is_that_of_pairs(void **state) {
    (void)state;
    enum { COUNT = 60 };
    rhm_random random = {.seed = 9};
    for (int trial = 0; trial < 50; trial++) {
        uint32_t a[COUNT], b[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            a[i] = rhm_random_below(&random, 5);
            b[i] = trial % 2 ? rhm_random_below(&random, 4) : (a[i] + 1 + (rhm_random_below(&random, 6) == 0)) % 5;
        }
        rhm_group_agreement found;
        assert_int_equal(rhm_group_agree(&found, a, 5, b, 5, COUNT, NULL), RHM_OK);
        assert_true(fabs(found.adjusted_rand - rand_by_pairs(a, b, COUNT)) < 1e-12);
        assert_true(found.error >= 0 && found.error < 1);
    }
    const uint32_t group[] = {0, 0, 0, 1, 1, 1}, class[] = {2, 2, 0, 1, 1, 1};
    rhm_group_agreement found;
    assert_int_equal(rhm_group_agree(&found, group, 2, class, 3, 6, NULL), RHM_OK);
    assert_true(fabs(found.error - 1.0 / 6) < 1e-12);
}

/* ---- derivations ----------------------------------------------------------------------------------------- */

enum { LEVELS = 3, MOST_NODES = 8 };

typedef struct drawn {
    uint16_t symbol[LEVELS + 1][MOST_NODES];
} drawn;

static rhm_derivation of(const rhm_grammar *grammar, drawn *d) {
    rhm_derivation out = {.grammar = grammar};
    for (uint32_t level = 0; level <= LEVELS; level++)
        out.symbol[level] = d->symbol[level];
    return out;
}

/* Every patch is one that its symbol writes. */
static void assert_derived(const rhm_grammar *grammar, const drawn *d) {
    for (uint32_t level = 1; level <= LEVELS; level++)
        for (size_t node = 0; node < (size_t)1 << (level - 1); node++) {
            const uint32_t patch[] = {d->symbol[level][2 * node], d->symbol[level][2 * node + 1]};
            assert_int_equal(rhm_grammar_parent(grammar, level, patch), d->symbol[level - 1][node]);
        }
}

static void changes_are_derived_and_local(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, LEVELS), 1);
    rhm_random random = {.seed = 4};
    for (int trial = 0; trial < 300; trial++) {
        drawn before, after;
        rhm_derivation d = of(grammar, &before);
        rhm_derivation_draw(&d, &random);
        assert_derived(grammar, &before);
        after = before;
        d = of(grammar, &after);
        const uint32_t level = 1 + rhm_random_below(&random, LEVELS);
        const size_t node = rhm_random_below(&random, 1U << (level - 1));
        const bool exchanged = trial % 2;
        if (exchanged)
            assert_true(rhm_derivation_exchange(&d, level, node, &random));
        else
            rhm_derivation_redraw(&d, level - 1, node, &random);
        assert_derived(grammar, &after);
        for (uint32_t l = 0; l <= LEVELS; l++)
            for (size_t i = 0; i < (size_t)1 << l; i++)
                if (l < level || i >> (l - level + 1) != node)
                    assert_int_equal(before.symbol[l][i], after.symbol[l][i]);
        const bool same =
            !memcmp(before.symbol[level] + 2 * node, after.symbol[level] + 2 * node, 2 * sizeof(uint16_t));
        assert_false(exchanged && same);
        for (size_t j = 2 * node; exchanged && level < LEVELS && j < 2 * node + 2; j++)
            if (before.symbol[level][j] == after.symbol[level][j])
                assert_memory_equal(before.symbol[level + 1] + 2 * j, after.symbol[level + 1] + 2 * j,
                                    2 * sizeof(uint16_t));
    }
    rhm_grammar_destroy(grammar);
}

static void a_symbol_with_one_patch_has_no_synonyms(void **state) {
    (void)state;
    rhm_shape shape = rhm_shape_uniform(4, 1, 2, LEVELS);
    rhm_grammar *grammar;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, 1, &error), &error);
    rhm_random random = {.seed = 4};
    drawn d;
    rhm_derivation derivation = of(grammar, &d);
    rhm_derivation_draw(&derivation, &random);
    assert_false(rhm_derivation_exchange(&derivation, 2, 1, &random));
    rhm_grammar_destroy(grammar);
}

/* ---- models ---------------------------------------------------------------------------------------------- */

static rhm_model *trained(const rhm_engine *engine, const rhm_grammar *grammar, const rhm_train_options *options) {
    rhm_model *model;
    rhm_error error = {0};
    assert_ok(rhm_train(&model, NULL, engine, grammar, options, &error), &error);
    return model;
}

static rhm_probe_report probed(const rhm_engine *engine, const rhm_model *model, const rhm_grammar *grammar,
                               rhm_probe_options options) {
    rhm_probe_report report;
    rhm_error error = {0};
    assert_ok(rhm_probe(&report, engine, model, grammar, &options, &error), &error);
    return report;
}

/* Ids that are the symbols see no exchange at their level or below, and one above it as the grammar has it. */
static void a_table_that_knows_all_is_read_exactly(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, LEVELS), 1);
    rhm_model *model = trained(engine, grammar, &(rhm_train_options){.learner = "table", .test_samples = 100});
    const rhm_probe_report report = probed(engine, model, grammar, (rhm_probe_options){.sequences = 500});
    assert_int_equal(report.levels, LEVELS);
    for (uint32_t level = 1; level <= LEVELS; level++) {
        const rhm_probe_level *one = &report.level[level];
        assert_int_equal(one->width, 8);
        assert_int_equal(one->symbols, 8);
        assert_true(one->clustering_error == 0 && one->adjusted_rand == 1);
        assert_true(one->linear_accuracy == 1 && one->majority < 0.5);
        assert_true(level == 1 ? one->linear_of_label == 1 : one->linear_of_label < 0.95);
        for (uint32_t k = level; k <= LEVELS; k++)
            assert_true(one->synonyms[k] < 1e-9 && (k == LEVELS || one->redrawn[k] < 1e-9));
        for (uint32_t k = 1; k < level; k++)
            assert_true(one->synonyms[k] > 0.3 && one->synonyms[k] < 1.3);
        assert_true(isnan(one->synonyms[0]) && isnan(one->redrawn[LEVELS]));
        if (level > 1)
            assert_true(one->redrawn[0] > 0.5 && one->redrawn[0] < 1.2);
    }
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* Too few samples to tell symbols apart: nearly nothing is known, and exchanges are seen. */
static void a_level_that_learnt_nothing_shows_it(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, LEVELS), 1);
    rhm_train_options options = {.learner = "table", .test_samples = 100, .max_samples = 20};
    for (uint32_t level = 1; level <= LEVELS; level++)
        options.samples[level] = 20;
    rhm_model *model = trained(engine, grammar, &options);
    const rhm_probe_report report = probed(engine, model, grammar, (rhm_probe_options){.sequences = 400});
    assert_true(report.level[LEVELS].adjusted_rand < 0.5);
    assert_true(report.level[LEVELS].synonyms[LEVELS] > 0.2);
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

static void all_kinds_of_models_are_probed(void **state) {
    (void)state;
    static const char *const learners[] = {"layerwise", "shallow", "latent", "one-step", "tensor"};
    rhm_engine *engine = engine_of(2);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 2), 1);
    for (size_t i = 0; i < sizeof learners / sizeof *learners; i++) {
        const bool features = i < 2;
        rhm_model *model =
            trained(engine, grammar,
                    &(rhm_train_options){.learner = learners[i], .test_samples = 100, .width = features ? 128 : 0});
        const rhm_probe_report report = probed(engine, model, grammar, (rhm_probe_options){.sequences = 300});
        const rhm_probe_level *top = &report.level[1];
        assert_true(top->width >= 6 && top->linear_accuracy > 0.9 && top->synonyms[1] < 0.3);
        assert_true((report.level[2].width == 0) == (i == 1));
        rhm_model_destroy(model);
    }
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* Only outputs above or below the one patch count; blocks and threads change nothing. */
static void one_position_is_changed_alone(void **state) {
    (void)state;
    rhm_engine *one = engine_of(1), *three = engine_of(3);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, LEVELS), 1);
    rhm_model *model = trained(one, grammar, &(rhm_train_options){.learner = "table", .test_samples = 100});
    const rhm_probe_options options = {.sequences = 300, .position = 3};
    const rhm_probe_report a = probed(one, model, grammar, options), b = probed(three, model, grammar, options);
    assert_memory_equal(a.level, b.level, sizeof a.level);
    for (uint32_t level = 1; level <= LEVELS; level++) {
        assert_true(isnan(a.level[level].synonyms[1]) && isnan(a.level[level].synonyms[2]));
        assert_true(a.level[level].synonyms[LEVELS] < 1e-9);
    }
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(one);
    rhm_engine_destroy(three);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 2), 1);
    rhm_grammar *other = learnable_grammar(rhm_shape_uniform(6, 3, 2, 3), 1);
    rhm_model *model = trained(engine, grammar, &(rhm_train_options){.learner = "table", .test_samples = 100});
    rhm_probe_report report;
    rhm_error error;
    assert_int_equal(rhm_probe(&report, engine, model, other, NULL, &error), RHM_INVALID);
    assert_int_equal(rhm_probe(&report, engine, model, grammar, &(rhm_probe_options){.position = 3}, &error),
                     RHM_INVALID);
    assert_int_equal(rhm_probe(&report, engine, model, grammar, &(rhm_probe_options){.sequences = 3}, &error),
                     RHM_INVALID);
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    rhm_grammar_destroy(other);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agreement_is_that_of_pairs),
        cmocka_unit_test(changes_are_derived_and_local),
        cmocka_unit_test(a_symbol_with_one_patch_has_no_synonyms),
        cmocka_unit_test(a_table_that_knows_all_is_read_exactly),
        cmocka_unit_test(a_level_that_learnt_nothing_shows_it),
        cmocka_unit_test(all_kinds_of_models_are_probed),
        cmocka_unit_test(one_position_is_changed_alone),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
