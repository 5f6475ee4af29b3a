#include "session_engine.h"

#include <math.h>
#include <unistd.h>

#include "ceilings/ceilings.h"
#include "engine/record.h"
#include "session.h"

enum { MAX_THREADS = 4096, FIRST_TRIALS = 20 };

static bool without_ceilings, without_verification;
static double best[RHM_ISA_COUNT][MAX_THREADS + 1]; /* 0: not measured yet */

static struct {
    rhm_engine *engine;
    rhm_isa isa;
    int threads;
    rhm_ceilings_trial *ceiling; /* of the same, or NULL */
    uint64_t rounds;
} now;

void session_no_ceilings(void) {
    without_ceilings = true;
}

void session_verify(bool on) {
    without_verification = !on;
}

bool session_verifies(void) {
    return !without_verification;
}

bool session_has_ceilings(void) {
    return !without_ceilings;
}

void session_engine_clear(void) {
    rhm_ceilings_trial_destroy(now.ceiling);
    rhm_engine_destroy(now.engine);
    now.ceiling = NULL;
    now.engine = NULL;
}

rhm_status session_engine(rhm_engine **out, rhm_isa isa, int threads, rhm_error *error) {
    if (!now.engine || now.isa != isa || now.threads != threads) {
        session_engine_clear();
        const rhm_engine_options options = {
            .isa = rhm_isa_name(isa), .threads = threads, .placement = session_placement()};
        const rhm_status status = rhm_engine_create(&now.engine, &options, error);
        if (status != RHM_OK) {
            now.engine = NULL;
            return status;
        }
        now.isa = isa;
        now.threads = threads;
        if (!without_ceilings && rhm_ceilings_trial_fma(&now.ceiling, now.engine, isa, CEILINGS_F32, NULL) == RHM_OK)
            now.rounds = rhm_ceilings_trial_rounds(now.ceiling);
        else
            now.ceiling = NULL;
        const int trials = best[isa][threads] > 0 ? 1 : FIRST_TRIALS;
        for (int i = 0; i < trials; i++)
            session_ceiling_trial();
    }
    *out = now.engine;
    return RHM_OK;
}

void session_ceiling_trial(void) {
    if (!now.ceiling)
        return;
    const double work = rhm_ceilings_trial_work(now.ceiling) * (double)now.rounds;
    const double rate = work / rhm_ceilings_trial_run(now.ceiling, now.rounds);
    if (rate > best[now.isa][now.threads])
        best[now.isa][now.threads] = rate;
}

double session_ceiling(void) {
    return now.ceiling && best[now.isa][now.threads] > 0 ? best[now.isa][now.threads] : (double)NAN;
}

void session_report_placement(gb_state *state) {
    rhm_error error = {0};
    json_t *record = NULL;
    if (!now.engine || rhm_engine_record(now.engine, &record, &error) != RHM_OK)
        return;
    double astray = 0;
    size_t i;
    json_t *seat;
    json_array_foreach(json_object_get(record, "team"), i, seat) {
        const json_t *as_planned = json_object_get(seat, "as_planned");
        astray += json_is_boolean(as_planned) ? json_is_false(as_planned) : (double)NAN;
    }
    json_decref(record);
    if (!isnan(astray))
        gb_counter(state, "threads_off_plan", astray, 0);
}

double session_l2_nbytes(void) {
    const long nbytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return nbytes > 0 ? (double)nbytes : 512.0 * 1024;
}
