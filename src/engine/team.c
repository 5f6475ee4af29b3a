#include "engine/team.h"

#include <errno.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/limits.h"

enum {
    MASK_WORD_BITS = 8 * sizeof(unsigned long),
    MASK_WORDS = 8192 / MASK_WORD_BITS, /* the most CPUs that x86 Linux can be built for */
    SPIN_NS = 200000,
};

/* What this thread was before an engine bound it. Plain words: nothing is left when a thread ends. */
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
    if (self.team == 0 && hwloc_get_cpubind(team->topology->hwloc, set, HWLOC_CPUBIND_THREAD) == 0)
        hwloc_bitmap_to_ulongs(set, MASK_WORDS, self.unbound);
    self.team = team->id;
    self.thread = thread;
    hwloc_bitmap_only(set, (unsigned)team->plan->place[thread].pu_os);
    const int failure = hwloc_set_cpubind(team->topology->hwloc, set, HWLOC_CPUBIND_THREAD) == 0 ? 0 : errno;
    hwloc_bitmap_free(set);
    return failure;
}

/* The calling thread gets back the mask of before any engine bound it. */
static void unbind_self(const rhm_topology *topology) {
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (set && hwloc_bitmap_from_ulongs(set, MASK_WORDS, self.unbound) == 0)
        hwloc_set_cpubind(topology->hwloc, set, HWLOC_CPUBIND_THREAD);
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

/* A part of the team's work, and for whom. */
typedef struct task {
    const rhm_team *team;
    rhm_pool_part *part;
    void *context;
} task;

static void bind_and_do(void *context, int thread) {
    const task *t = context;
    if (t->team->binds && (self.team != t->team->id || self.thread != thread))
        t->team->seat[thread].bind_errno = bind_self(t->team, thread);
    t->part(t->context, thread);
}

void rhm_team_run(const rhm_team *team, rhm_pool_part *part, void *context, int useful) {
    rhm_pool_run(team->pool, bind_and_do, &(task){team, part, context}, useful);
}

void rhm_team_run_all(const rhm_team *team, rhm_pool_part *part, void *context) {
    rhm_pool_run_all(team->pool, bind_and_do, &(task){team, part, context});
}

static void measure_stack(void *context, int thread) {
    ((size_t *)context)[thread] = rhm_stack_left();
}

/* Before anything else is done there. */
static rhm_status check_stacks(const rhm_team *team, rhm_error *error) {
    size_t *left = RHM_NEW(size_t, (size_t)team->threads, 1, 1, "thread team", error);
    if (!left)
        return RHM_NO_MEMORY;
    rhm_status status = RHM_OK;
    rhm_pool_run_all(team->pool, measure_stack, left);
    for (int i = 1; i < rhm_pool_present(team->pool) && status == RHM_OK; i++)
        status = rhm_stack_check(left[i], "OpenMP's threads", error);
    rhm_free(left);
    return status;
}

typedef struct observation {
    const rhm_team *team;
    rhm_seat *seat;
} observation;

static void observe(void *context, int thread) {
    const observation *o = context;
    o->seat[thread].bind_errno = o->team->seat[thread].bind_errno;
    look_around(o->team, &o->seat[thread]);
}

void rhm_team_observe(const rhm_team *team, rhm_seat *seat) {
    for (int i = 0; i < team->threads && seat != team->seat; i++)
        seat[i] = (rhm_seat){.last_pu_os = -1, .node = -1};
    rhm_team_run_all(team, observe, &(observation){team, seat});
}

/* Threads that share processors do not spin: the time would be taken from the one that is waited for. */
static bool share_processors(const rhm_plan *plan, int processors) {
    return plan->threads > processors || plan->threads_per_pu > 1;
}

rhm_status rhm_team_start(rhm_team *team, const rhm_topology *topology, const rhm_plan *plan, int processors,
                          rhm_error *error) {
    static atomic_uint_least64_t last_id;
    *team = (rhm_team){.id = atomic_fetch_add(&last_id, 1) + 1,
                       .threads = plan->threads,
                       .binds = plan->place && topology->this_system,
                       .topology = topology,
                       .plan = plan};
    team->seat = RHM_NEW(rhm_seat, (size_t)team->threads, 1, 1, "thread team", error);
    if (!team->seat)
        return RHM_NO_MEMORY;
    if (self.team != 0)
        unbind_self(topology); /* or the new threads would inherit the one PU of another engine's plan */
    for (int i = 0; i < team->threads; i++)
        team->seat[i] = (rhm_seat){.last_pu_os = -1, .node = -1};
    RHM_TRY(rhm_pool_start(&team->pool, team->threads, share_processors(plan, processors) ? 0 : SPIN_NS, error));
    RHM_TRY(check_stacks(team, error));
    rhm_team_observe(team, team->seat);
    return RHM_OK;
}

void rhm_team_stop(rhm_team *team) {
    rhm_pool_stop(team->pool);
    if (team->id != 0 && self.team == team->id)
        unbind_self(team->topology);
    rhm_free(team->seat);
    *team = (rhm_team){0};
}
