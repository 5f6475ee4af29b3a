/* One timed run of a kernel on all threads of a team, each on memory it touched first. */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ceilings/caches.h"
#include "ceilings/ceilings.h"
#include "ceilings/lane.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"

/*
 * Shorter than a slice of the scheduler, so that on a machine with other work some trials are never interrupted (with
 * twice as many runnable threads as CPUs, the best of seven trials of 20 ms found 70 % of the peak, of a hundred of 2
 * ms all of it), and long against the microsecond in which a team starts.
 */
static const double trial_seconds = 0.002, calibration_seconds = 0.0005;

/* What one thread saw of a run. */
typedef struct clocking {
    _Alignas(RHM_ALIGNMENT) bool sound; /* the thread was there, and its result is right */
    double start, end, busy;            /* seconds; the last of CPU time */
    cpu_set_t cpus;                     /* that it may run on */
} clocking;

struct rhm_ceilings_trial {
    const rhm_engine *engine;
    rhm_ceilings_job job;
    rhm_ceilings_memory where;
    int threads;
    int cpus;                 /* that the team's threads may run on, all together; 0 before the first run */
    uint64_t rounds;          /* of the run that is on */
    rhm_ceilings_lane *lanes; /* (threads) */
    clocking *seen;           /* (threads) */
};

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const rhm_tables rhm_ceilings_loops = {
    .nbytes = sizeof(rhm_ceilings_kernels),
    .first = offsetof(rhm_ceilings_kernels, fma_f32),
    .of = {[RHM_ISA_SCALAR] = &rhm_ceilings_kernels_scalar,
#if defined(__x86_64__)
           [RHM_ISA_AVX2] = &rhm_ceilings_kernels_avx2,
           [RHM_ISA_AVX512] = &rhm_ceilings_kernels_avx512
#endif
    },
};

static void fill(void *context, int thread) {
    const rhm_ceilings_trial *trial = context;
    trial->seen[thread].sound = rhm_ceilings_lane_fill(&trial->lanes[thread], &trial->job);
}

static bool all_sound(const rhm_ceilings_trial *trial) {
    for (int t = 0; t < trial->threads; t++)
        if (!trial->seen[t].sound)
            return false;
    return true;
}

static rhm_status trial_create(rhm_ceilings_trial **out, const rhm_engine *engine, const rhm_ceilings_job *job,
                               rhm_ceilings_memory where, rhm_error *error) {
    rhm_ceilings_trial *trial = RHM_NEW(rhm_ceilings_trial, 1, 1, 1, "trial", error);
    if (!trial)
        return RHM_NO_MEMORY;
    const int threads = rhm_engine_threads(engine);
    *trial = (rhm_ceilings_trial){.engine = engine, .job = *job, .where = where, .threads = threads};
    trial->lanes = RHM_NEW(rhm_ceilings_lane, (size_t)threads, 1, 1, "threads of a trial", error);
    trial->seen = RHM_NEW(clocking, (size_t)threads, 1, 1, "threads of a trial", error);
    if (!trial->lanes || !trial->seen) {
        rhm_ceilings_trial_destroy(trial);
        return RHM_NO_MEMORY;
    }
    rhm_on_every_thread(engine, fill, trial);
    if (!all_sound(trial)) {
        rhm_ceilings_trial_destroy(trial);
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused %d threads or working sets of %u x %u x %zu bytes",
                        threads, job->arrays, job->segments, (size_t)job->segment_nbytes);
    }
    *out = trial;
    return RHM_OK;
}

rhm_status rhm_ceilings_trial_fma(rhm_ceilings_trial **out, const rhm_engine *engine, rhm_isa isa,
                                  rhm_ceilings_precision precision, rhm_error *error) {
    *out = NULL;
    if (!rhm_ceilings_has_isa(isa))
        return rhm_fail(error, RHM_UNSUPPORTED, "this machine has no %s", rhm_isa_name(isa));
    /* Those of another set would measure what that one can do. */
    if (!rhm_ceilings_loops.of[isa])
        return rhm_fail(error, RHM_UNSUPPORTED, "this build has no multiply-adds of %s", rhm_isa_name(isa));
    const rhm_ceilings_job job = {.kernels = rhm_ceilings_loops.of[isa],
                                  .kind = precision == CEILINGS_F32 ? CEILINGS_FMA_F32 : CEILINGS_FMA_F64};
    return trial_create(out, engine, &job, CEILINGS_L1, error);
}

rhm_status rhm_ceilings_trial_bandwidth(rhm_ceilings_trial **out, const rhm_engine *engine, rhm_ceilings_stream stream,
                                        rhm_ceilings_memory where, rhm_error *error) {
    *out = NULL;
    const int threads = rhm_engine_threads(engine);
    rhm_ceilings_job job = {.kernels = rhm_tables_nearest(&rhm_ceilings_loops, rhm_isa_here()),
                            .kind = stream == CEILINGS_TRIAD  ? CEILINGS_UPDATE
                                    : stream == CEILINGS_LOAD ? CEILINGS_READ
                                    : where == CEILINGS_DRAM  ? CEILINGS_FILL_PAST
                                                              : CEILINGS_FILL,
                            .arrays = stream == CEILINGS_TRIAD ? 3 : 1,
                            .segments = where == CEILINGS_DRAM ? CEILINGS_MAX_SEGMENTS : 1};
    char reason[128] = "";
    const uint64_t working_set = rhm_ceilings_working_set(where, job.arrays, threads, reason, sizeof reason);
    job.segment_nbytes = working_set / job.arrays / job.segments / CEILINGS_BLOCK_NBYTES * CEILINGS_BLOCK_NBYTES;
    if (job.segment_nbytes == 0)
        return rhm_fail(error, RHM_UNSUPPORTED, "no bandwidth of %s with %d threads: %s",
                        rhm_ceilings_memory_name(where), threads, *reason ? reason : "the working set is empty");
    return trial_create(out, engine, &job, where, error);
}

