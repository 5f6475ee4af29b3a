/* What takes longer to measure than ceilings: by thread counts, by cores, by pairs of nodes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ceilings/caches.h"
#include "ceilings/chase.h"
#include "ceilings/loops.h"
#include "core/fail.h"
#include "core/fields.h"
#include "core/json.h"
#include "core/median.h"
#include "core/memory.h"
#include "engine/effort.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "engine/processor_times.h"
#include "engine/record.h"
#include "engine/spread.h"
#include "machine/explore.h"

enum { MOST_COUNTS = 16 };

/* 1, 2, 4, ... and all. */
static int counts_to(int most, int counts[MOST_COUNTS]) {
    int found = 0;
    for (int n = 1; n < most && found < MOST_COUNTS - 1; n *= 2)
        counts[found++] = n;
    counts[found++] = most;
    return found;
}

/* ---- caches --------------------------------------------------------------------------------------------------------
 */

typedef struct chase {
    void *memory;
    size_t nbytes;
    double seconds;
} chase;

static void chase_here(void *context, int thread) {
    chase *c = context;
    (void)thread;
    rhm_chase_make(c->memory, c->nbytes, 1);
    c->seconds = rhm_chase_seconds(c->memory, c->nbytes);
}

/* On an engine of one thread. */
static json_t *latency(const rhm_engine *engine, void *memory, size_t nbytes) {
    chase c = {.memory = memory, .nbytes = nbytes};
    rhm_on_every_thread(engine, chase_here, &c);
    return rhm_json_number(1e9 * c.seconds);
}

static rhm_status explore_caches(json_t **out, const rhm_engine *parent, rhm_error *error) {
    rhm_engine *engine;
    char reason[128] = "";
    const uint64_t most = rhm_ceilings_working_set(CEILINGS_DRAM, 1, 1, reason, sizeof reason);
    const size_t nbytes = rhm_chase_whole(most ? most : 64 << 20);
    void *memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused %zu bytes to measure caches", nbytes);
    madvise(memory, nbytes, MADV_HUGEPAGE);
    const rhm_place first = parent->plan.place ? parent->plan.place[0] : (rhm_place){0};
    const rhm_status status = rhm_explore_on(&engine, parent, &first, 1, error);
    if (status != RHM_OK) {
        munmap(memory, nbytes);
        return status;
    }
    json_t *levels = json_object(), *curve = json_array();
    for (int w = 0; w < CEILINGS_MEMORY_COUNT; w++) {
        const uint64_t set = rhm_ceilings_working_set((rhm_ceilings_memory)w, 1, 1, reason, sizeof reason);
        rhm_json_set(&levels, rhm_ceilings_memory_name((rhm_ceilings_memory)w),
                     set && set <= nbytes ? latency(engine, memory, rhm_chase_whole(set))
                                          : rhm_record_unavailable(reason));
    }
    for (size_t size = 8 << 10; size <= nbytes && rhm_engine_check(engine, NULL) == RHM_OK; size *= 2)
        rhm_json_append(&curve,
                        json_pack("{s:I, s:o}", "bytes", (json_int_t)size, "ns", latency(engine, memory, size)));
    rhm_engine_destroy(engine);
    munmap(memory, nbytes);
    *out = json_pack("{s:i, s:o, s:o}", "cpu", first.pu_os, "latency_ns", levels, "curve", curve);
    return rhm_engine_check(parent, error);
}

/* ---- bandwidth by threads ------------------------------------------------------------------------------------------
 */

static json_t *rate_of(rhm_ceilings_result result) {
    return isnan(result.rate) ? rhm_record_unavailable(result.reason) : json_real(result.rate);
}

static rhm_status explore_threads(json_t **out, const rhm_engine *parent, rhm_error *error) {
    rhm_plan plan = {0};
    RHM_TRY(rhm_explore_cores(&plan, parent, error));
    int counts[MOST_COUNTS];
    const int found = counts_to(plan.threads, counts);
    json_t *list = json_array();
    rhm_status status = RHM_OK;
    for (int i = 0; i < found && status == RHM_OK; i++) {
        rhm_engine *engine;
        rhm_engine_progress(parent, "machine: bandwidth by threads", (uint64_t)i, (uint64_t)found);
        if ((status = rhm_explore_on(&engine, parent, plan.place, counts[i], error)) != RHM_OK)
            break;
        rhm_json_append(
            &list, json_pack("{s:i, s:o, s:o}", "threads", counts[i], "load_gbs",
                             rate_of(rhm_ceilings_measure_bandwidth(engine, CEILINGS_LOAD, CEILINGS_DRAM)), "triad_gbs",
                             rate_of(rhm_ceilings_measure_bandwidth(engine, CEILINGS_TRIAD, CEILINGS_DRAM))));
        rhm_engine_destroy(engine);
        status = rhm_engine_check(parent, error);
    }
    rhm_plan_clear(&plan);
    *out = list;
    return status;
}

