/* What `rhm burn` calls slow: durations made up here, with bursts in which others have a core, and no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "burn_story.h"

/* ---- a virtual machine among others ---- */

static void bursts_and_drift_are_no_outliers(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        const story s = among_others(0.1 * (double)(seed % 10), 0.1 * (double)(seed % 7));
        expect(&s, seed, 0);
    }
}

static void a_core_that_is_slow_is_named_between_bursts(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        story s = among_others(0.1 * (double)(seed % 5), 0.1 * (double)(seed % 7));
        s.slow_first = s.slow_last = (int)(seed % 2);
        s.slow = seed % 4 < 2 ? 0.1 : 0.2;
        s.slow_kernels = two_kernels;
        expect_one(&s, seed, RHM_BURN_SLOW_CORE, s.slow_first, two_kernels);
    }
}

static void slower_within_the_tolerance_is_no_outlier(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        story s = among_others(0.3, 0.2);
        s.slow_first = s.slow_last = 1;
        s.slow = 0.04;
        s.slow_kernels = two_kernels;
        expect(&s, seed, 0);
    }
}

/* A neighbour that stays longer than a burn would look like a slow core: a short burn says nothing. */
static void a_short_burn_of_a_virtual_machine_says_nothing(void **state) {
    (void)state;
    story s = among_others(0, 0);
    s.slow_first = s.slow_last = 1;
    s.slow = 0.3;
    s.slow_kernels = (1u << RHM_BURN_OPERATIONS) - 1;
    s.seconds = 12;
    rhm_burn *burn = judged(&s, 1);
    assert_int_equal(burn->outliers, 0);
    assert_int_equal(rhm_burn_turns_short(burn), 100); /* as many again */
    rhm_burn_destroy(burn);
    s.is_virtual = false;
    expect_one(&s, 1, RHM_BURN_SLOW_CORE, 1, s.slow_kernels);
}

static int occurrences(const char *text, const char *what) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        count++;
    return count;
}

static double at_turns_of_its_own(int core, int turn, double rate) {
    return turn % 8 > 3 * core && turn % 8 <= 3 * core + 2 ? rate : rate / (1.4 + 0.01 * (turn % 10));
}

static void cores_that_are_never_free_together_are_not_judged(void **state) {
    (void)state;
    story s = among_others(0, 0);
    s.more = at_turns_of_its_own;
    rhm_burn *burn = judged(&s, 1);
    const rhm_burn_cell *cell = rhm_burn_cell_at(burn, RHM_BURN_ALONE, 0, 0);
    assert_int_equal(burn->outliers, 0);
    assert_int_equal(cell->turns, 100);
    assert_int_equal(cell->compared, 0);
    assert_non_null(rhm_burn_unjudged(burn, cell));
    assert_int_equal(rhm_burn_what_was_judged(cell), RHM_BURN_JUDGED_NONE);
    assert_string_equal(rhm_burn_why_not_all(burn, RHM_BURN_ALONE, cell), rhm_burn_unjudged(burn, cell));
    rhm_burn_destroy(burn);
}

/* A virtual machine with other work on all its processors: what shares a core with what is the host's secret. */
static void a_crowded_virtual_processor_is_not_judged(void **state) {
    (void)state;
    story s = among_others(0, 0);
    s.slow_first = s.slow_last = 1;
    s.slow = 0.3;
    s.slow_kernels = two_kernels;
    for (int i = 0; i < 3; i++) {
        const bool crowded = i == 1;
        s.is_virtual = i < 2;
        rhm_burn *burn = tell(&s, 1);
        for (int core = 0; core < s.cores; core++)
            rhm_burn_cell_at(burn, RHM_BURN_TOGETHER, core, 0)->foreign_seconds = i ? 0.6 : 0.4;
        assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
        const rhm_burn_cell *cell = rhm_burn_cell_at(burn, RHM_BURN_TOGETHER, 1, 0);
        assert_int_equal(burn->outliers, crowded ? 0 : 1);
        assert_int_equal(rhm_burn_what_was_judged(cell), crowded ? RHM_BURN_JUDGED_NONE : RHM_BURN_JUDGED_ALL);
        if (crowded)
            assert_string_equal(rhm_burn_unjudged(burn, cell),
                                "other programs had this processor for most of the time");
        rhm_burn_destroy(burn);
    }
}

static double never_in_products(int core, int turn, double rate) {
    (void)core;
    (void)turn;
    return rate < 1.4e4 ? (double)NAN : rate; /* the first kernel: no other has such rates */
}

