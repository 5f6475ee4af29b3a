/* The theorem's calculator against figures worked out by hand, and its counting against enumeration. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rhm/theory.h"

/* `figure` was rounded to `digits` significant digits: half a unit of the last one is allowed. */
static void assert_rounds_to(double value, double figure, int digits) {
    const double unit = pow(10, floor(log10(figure)) - (digits - 1));
    if (!(fabs(value - figure) <= 0.5 * unit * (1 + 1e-9)))
        fail_msg("%.6g does not round to %.6g at %d digits", value, figure, digits);
}

/* C = K_rho = kappa = 1, delta = 0.01: sum of N over the levels, eps_O and T at level L, worked out apart from the
 * code. */
static void test_published_table(void **state) {
    (void)state;
    static const struct {
        uint32_t vocab, rules, branching, levels;
        double samples, off_diagonal, steps;
    } row[] = {
        {8, 8, 2, 3, 5.2e9, 2.8e-11, 1174},
        {10, 10, 2, 3, 2.8e10, 4.5e-12, 1973},
        {16, 4, 2, 4, 2.7e9, 3.0e-11, 1170},
        {32, 8, 2, 3, 9.7e10, 2.2e-13, 5583},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const uint32_t L = row[i].levels;
        const rhm_theory_problem problem = rhm_theory_uniform(row[i].vocab, row[i].rules, row[i].branching, L);
        double samples = 0;
        for (uint32_t level = 1; level <= L; level++)
            samples += rhm_theory_constants(&problem, level).samples_printed;
        const rhm_theory_level bottom = rhm_theory_constants(&problem, L);
        assert_rounds_to(samples, row[i].samples, 2);
        assert_rounds_to(bottom.off_diagonal, row[i].off_diagonal, 2);
        assert_rounds_to(bottom.gd_steps, row[i].steps, 4);
        assert_true(bottom.width > 1e20);
    }
}

/* V = m = 8, s = 2, L = 3, level 2, with a pocket calculator: eps* = (1/8) / sqrt(64^2 x 6 x log 8) = 5.5295e-4. */
static void test_one_level_by_hand(void **state) {
    (void)state;
    const rhm_theory_problem problem = rhm_theory_uniform(8, 8, 2, 3);
    const rhm_theory_level level = rhm_theory_constants(&problem, 2);
    assert_rounds_to(level.rho, 0.125, 3);
    assert_rounds_to(level.accuracy, 5.5295e-4, 4);
    assert_rounds_to(level.synonym, 3.90625e-3, 6);
    assert_rounds_to(level.ridge, 1.5625e-2, 5);
    assert_rounds_to(level.gd_step, 1.96923, 6);
    /* 20 x 5.5295e-4^-2 x log 6400; the correction multiplies by kappa |P| = 64 */
    assert_rounds_to(level.samples_printed, 5.733e8, 3);
    assert_rounds_to(level.samples_corrected / level.samples_printed, 64, 6);
    /* r = 8^(-3/2) = 0.0441942, eps_O = 7.955e-11: sqrt(2 / 23.948) r and half of it */
    assert_rounds_to(level.bandwidth_printed, 0.012772, 3);
    assert_rounds_to(level.bandwidth_corrected / level.bandwidth_printed, 0.5, 6);
    assert_rounds_to(rhm_theory_constants(&problem, 3).bandwidth_printed / sqrt(2 / log(2 / 2.8128e-11)), sqrt(2), 5);
}

/* The theorem knows one K_rho: its rho is a lower bound of the exact one at every level, and touches it at one. */
static void test_problem_of_a_grammar(void **state) {
    (void)state;
    const rhm_shape shape = rhm_shape_uniform(8, 4, 2, 3);
    rhm_grammar *grammar = NULL;
    rhm_analysis analysis = {0};
    rhm_error error;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        assert_int_equal(rhm_grammar_draw(&grammar, &shape, RHM_FIRST_TOKEN_UNIFORM, seed, &error), RHM_OK);
        assert_int_equal(rhm_analyse(&analysis, grammar, &error), RHM_OK);
        const rhm_theory_problem problem = rhm_theory_of_grammar(grammar, &analysis);
        assert_true(problem.levels == 3 && problem.branching[1] == 2 && problem.branching[3] == 2 &&
                    problem.labels == 8 && problem.token_vocab == 8);
        assert_true(fabs(problem.kappa - 1) < 1e-12);
        double tightest = INFINITY;
        for (uint32_t level = 1; level <= 3; level++) {
            const double rho = rhm_theory_constants(&problem, level).rho;
            assert_true(problem.patches[level] == 32 && problem.rules[level] == 4);
            assert_true(rho <= analysis.rho[level] * (1 + 1e-12));
            tightest = fmin(tightest, analysis.rho[level] - rho);
        }
        if (!(tightest < 1e-12))
            fail_msg("seed %d: the smallest rho^(l) - K_rho m^(-l/2) is %g", (int)seed, tightest);
        rhm_analysis_clear(&analysis);
        rhm_grammar_destroy(grammar);
    }
}