void rhm_ceilings_trial_destroy(rhm_ceilings_trial *trial) {
    if (!trial)
        return;
    for (int t = 0; trial->lanes && t < trial->threads; t++)
        rhm_ceilings_lane_release(&trial->lanes[t]);
    rhm_free(trial->lanes);
    rhm_free(trial->seen);
    rhm_free(trial);
}

static void run_lane(void *context, int thread) {
    const rhm_ceilings_trial *trial = context;
    rhm_ceilings_lane *lane = &trial->lanes[thread];
    clocking *seen = &trial->seen[thread];
    /* Masks of machines with more CPUs than a cpu_set_t holds cannot be read; then all are taken to be usable. */
    if (sched_getaffinity(0, sizeof seen->cpus, &seen->cpus) != 0)
        memset(&seen->cpus, 0xff, sizeof seen->cpus);
    const double cpu = now(CLOCK_THREAD_CPUTIME_ID);
    seen->start = now(CLOCK_MONOTONIC);
    rhm_ceilings_lane_run(lane, &trial->job, trial->rounds);
    seen->end = now(CLOCK_MONOTONIC);
    seen->busy = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
    seen->sound = rhm_ceilings_lane_verify(lane, &trial->job, trial->rounds);
}

/*
 * Seconds from the first start to the last end, NaN when unsound; *busy the most CPU time that a thread took. Trials
 * follow each other so closely that the team is still looking for work: its threads start within a microsecond.
 */
static double run(rhm_ceilings_trial *trial, uint64_t rounds, double *busy) {
    for (int t = 0; t < trial->threads; t++)
        trial->seen[t].sound = false;
    trial->rounds = rounds;
    rhm_on_every_thread(trial->engine, run_lane, trial);
    double first = HUGE_VAL, last = -HUGE_VAL;
    cpu_set_t together;
    CPU_ZERO(&together);
    *busy = 0;
    for (int t = 0; t < trial->threads; t++) {
        const clocking *seen = &trial->seen[t];
        first = fmin(first, seen->start);
        last = fmax(last, seen->end);
        *busy = fmax(*busy, seen->busy);
        CPU_OR(&together, &together, &seen->cpus);
    }
    trial->cpus = CPU_COUNT(&together);
    return all_sound(trial) ? last - first : (double)NAN;
}

double rhm_ceilings_trial_run(rhm_ceilings_trial *trial, uint64_t rounds) {
    double busy;
    return run(trial, rounds, &busy);
}

/* By CPU time: a thread that lost its CPU for a while would pass for a slow kernel and make every trial too short. */
uint64_t rhm_ceilings_trial_rounds(rhm_ceilings_trial *trial) {
    uint64_t rounds = 1;
    double busy = 0;
    run(trial, rounds, &busy); /* wakes the threads up */
    run(trial, rounds, &busy);
    while (busy < calibration_seconds && rounds < UINT64_C(1) << 40) {
        rounds *= 2;
        run(trial, rounds, &busy);
    }
    const double wanted = (double)rounds * trial_seconds / busy;
    return wanted >= 1 ? (uint64_t)wanted : 1;
}

double rhm_ceilings_trial_work(const rhm_ceilings_trial *trial) {
    const rhm_ceilings_job *job = &trial->job;
    const double steps = (double)trial->threads * CEILINGS_STEPS_PER_ROUND * CEILINGS_CHAINS;
    switch (job->kind) {
    case CEILINGS_FMA_F32: return steps * 2.0 * (double)job->kernels->lanes_f32;
    case CEILINGS_FMA_F64: return steps * 2.0 * (double)job->kernels->lanes_f64;
    default: return (double)trial->threads * job->arrays * (double)job->segment_nbytes;
    }
}

double rhm_ceilings_trial_traffic(const rhm_ceilings_trial *trial) {
    const rhm_ceilings_job *job = &trial->job;
    const bool allocates = job->kind == CEILINGS_UPDATE || job->kind == CEILINGS_FILL;
    const unsigned allocated = allocates && trial->where != CEILINGS_L1 ? 1 : 0;
    return (double)trial->threads * (job->arrays + allocated) * (double)job->segment_nbytes;
}

uint64_t rhm_ceilings_trial_working_set(const rhm_ceilings_trial *trial) {
    return trial->job.arrays * trial->job.segments * trial->job.segment_nbytes;
}

int rhm_ceilings_trial_cpus(const rhm_ceilings_trial *trial) {
    return trial->cpus;
}