/* A report says of each row what was judged, and why not all, in words that are there if and only if not all was. */
static void reports_say_what_was_judged(void **state) {
    (void)state;
    const struct {
        double (*more)(int core, int turn, double rate);
        double seconds;
        const char *judged, *because, *total;
    } all[] = {
        {NULL, 40, "\"all\"", "null", "\"all\": 4"},
        {never_in_products, 40, "\"some\"", "\"too few turns in which", "\"some\": 4"},
        {at_turns_of_its_own, 40, "\"none\"", "\"too few turns in which", "\"none\": 4"},
        {NULL, 20, "\"none\"", "\"too few rounds\"", "\"none\": 4"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        story s = among_others(0, 0);
        char *text, line[128];
        s.more = all[i].more;
        s.seconds = all[i].seconds;
        rhm_burn *burn = judged(&s, 1);
        assert_int_equal(rhm_burn_json(&text, burn, NULL), RHM_OK);
        snprintf(line, sizeof line, "\"judged\": %s,\n      \"unjudged_because\": %s", all[i].judged, all[i].because);
        assert_int_equal(occurrences(text, line), 4);
        assert_int_equal(occurrences(text, all[i].total), 1);
        assert_int_equal(occurrences(text, "\"one training of all cores has no siblings\""), 1);
        free(text);
        rhm_burn_destroy(burn);
    }
}

static void a_share_of_turns_is_set_aside(void **state) {
    (void)state;
    const story quiet = among_others(0, 0.3), busy = among_others(0.4, 0.3);
    rhm_burn *burn = judged(&quiet, 3), *other = judged(&busy, 3);
    const rhm_burn_cell *cell = rhm_burn_cell_at(burn, RHM_BURN_ALONE, 0, 0);
    const rhm_burn_cell *between = rhm_burn_cell_at(other, RHM_BURN_ALONE, 0, 0);
    assert_true(cell->compared > 95);
    assert_null(rhm_burn_unjudged(burn, cell));
    assert_true(between->compared > 10 && between->compared < 60);
    rhm_burn_destroy(burn);
    rhm_burn_destroy(other);
}

/* ---- two sockets of four cores, in two instruction sets ---- */

static const story large = {
    .cores = 8, .sockets = 2, .isas = 2, .turns = 48, .seconds = 5, .slow_first = -1, .typical = true};

static void a_slow_core_is_named_by_typical_runs_too(void **state) {
    (void)state;
    story s = large;
    s.slow_first = s.slow_last = 5;
    s.slow = s.slow_hertz = 0.12;
    rhm_burn *burn = judged(&s, 7); /* the frequency of one core is no fall of an instruction set's */
    assert_int_equal(burn->outliers, 1);
    assert_true(fabs(burn->outlier->hertz_below - 0.12) < 0.01);
    rhm_burn_destroy(burn);
    expect_one(&s, 7, RHM_BURN_SLOW_CORE, 5, 0);
    s.is_virtual = true; /* where somebody unseen may have made them slow */
    s.seconds = 60;
    expect(&s, 7, 0);
}

static void a_slow_socket_is_named_once_and_not_its_cores(void **state) {
    (void)state;
    story s = large;
    s.slow_first = 4;
    s.slow_last = 7;
    s.slow = 0.15;
    s.slow_kernels = two_kernels;
    expect_one(&s, 7, RHM_BURN_SLOW_SOCKET, 1, two_kernels);
}

static void a_frequency_that_falls_is_named(void **state) {
    (void)state;
    story s = large;
    s.slow_first = 0;
    s.slow_last = 7;
    s.slow = s.slow_hertz = 0.2;
    expect_one(&s, 7, RHM_BURN_SLOW_ISA, -1, 0);
}

static void typical_runs_of_a_core_that_others_used_are_not_judged(void **state) {
    (void)state;
    story s = large;
    s.slow_first = s.slow_last = 5;
    s.slow = 0.5;
    rhm_burn *burn = tell(&s, 7);
    rhm_burn_cell_at(burn, RHM_BURN_TOGETHER, 5, 1)->foreign_seconds = 0.1;
    assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
    assert_int_equal(burn->outliers, 0);
    rhm_burn_destroy(burn);
    s.slow_kernels = two_kernels; /* but its best ones are */
    burn = tell(&s, 7);
    rhm_burn_cell_at(burn, RHM_BURN_TOGETHER, 5, 1)->foreign_seconds = 0.1;
    assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
    assert_int_equal(burn->outliers, 1);
    rhm_burn_destroy(burn);
}

static double half_of_the_first_four(int core, int turn, double rate) {
    (void)turn;
    return core < 4 ? 0.6 * rate : rate;
}

/* Threads that share a core, and cores of another kind, are compared among themselves. */
static void unlike_cores_are_not_compared(void **state) {
    (void)state;
    for (int kinds = 0; kinds < 2; kinds++) {
        story s = large;
        s.sockets = 1;
        s.more = half_of_the_first_four;
        rhm_burn *burn = tell(&s, 7);
        for (int i = 0; i < 4; i++)
            if (kinds)
                burn->core[i].kind = 1;
            else
                burn->core[i].core = i / 2;
        for (int i = 0; i < s.cores && !kinds; i++) /* alone, none of them shares anything */
            rhm_burn_cell_at(burn, RHM_BURN_ALONE, i, 0)->visits =
                rhm_burn_cell_at(burn, RHM_BURN_ALONE, i, 1)->visits = 0;
        assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
        assert_int_equal(burn->outliers, 0);
        rhm_burn_destroy(burn);
    }
}

/* All cores at once and one at a time, with turns that were set aside, for cores alone and for some that share one. */
static void cores_are_compared_all_at_once_as_one_by_one(void **state) {
    (void)state;
    story s = large;
    s.neighbour = 0.4;
    rhm_burn *burn = tell(&s, 9);
    double one_by_one[MOST_CORES][48];
    size_t counts[MOST_CORES], total = 0;
    burn->core[1].core = burn->core[2].core = 0;
    burn->core[7].kind = 1;
    for (int way = 0; way < RHM_BURN_TEAM; way++) {
        rhm_burn_bench b;
        assert_int_equal(rhm_burn_bench_create(&b, burn, NULL), RHM_OK);
        rhm_burn_bench_turn_to(&b, (rhm_burn_way)way, 0, (rhm_burn_part){0, RHM_BURN_EIGHTHS});
        rhm_burn_fill_best(&b, RHM_BURN_PRODUCT);
        for (int core = 0; core < s.cores; core++) {
            counts[core] = rhm_burn_compare(&b, rhm_burn_is_core, rhm_burn_is_sibling, core);
            memcpy(one_by_one[core], b.ratio, counts[core] * sizeof *b.ratio);
        }
        rhm_burn_relate_to_siblings(&b);
        for (int core = 0; core < s.cores; core++) {
            assert_int_equal(rhm_burn_ratios_of(&b, core), counts[core]);
            assert_memory_equal(b.ratio, one_by_one[core], counts[core] * sizeof *b.ratio);
            total += counts[core];
        }
        rhm_burn_bench_clear(&b);
    }
    assert_in_range(total, 200, 2 * 48 * 7);
    rhm_burn_destroy(burn);
}

static void few_turns_do_not_suffice(void **state) {
    (void)state;
    story s = large;
    s.turns = 8;
    s.slow_first = s.slow_last = 5;
    s.slow = 0.5;
    s.slow_kernels = two_kernels;
    rhm_burn *burn = judged(&s, 7);
    assert_int_equal(burn->outliers, 0);
    assert_true(rhm_burn_turns_short(burn) > 0);
    rhm_burn_destroy(burn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts_and_drift_are_no_outliers),
        cmocka_unit_test(a_core_that_is_slow_is_named_between_bursts),
        cmocka_unit_test(slower_within_the_tolerance_is_no_outlier),
        cmocka_unit_test(a_short_burn_of_a_virtual_machine_says_nothing),
        cmocka_unit_test(cores_that_are_never_free_together_are_not_judged),
        cmocka_unit_test(a_crowded_virtual_processor_is_not_judged),
        cmocka_unit_test(reports_say_what_was_judged),
        cmocka_unit_test(a_share_of_turns_is_set_aside),
        cmocka_unit_test(a_slow_core_is_named_by_typical_runs_too),
        cmocka_unit_test(a_slow_socket_is_named_once_and_not_its_cores),
        cmocka_unit_test(a_frequency_that_falls_is_named),
        cmocka_unit_test(typical_runs_of_a_core_that_others_used_are_not_judged),
        cmocka_unit_test(unlike_cores_are_not_compared),
        cmocka_unit_test(cores_are_compared_all_at_once_as_one_by_one),
        cmocka_unit_test(few_turns_do_not_suffice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