static void test_corrected_bandwidth_satisfies_its_proof(void **state) {
    (void)state;
    const rhm_theory_problem problem = rhm_theory_uniform(16, 4, 2, 4);
    for (uint32_t level = 1; level < 4; level++) {
        const rhm_theory_level c = rhm_theory_constants(&problem, level);
        const double r = rhm_theory_constants(&problem, level + 1).rho;
        const double corrected = exp(-r * r / (2 * c.bandwidth_corrected * c.bandwidth_corrected));
        const double printed = exp(-r * r / (2 * c.bandwidth_printed * c.bandwidth_printed));
        assert_true(fabs(corrected / (c.off_diagonal / 2) - 1) < 1e-9);
        assert_true(printed > 1000 * c.off_diagonal); /* as printed, Lemma 10 does not reach eps_O */
    }
}

static void test_failing_assumption_is_infinite_never_nan(void **state) {
    (void)state;
    rhm_theory_problem problem = rhm_theory_uniform(8, 4, 2, 3);
    for (int variant = 0; variant < 2; variant++) {
        problem.kappa = variant == 0 ? INFINITY : 1;
        problem.k_rho = variant == 0 ? 1 : 0;
        for (uint32_t level = 1; level <= 3; level++) {
            const rhm_theory_level c = rhm_theory_constants(&problem, level);
            assert_true(isinf(c.samples_corrected) && isinf(c.gd_steps) && isinf(c.width));
            assert_false(isnan(c.bandwidth_printed) || isnan(c.bandwidth_corrected) || isnan(c.accuracy) ||
                         isnan(c.off_diagonal) || isnan(c.samples_printed));
        }
    }
}

/* Strings under a symbol by recursion over the derivations, without the closed form: all differ, rules being
 * non-ambiguous. */
static double strings_under_symbol(const rhm_shape *shape, uint32_t symbol_level) {
    if (symbol_level == shape->levels)
        return 1;
    double product = 1;
    for (uint32_t child = 0; child < shape->branching[symbol_level + 1]; child++)
        product *= strings_under_symbol(shape, symbol_level + 1);
    return shape->rules[symbol_level + 1] * product;
}

static void test_possible_patches(void **state) {
    (void)state;
    rhm_shape shape = {.levels = 4, .branching = {0, 2, 2, 2, 2}};
    const uint32_t vocab[] = {16, 16, 16, 16, 16}, mixed[] = {3, 5, 7, 6, 11};
    for (uint32_t l = 0; l <= 4; l++) {
        shape.vocab[l] = vocab[l];
        shape.rules[l] = 4;
    }
    assert_true(rhm_theory_possible_patches(&shape, 4) == 64);
    assert_true(rhm_theory_possible_patches(&shape, 3) == 1024);
    assert_true(rhm_theory_possible_patches(&shape, 2) == 262144);
    assert_true(rhm_theory_possible_patches(&shape, 1) == 17179869184.0);

    for (uint32_t l = 0; l <= 4; l++) {
        shape.vocab[l] = mixed[l];
        shape.rules[l] = l % 2 + 1;
        shape.branching[l] = 2 + l % 2;
    }
    for (uint32_t level = 1; level <= 4; level++)
        assert_true(rhm_theory_possible_patches(&shape, level) ==
                    mixed[level - 1] * strings_under_symbol(&shape, level - 1));
}

/* Exact for two possible patches: after n draws, 2 - 2^(1-n) of them are expected to have shown. */
static void test_expected_distinct(void **state) {
    (void)state;
    for (int n = 0; n <= 20; n++)
        assert_true(fabs(rhm_theory_expected_distinct(2, n) - (2 - ldexp(1, 1 - n))) < 1e-12);
    assert_true(rhm_theory_expected_distinct(1, 5) == 1);
    assert_true(rhm_theory_expected_distinct(INFINITY, 1e9) == 1e9);
    /* With far more possibilities than draws, pairs collide with probability 1/possible each. */
    assert_true(fabs(rhm_theory_expected_distinct(1e18, 1e6) - 1e6) < 1e-3);
    assert_true(fabs(rhm_theory_expected_distinct(1e12, 1e6) - (1e6 - 0.5)) < 1e-3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_table),
        cmocka_unit_test(test_one_level_by_hand),
        cmocka_unit_test(test_problem_of_a_grammar),
        cmocka_unit_test(test_corrected_bandwidth_satisfies_its_proof),
        cmocka_unit_test(test_failing_assumption_is_infinite_never_nan),
        cmocka_unit_test(test_possible_patches),
        cmocka_unit_test(test_expected_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
