/*
 * The pinned team: threads of OpenMP that wait in a pool of their own and the thread that calls. Each binds itself to
 * the PU planned for its number when it first works for an engine, and the binding is read back.
 */
#ifndef RHM_ENGINE_TEAM_H
#define RHM_ENGINE_TEAM_H

#include "engine/placement.h"
#include "engine/pool.h"

enum { RHM_SEAT_CPUS_NBYTES = 96 };

/* Where a thread is, as the operating system says. */
typedef struct rhm_seat {
    bool present; /* OpenMP gave us this thread; it gives fewer under OMP_THREAD_LIMIT and the like */
    char cpus[RHM_SEAT_CPUS_NBYTES]; /* PUs it may use, operating-system numbers such as "0-3" */
    int last_pu_os;                  /* PU it last ran on, -1 if unknown */
    int node;                        /* index into rhm_topology.node when `cpus` lies on one node, else -1 */
    int bind_errno;                  /* 0, or why binding failed */
} rhm_seat;

typedef struct rhm_team {
    uint64_t id; /* never reused, unlike addresses of engines */
    int threads;
    bool binds; /* this team sets the masks of its threads */
    const rhm_topology *topology;
    const rhm_plan *plan;
    rhm_seat *seat; /* (threads): as read right after binding */
    rhm_pool *pool;
} rhm_team;

/* The first of OMP_PROC_BIND, OMP_PLACES, GOMP_CPU_AFFINITY and KMP_AFFINITY that is set and not empty, or NULL. */
const char *rhm_affinity_variable(void);

/*
 * The PUs that the calling thread may use, apart from bindings by other engines. With `variable` the union of OpenMP's
 * places: libgomp has by then bound the initial thread to the first of them. NULL when memory is short.
 */
hwloc_cpuset_t rhm_team_allowed(const rhm_topology *topology, const char *variable);

/*
 * Start the threads, bind them when `plan` places them and the topology is this system's, and read back where they are.
 * `processors` is how many may run at a time. Keeps pointers to plan and topology. Stop it on failure too.
 */
rhm_status rhm_team_start(rhm_team *team, const rhm_topology *topology, const rhm_plan *plan, int processors,
                          rhm_error *error);

/* The threads end; the calling one, if this team has bound it, gets back the mask of before. Accepts a zeroed team. */
void rhm_team_stop(rhm_team *team);

/* rhm_pool_run and rhm_pool_run_all, on bound threads. */
void rhm_team_run(const rhm_team *team, rhm_pool_part *part, void *context, int useful);
void rhm_team_run_all(const rhm_team *team, rhm_pool_part *part, void *context);

/* Read anew where the threads are; `seat` is (team->threads). */
void rhm_team_observe(const rhm_team *team, rhm_seat *seat);

#endif
