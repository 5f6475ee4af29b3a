#include "engine/engine.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/limits.h"

enum { MAX_THREADS = 4096, LEAST_MEMORY_NBYTES = 16 << 20 };

static char *copy_text(const char *text, const char *what, rhm_error *error) {
    const size_t nbytes = strlen(text) + 1;
    char *copy = RHM_NEW(char, nbytes, 1, 1, what, error);
    if (copy)
        memcpy(copy, text, nbytes);
    return copy;
}

/* First number of OMP_NUM_THREADS ("4" or "4,2"), 0 where it says nothing we can use. */
static int threads_of_environment(void) {
    const char *text = getenv("OMP_NUM_THREADS");
    const long value = text ? strtol(text, NULL, 10) : 0;
    return value >= 1 && value <= MAX_THREADS ? (int)value : 0;
}

/* What the affinity mask leaves of the machine, and how many threads of it a quota can keep busy. */
static rhm_status survey(rhm_engine *engine, rhm_error *error) {
    RHM_TRY(rhm_topology_load(&engine->topology, NULL, NULL, error));
    engine->affinity_variable = rhm_affinity_variable();
    hwloc_cpuset_t allowed = rhm_team_allowed(&engine->topology, engine->affinity_variable);
    if (!allowed)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a set of CPUs");
    rhm_status status = RHM_OK;
    if (engine->topology.this_system)
        status = rhm_topology_restrict(&engine->topology, allowed, error);
    hwloc_bitmap_free(allowed);
    if (status == RHM_OK && engine->topology.this_system && !engine->affinity_variable)
        status = rhm_rank_share(&engine->topology, engine->ranks, error);
    rhm_cgroup_read(&engine->cgroup, "");
    if (status == RHM_OK)
        status = rhm_rank_find_sharing(&engine->sharing, &engine->cgroup, engine->ranks, error);
    return status;
}

/* That a quota can keep busy, of which ranks of the group it is for have their shares. */
static int quota_threads(const rhm_engine *engine) {
    const int all = rhm_cgroup_threads(&engine->cgroup), ranks = engine->sharing.quota;
    return all / ranks + (all % ranks > 0);
}

static rhm_status start_team(rhm_engine *engine, rhm_error *error) {
    const int quota = quota_threads(engine), pus = engine->topology.pus;
    return rhm_team_start(&engine->team, &engine->topology, &engine->plan, quota < pus ? quota : pus, error);
}

static rhm_status plan_threads(rhm_engine *engine, const rhm_engine_options *options, rhm_error *error) {
    const int quota = quota_threads(engine), named = threads_of_environment();
    int automatic = engine->topology.cores;
    engine->threads_from = "allowed cores";
    if (quota < automatic) {
        automatic = quota;
        engine->threads_from = "CPU quota";
    }
    if (automatic > MAX_THREADS)
        automatic = MAX_THREADS;
    if (named) {
        automatic = named;
        engine->threads_from = "OMP_NUM_THREADS";
    }
    RHM_TRY(rhm_plan_make(&engine->plan, &engine->topology, options->placement, options->threads, automatic, error));
    if (engine->plan.threads > MAX_THREADS)
        return rhm_fail(error, RHM_INVALID, "placement names %d PUs: allowed are up to %d threads",
                        engine->plan.threads, MAX_THREADS);
    if (options->threads)
        engine->threads_from = "option";
    else if (engine->plan.policy == RHM_PLACE_LIST)
        engine->threads_from = "placement list";
    engine->threads = engine->plan.threads;
    if (engine->affinity_variable) {
        rhm_plan_clear(&engine->plan);
        engine->plan = rhm_plan_unplaced(RHM_PLACE_ENVIRONMENT, engine->threads);
    } else if (!options->placement && engine->topology.this_system && engine->threads < engine->topology.cores) {
        /* Or runs that leave cores to others would all be on the first ones. */
        rhm_plan_clear(&engine->plan);
        return rhm_neighbours_plan(&engine->neighbours, &engine->plan, &engine->topology, engine->threads, error);
    }
    return RHM_OK;
}

