#include "engine/trace.h"

#include <string.h>
#include <time.h>

#include "engine/engine.h"
#include "engine/trace_internal.h"

static int64_t read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t rhm_trace_now(void) {
    return read_clock(CLOCK_MONOTONIC);
}

int64_t rhm_trace_on_cpu(void) {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void rhm_trace_destroy(rhm_trace *trace) {
    if (!trace)
        return;
    for (int t = 0; trace->seat && t < trace->threads; t++)
        rhm_free(trace->seat[t].chunk);
    for (int rank = 1; rank < trace->other_end; rank++)
        rhm_free(trace->others[rank]);
    rhm_free(trace->others);
    rhm_free(trace->loops);
    rhm_free(trace->chunks);
    rhm_free(trace->seat);
    rhm_free(trace->frame_busy);
    rhm_free(trace->spans);
    rhm_free(trace->shares);
    rhm_free(trace->totals);
    rhm_free(trace->total_busy);
    rhm_free(trace);
}

bool rhm_trace_room(void **memory, size_t element_nbytes, size_t count, size_t *capacity, size_t most) {
    if (count < *capacity)
        return true;
    const size_t larger = *capacity == 0 ? 256 : 2 * *capacity < most ? 2 * *capacity : most;
    if (count >= most || rhm_grow(memory, element_nbytes, count, larger, "trace", NULL) != RHM_OK)
        return false;
    *capacity = larger;
    return true;
}

static size_t add_span(rhm_trace *trace, const char *name, uint32_t level, int64_t begin) {
    void *memory = trace->spans;
    if (!rhm_trace_room(&memory, sizeof *trace->spans, trace->span_count, &trace->span_capacity, RHM_TRACE_SPANS)) {
        trace->spans_dropped++;
        return SIZE_MAX;
    }
    trace->spans = memory;
    trace->spans[trace->span_count] = (rhm_trace_span){.name = name, .level = level, .begin = begin};
    return trace->span_count++;
}

static int begin_span(rhm_trace *trace, const char *name, uint32_t level, int64_t begin) {
    const int depth = trace->depth++;
    if (depth >= RHM_TRACE_DEPTH) {
        trace->spans_dropped++;
        return depth;
    }
    if (level == 0 && depth > 0)
        level = trace->frame[depth - 1].level;
    trace->frame[depth] = (rhm_trace_frame){
        .name = name,
        .level = level,
        .span = add_span(trace, name, level, begin),
        .begin = begin,
        .cpu_begin = rhm_trace_on_cpu(),
    };
    memset(trace->frame_busy + (size_t)depth * trace->columns, 0, sizeof *trace->frame_busy * trace->columns);
    return depth;
}

int rhm_trace_begin(const rhm_engine *engine, const char *name, uint32_t level) {
    rhm_trace *trace = engine->trace;
    return trace && !trace->paused ? begin_span(trace, name, level, rhm_trace_now() - trace->origin) : 0;
}

static bool same_kind(const rhm_trace_total *total, const rhm_trace_frame *frame, const rhm_span_work *work) {
    return total->level == frame->level && total->work.width == work->width && total->work.tokens == work->tokens &&
           total->work.embedding == work->embedding && total->work.classes == work->classes &&
           total->work.rows == work->rows && total->work.run == work->run && strcmp(total->name, frame->name) == 0;
}

/* SIZE_MAX when there is no room for a further kind. The latest kinds come again first. */
static size_t find_total(rhm_trace *trace, const rhm_trace_frame *frame, const rhm_span_work *work) {
    for (size_t i = trace->total_count; i-- > 0;)
        if (same_kind(&trace->totals[i], frame, work))
            return i;
    void *totals = trace->totals, *busy = trace->total_busy;
    size_t capacity = trace->total_capacity, busy_capacity = capacity;
    if (!rhm_trace_room(&busy, sizeof(int64_t) * trace->columns, trace->total_count, &busy_capacity, RHM_TRACE_KINDS))
        return SIZE_MAX;
    trace->total_busy = busy;
    if (!rhm_trace_room(&totals, sizeof *trace->totals, trace->total_count, &capacity, RHM_TRACE_KINDS))
        return SIZE_MAX;
    trace->totals = totals;
    trace->total_capacity = capacity;
    trace->totals[trace->total_count] = (rhm_trace_total){.name = frame->name, .level = frame->level, .work = *work};
    rhm_span_work *sums = &trace->totals[trace->total_count].work;
    sums->flops = sums->nbytes = sums->items = 0;
    return trace->total_count++;
}

static void end_innermost(rhm_trace *trace, int64_t now, bool unfinished, rhm_span_work work) {
    const int depth = --trace->depth;
    if (depth >= RHM_TRACE_DEPTH)
        return;
    const rhm_trace_frame *frame = &trace->frame[depth];
    const int64_t lasted = now - frame->begin, on_cpus = rhm_trace_on_cpu() - frame->cpu_begin;
    if (frame->span != SIZE_MAX) {
        rhm_trace_span *span = &trace->spans[frame->span];
        span->end = now;
        span->work = work;
        span->unfinished = unfinished;
    }
    if (depth > 0) {
        trace->frame[depth - 1].inside += lasted;
        trace->frame[depth - 1].cpu_other += on_cpus;
    }
    const size_t at = find_total(trace, frame, &work);
    if (at == SIZE_MAX) {
        trace->kinds_dropped++;
        return;
    }
    rhm_trace_total *total = &trace->totals[at];
    total->spans++;
    total->loops += frame->loops;
    total->total += lasted;
    total->self += lasted - frame->inside;
    total->in_loops += frame->in_loops;
    total->alone_cpu += on_cpus - frame->cpu_other;
    total->work.flops += work.flops;
    total->work.nbytes += work.nbytes;
    total->work.items += work.items;
    for (size_t i = 0; i < trace->columns; i++)
        trace->total_busy[at * trace->columns + i] += trace->frame_busy[(size_t)depth * trace->columns + i];
}

rhm_status rhm_trace_create(rhm_trace **out, int threads, int64_t origin, rhm_error *error) {
    *out = NULL;
    rhm_trace *trace = RHM_NEW(rhm_trace, 1, 1, 1, "trace", error);
    if (!trace)
        return RHM_NO_MEMORY;
    trace->threads = threads;
    trace->columns = 2 * (size_t)threads;
    trace->origin = origin;
    trace->tracks.pid = 1;
    trace->seat = RHM_NEW(rhm_trace_seat, (size_t)threads, 1, 1, "trace", error);
    trace->frame_busy = RHM_NEW(int64_t, RHM_TRACE_DEPTH, trace->columns, 1, "trace", error);
    if (!trace->seat || !trace->frame_busy) {
        rhm_trace_destroy(trace);
        return RHM_NO_MEMORY;
    }
    begin_span(trace, "run", 0, 0);
    begin_span(trace, "start", 0, 0);
    end_innermost(trace, rhm_trace_now() - origin, false, (rhm_span_work){0});
    *out = trace;
    return RHM_OK;
}

/* Spans deeper than `depth` were left by a failing call. */
static void end_deeper(rhm_trace *trace, int depth, int64_t now) {
    while (trace->depth > depth)
        end_innermost(trace, now, true, (rhm_span_work){0});
}

void rhm_trace_end(const rhm_engine *engine, int span, rhm_span_work work) {
    rhm_trace *trace = engine->trace;
    if (!trace || trace->paused)
        return;
    const int64_t now = rhm_trace_now() - trace->origin;
    end_deeper(trace, span + 1, now);
    if (trace->depth == span + 1)
        end_innermost(trace, now, false, work);
}

void rhm_trace_pause(const rhm_engine *engine) {
    if (engine->trace)
        engine->trace->paused = true;
}

void rhm_trace_resume(const rhm_engine *engine) {
    if (engine->trace)
        engine->trace->paused = false;
}

void rhm_trace_finish(rhm_trace *trace) {
    const int64_t now = rhm_trace_now() - trace->origin;
    end_deeper(trace, 1, now);
    if (trace->depth == 1)
        end_innermost(trace, now, false, (rhm_span_work){0});
}
