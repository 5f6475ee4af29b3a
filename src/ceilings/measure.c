/* Best of several trials. */
#include <math.h>
#include <stdio.h>

#include "ceilings/ceilings.h"

/* As many trials as fit the budget: the slow ones, from DRAM, need not be repeated as often. */
enum { MIN_TRIALS = 5, MAX_TRIALS = 100 };
static const double budget_seconds = 0.25;

static rhm_ceilings_result unmeasured(void) {
    const double none = (double)NAN;
    return (rhm_ceilings_result){.rate = none, .traffic_gbs = none, .seconds = none};
}

static rhm_ceilings_result best_of_trials(rhm_ceilings_trial *trial) {
    const uint64_t rounds = rhm_ceilings_trial_rounds(trial);
    double best = HUGE_VAL, spent = 0;
    for (int i = 0; i < MIN_TRIALS || (i < MAX_TRIALS && spent < budget_seconds); i++) {
        const double seconds = rhm_ceilings_trial_run(trial, rounds);
        best = fmin(best, seconds);
        spent += seconds;
    }
    rhm_ceilings_result result = unmeasured();
    result.working_set_nbytes = rhm_ceilings_trial_working_set(trial);
    result.cpus = rhm_ceilings_trial_cpus(trial);
    if (!(best > 0) || !isfinite(best)) {
        snprintf(result.reason, sizeof result.reason,
                 "the team had fewer threads than asked for, or its result was wrong");
        return result;
    }
    result.seconds = best;
    result.rate = rhm_ceilings_trial_work(trial) * (double)rounds / best * 1e-9;
    if (result.working_set_nbytes)
        result.traffic_gbs = rhm_ceilings_trial_traffic(trial) * (double)rounds / best * 1e-9;
    return result;
}

static rhm_ceilings_result finish(rhm_status status, rhm_ceilings_trial *trial, const rhm_error *error) {
    if (status == RHM_OK) {
        const rhm_ceilings_result result = best_of_trials(trial);
        rhm_ceilings_trial_destroy(trial);
        return result;
    }
    rhm_ceilings_result result = unmeasured();
    snprintf(result.reason, sizeof result.reason, "%.*s", (int)sizeof result.reason - 1, error->text);
    return result;
}

rhm_ceilings_result rhm_ceilings_measure_fma(const rhm_engine *engine, rhm_isa isa, rhm_ceilings_precision precision) {
    rhm_ceilings_trial *trial = NULL;
    rhm_error error = {0};
    const rhm_status status = rhm_ceilings_trial_fma(&trial, engine, isa, precision, &error);
    return finish(status, trial, &error);
}

rhm_ceilings_result rhm_ceilings_measure_bandwidth(const rhm_engine *engine, rhm_ceilings_stream stream,
                                                   rhm_ceilings_memory where) {
    rhm_ceilings_trial *trial = NULL;
    rhm_error error = {0};
    const rhm_status status = rhm_ceilings_trial_bandwidth(&trial, engine, stream, where, &error);
    return finish(status, trial, &error);
}
