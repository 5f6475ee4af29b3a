/* Cores dealt out to runs side by side, on made-up and captured machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "sweep/cores.h"

static rhm_topology load(const char *synthetic, const char *xml) {
    rhm_topology topology;
    rhm_error error = {0};
    if (rhm_topology_load(&topology, synthetic, xml, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return topology;
}

/* No CPU in two sets; siblings stay together; every set has its cores. Returns how many sets lie on one node. */
static int check_apart(const rhm_topology *t, const rhm_core_sets *sets) {
    hwloc_bitmap_t seen = hwloc_bitmap_alloc();
    int within = 0;
    for (int i = 0; i < sets->count; i++) {
        const rhm_core_set *set = &sets->set[i];
        hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
        for (int j = 0; j < set->count; j++) {
            assert_false(hwloc_bitmap_isset(seen, (unsigned)set->cpu[j]));
            hwloc_bitmap_set(seen, (unsigned)set->cpu[j]);
            hwloc_bitmap_set(cpus, (unsigned)set->cpu[j]);
        }
        int cores = 0;
        for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(t->hwloc, HWLOC_OBJ_CORE, core));)
            if (hwloc_bitmap_intersects(core->cpuset, cpus)) {
                assert_true(hwloc_bitmap_isincluded(core->cpuset, cpus));
                cores++;
            }
        assert_int_equal(cores, sets->threads);
        assert_int_equal(set->node, rhm_topology_node_of_set(t, cpus));
        within += set->node >= 0;
        hwloc_bitmap_free(cpus);
    }
    hwloc_bitmap_free(seen);
    return within;
}

static rhm_core_sets deal(const rhm_topology *t, int threads, int most) {
    rhm_core_sets sets;
    rhm_error error = {0};
    if (rhm_core_sets_of(&sets, t, threads, most, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return sets;
}

static void sets_are_apart_and_near(void **state) {
    (void)state;
    /* Two nodes of two L3 caches of four cores of two threads: 16 cores. */
    rhm_topology t = load("pack:2 [numa] l3:2 core:4 pu:2", NULL);
    for (int threads = 1; threads <= 16; threads++) {
        rhm_core_sets sets = deal(&t, threads, 16);
        assert_int_equal(sets.count, 16 / threads);
        const int whole = 2 * (8 / threads); /* that fit into the nodes */
        assert_int_equal(check_apart(&t, &sets), whole < sets.count ? whole : sets.count);
        rhm_core_sets_clear(&sets);
    }
    rhm_topology_clear(&t);
}

static void sets_stay_within_a_cache_where_they_fit(void **state) {
    (void)state;
    rhm_topology t = load("pack:1 [numa] l3:3 core:4 pu:1", NULL);
    rhm_core_sets sets = deal(&t, 3, 12);
    assert_int_equal(sets.count, 4);
    for (int i = 0; i < 3; i++) /* one each; the fourth has what is left of all */
        for (int j = 0; j < 3; j++)
            assert_int_equal(sets.set[i].cpu[j], 4 * i + j);
    assert_int_equal(sets.set[3].cpu[2], 11);
    check_apart(&t, &sets);
    rhm_core_sets_clear(&sets);
    rhm_topology_clear(&t);
}

static void a_quota_bounds_them(void **state) {
    (void)state;
    rhm_topology t = load("pack:2 [numa] core:8 pu:2", NULL);
    rhm_core_sets sets = deal(&t, 2, 5);
    assert_int_equal(sets.count, 2);
    assert_int_equal(check_apart(&t, &sets), 2);
    rhm_core_sets_clear(&sets);
    rhm_error error;
    assert_int_equal(rhm_core_sets_of(&sets, &t, 6, 5, &error), RHM_INVALID);
    assert_int_equal(rhm_core_sets_of(&sets, &t, 0, 5, &error), RHM_INVALID);
    rhm_topology_clear(&t);
}

static void odd_machines_are_dealt_out(void **state) {
    (void)state;
    static const char *const files[] = {
        RHM_TOPOLOGIES "/cpuset-uneven.xml",   RHM_TOPOLOGIES "/hybrid.xml",          RHM_TOPOLOGIES "/one-node-vm.xml",
        RHM_TOPOLOGIES "/subnuma-hbm-cxl.xml", RHM_TOPOLOGIES "/two-sockets-smt.xml",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        rhm_topology t = load(NULL, files[i]);
        for (int threads = 1; threads <= t.cores; threads = 2 * threads + 1) {
            rhm_core_sets sets = deal(&t, threads, t.cores);
            assert_int_equal(sets.count, t.cores / threads);
            check_apart(&t, &sets);
            rhm_core_sets_clear(&sets);
        }
        rhm_topology_clear(&t);
    }
}

static void engines_deal_out_their_own(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_core_sets sets;
    rhm_error error = {0};
    assert_int_equal(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1}, &error), RHM_OK);
    assert_int_equal(rhm_core_sets_deal(&sets, engine, 1, &error), RHM_OK);
    assert_int_equal(sets.count, 1);
    rhm_core_sets_clear(&sets);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_apart_and_near),    cmocka_unit_test(sets_stay_within_a_cache_where_they_fit),
        cmocka_unit_test(a_quota_bounds_them),        cmocka_unit_test(odd_machines_are_dealt_out),
        cmocka_unit_test(engines_deal_out_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
