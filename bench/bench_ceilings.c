/*
 * The ceilings themselves as rows of a report: multiply-adds per instruction set, precision and thread count; load and
 * triad bandwidth per level of memory and thread count. An iteration is a trial of about 2 ms, and the best one counts.
 */
#include <math.h>
#include <stdio.h>

#include "ceilings/ceilings.h"
#include "gbench.h"
#include "session.h"
#include "session_engine.h"

enum { TRIALS = 50 };

typedef struct row {
    bool is_bandwidth;
    int first, second; /* isa and precision, or stream and memory */
} row;

static rhm_status create(rhm_ceilings_trial **trial, const row *r, int threads, rhm_error *error) {
    rhm_engine *engine;
    const rhm_status status = session_engine(&engine, RHM_ISA_SCALAR, threads, error); /* for its threads */
    if (status != RHM_OK)
        return status;
    if (r->is_bandwidth)
        return rhm_ceilings_trial_bandwidth(trial, engine, (rhm_ceilings_stream)r->first,
                                            (rhm_ceilings_memory)r->second, error);
    return rhm_ceilings_trial_fma(trial, engine, (rhm_isa)r->first, (rhm_ceilings_precision)r->second, error);
}

static void run(gb_state *state, void *user) {
    const row *r = user;
    rhm_ceilings_trial *trial = NULL;
    rhm_error error = {0};
    const rhm_status status = create(&trial, r, (int)gb_range(state, 0), &error);
    if (status == RHM_UNSUPPORTED) {
        gb_skip_message(state, error.text);
        return;
    }
    if (status != RHM_OK) {
        gb_skip_error(state, error.text);
        return;
    }
    const uint64_t rounds = rhm_ceilings_trial_rounds(trial);
    double best = HUGE_VAL;
    while (gb_keep_running(state)) {
        const double seconds = rhm_ceilings_trial_run(trial, rounds);
        if (!isfinite(seconds))
            gb_skip_error(state, "the team had fewer threads than asked for, or its result was wrong");
        else
            gb_set_iteration_time(state, seconds);
        best = seconds < best ? seconds : best;
    }
    const double work = rhm_ceilings_trial_work(trial) * (double)rounds;
    if (r->is_bandwidth) {
        gb_counter(state, "bytes", work, 0);
        gb_bytes_processed(state, (int64_t)work * gb_iterations_done(state));
        gb_counter(state, "best_bytes_per_second", work / best, 0);
        gb_counter(state, "best_traffic_per_second", rhm_ceilings_trial_traffic(trial) * (double)rounds / best, 0);
        gb_counter(state, "working_set_bytes", (double)rhm_ceilings_trial_working_set(trial), GB_1024);
    } else {
        gb_counter(state, "flops", work, 0);
        gb_counter(state, "flops_per_second", work, GB_RATE | GB_INVARIANT);
        gb_counter(state, "best_flops_per_second", work / best, 0);
    }
    gb_counter(state, "cpus", rhm_ceilings_trial_cpus(trial), 0);
    rhm_ceilings_trial_destroy(trial);
}

static void add(const char *name, row *r) {
    static const char *const names[] = {"t"};
    int counts[SESSION_THREAD_COUNTS];
    const int n = session_thread_counts(counts, SESSION_THREAD_COUNTS);
    gb_bench *bench = gb_register(name, run, r);
    gb_arg_names(bench, names, 1);
    for (int i = 0; i < n; i++)
        gb_arg(bench, counts[i]);
    gb_use_manual_time(bench);
    gb_measure_process_cpu_time(bench);
    gb_unit(bench, GB_MILLISECOND);
    gb_iterations(bench, TRIALS);
}

static void register_all(void) {
    static row fma[RHM_ISA_COUNT][CEILINGS_PRECISION_COUNT], bandwidth[CEILINGS_STREAM_COUNT][CEILINGS_MEMORY_COUNT];
    char name[64];
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        for (int precision = 0; precision < CEILINGS_PRECISION_COUNT; precision++) {
            fma[isa][precision] = (row){false, isa, precision};
            snprintf(name, sizeof name, "ceiling/fma/%s/%s",
                     rhm_ceilings_precision_name((rhm_ceilings_precision)precision), rhm_isa_name((rhm_isa)isa));
            add(name, &fma[isa][precision]);
        }
    for (int stream = 0; stream < CEILINGS_STREAM_COUNT; stream++)
        for (int where = 0; where < CEILINGS_MEMORY_COUNT; where++) {
            bandwidth[stream][where] = (row){true, stream, where};
            snprintf(name, sizeof name, "ceiling/%s/%s", rhm_ceilings_stream_name((rhm_ceilings_stream)stream),
                     rhm_ceilings_memory_name((rhm_ceilings_memory)where));
            add(name, &bandwidth[stream][where]);
        }
}

int main(int argc, char **argv) {
    session_no_ceilings();
    return session_main(argc, argv, "bench_ceilings: what this machine can do at most", register_all);
}