/* ---- frequency by active cores and instruction set -----------------------------------------------------------------
 */

enum { FREQUENCY_REPEATS = 5, FREQUENCY_STEPS = 1 << 20 }; /* 12 chains of 4 cycles: some 5 ms */

typedef struct clocking {
    const rhm_ceilings_kernels *kernels;
    double *hertz; /* (threads), the median of the repeats */
    int *lost;     /* (threads), repeats in which the processor was taken away */
    bool counted;
} clocking;

/* A share of a repeat without the processor, from which on others worked there too. */
static const double most_lost = 0.02;

static void clock_thread(void *context, int thread) {
    clocking *c = context;
    float values[CEILINGS_CHAINS * CEILINGS_MAX_LANES] = {0};
    double hertz[FREQUENCY_REPEATS];
    for (int i = 0; i < FREQUENCY_REPEATS; i++) {
        rhm_effort_mark mark;
        rhm_effort_begin(&mark, false);
        c->kernels->fma_f32(values, -1, 1, FREQUENCY_STEPS);
        const rhm_effort effort = rhm_effort_read(&mark);
        rhm_effort_end(&mark);
        hertz[i] = effort.hertz;
        c->lost[thread] += effort.involuntary_switches > 0 || effort.cpu_seconds < (1 - most_lost) * effort.seconds;
        if (thread == 0)
            c->counted = effort.counted;
    }
    qsort(hertz, FREQUENCY_REPEATS, sizeof *hertz, rhm_by_value);
    c->hertz[thread] = hertz[FREQUENCY_REPEATS / 2];
}

static json_t *frequencies(const rhm_engine *engine, rhm_isa isa, double *hertz, int *lost) {
    clocking c = {.kernels = rhm_ceilings_loops.of[isa], .hertz = hertz, .lost = lost};
    double sum = 0, least = HUGE_VAL;
    int all_lost = 0;
    const int threads = rhm_engine_threads(engine);
    memset(lost, 0, (size_t)threads * sizeof *lost);
    rhm_on_every_thread(engine, clock_thread, &c);
    for (int t = 0; t < threads; t++) {
        sum += hertz[t];
        least = fmin(least, hertz[t]);
        all_lost += lost[t];
    }
    return json_pack("{s:i, s:s, s:o, s:o, s:s, s:f}", "cores", threads, "isa", rhm_isa_name(isa), "mean_hertz",
                     rhm_json_number(sum / threads), "least_hertz", rhm_json_number(least), "by",
                     c.counted ? "perf events" : "dependent additions", "disturbed",
                     (double)all_lost / (threads * FREQUENCY_REPEATS));
}

static rhm_status explore_frequency(json_t **out, const rhm_engine *parent, rhm_error *error) {
    rhm_plan plan = {0};
    RHM_TRY(rhm_explore_cores(&plan, parent, error));
    int counts[MOST_COUNTS];
    const int found = counts_to(plan.threads, counts);
    double *hertz = RHM_NEW(double, (size_t)plan.threads, 1, 1, "frequencies", error);
    int *lost = RHM_NEW(int, (size_t)plan.threads, 1, 1, "frequencies", error);
    json_t *list = json_array();
    rhm_status status = hertz && lost ? RHM_OK : RHM_NO_MEMORY;
    for (int i = 0; i < found && status == RHM_OK; i++) {
        rhm_engine *engine;
        rhm_engine_progress(parent, "machine: frequency by cores", (uint64_t)i, (uint64_t)found);
        if ((status = rhm_explore_on(&engine, parent, plan.place, counts[i], error)) != RHM_OK)
            break;
        for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
            if (rhm_ceilings_has_isa((rhm_isa)isa) && rhm_ceilings_loops.of[isa])
                rhm_json_append(&list, frequencies(engine, (rhm_isa)isa, hertz, lost));
        rhm_engine_destroy(engine);
        status = rhm_engine_check(parent, error);
    }
    rhm_free(hertz);
    rhm_free(lost);
    rhm_plan_clear(&plan);
    *out = list;
    return status;
}

/* ---- siblings of a core --------------------------------------------------------------------------------------------
 */

