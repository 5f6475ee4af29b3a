/* Sorting on the engine's threads, against the insertion of one number after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "engine/sort.h"
#include "files.h"

enum { MOST = 100000 };

typedef struct entry {
    uint32_t key, place;
} entry;

static uint32_t key_of(const void *keys, uint32_t number) {
    return ((const uint32_t *)keys)[number];
}

/* By key, then by where it stood: what a stable sort leaves. */
static int by_key_and_place(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : (x->place > y->place) - (x->place < y->place);
}

static void sorted_is_what_qsort_leaves(size_t count, uint64_t range, int threads, uint64_t seed) {
    rhm_engine *engine = NULL;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = threads}, &error), &error);
    rhm_random random = {.seed = seed};
    uint32_t *key = calloc(count + 1, sizeof *key), *item = calloc(count + 1, sizeof *item);
    uint32_t *spare = calloc(count + 1, sizeof *spare), *start = calloc(count + 1, sizeof *start);
    entry *expected = calloc(count + 1, sizeof *expected);
    for (size_t i = 0; i < count; i++) {
        key[i] = (uint32_t)(range > UINT32_MAX ? rhm_random_word(&random) : rhm_random_below(&random, (uint32_t)range));
        start[i] = item[i] = (uint32_t)(count - 1 - i);
        expected[i] = (entry){0, (uint32_t)i};
    }
    for (size_t i = 0; i < count; i++)
        expected[i].key = key[start[i]];
    qsort(expected, count, sizeof *expected, by_key_and_place);
    assert_ok(rhm_sort(engine, &item, &spare, count, key_of, key, (size_t)range, &error), &error);
    for (size_t i = 0; i < count; i++)
        if (item[i] != start[expected[i].place])
            fail_msg("%zu numbers below %llu, %d threads, seed %llu: place %zu has %u, not %u", count,
                     (unsigned long long)range, threads, (unsigned long long)seed, i, item[i],
                     start[expected[i].place]);
    free(key), free(item), free(spare), free(start), free(expected);
    rhm_engine_destroy(engine);
}

static void any_size_and_range(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 2, 1000, MOST};
    static const uint64_t ranges[] = {1, 2, 2048, 2049, 100000, UINT64_C(1) << 32};
    uint64_t seed = 20260119;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++)
            for (int threads = 1; threads <= 3; threads += 2)
                sorted_is_what_qsort_leaves(counts[c], ranges[r], threads, seed++);
}

static void an_interrupt_is_obeyed(void **state) {
    (void)state;
    volatile sig_atomic_t flag = 1;
    rhm_engine *engine = NULL;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1, .interrupt = &flag}, &error), &error);
    uint32_t key[] = {1, 0}, numbers[2][2] = {{0, 1}}, *item = numbers[0], *spare = numbers[1];
    assert_int_equal(rhm_sort(engine, &item, &spare, 2, key_of, key, 2, &error), RHM_INTERRUPTED);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size_and_range),
        cmocka_unit_test(an_interrupt_is_obeyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
