#include "burn/visit.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "ceilings/ceilings.h"
#include "core/fail.h"
#include "core/median.h"
#include "core/memory.h"
#include "engine/effort.h"
#include "engine/engine.h"
#include "engine/parallel.h"
#include "engine/processor_times.h"

enum { LEAST_WINDOWS = 3, WINDOWS_A_TRAINING = 4 };

/* As long as a ceiling's trial: short against what else a core may have to do. */
static const double window_seconds = 0.002;

/* A share of a window or of a training without the processor; from here on its time says nothing. */
static const double most_lost = 0.02;

/* A share of a stay in which others worked on the same core beside it. */
static const double most_shared = 0.5;

static bool disturbed(const rhm_effort *effort) {
    return effort->involuntary_switches > 0 || effort->cpu_seconds < (1 - most_lost) * effort->seconds;
}

static void note(rhm_burn_stay *stay, bool right, int operation) {
    stay->sums.runs++;
    if (right)
        return;
    stay->sums.mismatches++;
    stay->sums.wrong[operation]++;
}

/* The peak, the kernels and the frequency, one right after the other. */
static void run_window(rhm_burn_stay *stay, rhm_ceilings_trial *trial, uint64_t rounds, rhm_burn_kernels *kernels) {
    rhm_effort_mark mark;
    double seconds = 0, flops = 0;
    rhm_effort_begin(&mark, false);
    const double peak_seconds = rhm_ceilings_trial_run(trial, rounds);
    while (seconds < window_seconds)
        for (int op = 0; op < RHM_BURN_OPERATIONS; op++) {
            double lasted = 0;
            const uint64_t digest = rhm_burn_kernels_run(kernels, (rhm_burn_operation)op, &lasted);
            note(stay, digest == rhm_burn_known_digest[op], op);
            stay->least[op] = fmin(stay->least[op], lasted);
            seconds += lasted;
            flops += rhm_burn_operation_flops((rhm_burn_operation)op);
        }
    const rhm_effort effort = rhm_effort_read(&mark);
    rhm_effort_end(&mark);
    stay->sums.windows++;
    stay->sums.counted = effort.counted;
    stay->rates.best_hertz = fmax(stay->rates.best_hertz, effort.hertz); /* the number, where one is NAN */
    if (disturbed(&effort))
        stay->sums.disturbed++;
    else if (stay->windows < RHM_BURN_MOST_WINDOWS)
        stay->window[stay->windows++] = (rhm_burn_rates){
            .gflops = 1e-9 * flops / seconds,
            .share = flops / seconds / (rhm_ceilings_trial_work(trial) * (double)rounds / peak_seconds),
            .hertz = effort.hertz,
        };
}

static rhm_status run_training(rhm_burn_stay *stay, const rhm_engine *engine) {
    rhm_effort_mark mark;
    bool right;
    rhm_effort_begin(&mark, false);
    RHM_TRY(rhm_burn_train(&right, engine, stay->burn->grammar, &stay->error));
    const rhm_effort effort = rhm_effort_read(&mark);
    rhm_effort_end(&mark);
    note(stay, right, RHM_BURN_OPERATIONS);
    /* A team's caller waits for the others: that its processor is idle meanwhile is no disturbance. */
    const bool lost = stay->way == RHM_BURN_TEAM ? effort.involuntary_switches > 0 : disturbed(&effort);
    if (!lost && stay->trainings < RHM_BURN_MOST_WINDOWS)
        stay->training[stay->trainings++] = effort.seconds;
    if (stay->way == RHM_BURN_TEAM && !lost)
        stay->rates.hertz = effort.hertz;
    return RHM_OK;
}

/* Of a member of the windows. */
static double median_of(const rhm_burn_stay *stay, size_t member) {
    double value[RHM_BURN_MOST_WINDOWS];
    for (size_t i = 0; i < stay->windows; i++)
        memcpy(&value[i], (const char *)&stay->window[i] + member, sizeof *value);
    qsort(value, stay->windows, sizeof *value, rhm_by_value);
    return stay->windows ? value[stay->windows / 2] : (double)NAN;
}

