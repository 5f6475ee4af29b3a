/* The planner on made-up and captured machines. Expected places come from arithmetic or were written down by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/placement.h"

static rhm_topology synthetic(const char *description) {
    rhm_topology topology;
    rhm_error error = {0};
    if (rhm_topology_load(&topology, description, NULL, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return topology;
}

static rhm_topology captured(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, RHM_TOPOLOGIES "/%s", name);
    rhm_topology topology;
    rhm_error error = {0};
    if (rhm_topology_load(&topology, NULL, path, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return topology;
}

static rhm_plan plan_of(const rhm_topology *topology, const char *placement, int threads) {
    rhm_plan plan;
    rhm_error error = {0};
    if (rhm_plan_make(&plan, topology, placement, threads, topology->cores, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return plan;
}

static void assert_plan(const rhm_topology *topology, const char *placement, int threads, const int *pu) {
    rhm_plan plan = plan_of(topology, placement, threads);
    assert_int_equal(plan.threads, threads);
    for (int i = 0; i < threads; i++)
        if (plan.place[i].pu != pu[i])
            fail_msg("%s: thread %d of %d is on PU %d, not %d", placement, i, threads, plan.place[i].pu, pu[i]);
    rhm_plan_clear(&plan);
}

/* A regular machine: logical numbers are digits in a mixed radix, so every policy has a closed form. */
typedef struct regular {
    int packages, l3s, cores, pus; /* each per unit of the one before */
} regular;

static rhm_topology build(const regular *machine) {
    char text[128];
    snprintf(text, sizeof text, "pack:%d [numa] l3:%d core:%d pu:%d", machine->packages, machine->l3s, machine->cores,
             machine->pus);
    return synthetic(text);
}

static int pu_at(const regular *machine, int package, int l3, int core, int sibling) {
    return ((package * machine->l3s + l3) * machine->cores + core) * machine->pus + sibling;
}

static const regular machines[] = {{2, 2, 8, 2}, {1, 1, 1, 1}, {4, 1, 3, 1}, {2, 3, 1, 4}, {1, 4, 4, 2}, {8, 2, 4, 2}};
enum { MACHINES = sizeof machines / sizeof *machines };

static void compact_fills_neighbouring_cores_then_siblings(void **state) {
    (void)state;
    for (int i = 0; i < MACHINES; i++) {
        const regular *m = &machines[i];
        rhm_topology topology = build(m);
        const int cores = m->packages * m->l3s * m->cores, pus = cores * m->pus;
        assert_int_equal(topology.pus, pus);
        assert_int_equal(topology.cores, cores);
        assert_int_equal(topology.packages, m->packages);
        assert_int_equal(topology.node_count, m->packages);
        rhm_plan plan = plan_of(&topology, "compact", pus);
        for (int t = 0; t < pus; t++) {
            assert_int_equal(plan.place[t].core, t % cores);
            assert_int_equal(plan.place[t].pu, t % cores * m->pus + t / cores);
        }
        assert_int_equal(plan.threads_per_pu, 1);
        rhm_plan_clear(&plan);
        rhm_topology_clear(&topology);
    }
}

static void scatter_deals_to_nodes_then_caches_then_cores(void **state) {
    (void)state;
    for (int i = 0; i < MACHINES; i++) {
        const regular *m = &machines[i];
        rhm_topology topology = build(m);
        const int cores = m->packages * m->l3s * m->cores, pus = cores * m->pus;
        rhm_plan plan = plan_of(&topology, "scatter", pus);
        for (int t = 0; t < pus; t++) {
            const int package = t % m->packages, l3 = t / m->packages % m->l3s;
            const int core = t / (m->packages * m->l3s) % m->cores, sibling = t / cores;
            const rhm_place *place = &plan.place[t];
            assert_int_equal(place->pu, pu_at(m, package, l3, core, sibling));
            assert_int_equal(place->node, package);
            assert_int_equal(place->package, package);
            assert_int_equal(place->l3, package * m->l3s + l3);
        }
        rhm_plan_clear(&plan);
        rhm_topology_clear(&topology);
    }
}

