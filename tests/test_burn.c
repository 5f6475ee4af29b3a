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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests_are_those_of_every_table),
        cmocka_unit_test(known_hash_is_that_of_the_training),
        cmocka_unit_test(one_wrong_bit_makes_another_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
