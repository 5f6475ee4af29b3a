/* Runs that take fewer threads than there are cores keep out of each other's way, as long as they live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/record.h"

enum { CORES = 3 };

/* A package that no real machine and no other process of this test has: claims are by package and core. */
static rhm_topology made_up(void) {
    char text[64];
    snprintf(text, sizeof text, "pack:1(indexes=%d) [numa] core:%d pu:1", 1000000 + (int)getpid(), CORES);
    rhm_topology topology;
    rhm_error error = {0};
    if (rhm_topology_load(&topology, text, NULL, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return topology;
}

typedef struct run {
    rhm_neighbours neighbours;
    rhm_plan plan;
} run;

/* The PU of a run of one thread. */
static int start(run *r, const rhm_topology *topology) {
    rhm_error error = {0};
    if (rhm_neighbours_plan(&r->neighbours, &r->plan, topology, 1, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return r->plan.place[0].pu_os;
}

static void end(run *r) {
    rhm_neighbours_clear(&r->neighbours);
    rhm_plan_clear(&r->plan);
}

static void each_run_has_a_core_while_there_are_any(void **state) {
    (void)state;
    rhm_topology topology = made_up();
    run runs[CORES + 1];
    hwloc_bitmap_t used = hwloc_bitmap_alloc();
    for (int i = 0; i < CORES; i++) {
        const int pu = start(&runs[i], &topology);
        assert_false(hwloc_bitmap_isset(used, (unsigned)pu));
        hwloc_bitmap_set(used, (unsigned)pu);
        assert_int_equal(runs[i].neighbours.claims, 1);
    }
    start(&runs[CORES], &topology); /* shares one, and knows it */
    assert_true(hwloc_bitmap_isequal(runs[CORES].neighbours.claimed, used));
    assert_int_equal(runs[CORES].neighbours.claims, 0);
    end(&runs[CORES]);

    const int released = runs[1].plan.place[0].pu_os;
    end(&runs[1]);
    assert_int_equal(start(&runs[1], &topology), released);
    for (int i = 0; i < CORES; i++)
        end(&runs[i]);
    hwloc_bitmap_free(used);
    rhm_topology_clear(&topology);
}

static void claims_end_with_the_process(void **state) {
    (void)state;
    rhm_topology topology = made_up();
    run mine, last;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (int i = 0; i < CORES; i++)
            start(&mine, &topology);
        _exit(0); /* releases nothing */
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    const int first = start(&mine, &topology);
    assert_true(hwloc_bitmap_iszero(mine.neighbours.claimed));
    assert_int_not_equal(start(&last, &topology), first);
    end(&mine);
    end(&last);
    rhm_neighbours_clear(&(rhm_neighbours){0});
    rhm_topology_clear(&topology);
}

static rhm_engine *engine_of(int threads, const char *placement) {
    rhm_engine *engine;
    rhm_error error = {0};
    if (rhm_engine_create(&engine, &(rhm_engine_options){.threads = threads, .placement = placement}, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return engine;
}

/* Whatever else is running on this machine meanwhile. */
static void only_unplaced_narrow_engines_look(void **state) {
    (void)state;
    rhm_engine *exact = engine_of(1, "compact"), *listed = engine_of(1, "0");
    assert_int_equal(exact->plan.place[0].pu, 0);
    assert_int_equal(listed->plan.place[0].pu, 0);
    assert_null(exact->neighbours.busy);
    assert_null(listed->neighbours.busy);
    rhm_engine *wide = engine_of(exact->topology.cores, NULL);
    assert_null(wide->neighbours.busy);
    rhm_engine_destroy(wide);
    if (exact->topology.this_system && exact->topology.cores > 1 && !exact->affinity_variable) {
        rhm_engine *first = engine_of(1, NULL), *second = engine_of(1, NULL);
        const bool apart = first->plan.place[0].core != second->plan.place[0].core;
        assert_true(apart || hwloc_bitmap_weight(second->neighbours.claimed) >= second->topology.cores);
        assert_true(hwloc_bitmap_isset(second->neighbours.claimed, (unsigned)first->plan.place[0].pu_os) || apart);
        assert_string_equal(rhm_engine_describe(second).placement, "compact");
        json_t *record;
        rhm_error error = {0};
        assert_int_equal(rhm_engine_record(second, &record, &error), RHM_OK);
        const json_t *avoided = json_object_get(json_object_get(record, "placement"), "avoided");
        assert_true(json_is_string(avoided) || (json_is_null(avoided) && apart));
        json_decref(record);
        rhm_engine_destroy(first);
        rhm_engine_destroy(second);
    }
    rhm_engine_destroy(exact);
    rhm_engine_destroy(listed);
}

static void idle_time_is_read(void **state) {
    (void)state;
    static const char text[] = "cpu  10 20 30 40 50 60 70 80 0 0\ncpu0 1 2 3 4000 5 6 7 8 0 0\n"
                               "cpu1 1 2 3 7 9 6 7 8 0 0\ncpu10 1 1 1 100 1 1 1 1 0 0\nintr 5\n";
    assert_int_equal(rhm_neighbours_idle_ticks(text, 0), 4005);
    assert_int_equal(rhm_neighbours_idle_ticks(text, 1), 16);
    assert_int_equal(rhm_neighbours_idle_ticks(text, 10), 101);
    assert_int_equal(rhm_neighbours_idle_ticks(text, 2), -1);
    assert_int_equal(rhm_neighbours_idle_ticks("", 0), -1);
    assert_int_equal(rhm_neighbours_idle_ticks("cpu 1\ncpu3 1 2\n", 3), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_run_has_a_core_while_there_are_any),
        cmocka_unit_test(claims_end_with_the_process),
        cmocka_unit_test(only_unplaced_narrow_engines_look),
        cmocka_unit_test(idle_time_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
