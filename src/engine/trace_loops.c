/* What a trace keeps of parallel loops. */
#include <sched.h>

#include "engine/trace_internal.h"

void rhm_trace_loop_begin(rhm_trace *trace) {
    if (!trace || trace->paused)
        return;
    for (int t = 0; t < trace->threads; t++)
        trace->seat[t].begin = -1; /* OpenMP may give fewer threads than asked for */
    trace->loop_cpu_begin = rhm_trace_on_cpu();
    trace->loop_begin = rhm_trace_now() - trace->origin;
}

void rhm_trace_enter(rhm_trace *trace, int thread) {
    if (!trace || trace->paused)
        return;
    rhm_trace_seat *seat = &trace->seat[thread];
    seat->chunks = seat->kept = 0;
    seat->chunk_sum = seat->chunk_longest = 0;
    seat->begin = rhm_trace_now() - trace->origin;
    seat->chunk_begin = rhm_trace_on_cpu();
    seat->on_cpu = -seat->chunk_begin;
}

void rhm_trace_leave(rhm_trace *trace, int thread, size_t own, size_t stolen) {
    if (!trace || trace->paused)
        return;
    rhm_trace_seat *seat = &trace->seat[thread];
    seat->own = own;
    seat->stolen = stolen;
    seat->cpu = sched_getcpu();
    seat->on_cpu += rhm_trace_on_cpu();
    seat->end = rhm_trace_now() - trace->origin;
}

void rhm_trace_chunk(rhm_trace *trace, int thread) {
    if (!trace || trace->paused)
        return;
    rhm_trace_seat *seat = &trace->seat[thread];
    const int64_t now = rhm_trace_on_cpu(), lasted = now - seat->chunk_begin;
    void *memory = seat->chunk;
    seat->chunk_begin = now;
    seat->chunk_sum += lasted;
    seat->chunk_longest = lasted > seat->chunk_longest ? lasted : seat->chunk_longest;
    seat->chunks++;
    if (!rhm_trace_room(&memory, sizeof *seat->chunk, seat->kept, &seat->capacity, RHM_TRACE_CHUNKS))
        return;
    seat->chunk = memory;
    seat->chunk[seat->kept++] = lasted < UINT32_MAX ? (uint32_t)lasted : UINT32_MAX;
}

/* All of a loop's chunks, or none where some have no place. */
static void keep_chunks(rhm_trace *trace, rhm_trace_loop *loop) {
    loop->first = trace->chunk_count;
    bool whole = trace->chunk_count + loop->chunks <= RHM_TRACE_CHUNKS;
    for (int t = 0; t < trace->threads && whole; t++) {
        const rhm_trace_seat *seat = &trace->seat[t];
        whole = seat->begin < 0 || seat->kept == seat->chunks;
        for (size_t i = 0; i < seat->kept && seat->begin >= 0 && whole; i++) {
            void *memory = trace->chunks;
            whole = rhm_trace_room(&memory, sizeof *trace->chunks, trace->chunk_count, &trace->chunk_capacity,
                                   RHM_TRACE_CHUNKS);
            trace->chunks = memory;
            if (whole)
                trace->chunks[trace->chunk_count++] = seat->chunk[i];
        }
    }
    if (whole) {
        loop->kept = loop->chunks;
        return;
    }
    trace->chunk_count = loop->first;
    trace->chunks_dropped += loop->chunks;
}

static void add_loop(rhm_trace *trace, const rhm_trace_frame *frame, int64_t now, int64_t on_cpu) {
    void *memory = trace->loops;
    if (!rhm_trace_room(&memory, sizeof *trace->loops, trace->loop_count, &trace->loop_capacity, RHM_TRACE_LOOPS)) {
        trace->loops_dropped++;
        return;
    }
    trace->loops = memory;
    rhm_trace_loop *loop = &trace->loops[trace->loop_count++];
    *loop = (rhm_trace_loop){.name = frame ? frame->name : "loop",
                             .level = frame ? frame->level : 0,
                             .begin = trace->loop_begin,
                             .end = now,
                             .on_cpu = on_cpu};
    for (int t = 0; t < trace->threads; t++) {
        const rhm_trace_seat *seat = &trace->seat[t];
        if (seat->begin < 0)
            continue;
        loop->chunks += (uint32_t)seat->chunks;
        loop->sum += seat->chunk_sum;
        loop->longest = seat->chunk_longest > loop->longest ? seat->chunk_longest : loop->longest;
    }
    keep_chunks(trace, loop);
}

static void add_share(rhm_trace *trace, const rhm_trace_share *share) {
    void *memory = trace->shares;
    if (!rhm_trace_room(&memory, sizeof *share, trace->share_count, &trace->share_capacity, RHM_TRACE_SHARES)) {
        trace->shares_dropped++;
        return;
    }
    trace->shares = memory;
    trace->shares[trace->share_count++] = *share;
}

void rhm_trace_loop_end(rhm_trace *trace) {
    if (!trace || trace->paused)
        return;
    const int64_t now = rhm_trace_now() - trace->origin;
    const int depth = (trace->depth < RHM_TRACE_DEPTH ? trace->depth : RHM_TRACE_DEPTH) - 1;
    const int64_t on_cpu = rhm_trace_on_cpu() - trace->loop_cpu_begin;
    rhm_trace_frame *frame = depth >= 0 ? &trace->frame[depth] : NULL;
    if (frame) {
        frame->loops++;
        frame->in_loops += now - trace->loop_begin;
        frame->cpu_other += on_cpu;
    }
    add_loop(trace, frame, now, on_cpu);
    for (int t = 0; t < trace->threads; t++) {
        const rhm_trace_seat *seat = &trace->seat[t];
        if (seat->begin < 0)
            continue;
        if (frame) {
            int64_t *busy = trace->frame_busy + (size_t)depth * trace->columns + (size_t)t;
            busy[0] += seat->end - seat->begin;
            busy[trace->threads] += seat->on_cpu;
        }
        if (seat->own + seat->stolen > 0)
            add_share(trace, &(rhm_trace_share){
                                 .name = frame ? frame->name : "loop",
                                 .level = frame ? frame->level : 0,
                                 .thread = t,
                                 .cpu = seat->cpu,
                                 .own = (uint32_t)seat->own,
                                 .stolen = (uint32_t)seat->stolen,
                                 .begin = seat->begin,
                                 .end = seat->end,
                                 .loop_begin = trace->loop_begin,
                                 .loop_end = now,
                             });
    }
}
