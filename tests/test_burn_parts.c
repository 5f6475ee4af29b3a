/* What `rhm burn` says of machines that change: cores that are slow for a part of the time; histories of days. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "burn_story.h"

enum { TURNS = 160 };

static story slows_down(double from, double slow) {
    story s = sound;
    s.turns = TURNS;
    s.seconds = 120;
    s.slow_first = s.slow_last = 1;
    s.slow = slow;
    s.slow_from = (int)(from * TURNS);
    s.slow_kernels = two_kernels;
    return s;
}

/* By how much, and about when: not before it began. */
static void expect_part(const story *s, uint64_t seed, int begin, int end) {
    rhm_burn *burn = judged(s, seed);
    assert_int_equal(burn->outliers, 1);
    assert_int_equal(burn->outlier->kind, RHM_BURN_SLOW_CORE);
    assert_int_equal(burn->outlier->core, 1);
    assert_int_equal(burn->outlier->kernels, two_kernels);
    assert_int_equal(burn->outlier->part.begin, begin);
    assert_int_equal(burn->outlier->part.end, end);
    assert_true(fabs(burn->outlier->below - s->slow) < 0.03);
    assert_true(fabs(burn->outlier->hertz_below - s->slow_hertz) < 0.01);
    rhm_burn_destroy(burn);
}

/* After a good start, by less than a neighbour takes and by more. */
static void a_core_that_slows_down_is_named(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        story s = slows_down(seed % 2 ? 0.5 : 0.75, (double[]){0.1, 0.2, 0.4}[seed % 3]);
        s.is_virtual = true;
        s.neighbour = 0.1 * (double)(seed % 3);
        s.stolen = 0.1 * (double)(seed % 7);
        s.slow_hertz = seed % 4 != 1 ? s.slow : 0; /* in half a minute it must fall */
        expect_part(&s, seed, seed % 2 ? 4 : 6, 8);
    }
}

/* What comes and goes is a neighbour in a virtual machine, and the core itself elsewhere. */
static void a_core_that_is_slow_for_a_while_is_named_where_there_is_no_host(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        story s = slows_down(0.25, 0.25);
        s.slow_until = TURNS / 2 + (seed % 2 ? TURNS / 4 : 0);
        expect_part(&s, seed, 2, seed % 2 ? 6 : 4);
        s.is_virtual = true;
        expect(&s, seed, 0);
    }
}

static void a_virtual_core_that_is_slow_for_seconds_only_is_not_named(void **state) {
    (void)state;
    story s = slows_down(0.5, 0.3);
    s.is_virtual = true;
    s.seconds = 95; /* half of it is less than a neighbour may stay */
    expect(&s, 1, 0);
    s.seconds = 97;
    expect(&s, 1, 1);
    s.slow_hertz = 0.2; /* which is not a neighbour's doing */
    s.seconds = 47;
    expect(&s, 1, 0);
    s.seconds = 49;
    expect(&s, 1, 1);
    s.slow_hertz = 0.1;
    expect(&s, 1, 0);
}

static void neighbours_that_stay_long_are_no_outliers(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        story s = among_others(0.1 * (double)(seed % 8), 0.1 * (double)(seed % 7));
        s.turns = TURNS;
        s.seconds = 120;
        s.longest_stay = 6 + (int)(seed % 3) * 9; /* 18 seconds */
        expect(&s, seed, 0);
    }
}

/* The hardest noise there is: every ratio is as often below the tolerance as above it. */
static void a_core_at_the_tolerance_is_no_outlier(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        story s = slows_down(0, 0.05);
        s.slow_kernels = (1u << RHM_BURN_OPERATIONS) - 1;
        expect(&s, seed, 0);
    }
}

static void a_frequency_that_falls_after_a_while_is_named(void **state) {
    (void)state;
    story s = {.cores = 8, .sockets = 2, .isas = 2, .turns = TURNS, .seconds = 120, .slow_last = 7, .slow_hertz = 0.2};
    s.slow_from = TURNS / 2;
    rhm_burn *burn = judged(&s, 7);
    assert_int_equal(burn->outliers, 1);
    assert_int_equal(burn->outlier->kind, RHM_BURN_SLOW_ISA);
    assert_int_equal(burn->outlier->part.begin, 4);
    assert_int_equal(burn->outlier->part.end, 8);
    rhm_burn_destroy(burn);
}

