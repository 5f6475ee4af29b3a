/*
 * The ceilings themselves as rows of a report: multiply-adds per instruction set, precision and thread count; load and
 * triad bandwidth per level of memory and thread count. An iteration is a trial of about 2 ms, and the best one counts.
 */
#include <math.h>

#include "ceilings/ceilings.h"
#include "core/fail.h"
#include "program.h"

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

typedef struct turn {
    rhm_ceilings_trial *trial;
    uint64_t rounds;
} turn;

static rhm_status run_trial(void *context, double *seconds, rhm_error *error) {
    const turn *t = context;
    *seconds = rhm_ceilings_trial_run(t->trial, t->rounds);
    return isfinite(*seconds)
               ? RHM_OK
               : rhm_fail(error, RHM_FAILED, "the team had fewer threads than asked for, or its result was wrong");
}

static void run(gb_state *state, void *user) {
    const row *r = user;
    rhm_ceilings_trial *trial = NULL;
    rhm_error error = {0};
    double best = HUGE_VAL;
    const rhm_status status = create(&trial, r, (int)gb_range(state, 0), &error);
    const uint64_t rounds = status == RHM_OK ? rhm_ceilings_trial_rounds(trial) : 0;
    turn t = {trial, rounds};
    if (program_measure(state, status, run_trial, &t, &best, false, &error) != RHM_OK)
        goto done;
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
done:
    rhm_ceilings_trial_destroy(trial);
}

static void register_all(void) {
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        for (int precision = 0; precision < CEILINGS_PRECISION_COUNT; precision++) {
            const row r = {false, isa, precision};
            gb_iterations(program_add(run, &r, sizeof r, "ceiling/fma/%s/%s",
                                      rhm_ceilings_precision_name((rhm_ceilings_precision)precision),
                                      rhm_isa_name((rhm_isa)isa)),
                          TRIALS);
        }
    for (int stream = 0; stream < CEILINGS_STREAM_COUNT; stream++)
        for (int where = 0; where < CEILINGS_MEMORY_COUNT; where++) {
            const row r = {true, stream, where};
            gb_iterations(program_add(run, &r, sizeof r, "ceiling/%s/%s",
                                      rhm_ceilings_stream_name((rhm_ceilings_stream)stream),
                                      rhm_ceilings_memory_name((rhm_ceilings_memory)where)),
                          TRIALS);
        }
}

int main(int argc, char **argv) {
    session_no_ceilings();
    const int status = session_main(argc, argv, "bench_ceilings: what this machine can do at most", register_all);
    session_engine_clear();
    return status;
}
