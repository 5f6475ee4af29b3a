/* k-means of more points than one block: planted groups are found, and threads change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "clustering/kmeans.h"
#include "files.h"

enum { COUNT = 10000, WIDTH = 5, GROUPS = 7 };

/* Group i % GROUPS, with noise far smaller than what groups are apart. */
static void plant(rhm_kmeans *g, uint64_t seed) {
    rhm_random random = {.seed = seed};
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < WIDTH; j++)
            g->point[i * WIDTH + j] =
                (double)(i % GROUPS * (j + 1) % GROUPS) + 0.05 * rhm_random_word(&random) * 0x1p-32;
}

static void cluster(rhm_kmeans *g, int threads, uint64_t seed) {
    rhm_engine *engine = NULL;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = threads}, &error), &error);
    assert_ok(rhm_kmeans_create(g, engine, COUNT, WIDTH, GROUPS, seed, &error), &error);
    plant(g, seed);
    assert_ok(rhm_kmeans_run(g, &error), &error);
    rhm_engine_destroy(engine);
}

static void planted_groups_are_found(const rhm_kmeans *g, uint64_t seed) {
    double mean[GROUPS][WIDTH] = {{0}};
    size_t size[GROUPS] = {0};
    for (size_t i = 0; i < COUNT; i++) {
        if (g->owner[i] != g->owner[i % GROUPS])
            fail_msg("seed %llu: point %zu is apart from its group", (unsigned long long)seed, i);
        size[g->owner[i]]++;
        for (size_t j = 0; j < WIDTH; j++)
            mean[g->owner[i]][j] += g->point[i * WIDTH + j];
    }
    for (size_t c = 0; c < GROUPS; c++)
        for (size_t j = 0; j < WIDTH; j++)
            assert_true(fabs(mean[c][j] / (double)size[c] - g->centre[c * WIDTH + j]) < 1e-9);
}

static void large_sets(void **state) {
    (void)state;
    for (uint64_t seed = 20260119; seed < 20260122; seed++) {
        rhm_kmeans one, three;
        cluster(&one, 1, seed);
        cluster(&three, 3, seed);
        planted_groups_are_found(&one, seed);
        assert_memory_equal(one.centre, three.centre, sizeof(double) * GROUPS * WIDTH);
        assert_memory_equal(one.owner, three.owner, sizeof(uint32_t) * COUNT);
        assert_memory_equal(one.distance, three.distance, sizeof(double) * COUNT);
        rhm_kmeans_clear(&one);
        rhm_kmeans_clear(&three);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(large_sets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
