#include "engine/team.h"

#include <errno.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum {
    MASK_WORD_BITS = 8 * sizeof(unsigned long),
    MASK_WORDS = 8192 / MASK_WORD_BITS, /* the most CPUs that x86 Linux can be built for */
};

/* What this thread was before an engine bound it. Plain words: nothing is left when a thread of the pool ends. */
static _Thread_local struct {
    uint64_t team; /* id of the team it is bound for; 0: it is not bound by us */
    int thread;    /* its number there */
    unsigned long unbound[MASK_WORDS];
} self;

const char *rhm_affinity_variable(void) {
    static const char *const names[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return names[i];
    }
    return NULL;
}

static void add_places(hwloc_cpuset_t set) {
    for (int place = 0; place < omp_get_num_places(); place++) {
        const int count = omp_get_place_num_procs(place);
        int *ids = RHM_NEW(int, (size_t)count, 1, 1, "OpenMP place", NULL);
        if (!ids)
            continue;
        omp_get_place_proc_ids(place, ids);
        for (int i = 0; i < count; i++)
            hwloc_bitmap_set(set, (unsigned)ids[i]);
        rhm_free(ids);
    }
}

hwloc_cpuset_t rhm_team_allowed(const rhm_topology *topology, const char *variable) {
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (!set)
        return NULL;
    if (variable)
        add_places(set);
    if (!hwloc_bitmap_iszero(set))
        return set;
    if (self.team != 0)
        hwloc_bitmap_from_ulongs(set, MASK_WORDS, self.unbound);
    else if (hwloc_get_cpubind(topology->hwloc, set, HWLOC_CPUBIND_THREAD) != 0)
        hwloc_bitmap_copy(set, hwloc_topology_get_topology_cpuset(topology->hwloc));
    return set;
}

static int bind_self(const rhm_team *team, int thread) {
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (!set)
        return ENOMEM;
    if (self.team == 0) {
        /* A worker was born with the mask of its master, who may be bound already: only masters know better. */
        if (thread == 0 && hwloc_get_cpubind(team->topology->hwloc, set, HWLOC_CPUBIND_THREAD) == 0)
            hwloc_bitmap_to_ulongs(set, MASK_WORDS, self.unbound);
        else
            hwloc_bitmap_to_ulongs(team->unbound, MASK_WORDS, self.unbound);
    }
    self.team = team->id;
    self.thread = thread;
    hwloc_bitmap_only(set, (unsigned)team->plan->place[thread].pu_os);
    const int failure = hwloc_set_cpubind(team->topology->hwloc, set, HWLOC_CPUBIND_THREAD) == 0 ? 0 : errno;
    hwloc_bitmap_free(set);
    return failure;
}

static void unbind_self(const rhm_team *team) {
    if (self.team != team->id)
        return;
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (set && hwloc_bitmap_from_ulongs(set, MASK_WORDS, self.unbound) == 0)
        hwloc_set_cpubind(team->topology->hwloc, set, HWLOC_CPUBIND_THREAD);
    hwloc_bitmap_free(set);
    self.team = 0;
}

static void look_around(const rhm_team *team, rhm_seat *seat) {
    seat->present = true;
    seat->last_pu_os = -1;
    seat->node = team->topology->node_count == 1 ? 0 : -1;
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (!set || !team->topology->this_system)
        goto done;
    if (hwloc_get_cpubind(team->topology->hwloc, set, HWLOC_CPUBIND_THREAD) == 0) {
        hwloc_bitmap_list_snprintf(seat->cpus, sizeof seat->cpus, set);
        seat->node = rhm_topology_node_of_set(team->topology, set);
    }
    if (hwloc_get_last_cpu_location(team->topology->hwloc, set, HWLOC_CPUBIND_THREAD) == 0)
        seat->last_pu_os = hwloc_bitmap_first(set);
done:
    hwloc_bitmap_free(set);
}

static void clear_seats(rhm_seat *seat, int threads) {
    for (int i = 0; i < threads; i++)
        seat[i] = (rhm_seat){.last_pu_os = -1, .node = -1};
}

rhm_status rhm_team_start(rhm_team *team, const rhm_topology *topology, const rhm_plan *plan, hwloc_cpuset_t unbound,
                          rhm_error *error) {
    static atomic_uint_least64_t last_id;
    *team = (rhm_team){.id = atomic_fetch_add(&last_id, 1) + 1,
                       .threads = plan->threads,
                       .binds = plan->place && topology->this_system,
                       .topology = topology,
                       .plan = plan,
                       .unbound = unbound};
    team->seat = RHM_NEW(rhm_seat, (size_t)team->threads, 1, 1, "thread team", error);
    if (!team->seat)
        return RHM_NO_MEMORY;
    clear_seats(team->seat, team->threads);
#pragma omp parallel num_threads(team->threads)
    {
        const int thread = omp_get_thread_num();
        rhm_seat *seat = &team->seat[thread];
        if (team->binds)
            seat->bind_errno = bind_self(team, thread);
        look_around(team, seat);
    }
    return RHM_OK;
}

void rhm_team_stop(rhm_team *team) {
    if (team->binds) {
#pragma omp parallel num_threads(team->threads)
        unbind_self(team);
    }
    hwloc_bitmap_free(team->unbound);
    rhm_free(team->seat);
    *team = (rhm_team){0};
}

void rhm_team_enter(const rhm_team *team, int thread) {
    if (team->binds && (self.team != team->id || self.thread != thread))
        bind_self(team, thread);
}

void rhm_team_observe(const rhm_team *team, rhm_seat *seat) {
    clear_seats(seat, team->threads);
#pragma omp parallel num_threads(team->threads)
    {
        const int thread = omp_get_thread_num();
        rhm_team_enter(team, thread);
        seat[thread].bind_errno = team->seat[thread].bind_errno;
        look_around(team, &seat[thread]);
    }
}
