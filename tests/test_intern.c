/* Numbered sets of tuples, against a linear search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/intern.h"

enum { TUPLES = 3000 };

static uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Tuples over few values, so that many repeat, through several growths. */
static void check_against_linear_search(size_t words, size_t expected, uint32_t values) {
    uint64_t state = words * 1000 + expected;
    uint32_t *known = calloc(TUPLES * words, sizeof *known);
    uint32_t *tuple = calloc(words, sizeof *tuple);
    size_t known_count = 0;
    rhm_intern set;
    assert_int_equal(rhm_intern_init(&set, words, expected, NULL), RHM_OK);
    for (size_t i = 0; i < TUPLES; i++) {
        for (size_t j = 0; j < words; j++)
            tuple[j] = next_random(&state) % values;
        size_t id = 0;
        while (id < known_count && memcmp(known + id * words, tuple, words * sizeof *tuple) != 0)
            id++;
        const bool fresh = id == known_count;
        assert_int_equal(rhm_intern_find(&set, tuple), fresh ? UINT32_MAX : (uint32_t)id);
        if (fresh)
            memcpy(known + known_count++ * words, tuple, words * sizeof *tuple);
        uint32_t found = 12345;
        bool is_new = !fresh;
        assert_int_equal(rhm_intern_add(&set, tuple, &found, &is_new, NULL), RHM_OK);
        assert_int_equal(found, id);
        assert_int_equal(is_new, fresh);
        assert_int_equal(set.count, known_count);
    }
    for (size_t id = 0; id < known_count; id++) {
        assert_memory_equal(rhm_intern_tuple(&set, id), known + id * words, words * sizeof *known);
        assert_int_equal(rhm_intern_find(&set, known + id * words), id);
    }
    rhm_intern_destroy(&set);
    free(known);
    free(tuple);
}

static void ids_follow_first_insertion(void **state) {
    (void)state;
    check_against_linear_search(1, 0, 4000);
    check_against_linear_search(2, 0, 40);
    check_against_linear_search(3, 5000, 12);
    check_against_linear_search(64, 1, 2);
}

static void extreme_words_are_ordinary(void **state) {
    (void)state;
    const uint32_t tuples[4][2] = {{0, 0}, {UINT32_MAX, UINT32_MAX}, {0, UINT32_MAX}, {UINT32_MAX, 0}};
    rhm_intern set;
    assert_int_equal(rhm_intern_init(&set, 2, 0, NULL), RHM_OK);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t id;
        assert_int_equal(rhm_intern_find(&set, tuples[i]), UINT32_MAX);
        assert_int_equal(rhm_intern_add(&set, tuples[i], &id, NULL, NULL), RHM_OK);
        assert_int_equal(id, i);
    }
    rhm_intern_destroy(&set);
}

static void clear_forgets_and_starts_again(void **state) {
    (void)state;
    rhm_intern set;
    assert_int_equal(rhm_intern_init(&set, 1, 0, NULL), RHM_OK);
    uint32_t id;
    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(rhm_intern_add(&set, &i, &id, NULL, NULL), RHM_OK);
    rhm_intern_clear(&set);
    assert_int_equal(set.count, 0);
    const uint32_t first = 7, second = 499;
    assert_int_equal(rhm_intern_find(&set, &first), UINT32_MAX);
    assert_int_equal(rhm_intern_add(&set, &second, &id, NULL, NULL), RHM_OK);
    assert_int_equal(id, 0);
    assert_int_equal(rhm_intern_add(&set, &first, &id, NULL, NULL), RHM_OK);
    assert_int_equal(id, 1);
    rhm_intern_destroy(&set);
}

/* Consecutive numbers are what ids of lower levels look like: they must not pile up in one run of slots. */
static void large_sets_stay_fast(void **state) {
    (void)state;
    rhm_intern set;
    assert_int_equal(rhm_intern_init(&set, 2, 0, NULL), RHM_OK);
    uint32_t id;
    for (uint32_t i = 0; i < 1000000; i++) {
        const uint32_t tuple[2] = {i / 1000, i % 1000};
        assert_int_equal(rhm_intern_add(&set, tuple, &id, NULL, NULL), RHM_OK);
        if (id != i)
            fail_msg("tuple %u got the id %u", i, id);
    }
    size_t longest = 0, run = 0;
    for (size_t slot = 0; slot <= set.mask; slot++) {
        run = set.slots[slot] ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    assert_true(longest < 200);
    rhm_intern_destroy(&set);
}

static void destroy_accepts_zeroed(void **state) {
    (void)state;
    rhm_intern set = {0};
    rhm_intern_destroy(&set);
    assert_null(set.slots);
}

static void impossible_sizes_are_refused(void **state) {
    (void)state;
    rhm_intern set;
    rhm_error error = {0};
    assert_int_equal(rhm_intern_init(&set, SIZE_MAX / 8, 64, &error), RHM_NO_MEMORY);
    assert_int_equal(error.status, RHM_NO_MEMORY);
    assert_true(strlen(error.text) > 0);
    rhm_intern_destroy(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_follow_first_insertion),     cmocka_unit_test(extreme_words_are_ordinary),
        cmocka_unit_test(clear_forgets_and_starts_again), cmocka_unit_test(large_sets_stay_fast),
        cmocka_unit_test(destroy_accepts_zeroed),         cmocka_unit_test(impossible_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
