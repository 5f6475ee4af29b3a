/* Best of several trials, remembered. */
#include "ceilings.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "core/memory.h"

/* As many trials as fit the budget: the slow ones, from DRAM, need not be repeated as often. */
enum { MIN_TRIALS = 5, MAX_TRIALS = 100 };
static const double budget_seconds = 0.25;

bool ceilings_has_isa(rhm_isa isa) {
    return isa <= ceilings_widest_isa();
}

rhm_isa ceilings_widest_isa(void) {
    const rhm_cpuid cpuid = rhm_cpuid_read();
    return rhm_isa_of(&cpuid);
}

const char *ceilings_precision_name(ceilings_precision precision) {
    return precision == CEILINGS_F32 ? "f32" : "f64";
}

const char *ceilings_memory_name(ceilings_memory where) {
    static const char *const names[] = {"L1", "L2", "L3", "DRAM"};
    return names[where];
}

const char *ceilings_stream_name(ceilings_stream stream) {
    return stream == CEILINGS_LOAD ? "load" : "triad";
}

/* A measured value and what it is of; `first` and `second` are the two enumerations. */
typedef struct entry {
    bool is_bandwidth;
    int first, second, threads;
    ceilings_result result;
} entry;

static struct {
    entry *entries;
    size_t count, capacity;
} session;

static const ceilings_result *recall(bool is_bandwidth, int first, int second, int threads) {
    for (size_t i = 0; i < session.count; i++) {
        const entry *e = &session.entries[i];
        if (e->is_bandwidth == is_bandwidth && e->first == first && e->second == second && e->threads == threads)
            return &e->result;
    }
    return NULL;
}

/* Without memory the value is measured again next time. */
static void remember(entry value) {
    if (session.count == session.capacity) {
        const size_t capacity = session.capacity ? 2 * session.capacity : 16;
        void *entries = session.entries;
        if (rhm_grow(&entries, sizeof value, session.count, capacity, "ceilings", NULL) != RHM_OK)
            return;
        session.entries = entries;
        session.capacity = capacity;
    }
    session.entries[session.count++] = value;
}

static ceilings_result unmeasured(void) {
    const double none = (double)NAN;
    return (ceilings_result){.rate = none, .traffic_gbs = none, .seconds = none};
}

static ceilings_result best_of_trials(ceilings_trial *trial) {
    const uint64_t rounds = ceilings_trial_rounds(trial);
    double best = HUGE_VAL, spent = 0;
    for (int i = 0; i < MIN_TRIALS || (i < MAX_TRIALS && spent < budget_seconds); i++) {
        const double seconds = ceilings_trial_run(trial, rounds);
        best = fmin(best, seconds);
        spent += seconds;
    }
    ceilings_result result = unmeasured();
    result.working_set_nbytes = ceilings_trial_working_set(trial);
    result.cpus = ceilings_trial_cpus(trial);
    if (!(best > 0) || !isfinite(best)) {
        snprintf(result.reason, sizeof result.reason,
                 "the team had fewer threads than asked for, or its result was wrong");
        return result;
    }
    result.seconds = best;
    result.rate = ceilings_trial_work(trial) * (double)rounds / best * 1e-9;
    if (result.working_set_nbytes)
        result.traffic_gbs = ceilings_trial_traffic(trial) * (double)rounds / best * 1e-9;
    return result;
}

static ceilings_result measure(bool is_bandwidth, int first, int second, int threads) {
    const ceilings_result *known = recall(is_bandwidth, first, second, threads);
    if (known)
        return *known;
    entry value = {is_bandwidth, first, second, threads, unmeasured()};
    ceilings_trial *trial = NULL;
    rhm_error error = {0};
    const rhm_status status =
        is_bandwidth
            ? ceilings_trial_bandwidth(&trial, (ceilings_stream)first, (ceilings_memory)second, threads, &error)
            : ceilings_trial_fma(&trial, (rhm_isa)first, (ceilings_precision)second, threads, &error);
    if (status == RHM_OK)
        value.result = best_of_trials(trial);
    else
        snprintf(value.result.reason, sizeof value.result.reason, "%.*s", (int)sizeof value.result.reason - 1,
                 error.text);
    ceilings_trial_destroy(trial);
    remember(value);
    return value.result;
}

ceilings_result ceilings_fma(rhm_isa isa, ceilings_precision precision, int threads) {
    return measure(false, (int)isa, (int)precision, threads);
}

ceilings_result ceilings_bandwidth(ceilings_stream stream, ceilings_memory where, int threads) {
    return measure(true, (int)stream, (int)where, threads);
}

double ceilings_fma_gflops(rhm_isa isa, int threads) {
    return ceilings_fma(isa, CEILINGS_F32, threads).rate;
}

double ceilings_fma_gflops_f64(rhm_isa isa, int threads) {
    return ceilings_fma(isa, CEILINGS_F64, threads).rate;
}

double ceilings_load_gbs(ceilings_memory where, int threads) {
    return ceilings_bandwidth(CEILINGS_LOAD, where, threads).rate;
}

double ceilings_triad_gbs(ceilings_memory where, int threads) {
    return ceilings_bandwidth(CEILINGS_TRIAD, where, threads).rate;
}