static void one_that_is_slow_all_the_time_is_slow_in_the_whole(void **state) {
    (void)state;
    story s = slows_down(0, 0.2);
    expect_part(&s, 3, 0, 8);
}

static void the_sentence_says_when(void **state) {
    (void)state;
    char text[480];
    story s = slows_down(0.5, 0.2);
    rhm_burn *burn = judged(&s, 5);
    assert_int_equal(burn->outliers, 1);
    rhm_burn_outlier_text(burn, burn->outlier, text, sizeof text);
    assert_non_null(strstr(text, ": from 60 seconds to the end, "));
    burn->outlier->part = (rhm_burn_part){0, 4};
    rhm_burn_outlier_text(burn, burn->outlier, text, sizeof text);
    assert_non_null(strstr(text, ": from 0 to 60 seconds, "));
    burn->seconds = 5400;
    rhm_burn_outlier_text(burn, burn->outlier, text, sizeof text);
    assert_non_null(strstr(text, ": from 0 to 2700 seconds, "));
    burn->seconds = 49;
    rhm_burn_outlier_text(burn, burn->outlier, text, sizeof text);
    assert_non_null(strstr(text, ": from 0.0 to 24.5 seconds, "));
    burn->outlier->part.end = 8;
    rhm_burn_outlier_text(burn, burn->outlier, text, sizeof text);
    assert_null(strstr(text, "seconds"));
    rhm_burn_destroy(burn);
}

static void the_table_has_digits_for_slow_processors_too(void **state) {
    (void)state;
    story s = sound;
    char *text;
    s.turns = 2;
    rhm_burn *burn = tell(&s, 5);
    for (int core = 0; core < s.cores; core++)
        for (int turn = 0; turn < s.turns; turn++) {
            rhm_burn_rates *rates = &rhm_burn_cell_at(burn, RHM_BURN_ALONE, core, 0)->visit[turn];
            rates->gflops = rates->best_gflops = core ? 87.65 : 0.00321;
        }
    assert_int_equal(rhm_burn_text(&text, burn, NULL), RHM_OK);
    assert_non_null(strstr(text, " 0.0032  0.0032 "));
    assert_non_null(strstr(text, "    87.7    87.7 "));
    free(text);
    rhm_burn_destroy(burn);
}

/* ---- histories ---- */

static void a_history_of_days_is_one_of_all_of_them(void **state) {
    (void)state;
    for (size_t made = 200000; made < 200003; made++) {
        rhm_burn_cell cell = {0};
        for (size_t i = 0; i < made; i++)
            assert_int_equal(rhm_burn_keep_visit(&cell, &(rhm_burn_rates){.gflops = (double)i}, NULL), RHM_OK);
        const size_t step = (size_t)cell.visit[1].gflops;
        assert_int_equal(cell.visits_made, made);
        assert_int_equal(step & (step - 1), 0);
        for (size_t i = 0; i < cell.visits; i++)
            assert_int_equal((size_t)cell.visit[i].gflops, i * step);
        assert_true(cell.visits * step >= made && (cell.visits - 1) * step < made);
        assert_in_range(cell.visits, 1 << 14, 1 << 15);
        rhm_free(cell.visit);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_that_slows_down_is_named),
        cmocka_unit_test(a_core_that_is_slow_for_a_while_is_named_where_there_is_no_host),
        cmocka_unit_test(a_virtual_core_that_is_slow_for_seconds_only_is_not_named),
        cmocka_unit_test(neighbours_that_stay_long_are_no_outliers),
        cmocka_unit_test(a_core_at_the_tolerance_is_no_outlier),
        cmocka_unit_test(a_frequency_that_falls_after_a_while_is_named),
        cmocka_unit_test(one_that_is_slow_all_the_time_is_slow_in_the_whole),
        cmocka_unit_test(the_sentence_says_when),
        cmocka_unit_test(the_table_has_digits_for_slow_processors_too),
        cmocka_unit_test(a_history_of_days_is_one_of_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
