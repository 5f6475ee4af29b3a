/*
 * Drawn counts against all derivations of small grammars, and against counted samples. Chi-square limits are for false
 * alarms of 1e-6 a comparison, some 500 comparisons in all; the seeds are fixed.
 */
#include "pair_oracle.h"

#include "sampling/law.h"

/* What must hold of any collection: every subtree once, used, and made of known ones; every cell once, of a known
 * patch, with a count; the sum is the number of samples. */
static void check_form(const rhm_patches *patches) {
    uint64_t total = 0;
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++) {
        const rhm_intern *set = rhm_patches_tuples(patches, j);
        const size_t below = j < patches->tree.levels ? patches->subtree[j + 1].count : 0;
        const size_t links = j < patches->level ? 1 : patches->tree.branching[j];
        bool *used = calloc(below + 1, sizeof *used);
        rhm_intern distinct;
        assert_int_equal(rhm_intern_init(&distinct, set->words, set->count, NULL), RHM_OK);
        for (size_t i = 0; i < set->count; i++) {
            uint32_t id;
            assert_int_equal(rhm_intern_add(&distinct, rhm_intern_tuple(set, i), &id, NULL, NULL), RHM_OK);
            for (size_t t = 0; j < patches->tree.levels && t < links; t++) {
                assert_true(rhm_intern_tuple(set, i)[t] < below);
                used[rhm_intern_tuple(set, i)[t]] = true;
            }
        }
        assert_int_equal(distinct.count, set->count);
        for (size_t i = 0; i < below; i++)
            assert_true(used[i]);
        rhm_intern_destroy(&distinct);
        free(used);
    }
    for (size_t i = 0; i < patches->cell.count; i++) {
        assert_true(patches->count[i] > 0);
        assert_true(rhm_intern_tuple(&patches->cell, i)[1] < patches->classes);
        total += patches->count[i];
    }
    assert_true(total == patches->samples);
}

static void draw_source(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                        uint16_t *labels) {
    rhm_sample_first_patches(context, rhm_stream(RHM_TRAINING, level), level, first, count, leaves, labels, NULL);
}

/* ------------------------------------------------------------------------------------------------------- the tests */

/* Random grammars with uneven and absent rules and labels, all levels: the law, and that of counted samples. */
static void counts_have_the_law_of_samples(void **state) {
    (void)state;
    enum { SAMPLES = 60000 };
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    for (uint64_t seed = 1; seed <= 120; seed++) {
        tables t;
        rhm_sampler *sampler;
        rhm_error error = {0};
        rhm_grammar *grammar = random_grammar(&t, seed, 20000, &sampler);
        for (uint32_t level = 1; level <= t.shape.levels; level++) {
            oracle o = make_oracle(&t, level);
            assert_true(table_cells(grammar, level) == (double)o.pair.count);
            rhm_patches drawn = must_init(&t.shape, level), counted = must_init(&t.shape, level);
            must_draw(&drawn, engine, grammar, 0, SAMPLES);
            assert_ok(rhm_patches_add(&counted, engine, NULL, draw_source, sampler, 0, SAMPLES, NULL, &error), &error);
            check_form(&drawn);
            check_form(&counted);
            size_t *observed = observe(&o, &drawn), *other = observe(&o, &counted);
            const double ratio = chi_square_ratio(observed, o.probability, o.pair.count, SAMPLES);
            const double two = two_sample_ratio(observed, other, o.pair.count);
            if (!(ratio <= 1) || !(two <= 1))
                fail_msg("seed %llu, level %u: chi-square %.2f, against samples %.2f times the limit",
                         (unsigned long long)seed, level, ratio, two);
            free(observed);
            free(other);
            rhm_patches_destroy(&drawn);
            rhm_patches_destroy(&counted);
            free_oracle(&o);
        }
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

/*
 * Means and covariances of all pairs of cells over many rounds, of few samples (most cells empty) and of many: N p and
 * N (p [i = j] - p_i p_j). The largest of some thousand deviations stays below 6 standard errors (2e-9 each).
 */
static void means_and_covariances_are_multinomial(void **state) {
    (void)state;
    enum { ROUNDS = 1000, MOST = 64 };
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 1});
    const uint64_t sizes[] = {3, 400, 1000000};
    for (uint64_t seed = 1; seed <= 25; seed++) {
        tables t;
        rhm_grammar *grammar;
        rhm_error error = {0};
        random_tables(&t, seed, 60);
        oracle o = make_oracle(&t, t.shape.levels > 1 ? t.shape.levels - 1 : 1);
        if (o.pair.count > MOST || o.pair.count < 8) {
            free_oracle(&o);
            continue;
        }
        assert_ok(create_from_tables(&grammar, &t, &error), &error);
        for (size_t i = 0; i < 3; i++) {
            const size_t cells = o.pair.count;
            double sum[MOST] = {0};
            static double product[MOST][MOST];
            memset(product, 0, sizeof product);
            for (uint64_t round = 0; round < ROUNDS; round++) {
                rhm_patches patches = must_init(&t.shape, o.level);
                must_draw(&patches, engine, grammar, round, sizes[i]);
                size_t *observed = observe(&o, &patches);
                double deviation[MOST];
                for (size_t a = 0; a < cells; a++) {
                    deviation[a] = (double)observed[a] - (double)sizes[i] * o.probability[a];
                    sum[a] += deviation[a];
                    for (size_t b = 0; b <= a; b++)
                        product[a][b] += deviation[a] * deviation[b];
                }
                free(observed);
                rhm_patches_destroy(&patches);
            }
            const double n = (double)sizes[i];
            for (size_t a = 0; a < cells; a++) {
                const double p = o.probability[a], variance = n * p * (1 - p);
                assert_true(fabs(sum[a]) <= 6 * sqrt(ROUNDS * variance) + 1e-6 * n);
                for (size_t b = 0; b <= a; b++) {
                    const double q = o.probability[b];
                    const double exact = a == b ? variance : -n * p * q;
                    /* E (x^2 y^2) of a normal pair, and the excess that few successes add. */
                    const double other = n * q * (1 - q);
                    const double spread = sqrt((variance * other + exact * exact) * (1 + 1 / fmin(variance, other)));
                    assert_true(fabs(product[a][b] / ROUNDS - exact) <= 6 * spread / sqrt(ROUNDS) + 1e-9 * n);
                }
            }
        }
        rhm_grammar_destroy(grammar);
        free_oracle(&o);
    }
    rhm_engine_destroy(engine);
}