/* The plan decides; without one the masks that the threads turned out to have. */
static rhm_status settle_nodes(rhm_engine *engine, rhm_error *error) {
    engine->thread_node = RHM_NEW(int, (size_t)engine->threads, 1, 1, "nodes of threads", error);
    engine->node_threads = RHM_NEW(int, (size_t)engine->topology.node_count, 1, 1, "threads of nodes", error);
    if (!engine->thread_node || !engine->node_threads)
        return RHM_NO_MEMORY;
    int settled = 0;
    for (int i = 0; i < engine->threads; i++) {
        const int node = engine->plan.place ? engine->plan.place[i].node : engine->team.seat[i].node;
        engine->thread_node[i] = node;
        if (node >= 0) {
            engine->node_threads[node]++;
            settled++;
        }
    }
    engine->threads_have_nodes = settled == engine->threads;
    for (int i = 0; i < engine->topology.node_count && !engine->threads_have_nodes; i++)
        engine->node_threads[i] = 1;
    return RHM_OK;
}

/* Limits of the process hold whatever was asked for; what it has by now, stacks of threads included, is taken off. */
static rhm_status settle_memory(rhm_engine *engine, uint64_t asked_nbytes, rhm_error *error) {
    engine->physical_nbytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    const rhm_rank_sharing *sharing = &engine->sharing;
    engine->memory_limit_nbytes = engine->physical_nbytes / (uint64_t)sharing->machine;
    engine->memory_limit_from = sharing->machine > 1 ? "this rank's share of the machine's memory" : "physical memory";
    const uint64_t group = engine->cgroup.memory_limit_nbytes / (uint64_t)sharing->memory;
    if (group < engine->memory_limit_nbytes) {
        engine->memory_limit_nbytes = group;
        engine->memory_limit_from = sharing->memory > 1 ? "this rank's share of the control group" : "control group";
    }
    if (asked_nbytes) {
        engine->memory_limit_nbytes = asked_nbytes;
        engine->memory_limit_from = "option";
    }
    const char *why = "";
    const uint64_t left = rhm_limits_memory_left(&why);
    if (left < LEAST_MEMORY_NBYTES)
        return rhm_fail(error, RHM_NO_MEMORY,
                        "the limit of this process (%s) leaves %" PRIu64 " MiB of memory: %d MiB are needed at least",
                        why, left >> 20, LEAST_MEMORY_NBYTES >> 20);
    if (left < engine->memory_limit_nbytes) {
        engine->memory_limit_nbytes = left;
        engine->memory_limit_from = why;
    }
    RHM_TRY(rhm_rank_least(engine->ranks, &engine->memory_limit_nbytes, error));
    return rhm_ledger_create(&engine->ledger, &engine->topology, engine->memory_limit_nbytes, engine->memory_limit_from,
                             error);
}

static rhm_status copy_without_ranks(rhm_engine *engine, rhm_error *error) {
    if (!engine->ranks)
        return RHM_OK;
    rhm_engine *alone = RHM_NEW(rhm_engine, 1, 1, 1, "engine", error);
    if (!alone)
        return RHM_NO_MEMORY;
    *alone = *engine;
    alone->ranks = NULL;
    engine->alone = alone;
    return RHM_OK;
}

