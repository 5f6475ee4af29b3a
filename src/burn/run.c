#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "burn/visit.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/processor_times.h"

enum { MOST_VISITS = 1 << 15, CORES_A_ROUND = 8, CORE_TEXT_NBYTES = 16 };

static const double default_seconds = 60, default_tolerance = 0.05;

/* A stay on one core: some windows and a training. Short, for whoever else uses a core comes and goes in seconds. */
static const double stay_seconds = 0.04, stay_together_seconds = 0.08;

const char *rhm_burn_way_name(rhm_burn_way way) {
    static const char *const names[] = {"alone", "together", "team"};
    return names[way];
}

/* ---- one visit -----------------------------------------------------------------------------------------------------
 */

/* Where a history is full, every second visit is forgotten, and of those to come so many fewer are kept. */
rhm_status rhm_burn_keep_visit(rhm_burn_cell *cell, const rhm_burn_rates *rates, rhm_error *error) {
    if (cell->visits_made++ % (UINT64_C(1) << cell->thinned) != 0)
        return RHM_OK;
    if (cell->visits == MOST_VISITS) {
        for (size_t i = 0; i < MOST_VISITS / 2; i++)
            cell->visit[i] = cell->visit[2 * i];
        cell->visits = MOST_VISITS / 2;
        cell->thinned++;
    }
    if (cell->visits == cell->visits_capacity) {
        const size_t larger = cell->visits_capacity ? 2 * cell->visits_capacity : 64;
        void *memory = cell->visit;
        RHM_TRY(rhm_grow(&memory, sizeof *cell->visit, cell->visits, larger, "visits to a core", error));
        cell->visit = memory;
        cell->visits_capacity = larger;
    }
    cell->visit[cell->visits++] = *rates;
    return RHM_OK;
}

/* Rates of a cell are compared visit by visit, so one without an undisturbed window has its place too. */
static rhm_status add_visit(rhm_burn_cell *cell, const rhm_burn_stay *stay, rhm_error *error) {
    cell->runs += stay->sums.runs;
    cell->mismatches += stay->sums.mismatches;
    for (int op = 0; op <= RHM_BURN_OPERATIONS; op++)
        cell->wrong[op] += stay->sums.wrong[op];
    cell->windows += stay->sums.windows;
    cell->disturbed += stay->sums.disturbed;
    cell->seconds += stay->sums.seconds;
    cell->foreign_seconds += stay->sums.foreign_seconds;
    cell->stolen_seconds += stay->sums.stolen_seconds;
    cell->counted = stay->sums.counted;
    return rhm_burn_keep_visit(cell, &stay->rates, error);
}

static rhm_status start_and_join(rhm_burn_stay *stay, int count, rhm_error *error) {
    pthread_t *thread = RHM_NEW(pthread_t, (size_t)count, 1, 1, "threads of a burn", error);
    if (!thread)
        return RHM_NO_MEMORY;
    int started = 0, refusal = 0;
    while (started < count &&
           (refusal = pthread_create(&thread[started], NULL, rhm_burn_stay_run, &stay[started])) == 0)
        started++;
    /* Those that there are must not wait for the others. */
    pthread_mutex_lock(&stay->start->mutex);
    stay->start->expected = started;
    pthread_cond_broadcast(&stay->start->all_there);
    pthread_mutex_unlock(&stay->start->mutex);
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    rhm_free(thread);
    return refusal ? rhm_fail(error, RHM_NO_MEMORY, "the system refused %d threads: %s", count, strerror(refusal))
                   : RHM_OK;
}

/* "0,2,4" in hwloc's order, which is not the system's. */
static char *list_of(const rhm_burn *burn, rhm_error *error) {
    char *list = RHM_NEW(char, (size_t)burn->cores, CORE_TEXT_NBYTES, 1, "a list of cores", error);
    for (int i = 0, used = 0; list && i < burn->cores; i++)
        used += sprintf(list + used, "%s%d", i ? "," : "", burn->core[i].pu);
    return list;
}