static void a_shorter_plan_is_the_beginning_of_a_longer_one(void **state) {
    (void)state;
    static const char *const policies[] = {"compact", "scatter"};
    for (int i = 0; i < MACHINES; i++)
        for (int k = 0; k < 2; k++) {
            rhm_topology topology = build(&machines[i]);
            rhm_plan all = plan_of(&topology, policies[k], topology.pus);
            for (int threads = 1; threads < topology.pus; threads++) {
                rhm_plan some = plan_of(&topology, policies[k], threads);
                assert_memory_equal(some.place, all.place, (size_t)threads * sizeof *all.place);
                rhm_plan_clear(&some);
            }
            rhm_plan_clear(&all);
            rhm_topology_clear(&topology);
        }
}

/* The PUs (logical; as they are numbered here also the system's) of a plan beside others. */
static void assert_beside(const rhm_topology *topology, int threads, const char *busy, const char *claimed,
                          const int *pus) {
    hwloc_bitmap_t busy_set = hwloc_bitmap_alloc(), claimed_set = hwloc_bitmap_alloc();
    hwloc_bitmap_list_sscanf(busy_set, busy);
    hwloc_bitmap_list_sscanf(claimed_set, claimed);
    rhm_plan plan;
    rhm_error error = {0};
    if (rhm_plan_make_beside(&plan, topology, threads, busy_set, claimed_set, &error) != RHM_OK)
        fail_msg("%s", error.text);
    assert_int_equal(plan.threads, threads);
    assert_int_equal(plan.threads_per_pu, 1);
    for (int t = 0; t < threads; t++)
        if (plan.place[t].pu_os != pus[t])
            fail_msg("busy %s, claimed %s: thread %d is on %d, not %d", busy, claimed, t, plan.place[t].pu_os, pus[t]);
    rhm_plan_clear(&plan);
    hwloc_bitmap_free(busy_set);
    hwloc_bitmap_free(claimed_set);
}

static void narrow_plans_keep_off_what_others_use(void **state) {
    (void)state;
    rhm_topology flat = synthetic("pack:1 [numa] core:6 pu:1");
    assert_beside(&flat, 2, "", "", (int[]){0, 1});
    assert_beside(&flat, 2, "", "0-1", (int[]){2, 3});
    assert_beside(&flat, 2, "1", "", (int[]){0, 2});
    assert_beside(&flat, 5, "", "2", (int[]){0, 1, 3, 4, 5});
    assert_beside(&flat, 4, "0,2", "4", (int[]){1, 3, 5, 0}); /* rather a busy one than a claimed one */
    assert_beside(&flat, 3, "0-5", "", (int[]){0, 1, 2});
    assert_beside(&flat, 3, "", "0-5", (int[]){0, 1, 2});
    rhm_topology_clear(&flat);

    rhm_topology nodes = synthetic("pack:2 [numa] l3:2 core:2 pu:2"); /* cores: PUs 0-1, 2-3, ... 14-15 */
    assert_beside(&nodes, 2, "", "1", (int[]){4, 6});                 /* a sibling makes the core taken; one L3 */
    assert_beside(&nodes, 3, "", "0,2", (int[]){8, 10, 12});          /* 4, 6, 8 would be two nodes */
    assert_beside(&nodes, 7, "", "3", (int[]){0, 4, 6, 8, 10, 12, 14});
    rhm_topology_clear(&nodes);
}

static void more_threads_than_pus_start_over(void **state) {
    (void)state;
    rhm_topology topology = synthetic("pack:1 [numa] core:2 pu:1");
    assert_plan(&topology, "compact", 5, (int[]){0, 1, 0, 1, 0});
    rhm_plan plan = plan_of(&topology, "scatter", 5);
    assert_int_equal(plan.threads_per_pu, 3);
    rhm_plan_clear(&plan);
    rhm_topology_clear(&topology);
}

