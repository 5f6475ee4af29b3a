/* The work of `rhm burn`: its known results are true in every table that this processor has, and wrong bits show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "burn/burn.h"
#include "core/memory.h"
#include "core/philox.h"
#include "rhm/learner.h"

static void known_digests_are_those_of_every_table(void **state) {
    (void)state;
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++) {
        if (!rhm_isa_includes(rhm_isa_here(), (rhm_isa)isa))
            continue;
        const rhm_kernels table = rhm_kernels_at((rhm_isa)isa);
        rhm_burn_kernels *kernels;
        int wrong = 0;
        assert_int_equal(rhm_burn_kernels_create(&kernels, &table, NULL), RHM_OK);
        for (int op = 0; op < RHM_BURN_OPERATIONS; op++) {
            double seconds = 0;
            const uint64_t digest = rhm_burn_kernels_run(kernels, (rhm_burn_operation)op, &seconds);
            if (digest != rhm_burn_known_digest[op]) {
                print_message("%s: %s is 0x%016llx\n", rhm_isa_name((rhm_isa)isa),
                              rhm_burn_operation_name((rhm_burn_operation)op), (unsigned long long)digest);
                wrong++;
            }
            assert_true(digest == rhm_burn_kernels_run(kernels, (rhm_burn_operation)op, &seconds));
            assert_true(seconds > 0);
        }
        rhm_burn_kernels_destroy(kernels);
        assert_int_equal(wrong, 0);
    }
}

static void known_hash_is_that_of_the_training(void **state) {
    (void)state;
    rhm_grammar *grammar;
    assert_int_equal(rhm_burn_grammar(&grammar, NULL), RHM_OK);
    for (int threads = 1; threads <= 2; threads++) {
        rhm_engine *engine;
        bool right = false;
        rhm_error error = {0};
        assert_int_equal(rhm_engine_create(&engine, &(rhm_engine_options){.threads = threads}, &error), RHM_OK);
        assert_int_equal(rhm_burn_train(&right, engine, grammar, &error), RHM_OK);
        assert_true(right);
        rhm_engine_destroy(engine);
    }
    rhm_grammar_destroy(grammar);
}

/* ---- one bit ---- */

static rhm_kernels sound;

static void flip_one_of_y(size_t classes, size_t padded, const float *packed, size_t count, const float *x, float *y) {
    uint32_t word;
    sound.product(classes, padded, packed, count, x, y);
    memcpy(&word, &y[count * classes - 1], sizeof word);
    word ^= 1;
    memcpy(&y[count * classes - 1], &word, sizeof word);
}

static void flip_one_of_g(size_t classes, size_t padded, size_t count, const float *r, const float *x, double *g) {
    sound.gradient(classes, padded, count, r, x, g);
    uint64_t word;
    memcpy(&word, g, sizeof word);
    word ^= UINT64_C(1) << 63;
    memcpy(g, &word, sizeof word);
}

static void one_wrong_bit_makes_another_digest(void **state) {
    (void)state;
    sound = rhm_kernels_at(RHM_ISA_SCALAR);
    rhm_kernels faulty = sound;
    faulty.product = flip_one_of_y;
    faulty.gradient = flip_one_of_g;
    rhm_burn_kernels *kernels;
    double seconds = 0;
    assert_int_equal(rhm_burn_kernels_create(&kernels, &faulty, NULL), RHM_OK);
    for (int op = 0; op < RHM_BURN_OPERATIONS; op++)
        assert_int_equal(rhm_burn_kernels_run(kernels, (rhm_burn_operation)op, &seconds) == rhm_burn_known_digest[op],
                         op != RHM_BURN_PRODUCT && op != RHM_BURN_GRADIENT);
    rhm_burn_kernels_destroy(kernels);
}

/* ---- judgement: two sockets of four cores, with rates made up ---- */

enum { CORES = 8, TURNS = 24 };

static rhm_burn *made_up(void) {
    rhm_burn *burn = RHM_NEW(rhm_burn, 1, 1, 1, "burn", NULL);
    burn->tolerance = burn->frequency_tolerance = 0.05;
    burn->cores = CORES;
    burn->rounds = TURNS;
    burn->isas = 2;
    burn->isa[0] = RHM_ISA_SCALAR;
    burn->isa[1] = RHM_ISA_AVX2;
    burn->core = RHM_NEW(rhm_place, CORES, 1, 1, "cores", NULL);
    burn->cell = RHM_NEW(rhm_burn_cell, RHM_BURN_WAYS, CORES, 2, "cells", NULL);
    rhm_random random = {.seed = 7, .stream = 1 << 20};
    for (int core = 0; core < CORES; core++)
        burn->core[core] = (rhm_place){.pu = core, .pu_os = core, .core = core, .package = core / 4};
    for (int turn = 0; turn < TURNS; turn++)
        for (int way = 0; way < RHM_BURN_WAYS; way++) {
            const double drift = 0.7 + 0.3 * rhm_random_word(&random) * 0x1p-32; /* of the whole machine */
            for (int core = 0; core < CORES; core++)
                for (int isa = 0; isa < 2; isa++) {
                    rhm_burn_cell *cell = rhm_burn_cell_at(burn, (rhm_burn_way)way, core, isa);
                    if (!cell->visit)
                        cell->visit = RHM_NEW(rhm_burn_rates, TURNS, 1, 1, "visits", NULL);
                    cell->seconds = cell->windows = 1;
                    const double noise = 1 - 0.04 * rhm_random_word(&random) * 0x1p-32;
                    cell->visit[cell->visits++] =
                        (rhm_burn_rates){100 * drift * noise, 0.8, 30, 3e9 * (0.99 + 0.01 * noise)};
                }
        }
    return burn;
}