rhm_status rhm_engine_create(rhm_engine **out, const rhm_engine_options *options, rhm_error *error) {
    static const rhm_engine_options automatic = {0};
    const rhm_engine_options *o = options ? options : &automatic;
    const int64_t start = rhm_trace_now();
    *out = NULL;
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return rhm_fail(error, RHM_INVALID, "threads is %d: allowed are 0 (one per core) to %d", o->threads,
                        MAX_THREADS);
    RHM_TRY(rhm_stack_check(rhm_stack_left(), "the calling thread", error));
    rhm_engine *engine = RHM_NEW(rhm_engine, 1, 1, 1, "engine", error);
    if (!engine)
        return RHM_NO_MEMORY;
    rhm_effort_begin(&engine->effort, true);
    engine->interrupt = o->interrupt;
    engine->progress = o->progress;
    engine->user = o->user;
    engine->ranks = o->ranks;
    rhm_cpu_name(engine->cpu);
    engine->isa_of_cpu = rhm_isa_here();
    rhm_status status = rhm_isa_choose(&engine->isa, o->isa, getenv("RHM_ISA"), engine->isa_of_cpu, error);
    if (status != RHM_OK)
        goto fail;
    status = rhm_backend_find(&engine->backend_kind, o->backend, engine->isa, error);
    if (status == RHM_OK && o->ranks && engine->backend_kind == RHM_BACKEND_AUTO)
        status = rhm_fail(error, RHM_INVALID,
                          "backend is \"auto\", which each of %d ranks would decide by measurements of its own: ranks "
                          "have native or onednn",
                          rhm_ranks_size(o->ranks));
    if (status != RHM_OK)
        goto fail;
    status = RHM_NO_MEMORY;
    engine->kernels_slot = RHM_NEW(rhm_slot, 1, 1, 1, "state of the kernels", error);
    engine->backend = copy_text(o->backend ? o->backend : "native", "backend name", error);
    engine->placement_asked = copy_text(o->placement ? o->placement : "compact", "placement policy", error);
    if (!engine->kernels_slot || !engine->backend || !engine->placement_asked)
        goto fail;

    status = survey(engine, error);
    if (status == RHM_OK)
        status = plan_threads(engine, o, error);
    if (status == RHM_OK)
        status = start_team(engine, error);
    if (status == RHM_OK)
        status = settle_nodes(engine, error);
    if (status == RHM_OK)
        status = settle_memory(engine, o->memory_limit_nbytes, error);
    if (status == RHM_OK)
        status = rhm_rank_places(&engine->rank_place, &engine->topology, engine->threads, engine->ranks, error);
    if (status == RHM_OK && o->trace)
        status = rhm_trace_create(&engine->trace, engine->threads, start, error);
    if (status == RHM_OK)
        status = copy_without_ranks(engine, error);
    if (status != RHM_OK)
        goto fail;
    *out = engine;
    return RHM_OK;

fail:
    rhm_engine_destroy(engine);
    return status;
}

void rhm_engine_destroy(rhm_engine *engine) {
    if (!engine)
        return;
    if (engine->kernels_slot && engine->kernels_slot->state)
        engine->kernels_slot->destroy(engine->kernels_slot->state);
    rhm_free(engine->kernels_slot);
    rhm_team_stop(&engine->team);
    rhm_trace_destroy(engine->trace);
    rhm_ledger_destroy(engine->ledger);
    rhm_plan_clear(&engine->plan);
    rhm_neighbours_clear(&engine->neighbours);
    rhm_topology_clear(&engine->topology);
    rhm_free(engine->rank_place);
    rhm_free(engine->alone);
    rhm_free(engine->thread_node);
    rhm_free(engine->node_threads);
    rhm_free(engine->backend);
    rhm_free(engine->placement_asked);
    rhm_free(engine);
}

rhm_status rhm_engine_open(rhm_engine **out, int threads, const char *placement, const char *isa, const char *backend,
                           uint64_t memory_limit_nbytes, const volatile sig_atomic_t *interrupt,
                           void (*progress)(void *user, const rhm_progress *progress), void *user, rhm_error *error) {
    const rhm_engine_options options = {.threads = threads,
                                        .placement = placement,
                                        .isa = isa,
                                        .backend = backend,
                                        .memory_limit_nbytes = memory_limit_nbytes,
                                        .interrupt = interrupt,
                                        .progress = progress,
                                        .user = user};
    return rhm_engine_create(out, &options, error);
}

const rhm_rank_place *rhm_engine_rank_place(const rhm_engine *engine, int rank) {
    return &engine->rank_place[rank];
}

rhm_isa rhm_engine_isa(const rhm_engine *engine) {
    return engine->isa;
}

rhm_engine_info rhm_engine_describe(const rhm_engine *engine) {
    const bool list = engine->plan.policy == RHM_PLACE_LIST;
    return (rhm_engine_info){.threads = engine->threads,
                             .cpu = engine->cpu,
                             .isa = rhm_isa_name(engine->isa),
                             .backend = engine->backend,
                             .placement = list ? engine->placement_asked : rhm_policy_name(engine->plan.policy),
                             .numa_nodes = engine->topology.node_count,
                             .memory_limit_nbytes = engine->memory_limit_nbytes};
}
