/*
 * One run of one row. The library ends the process when the protocol of its loop is broken (Debian's build has these
 * checks on), so the protocol is kept here and a breach fails the row.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "gbench_internal.h"

/* The library puts no wall limit on manual time, so a benchmark that reports next to nothing would run for hours. */
static const double manual_wall_seconds = 10, manual_wall_factor = 20;

double gb_cpu_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/*
 * End the run with the row's reason. The library compares the iterations of all repetitions, failed ones included, and
 * aborts when they differ; so this one is first made to count as many as the last complete one did.
 */
static void stop_raw(gb_state *state) {
    const gb_row *row = state->row;
    if (row->max_iterations == gb_raw_max_iterations(state->raw)) {
        for (int64_t done = gb_raw_iterations_done(state->raw); done < row->iterations; done++)
            gb_raw_keep_running(state->raw);
    }
    gb_raw_stop(state->raw, row->outcome != GB_SKIPPED, row->reason);
    state->stopped = state->ended = true;
    state->looping = false;
}

__attribute__((format(printf, 3, 4))) static void stop(gb_state *state, gb_outcome outcome, const char *format, ...) {
    if (state->stopped)
        return;
    char reason[GB_TEXT_NBYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    gb_text_copy(state->row->reason, sizeof state->row->reason, reason);
    state->row->outcome = outcome;
    stop_raw(state);
}

void gb_skip_error(gb_state *state, const char *reason) {
    stop(state, GB_FAILED, "%s", reason ? reason : "no reason given");
}

void gb_skip_message(gb_state *state, const char *reason) {
    stop(state, GB_SKIPPED, "%s", reason ? reason : "no reason given");
}

static void check_times_set(gb_state *state) {
    if (state->bench->has_manual_time && state->times_set != state->passes)
        stop(state, GB_FAILED,
             "gb_set_iteration_time was called %" PRId64 " times in %" PRId64 " passes: once in each is needed",
             state->times_set, state->passes);
}

/* What must hold of manual time when the body comes back for another pass. */
static void check_pass(gb_state *state) {
    const double wall = state->passes ? rhm_seconds() - state->begin : 0;
    if (state->passes == 0)
        state->begin = rhm_seconds();
    check_times_set(state);
    if (wall > manual_wall_seconds && wall > manual_wall_factor * state->manual_seconds)
        stop(state, GB_FAILED,
             "%.3g s of manual time in %.3g s: the library would not stop before it reaches the minimum time",
             state->manual_seconds, wall);
}

bool gb_keep_running(gb_state *state) {
    if (!state->ended && state->bench->has_manual_time)
        check_pass(state);
    if (state->ended)
        return false;
    /* The pass that has just ended, unless its seconds are the benchmark's to say. */
    if (gb_is_recording() && state->passes > 0 && !state->bench->has_manual_time)
        gb_record_pass(rhm_seconds() - state->pass_begin, gb_cpu_now() - state->cpu_begin);
    state->looping = gb_raw_keep_running(state->raw);
    state->ended = !state->looping;
    state->passes += state->looping;
    if (gb_is_recording()) {
        state->cpu_begin = gb_cpu_now();
        state->pass_begin = rhm_seconds();
    }
    return state->looping;
}

void gb_set_iteration_time(gb_state *state, double seconds) {
    if (!state->bench->has_manual_time)
        stop(state, GB_FAILED, "gb_set_iteration_time without gb_use_manual_time");
    else if (!state->looping)
        stop(state, GB_FAILED, "gb_set_iteration_time outside the loop");
    else if (!isfinite(seconds) || seconds < 0)
        stop(state, GB_FAILED, "an iteration time of %g s: allowed is 0 or more", seconds);
    if (state->stopped)
        return;
    state->times_set++;
    state->manual_seconds += seconds;
    if (gb_is_recording())
        gb_record_pass(seconds, gb_cpu_now() - state->cpu_begin);
    gb_raw_set_iteration_time(state->raw, seconds);
}

static void note_omitted(gb_state *state, const char *name, double value) {
    const size_t used = strlen(state->omitted);
    snprintf(state->omitted + used, sizeof state->omitted - used, "%s%s=%s", used ? "," : "omitted: ", name,
             isnan(value) ? "nan"
             : value > 0  ? "inf"
                          : "-inf");
}

/* Whether the counter has the flags it had before; the library aborts when they change between repetitions. */
static bool agree_on_flags(gb_bench *bench, const char *name, unsigned flags) {
    for (size_t i = 0; i < bench->counter_count; i++)
        if (strcmp(bench->counters[i].name, name) == 0)
            return bench->counters[i].flags == flags;
    if (bench->counter_count == GB_MAX_COUNTERS)
        return false;
    gb_text_copy(bench->counters[bench->counter_count].name, GB_COUNTER_NBYTES, name);
    bench->counters[bench->counter_count++].flags = flags;
    return true;
}

void gb_counter(gb_state *state, const char *name, double value, unsigned flags) {
    if (!name || !gb_is_counter_name(name))
        stop(state, GB_FAILED, "counter name '%s': allowed are 1 to %d letters, digits and _-./%%()", name ? name : "",
             GB_COUNTER_NBYTES - 1);
    else if (gb_is_row_field(name))
        stop(state, GB_FAILED, "counter name '%s' is a field of the report: choose another", name);
    else if (flags >= 2 * GB_1024)
        stop(state, GB_FAILED, "counter '%s' has unknown flags %#x", name, flags);
    else if (!agree_on_flags(state->bench, name, flags))
        stop(state, GB_FAILED, "counter '%s' changes its flags, or is one more than %d", name, GB_MAX_COUNTERS);
    if (state->stopped)
        return;
    if (!isfinite(value)) {
        note_omitted(state, name, value);
        return;
    }
    gb_raw_counter(state->raw, name, value, flags);
    if (gb_is_recording())
        gb_record_counter(name, value, flags);
}

void gb_bytes_processed(gb_state *state, int64_t nbytes) {
    if (!state->stopped)
        gb_raw_bytes_processed(state->raw, nbytes);
}

void gb_items_processed(gb_state *state, int64_t items) {
    if (!state->stopped)
        gb_raw_items_processed(state->raw, items);
}

void gb_label(gb_state *state, const char *text) {
    gb_text_copy(state->label, sizeof state->label, text);
}

int64_t gb_range(gb_state *state, size_t index) {
    const size_t count = state->bench->has_rows ? state->bench->range_count : 0;
    if (index < count)
        return state->row->ranges[index];
    stop(state, GB_FAILED, "argument %zu is asked for where there are %zu", index, count);
    return 0;
}

int64_t gb_iterations_done(const gb_state *state) {
    return gb_raw_iterations_done(state->raw);
}

size_t gb_run_index(const gb_state *state) {
    return state->row->runs;
}

static void set_label(gb_state *state) {
    char text[sizeof state->label + sizeof state->omitted + 2];
    snprintf(text, sizeof text, "%s%s%s", state->label, *state->label && *state->omitted ? "; " : "", state->omitted);
    if (*text)
        gb_raw_label(state->raw, text);
}

void gb_run_body(void *raw, gb_bench *bench) {
    int64_t ranges[GB_MAX_RANGES] = {0};
    const size_t count = bench->has_rows ? bench->range_count : 0;
    for (size_t i = 0; i < count; i++)
        ranges[i] = gb_raw_range(raw, i);
    gb_state state = {.raw = raw, .bench = bench, .row = gb_find_row(bench, ranges)};
    if (state.row->outcome == GB_SKIPPED || state.row->outcome == GB_FAILED) {
        stop_raw(&state);
        if (gb_is_recording())
            gb_record_row(&state);
        return;
    }
    bench->body(&state, bench->user);
    if (!state.ended)
        stop(&state, GB_FAILED, "the benchmark returned before gb_keep_running was false");
    check_times_set(&state);
    set_label(&state);
    if (gb_raw_out_of_memory())
        stop(&state, GB_FAILED, "the system refused memory to the report");
    if (!state.stopped) {
        state.row->outcome = GB_MEASURED;
        state.row->max_iterations = gb_raw_max_iterations(raw);
        state.row->iterations = gb_iterations_done(&state);
    }
    if (gb_is_recording())
        gb_record_row(&state);
    state.row->runs++;
}
