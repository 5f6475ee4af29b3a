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
    const row *r;
    rhm_ceilings_trial *trial;
    uint64_t rounds;
} turn;

static rhm_status prepare(void *state, void *of, int threads, bool verify, rhm_error *error) {
    (void)verify; /* every trial does */
    turn *t = state;
    t->r = of;
    RHM_TRY(create(&t->trial, t->r, threads, error));
    t->rounds = rhm_ceilings_trial_rounds(t->trial);
    return RHM_OK;
}

static void clear(void *state) {
    rhm_ceilings_trial_destroy(((turn *)state)->trial);
}

static rhm_status run_trial(void *state, double *seconds, rhm_error *error) {
    const turn *t = state;
    *seconds = rhm_ceilings_trial_run(t->trial, t->rounds);
    return isfinite(*seconds)
               ? RHM_OK
               : rhm_fail(error, RHM_FAILED, "the team had fewer threads than asked for, or its result was wrong");
}

static void report(gb_state *gb, const void *state, double best) {
    const turn *t = state;
    const double rounds = (double)t->rounds, work = rhm_ceilings_trial_work(t->trial) * rounds;
    if (t->r->is_bandwidth) {
        gb_counter(gb, "bytes", work, 0);
        gb_bytes_processed(gb, (int64_t)work * gb_iterations_done(gb));
        gb_counter(gb, "best_bytes_per_second", work / best, 0);
        gb_counter(gb, "best_traffic_per_second", rhm_ceilings_trial_traffic(t->trial) * rounds / best, 0);
        gb_counter(gb, "working_set_bytes", (double)rhm_ceilings_trial_working_set(t->trial), GB_1024);
    } else {
        gb_counter(gb, "flops", work, 0);
        gb_counter(gb, "flops_per_second", work, GB_RATE | GB_INVARIANT);
        gb_counter(gb, "best_flops_per_second", work / best, 0);
    }
    gb_counter(gb, "cpus", rhm_ceilings_trial_cpus(t->trial), 0);
}

static const program_kind kind = {sizeof(turn), false, prepare, run_trial, report, clear};

static void register_rows(void *none, size_t count) {
    (void)none, (void)count;
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        for (int precision = 0; precision < CEILINGS_PRECISION_COUNT; precision++) {
            const row r = {false, isa, precision};
            gb_iterations(program_add(&kind, &r, sizeof r, "ceiling/fma/%s/%s",
                                      rhm_ceilings_precision_name((rhm_ceilings_precision)precision),
                                      rhm_isa_name((rhm_isa)isa)),
                          TRIALS);
        }
    for (int stream = 0; stream < CEILINGS_STREAM_COUNT; stream++)
        for (int where = 0; where < CEILINGS_MEMORY_COUNT; where++) {
            const row r = {true, stream, where};
            gb_iterations(program_add(&kind, &r, sizeof r, "ceiling/%s/%s",
                                      rhm_ceilings_stream_name((rhm_ceilings_stream)stream),
                                      rhm_ceilings_memory_name((rhm_ceilings_memory)where)),
                          TRIALS);
        }
}

int main(int argc, char **argv) {
    const program what = {.about = "bench_ceilings: what this machine can do at most",
                          .register_problems = register_rows};
    session_no_ceilings();
    return program_main(argc, argv, &what);
}
