#include "cli/sweep/runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/interrupt.h"
#include "cli/sweep/checkpoints.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"

enum { LOOK_AHEAD = 64, ARGUMENT_NBYTES = 64, STAGE_NBYTES = 96 };
static const double redraw_seconds = 0.1, checkpoint_seconds = 20, memory_reserve = 1.25;

/* ---- jobs ------------------------------------------------------------------------------------------------ */

rhm_status rhm_sweep_runner_add(rhm_sweep_runner *runner, rhm_sweep_cell *cell, rhm_error *error) {
    rhm_status status = RHM_OK;
    if (runner->jobs == runner->room) {
        const size_t more = runner->room ? 2 * runner->room : 64;
        status = rhm_grow((void **)&runner->job, sizeof *runner->job, runner->jobs, more, "cells to run", error);
        runner->room = status == RHM_OK ? more : runner->room;
    }
    rhm_sweep_job *job = status == RHM_OK ? RHM_NEW(rhm_sweep_job, 1, 1, 1, "a cell to run", error) : NULL;
    if (job) {
        job->cell = *cell;
        job->number = runner->jobs;
        *cell = (rhm_sweep_cell){0};
        runner->job[runner->jobs++] = job;
        return rhm_sweep_forecast_add(runner->forecast, &job->class, &job->cell, error);
    }
    rhm_sweep_cell_clear(cell);
    return RHM_NO_MEMORY;
}