static void find_rates(rhm_burn_stay *stay) {
    qsort(stay->training, stay->trainings, sizeof *stay->training, rhm_by_value);
    const double training = stay->trainings ? 1 / stay->training[stay->trainings / 2] : (double)NAN;
    stay->rates.training = training;
    if (stay->way == RHM_BURN_TEAM)
        return;
    stay->rates.gflops = median_of(stay, offsetof(rhm_burn_rates, gflops));
    stay->rates.share = median_of(stay, offsetof(rhm_burn_rates, share));
    stay->rates.hertz = median_of(stay, offsetof(rhm_burn_rates, hertz));
    double flops = 0, seconds = 0;
    for (int op = 0; op < RHM_BURN_OPERATIONS; op++) {
        if (stay->least[op] > 0 && isfinite(stay->least[op]))
            stay->rates.best[op] = 1 / stay->least[op];
        flops += rhm_burn_operation_flops((rhm_burn_operation)op);
        seconds += 1 / stay->rates.best[op];
    }
    stay->rates.best_gflops = 1e-9 * flops / seconds;
}

static rhm_status work(rhm_burn_stay *stay, const rhm_engine *engine, rhm_ceilings_trial *trial,
                       rhm_burn_kernels *kernels) {
    const double begin = 1e-9 * (double)rhm_trace_now();
    const bool alone = stay->way != RHM_BURN_TEAM;
    const uint64_t rounds = alone ? rhm_ceilings_trial_rounds(trial) : 0;
    size_t turns = 0;
    do {
        for (int i = 0; i < WINDOWS_A_TRAINING && alone; i++) {
            run_window(stay, trial, rounds, kernels);
            RHM_TRY(rhm_engine_check(engine, &stay->error));
        }
        RHM_TRY(run_training(stay, engine));
        turns++;
    } while (1e-9 * (double)rhm_trace_now() - begin < stay->seconds);
    return RHM_OK;
}

/* Processors of the same core on which this burn has nothing to do. */
static hwloc_bitmap_t other_processors(const rhm_burn_stay *stay, const rhm_engine *engine) {
    hwloc_bitmap_t all = hwloc_bitmap_alloc();
    const hwloc_obj_t pu =
        stay->pu_os >= 0 ? hwloc_get_pu_obj_by_os_index(engine->topology.hwloc, (unsigned)stay->pu_os) : NULL;
    const hwloc_obj_t core = pu ? hwloc_get_ancestor_obj_by_type(engine->topology.hwloc, HWLOC_OBJ_CORE, pu) : NULL;
    if (all && core)
        hwloc_bitmap_copy(all, core->complete_cpuset);
    for (int i = 0; all && i < stay->burn->cores; i++)
        if (stay->way == RHM_BURN_TOGETHER || stay->burn->core[i].pu_os == stay->pu_os)
            hwloc_bitmap_clr(all, (unsigned)stay->burn->core[i].pu_os);
    return all;
}

static double busy_of(hwloc_const_bitmap_t processors) {
    double sum = 0;
    for (int pu = processors ? hwloc_bitmap_first(processors) : -1; pu >= 0; pu = hwloc_bitmap_next(processors, pu)) {
        rhm_processor_times times;
        sum += rhm_processor_times_read(&times, pu) ? times.busy : 0;
    }
    return sum;
}

/* Of the whole stay: what others had of this core. Where somebody had the rest of it most of the time, even the best
 * runs are those of a shared core. */