rhm_status rhm_burn_visit(rhm_burn *burn, rhm_burn_way way, int first, int count, int isa, double seconds,
                          rhm_error *error) {
    const int stays = way == RHM_BURN_TEAM ? 1 : count;
    rhm_burn_start start = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, stays};
    rhm_burn_stay *stay = RHM_NEW(rhm_burn_stay, (size_t)stays, 1, 1, "a visit", error);
    char *place = way == RHM_BURN_TEAM ? list_of(burn, error)
                                       : RHM_NEW(char, (size_t)count, CORE_TEXT_NBYTES, 1, "places", error);
    rhm_status status = stay && place ? RHM_OK : RHM_NO_MEMORY;
    if (status != RHM_OK)
        goto done;
    for (int i = 0; i < stays; i++) {
        char *here = place + i * CORE_TEXT_NBYTES;
        if (way != RHM_BURN_TEAM)
            snprintf(here, CORE_TEXT_NBYTES, "%d", burn->core[first + i].pu);
        stay[i] = (rhm_burn_stay){.burn = burn,
                                  .way = way,
                                  .isa = burn->isa[isa],
                                  .placement = here,
                                  .pu_os = way == RHM_BURN_TEAM ? -1 : burn->core[first + i].pu_os,
                                  .seconds = seconds,
                                  .start = &start};
    }
    status = start_and_join(stay, stays, error);
    for (int i = 0; i < stays && status == RHM_OK; i++) {
        status = add_visit(rhm_burn_cell_at(burn, way, first + i, isa), &stay[i], error);
        if (status == RHM_OK && stay[i].status != RHM_OK)
            status = rhm_fail(error, stay[i].status, "%s", stay[i].error.text);
    }
done:
    rhm_free(stay);
    rhm_free(place);
    return status;
}

/* ---- all of them ---------------------------------------------------------------------------------------------------
 */

static void tell(const rhm_burn *burn, double begin, const char *what, rhm_isa isa) {
    char stage[64];
    snprintf(stage, sizeof stage, "burn: %s, %s", what, rhm_isa_name(isa));
    const double done = 1e-9 * (double)rhm_trace_now() - begin;
    const rhm_progress progress = {stage, (uint64_t)fmin(done, burn->options.seconds), (uint64_t)burn->options.seconds};
    if (burn->options.progress)
        burn->options.progress(burn->options.user, &progress);
}

/* The turn of the cores from `first` on, and of all together. */
static rhm_status run_round(rhm_burn *burn, int first, double begin, rhm_error *error) {
    const int last = first + CORES_A_ROUND < burn->cores ? first + CORES_A_ROUND : burn->cores;
    for (int isa = 0; isa < burn->isas; isa++) {
        /* There and back: what drifts during a round then favours none of them. */
        for (int i = first; i < last; i++) {
            const int core = burn->rounds % 2 ? last - 1 - (i - first) : i;
            char what[32];
            snprintf(what, sizeof what, "core %d alone", core);
            tell(burn, begin, what, burn->isa[isa]);
            RHM_TRY(rhm_burn_visit(burn, RHM_BURN_ALONE, core, 1, isa, stay_seconds, error));
        }
        tell(burn, begin, "all at once", burn->isa[isa]);
        RHM_TRY(rhm_burn_visit(burn, RHM_BURN_TOGETHER, 0, burn->cores, isa, stay_together_seconds, error));
        tell(burn, begin, "one training of all", burn->isa[isa]);
        RHM_TRY(rhm_burn_visit(burn, RHM_BURN_TEAM, 0, burn->cores, isa, 0, error));
    }
    return RHM_OK;
}

static rhm_status run_rounds(rhm_burn *burn, rhm_error *error) {
    const double begin = 1e-9 * (double)rhm_trace_now();
    const rhm_processor_others others = rhm_processor_others_begin();
    rhm_status status = RHM_OK;
    do {
        for (int first = 0; first < burn->cores && status == RHM_OK; first += CORES_A_ROUND)
            status = run_round(burn, first, begin, error);
        burn->rounds += status == RHM_OK;
        burn->seconds = 1e-9 * (double)rhm_trace_now() - begin;
    } while (status == RHM_OK && burn->seconds < burn->options.seconds);
    burn->other_seconds = rhm_processor_others_since(&others).busy;
    burn->interrupted = status == RHM_INTERRUPTED;
    return status;
}

/* ---- what to run on ------------------------------------------------------------------------------------------------
 */

static rhm_status choose_isas(rhm_burn *burn, const rhm_engine *engine, rhm_error *error) {
    const char *asked = burn->options.isa;
    if (asked && strcmp(asked, "auto") != 0) {
        burn->isas = 1;
        return rhm_isa_choose(&burn->isa[0], asked, getenv("RHM_ISA"), engine->isa_of_cpu, error);
    }
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        if (rhm_isa_includes(rhm_engine_isa(engine), (rhm_isa)isa))
            burn->isa[burn->isas++] = (rhm_isa)isa;
    return RHM_OK;
}

