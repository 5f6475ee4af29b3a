/* One timed run of a kernel on all threads of a team, each on memory it touched first. */
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ceilings/caches.h"
#include "ceilings/ceilings.h"
#include "ceilings/lane.h"
#include "core/fail.h"
#include "core/memory.h"

enum { MAX_THREADS = 4096 };

/*
 * Shorter than a slice of the scheduler, so that on a machine with other work some trials are never interrupted (with
 * twice as many runnable threads as CPUs, the best of seven trials of 20 ms found 70 % of the peak, of a hundred of 2
 * ms all of it), and long against the microsecond in which a team starts.
 */
static const double trial_seconds = 0.002, calibration_seconds = 0.0005;

struct rhm_ceilings_trial {
    rhm_ceilings_job job;
    rhm_ceilings_memory where;
    int threads;
    int cpus;                 /* that the team's threads may run on, all together; 0 before the first run */
    rhm_ceilings_lane *lanes; /* (threads) */
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

static rhm_status trial_create(rhm_ceilings_trial **out, const rhm_ceilings_job *job, rhm_ceilings_memory where,
                               int threads, rhm_error *error) {
    *out = NULL;
    rhm_ceilings_trial *trial = RHM_NEW(rhm_ceilings_trial, 1, 1, 1, "trial", error);
    if (!trial)
        return RHM_NO_MEMORY;
    *trial = (rhm_ceilings_trial){.job = *job, .where = where, .threads = threads};
    trial->lanes = RHM_NEW(rhm_ceilings_lane, (size_t)threads, 1, 1, "threads of a trial", error);
    if (!trial->lanes) {
        rhm_ceilings_trial_destroy(trial);
        return RHM_NO_MEMORY;
    }
    bool filled = true;
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(&& : filled)
    for (int t = 0; t < threads; t++)
        filled = rhm_ceilings_lane_fill(&trial->lanes[t], job) && filled;
    if (!filled) {
        rhm_ceilings_trial_destroy(trial);
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused %d working sets of %u x %u x %zu bytes", threads,
                        job->arrays, job->segments, (size_t)job->segment_nbytes);
    }
    *out = trial;
    return RHM_OK;
}

static rhm_status check_threads(int threads, rhm_error *error) {
    if (threads >= 1 && threads <= MAX_THREADS)
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID, "threads is %d: allowed are 1 to %d", threads, MAX_THREADS);
}

rhm_status rhm_ceilings_trial_fma(rhm_ceilings_trial **out, rhm_isa isa, rhm_ceilings_precision precision, int threads,
                                  rhm_error *error) {
    *out = NULL;
    RHM_TRY(check_threads(threads, error));
    if (!rhm_ceilings_has_isa(isa))
        return rhm_fail(error, RHM_UNSUPPORTED, "this machine has no %s", rhm_isa_name(isa));
    /* Those of another set would measure what that one can do. */
    if (!rhm_ceilings_loops.of[isa])
        return rhm_fail(error, RHM_UNSUPPORTED, "this build has no multiply-adds of %s", rhm_isa_name(isa));
    const rhm_ceilings_job job = {.kernels = rhm_ceilings_loops.of[isa],
                                  .kind = precision == CEILINGS_F32 ? CEILINGS_FMA_F32 : CEILINGS_FMA_F64};
    return trial_create(out, &job, CEILINGS_L1, threads, error);
}

rhm_status rhm_ceilings_trial_bandwidth(rhm_ceilings_trial **out, rhm_ceilings_stream stream, rhm_ceilings_memory where,
                                        int threads, rhm_error *error) {
    *out = NULL;
    RHM_TRY(check_threads(threads, error));
    rhm_ceilings_job job = {.kernels = rhm_tables_nearest(&rhm_ceilings_loops, rhm_isa_here()),
                            .kind = stream == CEILINGS_TRIAD ? CEILINGS_UPDATE : CEILINGS_READ,
                            .arrays = stream == CEILINGS_TRIAD ? 3 : 1,
                            .segments = where == CEILINGS_DRAM ? CEILINGS_MAX_SEGMENTS : 1};
    char reason[128] = "";
    const uint64_t working_set = rhm_ceilings_working_set(where, job.arrays, threads, reason, sizeof reason);
    job.segment_nbytes = working_set / job.arrays / job.segments / CEILINGS_BLOCK_NBYTES * CEILINGS_BLOCK_NBYTES;
    if (job.segment_nbytes == 0)
        return rhm_fail(error, RHM_UNSUPPORTED, "no bandwidth of %s with %d threads: %s",
                        rhm_ceilings_memory_name(where), threads, *reason ? reason : "the working set is empty");
    return trial_create(out, &job, where, threads, error);
}

void rhm_ceilings_trial_destroy(rhm_ceilings_trial *trial) {
    if (!trial)
        return;
    for (int t = 0; trial->lanes && t < trial->threads; t++)
        rhm_ceilings_lane_release(&trial->lanes[t]);
    rhm_free(trial->lanes);
    rhm_free(trial);
}

/* Masks of machines with more CPUs than a cpu_set_t holds cannot be read; then all are taken to be usable. */
static void allow(cpu_set_t *together) {
    cpu_set_t mine;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof mine, &mine) != 0)
        memset(&mine, 0xff, sizeof mine);
#pragma omp critical(rhm_ceilings_allow)
    CPU_OR(together, together, &mine);
}

/* Seconds from the first start to the last end, NaN when unsound; *busy the most CPU time that a thread took. */
static double run(rhm_ceilings_trial *trial, uint64_t rounds, double *busy) {
    double first = HUGE_VAL, last = -HUGE_VAL, most = 0;
    bool sound = true;
    cpu_set_t together;
    CPU_ZERO(&together);
#pragma omp parallel num_threads(trial->threads) reduction(min : first) reduction(max : last, most)                    \
    reduction(&& : sound)
    {
        allow(&together);
        rhm_ceilings_lane *lane = &trial->lanes[omp_get_thread_num()];
        sound = omp_get_num_threads() == trial->threads;
#pragma omp barrier
        const double cpu = now(CLOCK_THREAD_CPUTIME_ID);
        first = now(CLOCK_MONOTONIC);
        rhm_ceilings_lane_run(lane, &trial->job, rounds);
        last = now(CLOCK_MONOTONIC);
        most = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
        sound = sound && rhm_ceilings_lane_verify(lane, &trial->job, rounds);
    }
    trial->cpus = CPU_COUNT(&together);
    *busy = most;
    return sound ? last - first : (double)NAN;
}

double rhm_ceilings_trial_run(rhm_ceilings_trial *trial, uint64_t rounds) {
    double busy;
    return run(trial, rounds, &busy);
}

/* By CPU time: a thread that lost its CPU for a while would pass for a slow kernel and make every trial too short. */
uint64_t rhm_ceilings_trial_rounds(rhm_ceilings_trial *trial) {
    uint64_t rounds = 1;
    double busy = 0;
    run(trial, rounds, &busy); /* creates the team's threads */
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
    const unsigned allocated = job->kind == CEILINGS_UPDATE && trial->where != CEILINGS_L1 ? 1 : 0;
    return (double)trial->threads * (job->arrays + allocated) * (double)job->segment_nbytes;
}

uint64_t rhm_ceilings_trial_working_set(const rhm_ceilings_trial *trial) {
    return trial->job.arrays * trial->job.segments * trial->job.segment_nbytes;
}

int rhm_ceilings_trial_cpus(const rhm_ceilings_trial *trial) {
    return trial->cpus;
}