static rhm_status explore_smt(json_t **out, const rhm_engine *parent, rhm_error *error) {
    rhm_plan plan = {0};
    RHM_TRY(rhm_plan_make(&plan, &parent->topology, "compact", parent->topology.pus, 1, error));
    rhm_place pair[2] = {plan.place[0]};
    bool found = false;
    for (int i = 1; i < plan.threads && !found; i++)
        if ((found = plan.place[i].core >= 0 && plan.place[i].core == pair[0].core))
            pair[1] = plan.place[i];
    rhm_plan_clear(&plan);
    if (!found) {
        *out = rhm_record_unavailable("the first core has one processor that this process may use");
        return RHM_OK;
    }
    double fma[2], load[2];
    for (int n = 1; n <= 2; n++) {
        rhm_engine *engine;
        RHM_TRY(rhm_explore_on(&engine, parent, pair, n, error));
        fma[n - 1] = rhm_ceilings_measure_fma(engine, rhm_isa_here(), CEILINGS_F32).rate;
        load[n - 1] = rhm_ceilings_measure_bandwidth(engine, CEILINGS_LOAD, CEILINGS_DRAM).rate;
        rhm_engine_destroy(engine);
        RHM_TRY(rhm_engine_check(parent, error));
    }
    *out = json_pack("{s:[i, i], s:o, s:o, s:o, s:o}", "cpus", pair[0].pu_os, pair[1].pu_os, "fma_gflops_of_one",
                     rhm_json_number(fma[0]), "fma_gain", rhm_json_number(fma[1] / fma[0]), "load_gbs_of_one",
                     rhm_json_number(load[0]), "load_gain", rhm_json_number(load[1] / load[0]));
    return RHM_OK;
}

/* ---- all of it -----------------------------------------------------------------------------------------------------
 */

static const struct {
    rhm_machine_part part;
    const char *key;
    rhm_status (*explore)(json_t **out, const rhm_engine *parent, rhm_error *error);
} parts[] = {
    {RHM_MACHINE_CACHES, "caches", explore_caches},          {RHM_MACHINE_THREADS, "threads", explore_threads},
    {RHM_MACHINE_FREQUENCY, "frequency", explore_frequency}, {RHM_MACHINE_SMT, "smt", explore_smt},
    {RHM_MACHINE_NODES, "nodes", rhm_explore_nodes},
};

rhm_status rhm_machine_explore(json_t **out, const rhm_engine *engine, unsigned what, rhm_error *error) {
    if (engine->affinity_variable)
        return rhm_fail(error, RHM_UNSUPPORTED, "%s is set, so threads are not ours to bind to cores: unset it",
                        engine->affinity_variable);
    if (rhm_engine_ranks(engine))
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "ranks of a machine would measure each other, as other programs: measure it in one process, "
                        "without mpirun");
    json_t *all = json_object();
    const double begin = 1e-9 * (double)rhm_trace_now();
    const rhm_processor_others others = rhm_processor_others_begin();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        json_t *part = NULL;
        if (!(what & (unsigned)parts[i].part))
            continue;
        const rhm_status status = parts[i].explore(&part, engine, error);
        if (status != RHM_OK) {
            json_decref(part);
            json_decref(all);
            return status;
        }
        rhm_json_set(&all, parts[i].key, part);
    }
    const rhm_processor_times taken = rhm_processor_others_since(&others);
    if (what)
        rhm_json_set(&all, "others",
                     json_pack("{s:f, s:o, s:o}", "seconds", 1e-9 * (double)rhm_trace_now() - begin,
                               "other_programs_seconds", rhm_json_number(taken.busy), "stolen_seconds",
                               rhm_json_number(taken.stolen)));
    *out = all;
    return RHM_OK;
}

/* Measured, and rounded up: caches and nodes shuffle memory of several times the last-level caches. */
double rhm_machine_explore_seconds(const rhm_engine *engine, unsigned what) {
    int counts[MOST_COUNTS];
    char reason[128];
    const double found = counts_to(engine->topology.cores, counts), nodes = engine->topology.node_count;
    const double shuffle = 3e-9 * (double)rhm_ceilings_working_set(CEILINGS_DRAM, 1, 1, reason, sizeof reason);
    return (what & RHM_MACHINE_CACHES ? 1 + 3 * shuffle : 0) + (what & RHM_MACHINE_THREADS ? 1.5 * found : 0) +
           (what & RHM_MACHINE_FREQUENCY ? 0.2 * found : 0) + (what & RHM_MACHINE_SMT ? 3 : 0) +
           (what & RHM_MACHINE_NODES ? nodes * (shuffle + 0.5 * nodes) : 0);
}