static void zero_threads_mean_the_default_or_the_length_of_the_list(void **state) {
    (void)state;
    rhm_topology topology = synthetic("pack:2 [numa] core:4 pu:2");
    static const struct {
        const char *placement;
        int threads;
    } cases[] = {{NULL, 8}, {"compact", 8}, {"scatter", 8}, {"none", 8}, {"3", 1}, {"0,2,4-7", 6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_plan plan = plan_of(&topology, cases[i].placement, 0);
        assert_int_equal(plan.threads, cases[i].threads);
        assert_int_equal(!plan.place, i == 3);
        rhm_plan_clear(&plan);
    }
    assert_plan(&topology, "0,2,4-7", 8, (int[]){0, 2, 4, 5, 6, 7, 0, 2});
    assert_plan(&topology, "15,0-1", 2, (int[]){15, 0});
    rhm_topology_clear(&topology);
}

static void senseless_lists_are_refused(void **state) {
    (void)state;
    rhm_topology topology = synthetic("pack:1 [numa] core:4 pu:1");
    static const char *const lists[] = {"",    "spread", "Compact", "0,",   ",0",      "0,,1",
                                        "1-",  "3-1",    "-1",      "0 ,1", "4",       "0-4",
                                        "0x1", "1-2-3",  "1;2",     "+1",   "1000001", "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        rhm_plan plan;
        rhm_error error = {0};
        if (rhm_plan_make(&plan, &topology, lists[i], 2, 4, &error) != RHM_INVALID)
            fail_msg("\"%s\" was accepted", lists[i]);
        if (!strstr(error.text, lists[i]) || !strstr(error.text, "allowed"))
            fail_msg("\"%s\": \"%s\"", lists[i], error.text);
        assert_null(plan.place);
    }
    rhm_topology_clear(&topology);
}

static void captured_two_sockets(void **state) {
    (void)state;
    rhm_topology topology = captured("two-sockets-smt.xml");
    assert_int_equal(topology.pus, 16);
    assert_int_equal(topology.cores, 8);
    rhm_plan plan = plan_of(&topology, "compact", 16);
    for (int t = 0; t < 16; t++) {
        assert_int_equal(plan.place[t].pu_os, t); /* firmware numbers siblings last, as compact does */
        assert_int_equal(plan.place[t].node, t % 8 / 4);
    }
    rhm_plan_clear(&plan);
    assert_plan(&topology, "scatter", 9, (int[]){0, 8, 4, 12, 2, 10, 6, 14, 1});
    rhm_topology_clear(&topology);
}

/* CPUs 0 and 8 (one core), 9 (a second sibling alone), 2 behind the other L3; 4 and 6 on the other node. */
static void captured_cpuset_cuts_unevenly(void **state) {
    (void)state;
    rhm_topology topology = captured("cpuset-uneven.xml");
    assert_int_equal(topology.pus, 6);
    assert_int_equal(topology.cores, 5);
    assert_int_equal(topology.node[0].pus, 4);
    assert_int_equal(topology.node[1].pus, 2);
    assert_plan(&topology, "compact", 6, (int[]){0, 2, 3, 4, 5, 1});
    assert_plan(&topology, "scatter", 6, (int[]){0, 4, 3, 5, 2, 1});
    rhm_topology_clear(&topology);
}

static void captured_hybrid_takes_fast_cores_first(void **state) {
    (void)state;
    rhm_topology topology = captured("hybrid.xml");
    assert_int_equal(topology.cores, 6);
    assert_plan(&topology, "compact", 8, (int[]){4, 6, 0, 1, 2, 3, 5, 7});
    assert_plan(&topology, "scatter", 8, (int[]){4, 6, 0, 1, 2, 3, 5, 7});
    rhm_topology_clear(&topology);
}

static void captured_homes_are_neither_hbm_nor_expanders(void **state) {
    (void)state;
    rhm_topology topology = captured("subnuma-hbm-cxl.xml");
    assert_int_equal(hwloc_get_nbobjs_by_type(topology.hwloc, HWLOC_OBJ_NUMANODE), 9);
    assert_int_equal(topology.node_count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(topology.node[i].os_index, 2 * i);
    assert_plan(&topology, "scatter", 8, (int[]){0, 2, 4, 6, 1, 3, 5, 7});
    assert_plan(&topology, "compact", 8, (int[]){0, 1, 2, 3, 4, 5, 6, 7});
    rhm_topology_clear(&topology);
}

/* Memory of the whole machine, first in number, is nobody's home where packages have their own. */
static void the_closest_node_is_home(void **state) {
    (void)state;
    rhm_topology topology = synthetic("[numa(indexes=0)] pack:2 [numa(indexes=1,2)] core:2 pu:1");
    assert_int_equal(hwloc_get_nbobjs_by_type(topology.hwloc, HWLOC_OBJ_NUMANODE), 3);
    assert_int_equal(topology.node_count, 2);
    assert_int_equal(rhm_topology_node_of_pu(&topology, 1), 0);
    assert_int_equal(rhm_topology_node_of_pu(&topology, 2), 1);
    rhm_topology_clear(&topology);
}

static void captured_virtual_machine(void **state) {
    (void)state;
    rhm_topology topology = captured("one-node-vm.xml");
    assert_int_equal(topology.node_count, 1);
    assert_plan(&topology, "scatter", 2, (int[]){0, 1});
    assert_false(topology.this_system);
    rhm_topology_clear(&topology);
}

static void restriction_renumbers_and_loses_empty_nodes(void **state) {
    (void)state;
    rhm_topology topology = synthetic("pack:2 [numa] core:4 pu:1");
    hwloc_cpuset_t allowed = hwloc_bitmap_alloc();
    rhm_error error = {0};
    hwloc_bitmap_list_sscanf(allowed, "5-6,40-50");
    assert_int_equal(rhm_topology_restrict(&topology, allowed, &error), RHM_OK);
    assert_int_equal(topology.pus, 2);
    assert_int_equal(topology.node_count, 1);
    assert_int_equal(topology.node[0].os_index, 1);
    rhm_plan plan = plan_of(&topology, "compact", 2);
    assert_int_equal(plan.place[0].pu, 0);
    assert_int_equal(plan.place[0].pu_os, 5);
    assert_int_equal(plan.place[1].pu_os, 6);
    assert_int_equal(plan.place[1].node, 0);
    rhm_plan_clear(&plan);

    hwloc_bitmap_list_sscanf(allowed, "0-1");
    assert_int_equal(rhm_topology_restrict(&topology, allowed, &error), RHM_UNSUPPORTED);
    hwloc_bitmap_free(allowed);
    rhm_topology_clear(&topology);
}

static void nodes_of_sets(void **state) {
    (void)state;
    rhm_topology topology = synthetic("pack:2 [numa] core:4 pu:1");
    static const struct {
        const char *cpus;
        int node;
    } cases[] = {{"0", 0}, {"0-3", 0}, {"4,7", 1}, {"3-4", -1}, {"0-7", -1}};
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hwloc_bitmap_list_sscanf(set, cases[i].cpus);
        assert_int_equal(rhm_topology_node_of_set(&topology, set), cases[i].node);
    }
    hwloc_bitmap_free(set);
    rhm_topology_clear(&topology);
}

static void foreign_topologies_are_refused(void **state) {
    (void)state;
    rhm_topology topology;
    rhm_error error = {0};
    assert_int_equal(rhm_topology_load(&topology, "pack:zero", NULL, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "pack:zero"));
    assert_int_not_equal(rhm_topology_load(&topology, NULL, "no-such-topology.xml", &error), RHM_OK);
    assert_non_null(strstr(error.text, "no-such-topology.xml"));
    rhm_topology_clear(&topology);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compact_fills_neighbouring_cores_then_siblings),
        cmocka_unit_test(scatter_deals_to_nodes_then_caches_then_cores),
        cmocka_unit_test(a_shorter_plan_is_the_beginning_of_a_longer_one),
        cmocka_unit_test(narrow_plans_keep_off_what_others_use),
        cmocka_unit_test(more_threads_than_pus_start_over),
        cmocka_unit_test(zero_threads_mean_the_default_or_the_length_of_the_list),
        cmocka_unit_test(senseless_lists_are_refused),
        cmocka_unit_test(captured_two_sockets),
        cmocka_unit_test(captured_cpuset_cuts_unevenly),
        cmocka_unit_test(captured_hybrid_takes_fast_cores_first),
        cmocka_unit_test(captured_homes_are_neither_hbm_nor_expanders),
        cmocka_unit_test(the_closest_node_is_home),
        cmocka_unit_test(captured_virtual_machine),
        cmocka_unit_test(restriction_renumbers_and_loses_empty_nodes),
        cmocka_unit_test(nodes_of_sets),
        cmocka_unit_test(foreign_topologies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
