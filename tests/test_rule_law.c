/* Laws of rules and labels: exact weights, exact distributions, text, files and the bits. */
#include "files.h"

#include "derivations.h"
#include "hierarchy/rule_law.h"

static rhm_grammar *must_draw_with(const rhm_shape *shape, const rhm_grammar_options *options) {
    rhm_grammar *grammar;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw_with(&grammar, shape, options, &error), &error);
    return grammar;
}

/* Every row holds r^-a / sum, each once; every rule is the most probable one equally often, whatever the row above. */
static void zipf_deals_exact_weights_at_random(void **state) {
    (void)state;
    enum { ROWS = 6000, COUNT = 7 };
    static double p[ROWS][COUNT];
    for (int a = 0; a < 4; a++) {
        const rhm_rule_law law = {RHM_LAW_ZIPF, 0.7 * a};
        size_t place[COUNT] = {0}, pair[COUNT * COUNT] = {0}, before = 0;
        long double sum = 0;
        for (int r = 1; r <= COUNT; r++)
            sum += powl(r, -(long double)law.a);
        rhm_rule_law_draw(p[0], ROWS, COUNT, &law, 5, 1);
        for (size_t row = 0; row < ROWS; row++) {
            double sorted[COUNT], whole = 0;
            size_t largest = 0;
            for (size_t i = 0; i < COUNT; i++) {
                size_t rank = 0;
                for (size_t j = 0; j < COUNT; j++)
                    rank += p[row][j] > p[row][i] || (p[row][j] == p[row][i] && j < i);
                sorted[rank] = p[row][i];
                largest = rank == 0 ? i : largest;
                whole += p[row][i];
            }
            assert_true(fabs(whole - 1) < 1e-15 * COUNT);
            for (int r = 1; r <= COUNT; r++)
                assert_true(fabs(sorted[r - 1] / (double)(powl(r, -(long double)law.a) / sum) - 1) < 1e-14);
            place[largest]++;
            if (row > 0)
                pair[before * COUNT + largest]++;
            before = largest;
        }
        double equal[COUNT * COUNT];
        for (size_t i = 0; i < COUNT * COUNT; i++)
            equal[i] = 1.0 / (COUNT * COUNT);
        if (a > 0)
            assert_true(chi_square_ratio(pair, equal, COUNT * COUNT, ROWS - 1) <= 1);
        for (size_t i = 0; i < COUNT; i++)
            equal[i] = 1.0 / COUNT;
        if (a > 0)
            assert_true(chi_square_ratio(place, equal, COUNT, ROWS) <= 1);
    }
}

/* The first of two is Beta(a, a), whose distribution function is elementary for some a. */
static double beta_below(double a, double x) {
    if (a == 0.5)
        return 2 / acos(-1) * asin(sqrt(x));
    if (a == 1)
        return x;
    if (a == 2)
        return x * x * (3 - 2 * x);
    return x * x * x * (10 - 15 * x + 6 * x * x); /* a = 3 */
}

static void dirichlet_has_its_law(void **state) {
    (void)state;
    enum { ROWS = 40000, BINS = 20 };
    static double p[ROWS][2];
    const double as[] = {0.5, 1, 2, 3};
    for (size_t k = 0; k < 4; k++) {
        const rhm_rule_law law = {RHM_LAW_DIRICHLET, as[k]};
        size_t observed[BINS] = {0};
        double expected[BINS];
        rhm_rule_law_draw(p[0], ROWS, 2, &law, 9, 3);
        for (size_t row = 0; row < ROWS; row++) {
            assert_true(p[row][0] > 0 && p[row][1] > 0 && fabs(p[row][0] + p[row][1] - 1) < 1e-15);
            observed[(size_t)fmin(BINS - 1, p[row][0] * BINS)]++;
        }
        for (size_t b = 0; b < BINS; b++)
            expected[b] = beta_below(as[k], (double)(b + 1) / BINS) - beta_below(as[k], (double)b / BINS);
        const double ratio = chi_square_ratio(observed, expected, BINS, ROWS);
        if (!(ratio <= 1))
            fail_msg("a = %g: chi-square is %.2f times its limit", as[k], ratio);
    }
    /* Mean and variance of one of several: 1/m and (m - 1) / (m^2 (m a + 1)). */
    static double q[8000][5];
    for (size_t k = 0; k < 2; k++) {
        const double a = k ? 40 : 0.2;
        double mean = 0, square = 0;
        rhm_rule_law_draw(q[0], 8000, 5, &(rhm_rule_law){RHM_LAW_DIRICHLET, a}, 2, 1);
        for (size_t row = 0; row < 8000; row++) {
            mean += q[row][3] / 8000;
            square += q[row][3] * q[row][3] / 8000;
        }
        const double variance = 4 / (25 * (5 * a + 1));
        assert_true(fabs(mean - 0.2) < 5 * sqrt(variance / 8000));
        assert_true(fabs((square - mean * mean) / variance - 1) < 0.15);
    }
    /* The most uneven law there is loses no rule. */
    rhm_rule_law_draw(q[0], 8000, 5, &(rhm_rule_law){RHM_LAW_DIRICHLET, RHM_LEAST_DIRICHLET}, 2, 1);
    for (size_t row = 0; row < 8000; row++)
        for (size_t i = 0; i < 5; i++)
            assert_true(q[row][i] > 0);
}