static rhm_status work_and_watch(rhm_burn_stay *stay, const rhm_engine *engine, rhm_ceilings_trial *trial,
                                 rhm_burn_kernels *kernels) {
    rhm_processor_times times[2] = {0};
    rhm_effort_mark mark;
    hwloc_bitmap_t beside = other_processors(stay, engine);
    const bool known = stay->pu_os >= 0 && rhm_processor_times_read(&times[0], stay->pu_os);
    const double beside_begin = busy_of(beside);
    rhm_effort_begin(&mark, false);
    const rhm_status status = work(stay, engine, trial, kernels);
    const rhm_effort effort = rhm_effort_read(&mark);
    rhm_effort_end(&mark);
    stay->sums.seconds = effort.seconds;
    find_rates(stay);
    if (known && rhm_processor_times_read(&times[1], stay->pu_os)) {
        const double shared = busy_of(beside) - beside_begin;
        stay->sums.foreign_seconds = times[1].busy - times[0].busy - effort.cpu_seconds + shared;
        stay->sums.stolen_seconds = times[1].stolen - times[0].stolen;
        for (int op = 0; op < RHM_BURN_OPERATIONS && shared > most_shared * effort.seconds; op++)
            stay->rates.best[op] = (double)NAN;
    }
    hwloc_bitmap_free(beside);
    return status;
}

/* Threads that are not where they should be would convict the wrong core. */
static rhm_status check_seats(rhm_burn_stay *stay, const rhm_engine *engine) {
    for (int t = 0; t < engine->threads; t++) {
        const rhm_seat *seat = &engine->team.seat[t];
        if (!seat->present || seat->bind_errno)
            return rhm_fail(&stay->error, RHM_UNSUPPORTED, "thread %d cannot be bound to CPU %d%s%s", t,
                            engine->plan.place ? engine->plan.place[t].pu_os : -1, seat->bind_errno ? ": " : "",
                            seat->bind_errno ? strerror(seat->bind_errno) : "");
    }
    return RHM_OK;
}

static rhm_status prepare(rhm_burn_stay *stay, rhm_engine **engine, rhm_ceilings_trial **trial,
                          rhm_burn_kernels **kernels) {
    const rhm_engine_options options = {
        .placement = stay->placement, .isa = rhm_isa_name(stay->isa), .interrupt = stay->burn->options.interrupt};
    RHM_TRY(rhm_engine_create(engine, &options, &stay->error));
    RHM_TRY(check_seats(stay, *engine));
    if (stay->way == RHM_BURN_TEAM)
        return RHM_OK;
    const rhm_kernels table = rhm_kernels_at(stay->isa);
    RHM_TRY(rhm_burn_kernels_create(kernels, &table, &stay->error));
    return rhm_ceilings_trial_fma(trial, *engine, stay->isa, CEILINGS_F32, &stay->error);
}

static void begin_together(rhm_burn_start *start) {
    pthread_mutex_lock(&start->mutex);
    start->there++;
    pthread_cond_broadcast(&start->all_there);
    while (start->there < start->expected)
        pthread_cond_wait(&start->all_there, &start->mutex);
    pthread_mutex_unlock(&start->mutex);
}

void *rhm_burn_stay_run(void *context) {
    rhm_burn_stay *stay = context;
    rhm_engine *engine = NULL;
    rhm_ceilings_trial *trial = NULL;
    rhm_burn_kernels *kernels = NULL;
    stay->rates = (rhm_burn_rates){NAN, NAN, NAN, NAN, .best_gflops = NAN, .best_hertz = NAN};
    for (int op = 0; op < RHM_BURN_OPERATIONS; op++) {
        stay->rates.best[op] = NAN;
        stay->least[op] = HUGE_VAL;
    }
    stay->status = prepare(stay, &engine, &trial, &kernels);
    begin_together(stay->start);
    if (stay->status == RHM_OK)
        stay->status = work_and_watch(stay, engine, trial, kernels);
    rhm_ceilings_trial_destroy(trial);
    rhm_burn_kernels_destroy(kernels);
    rhm_engine_destroy(engine);
    return NULL;
}
