#include "engine/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"

/* What is left of one thread's range, alone on its cache line: its owner and thieves take from the same end. */
typedef struct range {
    _Alignas(RHM_ALIGNMENT) atomic_size_t next;
    size_t end;
} range;

typedef struct loop {
    const rhm_engine *engine;
    rhm_chunk_body *body;
    void *context;
    range *ranges; /* (threads) */
    atomic_size_t failed_chunk;
    pthread_mutex_t mutex; /* of: */
    rhm_error failure;
} loop;

int rhm_engine_threads(const rhm_engine *engine) {
    return engine->threads;
}

/* The signal that came, or 0. It is a handler's to tell, or another thread's. */
static int raised(const rhm_engine *engine) {
    return engine->interrupt ? (int)__atomic_load_n(engine->interrupt, __ATOMIC_RELAXED) : 0;
}

rhm_status rhm_engine_check(const rhm_engine *engine, rhm_error *error) {
    const int signal_number = raised(engine);
    if (signal_number)
        return rhm_fail(error, RHM_INTERRUPTED, "interrupted by signal %d", signal_number);
    return RHM_OK;
}

void rhm_engine_progress(const rhm_engine *engine, const char *stage, uint64_t done, uint64_t total) {
    if (engine->progress) {
        const rhm_progress progress = {.stage = stage, .done = done, .total = total};
        engine->progress(engine->user, &progress);
    }
}

size_t rhm_chunk_begin(const rhm_engine *engine, size_t chunk_count, int thread) {
    const size_t threads = (size_t)engine->threads, t = (size_t)thread;
    const size_t rest = chunk_count % threads;
    return chunk_count / threads * t + (t < rest ? t : rest);
}

int rhm_chunk_home(const rhm_engine *engine, size_t chunk_count, size_t chunk) {
    const size_t threads = (size_t)engine->threads;
    const size_t share = chunk_count / threads, rest = chunk_count % threads;
    const size_t in_large_ranges = (share + 1) * rest;
    return (int)(chunk < in_large_ranges ? chunk / (share + 1) : rest + (chunk - in_large_ranges) / share);
}

/* Returns how many chunks ran. Those above a failed one may be skipped, those below must run: one of them may be the
 * lowest that fails. */
static size_t run_range(loop *work, range *from, int thread) {
    const rhm_engine *engine = work->engine;
    for (size_t done = 0;; done++) {
        if (raised(engine))
            return done;
        if (atomic_load_explicit(&from->next, memory_order_relaxed) >= from->end)
            return done;
        const size_t chunk = atomic_fetch_add_explicit(&from->next, 1, memory_order_relaxed);
        if (chunk >= from->end || chunk > atomic_load_explicit(&work->failed_chunk, memory_order_relaxed))
            return done;
        rhm_error here; /* zeroing all of it would cost more than the rest of this loop */
        here.text[0] = '\0';
        const rhm_status status = work->body(work->context, chunk, thread, &here);
        rhm_trace_chunk(engine->trace, thread);
        if (status == RHM_OK)
            continue;
        here.status = status;
        pthread_mutex_lock(&work->mutex);
        if (chunk < atomic_load(&work->failed_chunk)) {
            atomic_store(&work->failed_chunk, chunk);
            work->failure = here;
        }
        pthread_mutex_unlock(&work->mutex);
        return done + 1;
    }
}

/* Own range first, then those of the same NUMA node, then the rest. */
static void run_thread(void *context, int thread) {
    loop *work = context;
    const rhm_engine *engine = work->engine;
    const int *node = engine->thread_node;
    size_t done[2] = {0}; /* own chunks, others' */
    rhm_trace_enter(engine->trace, thread);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < engine->threads; i++) {
            const int victim = (thread + i) % engine->threads;
            if ((node[victim] == node[thread]) == (pass == 0))
                done[i > 0] += run_range(work, &work->ranges[victim], thread);
        }
    rhm_trace_leave(engine->trace, thread, done[0], done[1]);
}

rhm_status rhm_parallel(const rhm_engine *engine, size_t chunk_count, rhm_chunk_body *body, void *context,
                        rhm_error *error) {
    loop work = {.engine = engine, .body = body, .context = context, .mutex = PTHREAD_MUTEX_INITIALIZER};
    atomic_init(&work.failed_chunk, SIZE_MAX);
    work.ranges = RHM_NEW(range, (size_t)engine->threads, 1, 1, "ranges of a parallel loop", error);
    if (!work.ranges)
        return RHM_NO_MEMORY;
    for (int thread = 0; thread < engine->threads; thread++) {
        atomic_init(&work.ranges[thread].next, rhm_chunk_begin(engine, chunk_count, thread));
        work.ranges[thread].end = rhm_chunk_begin(engine, chunk_count, thread + 1);
    }

    rhm_trace_loop_begin(engine->trace);
    const size_t threads = (size_t)engine->threads;
    rhm_team_run(&engine->team, run_thread, &work, (int)(chunk_count < threads ? chunk_count : threads));
    rhm_trace_loop_end(engine->trace);

    rhm_free(work.ranges);
    pthread_mutex_destroy(&work.mutex);
    RHM_TRY(rhm_engine_check(engine, error));
    if (atomic_load(&work.failed_chunk) != SIZE_MAX)
        return rhm_fail(error, work.failure.status, "%s", work.failure.text);
    return RHM_OK;
}

typedef struct whole {
    const rhm_engine *engine;
    rhm_lane_work *work;
    void *context;
    size_t count;
    atomic_size_t next;
} whole;

static void run_whole(void *context, int thread) {
    whole *w = context;
    size_t done = 0;
    rhm_trace_enter(w->engine->trace, thread);
    for (size_t chunk; (chunk = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed)) < w->count; done++) {
        w->work(w->context, chunk, thread);
        rhm_trace_chunk(w->engine->trace, thread);
    }
    rhm_trace_leave(w->engine->trace, thread, done, 0);
}

void rhm_parallel_lanes(const rhm_engine *engine, size_t chunk_count, rhm_lane_work *work, void *context) {
    whole w = {.engine = engine, .work = work, .context = context, .count = chunk_count};
    const size_t threads = (size_t)engine->threads;
    rhm_trace_loop_begin(engine->trace);
    rhm_team_run(&engine->team, run_whole, &w, (int)(chunk_count < threads ? chunk_count : threads));
    rhm_trace_loop_end(engine->trace);
}

typedef struct unnumbered {
    rhm_chunk_work *work;
    void *context;
} unnumbered;

static void run_unnumbered(void *context, size_t chunk, int thread) {
    (void)thread;
    const unnumbered *u = context;
    u->work(u->context, chunk);
}

void rhm_parallel_whole(const rhm_engine *engine, size_t chunk_count, rhm_chunk_work *work, void *context) {
    rhm_parallel_lanes(engine, chunk_count, run_unnumbered, &(unnumbered){work, context});
}

void rhm_on_every_thread(const rhm_engine *engine, rhm_pool_part *part, void *context) {
    rhm_team_run_all(&engine->team, part, context);
}