/* N = 10^15: every cell within 6 standard deviations of N p, none missing. */
static void samples_may_be_very_many(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    for (uint64_t seed = 1; seed <= 10; seed++) {
        tables t;
        rhm_grammar *grammar = random_grammar(&t, seed, 5000, NULL);
        for (uint32_t level = 1; level <= t.shape.levels; level++) {
            oracle o = make_oracle(&t, level);
            rhm_patches patches = must_init(&t.shape, level);
            const double n = 1e15;
            must_draw(&patches, engine, grammar, 0, (uint64_t)n);
            check_form(&patches);
            size_t *observed = observe(&o, &patches);
            for (size_t i = 0; i < o.pair.count; i++) {
                const double p = o.probability[i];
                assert_true(fabs((double)observed[i] - n * p) <= 6 * sqrt(n * p * (1 - p)) + 1);
            }
            free(observed);
            rhm_patches_destroy(&patches);
            free_oracle(&o);
        }
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

static const uint64_t GROWING[] = {1, 50, 3000, 0, 1000000, UINT64_C(1000000000)};
enum { GROWING_ROUNDS = sizeof GROWING / sizeof *GROWING };

static void threads_do_not_matter(void **state) {
    (void)state;
    const int threads[] = {1, 2, 7};
    rhm_grammar *grammar = drawn_grammar(8, 3, 2, 4);
    for (uint32_t level = 2; level <= 4; level++) {
        rhm_patches first = {0};
        for (size_t i = 0; i < 3; i++) {
            rhm_engine *engine = must_engine((rhm_engine_options){.threads = threads[i]});
            rhm_patches patches = draw_rounds(engine, grammar, level, GROWING, GROWING_ROUNDS);
            check_form(&patches);
            if (i == 0) {
                patches.engine = NULL; /* outlives it */
                first = patches;
            } else {
                assert_true(same_patches(&first, &patches));
                rhm_patches_destroy(&patches);
            }
            rhm_engine_destroy(engine);
        }
        rhm_patches_destroy(&first);
    }
    rhm_grammar_destroy(grammar);
}

/* A further round adds what it would have drawn alone, and leaves the ids that were there. */
static void rounds_add_up(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    for (uint64_t seed = 1; seed <= 30; seed++) {
        tables t;
        rhm_grammar *grammar = random_grammar(&t, seed, 20000, NULL);
        for (uint32_t level = 1; level <= t.shape.levels; level++) {
            oracle o = make_oracle(&t, level);
            rhm_patches all = must_init(&t.shape, level);
            size_t *sum = calloc(o.pair.count, sizeof *sum);
            for (uint64_t round = 0; round < GROWING_ROUNDS; round++) {
                rhm_patches alone = must_init(&t.shape, level);
                uint32_t *before[RHM_MAX_LEVELS + 1];
                size_t count[RHM_MAX_LEVELS + 1];
                for (uint32_t j = level; j <= t.shape.levels; j++) {
                    count[j] = all.subtree[j].count * all.tree.branching[j];
                    before[j] = malloc(sizeof *before[j] * (count[j] + 1));
                    memcpy(before[j], all.subtree[j].tuples, sizeof *before[j] * count[j]);
                }
                must_draw(&alone, engine, grammar, round, GROWING[round]);
                must_draw(&all, engine, grammar, round, GROWING[round]);
                check_form(&all);
                size_t *part = observe(&o, &alone), *now = observe(&o, &all);
                for (size_t i = 0; i < o.pair.count; i++)
                    assert_true(now[i] == (sum[i] += part[i]));
                for (uint32_t j = level; j <= t.shape.levels; j++) {
                    assert_memory_equal(before[j], all.subtree[j].tuples, sizeof *before[j] * count[j]);
                    free(before[j]);
                }
                free(part);
                free(now);
                rhm_patches_destroy(&alone);
            }
            free(sum);
            rhm_patches_destroy(&all);
            free_oracle(&o);
        }
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

/* The same on every machine. */
static void counts_are_pinned(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    rhm_grammar *even = drawn_grammar(6, 3, 2, 3), *uneven = small_grammar();
    rhm_patches a = draw_rounds(engine, even, 2, GROWING, GROWING_ROUNDS);
    rhm_patches b = draw_rounds(engine, uneven, 1, GROWING, GROWING_ROUNDS);
    if (digest_of(&a) != UINT64_C(0xce01186bb184bc9e) || digest_of(&b) != UINT64_C(0x6bb807e7039a6efe))
        fail_msg("found 0x%llx, 0x%llx", (unsigned long long)digest_of(&a), (unsigned long long)digest_of(&b));
    rhm_patches_destroy(&a);
    rhm_patches_destroy(&b);
    rhm_grammar_destroy(even);
    rhm_grammar_destroy(uneven);
    rhm_engine_destroy(engine);
}

/* Seeds, streams and rounds all matter. */
static void draws_differ(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 1});
    rhm_grammar *grammar = drawn_grammar(6, 3, 2, 3);
    const struct {
        uint64_t seed, round;
        uint32_t stream;
    } draws[] = {{1, 0, 257}, {2, 0, 257}, {1, 1, 257}, {1, 0, 258}, {1, 65535, 257}};
    uint64_t digests[5];
    for (size_t i = 0; i < 5; i++) {
        rhm_patches patches = must_init(rhm_grammar_shape(grammar), 3);
        assert_int_equal(
            rhm_patches_draw(&patches, engine, grammar, draws[i].seed, draws[i].stream, draws[i].round, 1000, NULL),
            RHM_OK);
        digests[i] = digest_of(&patches);
        for (size_t k = 0; k < i; k++)
            assert_true(digests[k] != digests[i]);
        rhm_patches_destroy(&patches);
    }
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* Any range of places can be drawn by itself. */
static void ranges_of_places_agree(void **state) {
    (void)state;
    rhm_grammar *grammar = small_grammar();
    for (uint32_t level = 1; level <= 3; level++) {
        const rhm_law_draw draw = {SEED, 77, 3};
        rhm_law law;
        rhm_error error = {0};
        assert_ok(rhm_law_create(&law, grammar, level, 1, NULL, &error), &error);
        const size_t places = law.at[level].places;
        uint64_t by_symbol[3 * 5], *whole = calloc(places, sizeof *whole * law.classes);
        uint64_t *range = malloc(sizeof *range * law.classes * places);
        rhm_law_split_samples(&law, &draw, 100000, by_symbol);
        rhm_law_split_places(&law, &draw, by_symbol, 0, places, whole);
        for (size_t begin = 0; begin < places; begin += 1 + places / 13)
            for (size_t end = begin + 1; end <= places; end += 1 + places / 7) {
                const size_t nbytes = sizeof *range * law.classes * (end - begin);
                memset(range, 0, nbytes);
                rhm_law_split_places(&law, &draw, by_symbol, begin, end, range);
                assert_memory_equal(range, whole + begin * law.classes, nbytes);
            }
        free(whole);
        free(range);
        rhm_law_destroy(&law);
    }
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_the_law_of_samples),
        cmocka_unit_test(means_and_covariances_are_multinomial),
        cmocka_unit_test(samples_may_be_very_many),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(rounds_add_up),
        cmocka_unit_test(counts_are_pinned),
        cmocka_unit_test(draws_differ),
        cmocka_unit_test(ranges_of_places_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