/* The longest first; those of which nothing is known may be longer than all. */
static int longest_first(const void *left, const void *right, void *forecast) {
    const rhm_sweep_job *a = *(rhm_sweep_job *const *)left, *b = *(rhm_sweep_job *const *)right;
    const double x = rhm_sweep_forecast_seconds(forecast, a->class), y = rhm_sweep_forecast_seconds(forecast, b->class);
    const double p = isnan(x) ? (double)INFINITY : x, q = isnan(y) ? (double)INFINITY : y;
    if (p != q)
        return p > q ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void sort_waiting(rhm_sweep_runner *runner) {
    qsort_r(runner->job + runner->started, runner->jobs - runner->started, sizeof(rhm_sweep_job *), longest_first,
            runner->forecast);
}

/* ---- starting -------------------------------------------------------------------------------------------- */

/* Cells of a rank that could run, or do. */
static int places_of(const rhm_sweep_runner *runner, int rank, bool running) {
    int count = 0;
    for (int i = 0; i < runner->sets.count; i++)
        count += runner->place[i].rank == rank && (!running || runner->place[i].job);
    return count;
}

static double memory_of(const rhm_sweep_runner *runner, const rhm_sweep_job *job, int rank) {
    const double share = runner->memory_nbytes / places_of(runner, rank, false);
    return fmin(fmax(share, memory_reserve * runner->forecast->class[job->class].nbytes), runner->memory_nbytes);
}

/* The next job, or one soon after it, that fits into the memory that is left of a rank's; it becomes the last of the
 * started. */
static rhm_sweep_job *next_job(rhm_sweep_runner *runner, int rank) {
    double left = runner->memory_nbytes;
    for (int i = 0; i < runner->sets.count; i++)
        left -= runner->place[i].rank == rank && runner->place[i].job ? runner->place[i].nbytes : 0;
    const bool others = places_of(runner, rank, true) > 0;
    for (size_t i = runner->started; i < runner->jobs && i < runner->started + LOOK_AHEAD; i++) {
        rhm_sweep_job *job = runner->job[i];
        if (others && memory_of(runner, job, rank) > left * (1 + 1e-9))
            continue;
        for (size_t j = i; j > runner->started; j--)
            runner->job[j] = runner->job[j - 1];
        runner->job[runner->started++] = job;
        return job;
    }
    return NULL;
}

static rhm_status start(rhm_sweep_runner *runner, rhm_sweep_place *place, rhm_sweep_job *job, rhm_error *error) {
    char threads[ARGUMENT_NBYTES], memory[ARGUMENT_NBYTES], resume[] = "--resume", *checkpoint = NULL, **arguments;
    size_t count;
    const double seconds = rhm_sweep_forecast_seconds(runner->forecast, job->class);
    place->nbytes = memory_of(runner, job, place->rank);
    RHM_TRY(rhm_sweep_cell_arguments(&arguments, &count, job->cell.options, RHM_SWEEP_SPARE_ARGUMENTS, error));
    size_t at = count;
    snprintf(threads, sizeof threads, "--threads=%d", runner->sets.threads);
    snprintf(memory, sizeof memory, "--memory-limit=%.0f", fmax(1, place->nbytes));
    arguments[at++] = threads;
    arguments[at++] = memory;
    rhm_status status = RHM_OK;
    if (job->cell.checkpoints && !(seconds < checkpoint_seconds)) {
        status = rhm_sweep_checkpoint_argument(&checkpoint, runner->store, job->cell.key, error);
        arguments[at++] = checkpoint;
        arguments[at++] = status == RHM_OK ? resume : NULL;
    }
    if (status == RHM_OK)
        status = place->rank == 0
                     ? rhm_sweep_process_start(&place->process, arguments, count, place->cores, error)
                     : rhm_sweep_remote_start(runner->ranks, place->rank, place->number, arguments, count, error);
    if (status == RHM_OK) {
        place->job = job;
        place->process.began = rhm_progress_seconds();
        runner->running++;
    }
    rhm_free(checkpoint);
    rhm_free(arguments);
    return status;
}

static rhm_status fill_places(rhm_sweep_runner *runner, rhm_error *error) {
    for (int i = 0; i < runner->sets.count; i++) {
        rhm_sweep_job *job = runner->place[i].job ? NULL : next_job(runner, runner->place[i].rank);
        if (job)
            RHM_TRY(start(runner, &runner->place[i], job, error));
    }
    return RHM_OK;
}

/* ---- ending ---------------------------------------------------------------------------------------------- */

static json_t *describe_run(const rhm_sweep_runner *runner, const rhm_sweep_place *place,
                            const rhm_sweep_outcome *outcome) {
    json_t *cpus = json_array();
    for (int i = 0; i < place->cores->count; i++)
        rhm_json_append(&cpus, json_integer(place->cores->cpu[i]));
    return json_pack("{s:f, s:f, s:i, s:o}", "seconds", outcome->seconds, "cpu_seconds", outcome->cpu_seconds,
                     "threads", runner->sets.threads, "cpus", cpus);
}

/* What the end of a process means for its cell. The outcome's report is taken over. */
static rhm_status record(rhm_sweep_runner *runner, rhm_sweep_place *place, rhm_sweep_outcome *outcome,
                         rhm_error *error) {
    rhm_sweep_job *job = place->job;
    const double core_seconds = outcome->seconds * runner->sets.threads;
    json_t *run = describe_run(runner, place, outcome);
    rhm_status status;
    runner->busy_seconds += core_seconds;
    if (outcome->report) {
        status = rhm_sweep_store_finish(
            runner->store, job->cell.key,
            json_pack("{s:O, s:o, s:o}", "cell", job->cell.options, "run", run, "report", outcome->report), error);
        runner->done++;
    } else {
        status = rhm_sweep_store_fail(runner->store, job->cell.key,
                                      json_pack("{s:O, s:o, s:o}", "cell", job->cell.options, "run", run, "reason",
                                                rhm_json_text(outcome->reason)),
                                      error);
        runner->failed++;
    }
    rhm_sweep_forecast_learn(runner->forecast, job->class, outcome->report ? core_seconds : (double)NAN);
    if (job->cell.checkpoints)
        rhm_sweep_checkpoint_remove(runner->store, job->cell.key);
    return status;
}

/* Cores are given to the next cell before what the last one said is written down. */
static rhm_status end_place(rhm_sweep_runner *runner, rhm_sweep_place *place, rhm_sweep_outcome *outcome,
                            bool *stopping, rhm_error *error) {
    rhm_sweep_place ended = *place;
    place->job = NULL;
    runner->running--;
    rhm_sweep_job *next = *stopping ? NULL : next_job(runner, place->rank);
    rhm_status status = next ? start(runner, place, next, error) : RHM_OK;
    rhm_status recorded = RHM_OK;
    if (!(*stopping && outcome->interrupted))
        recorded = record(runner, &ended, outcome, status == RHM_OK ? error : NULL);
    status = status == RHM_OK ? recorded : status;
    if (status == RHM_OK && !*stopping && runner->ended)
        status = runner->ended(runner->user, runner, &ended.job->cell, error);
    *stopping |= status != RHM_OK;
    return status;
}

static rhm_status end_places(rhm_sweep_runner *runner, bool stopping, rhm_error *error) {
    rhm_status status = RHM_OK;
    for (int i = 0; i < runner->sets.count; i++) {
        rhm_sweep_outcome outcome;
        rhm_sweep_place *place = &runner->place[i];
        if (!place->job || place->rank > 0 || !rhm_sweep_process_ended(&place->process, &outcome))
            continue;
        const rhm_status one = end_place(runner, place, &outcome, &stopping, status == RHM_OK ? error : NULL);
        status = status == RHM_OK ? one : status;
    }
    return status;
}

static rhm_sweep_place *place_of(rhm_sweep_runner *runner, int rank, int number) {
    rhm_sweep_place *place = runner->place;
    while (place->rank != rank || place->number != number)
        place++;
    return place;
}

/* Of cells of other ranks. */
static rhm_status end_remote(rhm_sweep_runner *runner, rhm_error *error) {
    bool stopping = false;
    for (int rank = runner->ranks ? 1 : 0; rank > 0;) {
        int number;
        rhm_sweep_outcome outcome;
        RHM_TRY(rhm_sweep_remote_ended(&rank, &number, &outcome, runner->ranks, error));
        if (rank > 0)
            RHM_TRY(end_place(runner, place_of(runner, rank, number), &outcome, &stopping, error));
    }
    return RHM_OK;
}

/* ---- the run --------------------------------------------------------------------------------------------- */

static void show(rhm_sweep_runner *runner) {
    char stage[STAGE_NBYTES];
    if (rhm_progress_seconds() - runner->shown < redraw_seconds)
        return;
    runner->shown = rhm_progress_seconds();
    double done = 0, waiting = rhm_sweep_forecast_left(runner->forecast);
    const size_t ended = runner->done + runner->failed;
    for (int i = 0; i < runner->sets.count; i++) {
        const rhm_sweep_place *place = &runner->place[i];
        if (place->job)
            done += fmin(rhm_progress_seconds() - place->process.began,
                         0.95 * fmax(0, rhm_sweep_forecast_seconds(runner->forecast, place->job->class))) *
                    runner->sets.threads;
    }
    waiting = fmax(waiting - done, 0);
    done += runner->busy_seconds;
    snprintf(stage, sizeof stage, "%zu of %zu cells%s", ended, runner->jobs, runner->failed ? ", some failed" : "");
    if (!runner->progress)
        rhm_progress_overall(runner->bar, done, done + waiting);
    const rhm_progress progress = runner->progress ? runner->progress(runner->user) : (rhm_progress){.stage = stage};
    rhm_progress_show(runner->bar, &progress);
}

/* Other ranks stop theirs when they hear that this one has ended. */
static void interrupt_all(rhm_sweep_runner *runner) {
    for (int i = 0; i < runner->sets.count; i++) {
        rhm_sweep_place *place = &runner->place[i];
        if (place->job && place->rank == 0) {
            rhm_sweep_process_interrupt(&place->process);
        } else if (place->job) {
            place->job = NULL;
            runner->running--;
        }
    }
}

static rhm_status run_all(rhm_sweep_runner *runner, rhm_error *error) {
    rhm_status status = RHM_OK;
    size_t sorted = 0;
    bool stopping = false;
    while (runner->running > 0 || (runner->started < runner->jobs && !stopping)) {
        if (sorted < runner->jobs) {
            sort_waiting(runner);
            sorted = runner->jobs;
        }
        if (!stopping)
            status = fill_places(runner, error);
        show(runner);
        if (runner->running > 0)
            rhm_sweep_process_wait(runner->ranks ? RHM_SWEEP_NAP_SECONDS : redraw_seconds);
        const rhm_status ended = end_places(runner, stopping, status == RHM_OK ? error : NULL);
        status = status == RHM_OK ? ended : status;
        if (status == RHM_OK)
            status = end_remote(runner, error);
        if (status == RHM_OK)
            status = rhm_interrupt_check(error);
        if (status != RHM_OK && !stopping) {
            stopping = true;
            interrupt_all(runner);
        }
    }
    return status;
}

rhm_status rhm_sweep_runner_run(rhm_sweep_runner *runner, rhm_core_sets *sets, const int *owner, rhm_error *error) {
    runner->sets = *sets;
    *sets = (rhm_core_sets){0};
    runner->place = RHM_NEW(rhm_sweep_place, (size_t)runner->sets.count, 1, 1, "cells side by side", error);
    if (!runner->place)
        return RHM_NO_MEMORY;
    for (int i = 0; i < runner->sets.count; i++) {
        rhm_sweep_place *place = &runner->place[i];
        place->cores = &runner->sets.set[i];
        place->rank = owner ? owner[i] : 0;
        place->number = i > 0 && place[-1].rank == place->rank ? place[-1].number + 1 : 0;
    }
    rhm_sweep_process_prepare();
    runner->began = rhm_progress_seconds();
    const rhm_status status = run_all(runner, error);
    rhm_progress_clear(runner->bar);
    return status;
}

void rhm_sweep_runner_clear(rhm_sweep_runner *runner) {
    for (size_t i = 0; i < runner->jobs; i++) {
        rhm_sweep_cell_clear(&runner->job[i]->cell);
        rhm_free(runner->job[i]);
    }
    rhm_free(runner->job);
    rhm_free(runner->place);
    rhm_core_sets_clear(&runner->sets);
    *runner = (rhm_sweep_runner){0};
}