static rhm_status choose_cores(rhm_burn *burn, const rhm_engine *engine, rhm_error *error) {
    if (engine->affinity_variable)
        return rhm_fail(error, RHM_UNSUPPORTED, "%s is set, so threads are not ours to bind to cores: unset it",
                        engine->affinity_variable);
    rhm_plan plan = {0};
    const char *cores = burn->options.cores;
    if (cores && (cores[0] < '0' || cores[0] > '9'))
        return rhm_fail(error, RHM_INVALID, "cores '%.80s': allowed is a list such as 0,2,4-7", cores);
    RHM_TRY(rhm_plan_make(&plan, &engine->topology, cores ? cores : "compact", 0, engine->topology.cores, error));
    if (plan.threads_per_pu > 1) {
        rhm_plan_clear(&plan);
        return rhm_fail(error, RHM_INVALID, "cores '%.80s': one is named twice", cores);
    }
    burn->cores = plan.threads;
    burn->core = plan.place;
    return RHM_OK;
}

static rhm_status prepare(rhm_burn *burn, rhm_error *error) {
    rhm_engine *engine;
    RHM_TRY(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1, .placement = "none"}, error));
    memcpy(burn->cpu, engine->cpu, sizeof burn->cpu);
    burn->virtual_machine = rhm_cpu_is_virtual();
    rhm_status status = choose_isas(burn, engine, error);
    if (status == RHM_OK)
        status = choose_cores(burn, engine, error);
    rhm_engine_destroy(engine);
    RHM_TRY(status);
    burn->cell =
        RHM_NEW(rhm_burn_cell, RHM_BURN_WAYS, (size_t)burn->cores, (size_t)burn->isas, "table of cores", error);
    return burn->cell ? rhm_burn_grammar(&burn->grammar, error) : RHM_NO_MEMORY;
}

rhm_status rhm_burn_run(rhm_burn **out, const rhm_burn_options *options, rhm_error *error) {
    *out = NULL;
    rhm_burn *burn = RHM_NEW(rhm_burn, 1, 1, 1, "burn", error);
    if (!burn)
        return RHM_NO_MEMORY;
    if (options)
        burn->options = *options;
    burn->options.seconds = burn->options.seconds > 0 ? burn->options.seconds : default_seconds;
    burn->tolerance = burn->options.tolerance > 0 ? burn->options.tolerance : default_tolerance;
    burn->frequency_tolerance =
        burn->options.frequency_tolerance > 0 ? burn->options.frequency_tolerance : burn->tolerance;
    rhm_status status = prepare(burn, error);
    if (status == RHM_OK)
        status = run_rounds(burn, error);
    if (status == RHM_OK || status == RHM_INTERRUPTED) {
        const rhm_status judged = rhm_burn_judge(burn, status == RHM_OK ? error : NULL);
        status = judged == RHM_OK ? status : judged;
    }
    if (status == RHM_OK || status == RHM_INTERRUPTED)
        *out = burn;
    else
        rhm_burn_destroy(burn);
    return status;
}

void rhm_burn_destroy(rhm_burn *burn) {
    if (!burn)
        return;
    for (size_t i = 0; burn->cell && i < RHM_BURN_WAYS * (size_t)burn->cores * (size_t)burn->isas; i++)
        rhm_free(burn->cell[i].visit);
    rhm_free(burn->cell);
    rhm_free(burn->core);
    rhm_free(burn->outlier);
    rhm_grammar_destroy(burn->grammar);
    rhm_free(burn);
}

rhm_burn_summary rhm_burn_summarise(const rhm_burn *burn) {
    rhm_burn_summary all = {.outliers = burn->outliers};
    for (int core = 0; core < burn->cores; core++) {
        uint64_t wrong = 0;
        for (int way = 0; way < RHM_BURN_WAYS; way++)
            for (int isa = 0; isa < burn->isas; isa++) {
                const rhm_burn_cell *cell = rhm_burn_cell_at(burn, (rhm_burn_way)way, core, isa);
                all.runs += cell->runs;
                all.mismatches += cell->mismatches;
                wrong += way == RHM_BURN_TEAM ? 0 : cell->mismatches;
            }
        all.wrong_cores += wrong > 0;
    }
    return all;
}
