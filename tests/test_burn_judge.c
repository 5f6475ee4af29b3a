/* What `rhm burn` calls slow: durations made up here, with bursts in which others have a core, and no clock. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "burn/turns.h"
#include "core/memory.h"
#include "core/philox.h"

enum { MOST_CORES = 8, RUNS = 12 };

/* A machine, and what happens to it. */
typedef struct story {
    int cores, sockets, isas, turns;
    bool is_virtual;
    double seconds;
    double neighbour;                                /* share of the time that a core has one; they stay for turns */
    double stolen;                                   /* share of runs that wait for the processor */
    int slow_first, slow_last;                       /* cores that are slow themselves in the last instruction set, */
    double slow, slow_hertz;                         /* so much, */
    unsigned slow_kernels;                           /* in these, */
    bool typical;                                    /* and typical rates too; */
    double (*more)(int core, int turn, double rate); /* or what comes on top; NULL: nothing */
} story;

static const story sound = {.cores = 2, .sockets = 1, .isas = 1, .turns = 100, .seconds = 40, .slow_first = -1};

static double uniform(rhm_random *random) {
    return (rhm_random_word(random) + 0.5) * 0x1p-32;
}

/* The shortest of some runs, as the core is able to and as others let it. */
static double shortest(const story *s, rhm_random *random, double slowed) {
    double least = HUGE_VAL;
    for (int i = 0; i < RUNS; i++) {
        double lasted = slowed * (1 - 0.01 * log(uniform(random)));
        lasted += uniform(random) < s->stolen ? 100 * uniform(random) : 0;
        least = fmin(least, lasted);
    }
    return least;
}

static void visit(const story *s, rhm_random *random, rhm_burn_cell *cell, int core, bool slow, double slowed) {
    rhm_burn_rates rates = {.share = 0.8, .training = 30};
    const int turn = (int)cell->visits;
    for (int op = 0; op < RHM_BURN_OPERATIONS; op++) {
        rates.best[op] = 1e4 * (op + 1) / shortest(s, random, slowed);
        rates.best[op] *= slow && (s->slow_kernels >> op & 1) ? 1 - s->slow : 1;
        rates.best[op] = s->more ? s->more(core, turn, rates.best[op]) : rates.best[op];
    }
    rates.gflops = 100 / slowed * (1 - 0.04 * uniform(random)) * (slow && s->typical ? 1 - s->slow : 1);
    rates.best_hertz = rates.hertz = 3e9 * (1 - 0.002 * uniform(random)) * (slow ? 1 - s->slow_hertz : 1);
    cell->visit[cell->visits++] = rates;
}

static rhm_burn *tell(const story *s, uint64_t seed) {
    rhm_burn *burn = RHM_NEW(rhm_burn, 1, 1, 1, "burn", NULL);
    rhm_random random = {.seed = seed, .stream = 1 << 20};
    int left[MOST_CORES] = {0}; /* turns that a neighbour stays, or is away: negative */
    burn->tolerance = burn->frequency_tolerance = 0.05;
    burn->virtual_machine = s->is_virtual;
    burn->seconds = s->seconds;
    burn->cores = s->cores;
    burn->rounds = (uint64_t)s->turns;
    burn->isas = s->isas;
    for (int isa = 0; isa < s->isas; isa++)
        burn->isa[isa] = (rhm_isa)isa;
    burn->core = RHM_NEW(rhm_place, (size_t)s->cores, 1, 1, "cores", NULL);
    burn->cell = RHM_NEW(rhm_burn_cell, RHM_BURN_WAYS, (size_t)s->cores, (size_t)s->isas, "cells", NULL);
    for (int i = 0; i < s->cores; i++)
        burn->core[i] = (rhm_place){.pu = i, .pu_os = i, .core = i, .package = i / (s->cores / s->sockets)};
    for (int turn = 0; turn < s->turns; turn++) {
        const double drift = 1 + 0.06 * sin(0.1 * turn); /* of the whole machine */
        for (int core = 0; core < s->cores; core++) {
            if (left[core] == 0) {
                const bool there = uniform(&random) < s->neighbour;
                left[core] = (there ? 1 : -1) * (1 + (int)(6 * uniform(&random)));
            }
            const double slowed = drift * (left[core] > 0 ? 1.3 + 0.6 * uniform(&random) : 1);
            left[core] += left[core] > 0 ? -1 : 1;
            for (int way = 0; way < RHM_BURN_TEAM; way++)
                for (int isa = 0; isa < s->isas; isa++) {
                    rhm_burn_cell *cell = rhm_burn_cell_at(burn, (rhm_burn_way)way, core, isa);
                    if (!cell->visit)
                        cell->visit = RHM_NEW(rhm_burn_rates, (size_t)s->turns, 1, 1, "visits", NULL);
                    cell->seconds = 1;
                    cell->windows = 100;
                    visit(s, &random, cell, core,
                          core >= s->slow_first && core <= s->slow_last && way == RHM_BURN_TOGETHER &&
                              isa == s->isas - 1,
                          slowed);
                }
        }
    }
    return burn;
}

static rhm_burn *judged(const story *s, uint64_t seed) {
    rhm_burn *burn = tell(s, seed);
    assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
    return burn;
}

static void expect(const story *s, uint64_t seed, size_t outliers) {
    rhm_burn *burn = judged(s, seed);
    assert_int_equal(burn->outliers, outliers);
    rhm_burn_destroy(burn);
}

/* The one outlier that there is. */
static void expect_one(const story *s, uint64_t seed, rhm_burn_outlier_kind kind, int who, unsigned kernels) {
    rhm_burn *burn = judged(s, seed);
    assert_int_equal(burn->outliers, 1);
    assert_int_equal(burn->outlier->kind, kind);
    assert_int_equal(burn->outlier->core, who);
    assert_int_equal(burn->outlier->kernels, kernels);
    assert_int_equal(burn->outlier->way, RHM_BURN_TOGETHER);
    assert_int_equal(burn->outlier->isa, burn->isa[s->isas - 1]);
    assert_true(fabs(burn->outlier->below - s->slow) < 0.03);
    rhm_burn_destroy(burn);
}

static const unsigned two_kernels = 1u << RHM_BURN_PRODUCT | 1u << RHM_BURN_GRADIENT;

/* ---- a virtual machine among others ---- */

static story among_others(double neighbour, double stolen) {
    story s = sound;
    s.is_virtual = true;
    s.neighbour = neighbour;
    s.stolen = stolen;
    return s;
}

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
        cmocka_unit_test(reports_say_what_was_judged),
        cmocka_unit_test(a_share_of_turns_is_set_aside),
        cmocka_unit_test(a_slow_core_is_named_by_typical_runs_too),
        cmocka_unit_test(a_slow_socket_is_named_once_and_not_its_cores),
        cmocka_unit_test(a_frequency_that_falls_is_named),
        cmocka_unit_test(typical_runs_of_a_core_that_others_used_are_not_judged),
        cmocka_unit_test(unlike_cores_are_not_compared),
        cmocka_unit_test(few_turns_do_not_suffice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