/* Published numbers depend on these bits; a change here is a change of the format. */
static void the_bits_never_change(void **state) {
    (void)state;
    const rhm_rule_law laws[] = {{RHM_LAW_ZIPF, 1.5}, {RHM_LAW_DIRICHLET, 0.5}, {RHM_LAW_DIRICHLET, 3}};
    const uint64_t expected[] = {UINT64_C(0x1c8c24f23c0c1a23), UINT64_C(0x5b373feb0844f527),
                                 UINT64_C(0xed3aa63f8e9975f1)};
    for (size_t k = 0; k < 3; k++) {
        double p[16][4];
        uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a over words */
        rhm_rule_law_draw(p[0], 16, 4, &laws[k], 1, 2);
        for (size_t i = 0; i < 64; i++) {
            uint64_t bits;
            memcpy(&bits, &p[i / 4][i % 4], sizeof bits);
            hash = (hash ^ bits) * 0x100000001b3u;
        }
        if (hash != expected[k])
            fail_msg("law %zu: 0x%016llx", k, (unsigned long long)hash);
    }
}

/* Streams of their own: rules are those of the uniform law, levels and labels differ, so do seeds. */
static void laws_leave_the_rules_alone(void **state) {
    (void)state;
    const rhm_shape shape = rhm_shape_uniform(8, 4, 2, 3);
    rhm_grammar_options options = {.sampling = RHM_UNIFORM, .seed = 7};
    rhm_grammar *plain = must_draw_with(&shape, &options), *same = NULL;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw(&same, &shape, RHM_UNIFORM, 7, &error), &error);
    assert_same_grammar(plain, same);
    for (uint32_t level = 1; level <= 3; level++)
        options.rule_law[level] = (rhm_rule_law){level == 3 ? RHM_LAW_DIRICHLET : RHM_LAW_ZIPF, 1};
    options.label_law = (rhm_rule_law){RHM_LAW_ZIPF, 1};
    rhm_grammar *skewed = must_draw_with(&shape, &options);
    for (uint32_t level = 1; level <= 3; level++) {
        assert_memory_equal(rhm_grammar_patches(plain, level), rhm_grammar_patches(skewed, level), 64 * 4);
        assert_memory_not_equal(rhm_grammar_probability(plain, level), rhm_grammar_probability(skewed, level), 32 * 8);
    }
    assert_memory_not_equal(rhm_grammar_probability(skewed, 1), rhm_grammar_probability(skewed, 2), 32 * 8);
    assert_memory_not_equal(rhm_grammar_label_probability(plain), rhm_grammar_label_probability(skewed), 8 * 8);

    /* A file keeps laws and probabilities, a copy inside a model does too. */
    assert_ok(rhm_grammar_save(skewed, "law.h5", &error), &error);
    rhm_grammar *again;
    assert_ok(rhm_grammar_load(&again, "law.h5", &error), &error);
    assert_same_grammar(skewed, again);
    assert_memory_equal(rhm_grammar_origin(skewed), rhm_grammar_origin(again), sizeof(rhm_grammar_options));
    rhm_grammar_destroy(again);
    assert_ok(rhm_grammar_save(plain, "plain.h5", &error), &error);
    assert_ok(rhm_grammar_load(&again, "plain.h5", &error), &error);
    assert_memory_equal(rhm_grammar_origin(plain), rhm_grammar_origin(again), sizeof(rhm_grammar_options));
    rhm_grammar_destroy(again);
    rhm_grammar_destroy(plain), rhm_grammar_destroy(same), rhm_grammar_destroy(skewed);
}

static void texts_come_back(void **state) {
    (void)state;
    const char *const texts[] = {"uniform", "zipf:1", "dirichlet:0.5", "zipf:0.1,uniform,dirichlet:1e+06",
                                 "zipf:0.33333333333333331"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        rhm_rule_law laws[3];
        rhm_error error = {0};
        char text[RHM_RULE_LAWS_TEXT_NBYTES];
        assert_ok(rhm_rule_laws_parse(laws, 3, texts[i], &error), &error);
        assert_string_equal(rhm_rule_laws_text(text, laws, 3), texts[i]);
    }
    const struct {
        const char *text, *words;
    } bad[] = {
        {"", "'' is no law"},
        {"given", "'given' is no law"},
        {"zipf", "no law"},
        {"zipf:", "no law"},
        {"zipf:1x", "'zipf:1x'"},
        {"zipf:-1", "must be 0 to 30"},
        {"zipf:nan", "must be"},
        {"dirichlet:0", "0.05 to 1e+06"},
        {"dirichlet:inf", "must be"},
        {"uniform,", "'' is no law"},
        {"zipf:1,zipf:2", "2 laws: allowed are one, or 3"},
        {"zipf:1,zipf:1,zipf:1,zipf:1", "4 laws"},
        {"Zipf:1", "no law"},
        {"uniform:1", "no law"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rhm_rule_law laws[3];
        rhm_error error = {0};
        assert_refused(rhm_rule_laws_parse(laws, 3, bad[i].text, &error), RHM_INVALID, &error, bad[i].words);
    }
    const rhm_shape shape = rhm_shape_uniform(4, 2, 2, 1);
    const rhm_grammar_options given = {.label_law = {.kind = RHM_LAW_GIVEN}},
                              wild = {.rule_law = {{0}, {RHM_LAW_ZIPF, (double)NAN}}};
    rhm_grammar *grammar;
    rhm_error error = {0};
    assert_refused(rhm_grammar_draw_with(&grammar, &shape, &given, &error), RHM_INVALID, &error, "given");
    assert_refused(rhm_grammar_draw_with(&grammar, &shape, &wild, &error), RHM_INVALID, &error, "zipf:nan");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zipf_deals_exact_weights_at_random),
        cmocka_unit_test(dirichlet_has_its_law),
        cmocka_unit_test(the_bits_never_change),
        cmocka_unit_test(laws_leave_the_rules_alone),
        cmocka_unit_test(texts_come_back),
    };
    return cmocka_run_group_tests_name("laws", tests, enter_directory, leave_directory);
}
