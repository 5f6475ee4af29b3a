/* Histories of machines for `rhm burn` to judge: durations made up here, with bursts in which others have a core, and
 * no clock. Includes no cmocka: who includes this has. */
#ifndef RHM_TESTS_BURN_STORY_H
#define RHM_TESTS_BURN_STORY_H

#include <math.h>
#include <stdint.h>

#include "burn/turns.h"
#include "core/memory.h"
#include "core/philox.h"

enum { MOST_CORES = 8, RUNS = 12 };

/* A machine, and what happens to it. */
typedef struct story {
    int cores, sockets, isas, turns;
    bool is_virtual;
    double seconds;
    double neighbour;                                /* share of the time that a core has one, */
    int longest_stay;                                /* turns that one stays at most (0: six) */
    double stolen;                                   /* share of runs that wait for the processor */
    int slow_first, slow_last;                       /* cores that are slow themselves in the last instruction set, */
    double slow, slow_hertz;                         /* so much, */
    unsigned slow_kernels;                           /* in these, */
    int slow_from, slow_until;                       /* from this turn on until that one (0: the end), */
    bool typical;                                    /* and typical rates too; */
    double (*more)(int core, int turn, double rate); /* or what comes on top; NULL: nothing */
} story;

static const story sound = {.cores = 2, .sockets = 1, .isas = 1, .turns = 100, .seconds = 40, .slow_first = -1};

static inline double uniform(rhm_random *random) {
    return (rhm_random_word(random) + 0.5) * 0x1p-32;
}

/* The shortest of some runs, as the core is able to and as others let it. */
static inline double shortest(const story *s, rhm_random *random, double slowed) {
    double least = HUGE_VAL;
    for (int i = 0; i < RUNS; i++) {
        double lasted = slowed * (1 - 0.01 * log(uniform(random)));
        lasted += uniform(random) < s->stolen ? 100 * uniform(random) : 0;
        least = fmin(least, lasted);
    }
    return least;
}

static inline void visit(const story *s, rhm_random *random, rhm_burn_cell *cell, int core, bool slow, double slowed) {
    rhm_burn_rates rates = {.share = 0.8, .training = 30};
    const int turn = (int)cell->visits;
    slow = slow && turn >= s->slow_from && (s->slow_until == 0 || turn < s->slow_until);
    for (int op = 0; op < RHM_BURN_OPERATIONS; op++) {
        rates.best[op] = 1e4 * (op + 1) / shortest(s, random, slowed);
        rates.best[op] *= slow && (s->slow_kernels >> op & 1) ? 1 - s->slow : 1;
        rates.best[op] = s->more ? s->more(core, turn, rates.best[op]) : rates.best[op];
    }
    rates.gflops = 100 / slowed * (1 - 0.04 * uniform(random)) * (slow && s->typical ? 1 - s->slow : 1);
    rates.best_hertz = rates.hertz = 3e9 * (1 - 0.002 * uniform(random)) * (slow ? 1 - s->slow_hertz : 1);
    cell->visit[cell->visits++] = rates;
}

static inline rhm_burn *tell(const story *s, uint64_t seed) {
    rhm_burn *burn = RHM_NEW(rhm_burn, 1, 1, 1, "burn", NULL);
    rhm_random random = {.seed = seed, .stream = 1 << 20};
    const int longest = s->longest_stay ? s->longest_stay : 6;
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
                left[core] = (there ? 1 : -1) * (1 + (int)(longest * uniform(&random)));
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

static inline rhm_burn *judged(const story *s, uint64_t seed) {
    rhm_burn *burn = tell(s, seed);
    assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
    return burn;
}

static const unsigned two_kernels = 1u << RHM_BURN_PRODUCT | 1u << RHM_BURN_GRADIENT;

static inline story among_others(double neighbour, double stolen) {
    story s = sound;
    s.is_virtual = true;
    s.neighbour = neighbour;
    s.stolen = stolen;
    return s;
}

static inline void expect(const story *s, uint64_t seed, size_t outliers) {
    rhm_burn *burn = judged(s, seed);
    assert_int_equal(burn->outliers, outliers);
    rhm_burn_destroy(burn);
}

/* The one outlier that there is. */
static inline void expect_one(const story *s, uint64_t seed, rhm_burn_outlier_kind kind, int who, unsigned kernels) {
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

#endif
