/* Which rows the stages of a data set get: never the test's, never one to train on that another chooses by. */
#include "files.h"

#include "learners/layerwise/slices.h"

enum { LEVELS = 3 };

typedef struct cut {
    rhm_task task;
    rhm_train_options options;
    rhm_slice training[RHM_MAX_LEVELS + 1], validation[RHM_MAX_LEVELS + 1];
    rhm_slices chosen;
    rhm_error error;
} cut;

static rhm_status make(cut *c, rhm_slices slices, uint64_t rows, uint64_t test) {
    c->options.slices = slices;
    c->options.max_samples = UINT64_C(1000000000000000);
    assert_int_equal(rhm_tree_uniform(&c->task.tree, LEVELS, 2, NULL), RHM_OK);
    for (uint32_t l = 1; l <= LEVELS; l++) {
        c->task.parents[l] = 8;
        c->task.patches[l] = 32;
    }
    return rhm_slice_rows(c->training, c->validation, &c->chosen, &c->task, &c->options, rows, test, &c->error);
}

static bool apart(rhm_slice a, rhm_slice b) {
    return a.first + a.count <= b.first || b.first + b.count <= a.first;
}

static void assert_lawful(const cut *c, uint64_t usable) {
    for (uint32_t l = 1; l <= LEVELS; l++) {
        const rhm_slice own = c->training[l];
        assert_true(own.first + own.count <= usable);
        assert_true(c->validation[l].first + c->validation[l].count <= usable);
        for (uint32_t k = 1; k <= LEVELS; k++) {
            assert_true(apart(own, c->validation[k]));
            assert_true(k == l || c->chosen == RHM_SLICES_SHARED || apart(own, c->training[k]));
        }
    }
}

static void rows_are_cut_or_shared(void **state) {
    (void)state;
    for (uint64_t rows = 20000; rows < 3000000; rows = rows * 3 + 17)
        for (int given = 0; given < 4; given++)
            for (int slices = RHM_SLICES_AUTO; slices <= RHM_SLICES_SHARED; slices++) {
                cut c = {0};
                for (uint32_t l = 1; l <= LEVELS; l++)
                    c.options.samples[l] = given > (int)l ? 1000 * l + given : 0;
                const uint64_t test = rows / 7;
                assert_ok(make(&c, (rhm_slices)slices, rows, test), &c.error);
                assert_true(slices == RHM_SLICES_AUTO || (int)c.chosen == slices);
                assert_lawful(&c, rows - test);
                for (uint32_t l = 1; l <= LEVELS; l++) {
                    const uint64_t samples = c.options.samples[l], all = rows - test;
                    assert_true(!samples || c.training[l].count == samples);
                    assert_true(!samples || c.validation[l].count == (samples + 3) / 4);
                    if (c.chosen == RHM_SLICES_SHARED && !samples)
                        assert_true(c.training[l].count + c.validation[l].count == all &&
                                    c.validation[l].count == all / 5);
                }
            }
}

static void small_sets_are_shared(void **state) {
    (void)state;
    /* The stages begin with 2000, 2048 and 8192 samples, and a quarter more to choose by: 15300 rows. */
    const struct {
        uint64_t rows;
        rhm_slices chosen;
    } cases[] = {{1000, RHM_SLICES_SHARED},
                 {12000, RHM_SLICES_SHARED},
                 {12300, RHM_SLICES_DISJOINT},
                 {10000000, RHM_SLICES_DISJOINT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cut c = {0};
        assert_ok(make(&c, RHM_SLICES_AUTO, cases[i].rows + 100, 100), &c.error);
        assert_int_equal(c.chosen, cases[i].chosen);
    }
    cut c = {.options.samples = {0, 1000, 2000, 3000}}; /* sizes that are given fit as they are */
    assert_ok(make(&c, RHM_SLICES_AUTO, 7600, 100), &c.error);
    assert_int_equal(c.chosen, RHM_SLICES_DISJOINT);
    c.options.samples[1] = 2000;
    assert_ok(make(&c, RHM_SLICES_AUTO, 7600, 100), &c.error);
    assert_int_equal(c.chosen, RHM_SLICES_SHARED);
}

static void too_few_rows_are_refused(void **state) {
    (void)state;
    cut c = {0};
    assert_refused(make(&c, RHM_SLICES_DISJOINT, 200, 50), RHM_INVALID, &c.error, "too few samples for level");
    assert_refused(make(&c, RHM_SLICES_SHARED, 80, 40), RHM_INVALID, &c.error, "too few samples for level");
    c.options.samples[2] = 800;
    assert_refused(make(&c, RHM_SLICES_SHARED, 1000, 1), RHM_INVALID, &c.error, "1000 sequences (validation included)");
    assert_ok(make(&c, RHM_SLICES_SHARED, 1001, 1), &c.error);
    c.options.samples[2] = UINT64_MAX;
    assert_refused(make(&c, RHM_SLICES_SHARED, 1001, 1), RHM_INVALID, &c.error, "sample sizes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_cut_or_shared),
        cmocka_unit_test(small_sets_are_shared),
        cmocka_unit_test(too_few_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
