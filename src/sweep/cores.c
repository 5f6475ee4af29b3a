#include "sweep/cores.h"

#include <stdlib.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"

/* The cores that may be dealt out, nearest ones side by side, and what is left of them. */
typedef struct deck {
    rhm_place *place; /* (count) */
    bool *dealt;      /* (count) */
    int count;
} deck;

static int by_cache(const void *left, const void *right) {
    const rhm_place *a = left, *b = right;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    if (a->l3 != b->l3)
        return a->l3 < b->l3 ? -1 : 1;
    return a->pu < b->pu ? -1 : a->pu > b->pu;
}

/* All CPUs of the core that a place is on. */
static rhm_status add_cpus(rhm_core_set *set, const rhm_topology *topology, const rhm_place *place, rhm_error *error) {
    const hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(topology->hwloc, (unsigned)place->pu_os);
    const hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology->hwloc, HWLOC_OBJ_CORE, pu);
    hwloc_const_cpuset_t cpus = core ? core->cpuset : pu->cpuset;
    const int more = hwloc_bitmap_weight(cpus);
    RHM_TRY(rhm_grow((void **)&set->cpu, sizeof *set->cpu, (size_t)set->count, (size_t)(set->count + more),
                     "CPUs of a set of cores", error));
    for (int cpu = hwloc_bitmap_first(cpus); cpu >= 0; cpu = hwloc_bitmap_next(cpus, cpu))
        set->cpu[set->count++] = cpu;
    return RHM_OK;
}

/* Which cores are dealt together, from the nearest on. */
typedef enum span { WITHIN_L3, WITHIN_NODE, ANYWHERE, REACHES } span;

static bool together(const rhm_place *a, const rhm_place *b, span reach) {
    return reach == ANYWHERE || (a->node == b->node && (reach == WITHIN_NODE || a->l3 == b->l3));
}

/* Take `threads` cores that are left and within reach of the first of them, from `first` on; false where too few are.
 */
static bool choose(int *chosen, const deck *d, int first, int threads, span reach) {
    int count = 0;
    for (int i = first; i < d->count && count < threads; i++)
        if (!d->dealt[i] && together(&d->place[first], &d->place[i], reach))
            chosen[count++] = i;
    return count == threads;
}

static rhm_status deal_set(rhm_core_sets *out, deck *d, const int *chosen, const rhm_topology *topology,
                           rhm_error *error) {
    rhm_core_set *set = &out->set[out->count++];
    set->node = d->place[chosen[0]].node;
    for (int i = 0; i < out->threads; i++) {
        const rhm_place *place = &d->place[chosen[i]];
        d->dealt[chosen[i]] = true;
        RHM_TRY(add_cpus(set, topology, place, error));
        if (place->node != set->node)
            set->node = -1;
    }
    return RHM_OK;
}

static rhm_status deal(rhm_core_sets *out, deck *d, int *chosen, int most, const rhm_topology *topology,
                       rhm_error *error) {
    for (span reach = WITHIN_L3; reach < REACHES; reach++)
        for (int first = 0; first < d->count && out->count < most; first++)
            if (!d->dealt[first] && choose(chosen, d, first, out->threads, reach))
                RHM_TRY(deal_set(out, d, chosen, topology, error));
    return RHM_OK;
}

rhm_status rhm_core_sets_of(rhm_core_sets *out, const rhm_topology *topology, int threads, int most_threads,
                            rhm_error *error) {
    *out = (rhm_core_sets){.threads = threads};
    const int cores = topology->cores < most_threads ? topology->cores : most_threads;
    if (threads < 1 || threads > cores)
        return rhm_fail(error, RHM_INVALID, "%d threads a run were asked for: allowed are 1 to %d, one for each core",
                        threads, cores);
    rhm_plan plan;
    RHM_TRY(rhm_plan_make(&plan, topology, "compact", topology->cores, topology->cores, error));
    qsort(plan.place, (size_t)plan.threads, sizeof *plan.place, by_cache);
    deck d = {plan.place, RHM_NEW(bool, (size_t)plan.threads, 1, 1, "cores", error), plan.threads};
    int *chosen = RHM_NEW(int, (size_t)threads, 1, 1, "cores of a set", error);
    out->set = RHM_NEW(rhm_core_set, (size_t)(cores / threads), 1, 1, "sets of cores", error);
    rhm_status status = d.dealt && chosen && out->set ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = deal(out, &d, chosen, cores / threads, topology, error);
    rhm_free(d.dealt);
    rhm_free(chosen);
    rhm_plan_clear(&plan);
    if (status != RHM_OK)
        rhm_core_sets_clear(out);
    return status;
}

rhm_status rhm_core_sets_deal(rhm_core_sets *out, const rhm_engine *engine, int threads, rhm_error *error) {
    return rhm_core_sets_of(out, &engine->topology, threads, engine->threads, error);
}

void rhm_core_sets_clear(rhm_core_sets *sets) {
    for (int i = 0; i < sets->count; i++)
        rhm_free(sets->set[i].cpu);
    rhm_free(sets->set);
    *sets = (rhm_core_sets){0};
}