/* Of what belongs to these cores, in the second instruction set, all at once. */
static void slow_down(rhm_burn *burn, int first, int last, double factor, double hertz_factor) {
    for (int core = first; core <= last; core++)
        for (int turn = 0; turn < TURNS; turn++) {
            rhm_burn_rates *rates = &rhm_burn_cell_at(burn, RHM_BURN_TOGETHER, core, 1)->visit[turn];
            rates->gflops *= factor;
            rates->hertz *= hertz_factor;
        }
}

static void expect_one(rhm_burn *burn, rhm_burn_outlier_kind kind, int who) {
    assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
    assert_int_equal(burn->outliers, 1);
    assert_int_equal(burn->outlier->kind, kind);
    assert_int_equal(burn->outlier->core, who);
    assert_int_equal(burn->outlier->way, RHM_BURN_TOGETHER);
    assert_int_equal(burn->outlier->isa, RHM_ISA_AVX2);
    rhm_burn_destroy(burn);
}

static void noise_and_drift_are_no_outliers(void **state) {
    (void)state;
    rhm_burn *burn = made_up();
    assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
    assert_int_equal(burn->outliers, 0);
    assert_int_equal(rhm_burn_turns_short(burn), 0);
    rhm_burn_destroy(burn);
}

static void a_slow_core_is_named(void **state) {
    (void)state;
    rhm_burn *burn = made_up();
    slow_down(burn, 5, 5, 0.88, 0.88);
    expect_one(burn, RHM_BURN_SLOW_CORE, 5);
}

static void a_slow_socket_is_named_once_and_not_its_cores(void **state) {
    (void)state;
    rhm_burn *burn = made_up();
    slow_down(burn, 4, 7, 0.85, 1);
    expect_one(burn, RHM_BURN_SLOW_SOCKET, 1);
}

static void a_frequency_that_falls_is_named(void **state) {
    (void)state;
    rhm_burn *burn = made_up();
    slow_down(burn, 0, 7, 0.9, 0.8);
    expect_one(burn, RHM_BURN_SLOW_ISA, -1);
}

static void a_core_that_others_used_is_not_judged(void **state) {
    (void)state;
    rhm_burn *burn = made_up();
    slow_down(burn, 5, 5, 0.5, 1);
    rhm_burn_cell_at(burn, RHM_BURN_TOGETHER, 5, 1)->foreign_seconds = 0.1;
    assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
    assert_int_equal(burn->outliers, 0);
    rhm_burn_destroy(burn);
}

/* A neighbour on the same physical core for two thirds of the time. */
static void what_comes_and_goes_is_no_fault_of_a_virtual_core(void **state) {
    (void)state;
    for (int is_virtual = 0; is_virtual < 2; is_virtual++) {
        rhm_burn *burn = made_up();
        burn->virtual_machine = is_virtual;
        for (int turn = 0; turn < TURNS; turn++)
            if (turn % 12 > 0)
                rhm_burn_cell_at(burn, RHM_BURN_TOGETHER, 5, 1)->visit[turn].gflops *=
                    turn % 12 > 1 || !is_virtual ? 0.7 : 1;
        assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
        assert_int_equal(burn->outliers, is_virtual ? 0 : 1);
        rhm_burn_destroy(burn);
    }
    rhm_burn *burn = made_up();
    burn->virtual_machine = true;
    slow_down(burn, 5, 5, 0.88, 1); /* at all times */
    expect_one(burn, RHM_BURN_SLOW_CORE, 5);
}

static void few_turns_do_not_suffice(void **state) {
    (void)state;
    rhm_burn *burn = made_up();
    slow_down(burn, 5, 5, 0.5, 1);
    for (size_t i = 0; i < (size_t)RHM_BURN_WAYS * CORES * 2; i++)
        burn->cell[i].visits = 8;
    burn->rounds = 8;
    assert_int_equal(rhm_burn_judge(burn, NULL), RHM_OK);
    assert_int_equal(burn->outliers, 0);
    assert_true(rhm_burn_turns_short(burn) > 0);
    rhm_burn_destroy(burn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests_are_those_of_every_table),
        cmocka_unit_test(known_hash_is_that_of_the_training),
        cmocka_unit_test(one_wrong_bit_makes_another_digest),
        cmocka_unit_test(noise_and_drift_are_no_outliers),
        cmocka_unit_test(a_slow_core_is_named),
        cmocka_unit_test(a_slow_socket_is_named_once_and_not_its_cores),
        cmocka_unit_test(a_frequency_that_falls_is_named),
        cmocka_unit_test(a_core_that_others_used_is_not_judged),
        cmocka_unit_test(what_comes_and_goes_is_no_fault_of_a_virtual_core),
        cmocka_unit_test(few_turns_do_not_suffice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
