/*
 * What the engine handle holds. Others use the functions of parallel.h and only read these fields. To them the handle
 * is const, for what it says of the machine and of itself stays as it was made. What does change (the account of
 * memory, the trace, the work of the pool, what the kernels keep) lies behind pointers, and belongs to the one caller
 * whom an engine serves at a time.
 */
#ifndef RHM_ENGINE_ENGINE_H
#define RHM_ENGINE_ENGINE_H

#include "engine/cgroup.h"
#include "engine/cpu.h"
#include "engine/effort.h"
#include "engine/ledger.h"
#include "engine/neighbours.h"
#include "engine/placement.h"
#include "engine/rank_share.h"
#include "engine/registry.h"
#include "engine/team.h"
#include "engine/topology.h"
#include "engine/trace.h"
#include "rhm/engine.h"

/* What another directory keeps with an engine: the engine destroys it and knows nothing else about it. */
typedef struct rhm_slot {
    void *state; /* NULL: nothing yet */
    void (*destroy)(void *state);
} rhm_slot;

struct rhm_engine {
    int threads;
    uint64_t memory_limit_nbytes;
    const volatile sig_atomic_t *interrupt;
    void (*progress)(void *user, const rhm_progress *progress);
    void *user;
    rhm_ranks *ranks;                  /* NULL: this process is alone; the caller's */
    struct rhm_rank_place *rank_place; /* (ranks), owned; NULL without */
    struct rhm_engine *alone;          /* a copy that knows of no ranks and owns nothing, owned; NULL without */

    char cpu[RHM_CPU_NAME_NBYTES];
    rhm_isa isa;
    rhm_isa isa_of_cpu; /* before --isa and RHM_ISA */
    char *backend;      /* as asked, owned */
    rhm_backend_kind backend_kind;
    rhm_slot *kernels_slot; /* owned, never NULL */

    rhm_topology topology;
    rhm_cgroup cgroup;
    rhm_rank_sharing sharing;
    const char *threads_from;      /* what decided their number */
    const char *affinity_variable; /* the one that took placement out of our hands, or NULL */
    char *placement_asked;         /* owned */
    rhm_plan plan;
    rhm_neighbours neighbours;
    rhm_team team;
    bool threads_have_nodes; /* each thread stays on one NUMA node */
    int *thread_node;        /* (threads) index into topology.node, -1 for a thread that may roam between nodes */
    int *node_threads;       /* (topology.node_count) threads of each; 1 everywhere when some thread roams */
    uint64_t physical_nbytes;
    const char *memory_limit_from; /* what decided it */
    rhm_ledger *ledger;
    rhm_trace *trace;       /* NULL: nothing is recorded */
    rhm_effort_mark effort; /* of the process, from the engine's creation on */
};

#endif
