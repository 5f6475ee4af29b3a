/* What a trace holds, for the files that fill and write it. */
#ifndef RHM_ENGINE_TRACE_INTERNAL_H
#define RHM_ENGINE_TRACE_INTERNAL_H

#include <stdbool.h>
#include <stdio.h>

#include "core/memory.h"
#include "engine/trace.h"

enum {
    RHM_TRACE_DEPTH = 16,
    RHM_TRACE_PIDS = 1000,      /* of a rank: more than there are NUMA nodes */
    RHM_TRACE_SPANS = 1 << 18,  /* 24 MiB */
    RHM_TRACE_SHARES = 1 << 19, /* 24 MiB */
    RHM_TRACE_KINDS = 1 << 12,
    RHM_TRACE_LOOPS = 1 << 18,  /* 12 MiB */
    RHM_TRACE_CHUNKS = 1 << 20, /* 4 MiB */
};

/* Times are nanoseconds since the origin. */
typedef struct rhm_trace_span {
    const char *name;
    uint32_t level;
    bool unfinished; /* a failing call left it */
    int64_t begin, end;
    rhm_span_work work;
} rhm_trace_span;

/* One thread's part in one loop. */
typedef struct rhm_trace_share {
    const char *name; /* of the span around */
    uint32_t level;
    int32_t thread;
    int32_t cpu;          /* operating-system number at the end, -1 if unknown */
    uint32_t own, stolen; /* chunks */
    int64_t begin, end, loop_begin, loop_end;
} rhm_trace_share;

/* One loop, all threads together. */
typedef struct rhm_trace_loop {
    const char *name; /* of the span around */
    uint32_t level;
    uint32_t chunks; /* that ran */
    uint32_t kept;   /* whose times are kept, from `first` on: all or none */
    size_t first;
    int64_t begin, end;
    int64_t on_cpu;       /* of the calling thread */
    int64_t sum, longest; /* of the chunks' times on a processor */
} rhm_trace_loop;

/* Everything of one kind of span: the same name, level and shape. */
typedef struct rhm_trace_total {
    const char *name;
    uint32_t level;
    rhm_span_work work; /* sums, and the shape */
    uint64_t spans, loops;
    int64_t total, self; /* with and without the spans inside */
    int64_t in_loops;    /* of `self` */
    int64_t alone_cpu;   /* of the calling thread, on a processor, in what is left of `self` */
} rhm_trace_total;

/* Where a thread of the running loop writes, alone on its cache line. */
typedef struct rhm_trace_seat {
    _Alignas(RHM_ALIGNMENT) int64_t begin; /* negative: not there */
    int64_t end;
    int64_t on_cpu; /* nanoseconds in between that it was on a processor */
    size_t own, stolen;
    int cpu;
    int64_t chunk_begin, chunk_sum, chunk_longest;
    uint32_t *chunk; /* nanoseconds on a processor of the loop's chunks that this thread ran */
    size_t chunks, kept, capacity;
} rhm_trace_seat;

typedef struct rhm_trace_frame {
    const char *name;
    uint32_t level;
    size_t span; /* SIZE_MAX: dropped */
    int64_t begin;
    int64_t inside;    /* nanoseconds of spans inside */
    int64_t in_loops;  /* of loops directly in it */
    int64_t cpu_begin; /* of the calling thread */
    int64_t cpu_other; /* likewise, in spans inside and in loops */
    uint64_t loops;
} rhm_trace_frame;

/* How the events of a process are told from others' in a file of several. */
typedef struct rhm_trace_tracks {
    int pid;       /* of the first track */
    int64_t shift; /* nanoseconds from the file's origin to the trace's */
    char of[96];   /* before the names of processes: "rank 1 (host), " */
} rhm_trace_tracks;

struct rhm_trace {
    int threads;
    int64_t origin;
    rhm_trace_seat *seat; /* (threads) */
    int64_t loop_begin, loop_cpu_begin;
    bool paused, gathered;
    int depth; /* open spans, which may be more than the frames that there are */
    rhm_trace_frame frame[RHM_TRACE_DEPTH];
    size_t columns;      /* 2 x threads: nanoseconds in loops, and of these on a processor */
    int64_t *frame_busy; /* (RHM_TRACE_DEPTH, columns) */
    rhm_trace_span *spans;
    size_t span_count, span_capacity;
    rhm_trace_share *shares;
    size_t share_count, share_capacity;
    rhm_trace_total *totals;
    int64_t *total_busy; /* (total_capacity, columns) */
    size_t total_count, total_capacity;
    rhm_trace_loop *loops;
    size_t loop_count, loop_capacity;
    uint32_t *chunks;
    size_t chunk_count, chunk_capacity;
    rhm_trace_tracks tracks;
    char **others; /* [1..other_end - 1] of each other rank the events, and behind their end the sums; owned */
    int other_end;
    uint64_t spans_dropped, shares_dropped, kinds_dropped, loops_dropped, chunks_dropped;
};

/* Room for one more element, doubling up to `most`; false, for the caller to count, when there is none. */
bool rhm_trace_room(void **memory, size_t element_nbytes, size_t count, size_t *capacity, size_t most);

/* What this thread has had of processors, nanoseconds; the rest of its time went to others, or it slept. */
int64_t rhm_trace_on_cpu(void);

/* End what is open, as of now: the outermost span, and whatever a failed call left. */
void rhm_trace_finish(rhm_trace *trace);

/* Spans and loops; those beyond a file of so many bytes count as dropped. Every event ends in a comma. */
void rhm_trace_put_events(FILE *file, const rhm_engine *engine, const rhm_trace_tracks *tracks, size_t most_nbytes);

/* Members of an object: "dropped" and "totals". */
void rhm_trace_put_sums(FILE *file, const rhm_trace *trace);
void rhm_trace_put_work(FILE *file, const rhm_span_work *work);

#endif
