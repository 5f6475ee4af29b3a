#include "engine/pool.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/limits.h"

enum {
    POLLS_PER_LOOK = 16,        /* at the clock: the two cost about the same */
    LOSS_NS = 1000000,          /* shorter ones pass */
    LONGEST_LOSS_NS = 25000000, /* longer ones count as this */
    STAND_BACK = 16,            /* times the loss */
    WAKE_AT_ONCE = 4, /* by each thread, those woken included: one thread alone would be slow to wake a hundred */
};

#define OPEN (1u << 31)

/*
 * A piece of work is written, the gate is opened, the round goes up. Whoever goes through the open gate is waited for;
 * who comes to a closed one turns back. Words that different threads write are lines apart.
 */
struct rhm_pool {
    _Alignas(RHM_ALIGNMENT) atomic_uint round;   /* number of the latest piece of work; workers sleep on it */
    _Alignas(RHM_ALIGNMENT) atomic_uint gate;    /* OPEN or 0, plus the number of workers behind it */
    atomic_uint bell;                            /* the caller sleeps on it */
    atomic_bool caller_sleeps;                   /* or is about to */
    atomic_int parts_done;                       /* by workers */
    _Alignas(RHM_ALIGNMENT) atomic_int sleepers; /* workers that sleep or are about to */
    atomic_int to_wake;                          /* of these, for the latest piece of work */

    /* The piece of work: written while the gate is closed, read behind it. */
    _Alignas(RHM_ALIGNMENT) rhm_pool_part *part; /* NULL: the end */
    void *context;
    bool for_all;
    unsigned number;

    int threads;
    int workers; /* threads that OpenMP gave, but the first */
    int64_t spin_ns;
    pid_t process; /* that the workers live in; 0: there are none */
    pthread_t host;
    atomic_uint settled; /* the host sleeps on it: 1 once the team stands, 2 at the end */
};

/* At most `limit_ns`, or for ever when that is negative. */
static void futex_wait_for(atomic_uint *word, unsigned value, int64_t limit_ns) {
    const struct timespec limit = {.tv_sec = limit_ns / 1000000000, .tv_nsec = limit_ns % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, limit_ns < 0 ? NULL : &limit, NULL, 0);
}

static void futex_wait(atomic_uint *word, unsigned value) {
    futex_wait_for(word, value, -1);
}

static void futex_wake(atomic_uint *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

/* The round after `seen`, if it comes soon; else `seen`. Rounds wrap around, so only differences are compared. */
static unsigned look_for_round(rhm_pool *pool, unsigned seen) {
    unsigned round = atomic_load_explicit(&pool->round, memory_order_acquire);
    if ((int)(round - seen) > 0 || pool->spin_ns == 0)
        return round;
    for (const int64_t end = clock_ns(CLOCK_MONOTONIC) + pool->spin_ns; clock_ns(CLOCK_MONOTONIC) < end;)
        for (int i = 0; i < POLLS_PER_LOOK; i++) {
            relax();
            round = atomic_load_explicit(&pool->round, memory_order_acquire);
            if ((int)(round - seen) > 0)
                return round;
        }
    return round;
}

static void wake_some(rhm_pool *pool) {
    if (atomic_load(&pool->sleepers) == 0)
        return;
    const int left = atomic_fetch_sub(&pool->to_wake, WAKE_AT_ONCE);
    if (left > 0)
        futex_wake(&pool->round, left < WAKE_AT_ONCE ? left : WAKE_AT_ONCE);
}

/* The round after `seen`, or `seen` at `end_ns` (0: never). */
static unsigned await_round(rhm_pool *pool, unsigned seen, int64_t end_ns) {
    unsigned round = end_ns == 0 ? look_for_round(pool, seen) : atomic_load(&pool->round);
    if ((int)(round - seen) > 0)
        return round;
    int64_t left_ns = -1;
    atomic_fetch_add(&pool->sleepers, 1);
    while ((int)((round = atomic_load(&pool->round)) - seen) <= 0) {
        if (end_ns > 0 && (left_ns = end_ns - clock_ns(CLOCK_MONOTONIC)) <= 0)
            break;
        futex_wait_for(&pool->round, round, left_ns);
        /* Also who has done the new round's part before it was announced may have been woken in another's place. */
        if (atomic_load(&pool->round) != round)
            wake_some(pool);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
    return (int)(round - seen) > 0 ? round : seen;
}

static void leave(rhm_pool *pool) {
    atomic_fetch_sub(&pool->gate, 1);
    if (atomic_load(&pool->caller_sleeps)) {
        atomic_fetch_add(&pool->bell, 1);
        futex_wake(&pool->bell, 1);
    }
}

/*
 * A worker that loses its processor within a part keeps everybody waiting for as long. It then stands back for a
 * multiple of what that cost, and the others do its share: beside busy neighbours a team is at worst little slower than
 * its caller alone. Only time that was taken counts: who waits for a file or a lock gives its processor away.
 */
typedef struct stint {
    int64_t begin_ns, begin_cpu_ns; /* of the part, and of the thread's CPU time then */
    long preemptions;               /* of the thread, when last asked for */
    int64_t back_until_ns;          /* stands back until then */
} stint;

static void begin_stint(stint *s) {
    s->begin_ns = clock_ns(CLOCK_MONOTONIC);
    s->begin_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void end_stint(stint *s) {
    const int64_t now = clock_ns(CLOCK_MONOTONIC), lasted = now - s->begin_ns;
    if (lasted < LOSS_NS)
        return;
    const int64_t worked = clock_ns(CLOCK_THREAD_CPUTIME_ID) - s->begin_cpu_ns, lost = lasted - worked;
    struct rusage usage;
    if (lost < LOSS_NS || getrusage(RUSAGE_THREAD, &usage) != 0)
        return;
    if (usage.ru_nivcsw > s->preemptions && lost > worked)
        s->back_until_ns = now + (lost < LONGEST_LOSS_NS ? lost : LONGEST_LOSS_NS) * STAND_BACK;
    s->preemptions = usage.ru_nivcsw;
}

/*
 * A worker that is late may find the next piece of work behind the gate before its round is announced: `seen` is the
 * number of what it did, and the announcement is then no news. One that stood back comes again when its time is over:
 * the work may be long.
 */
static void work(rhm_pool *pool, int thread) {
    stint own = {0};
    bool over = false, stood_back = false;
    for (unsigned seen = 0; !over;) {
        const unsigned round = await_round(pool, seen, stood_back ? own.back_until_ns : 0);
        stood_back = false;
        if (atomic_fetch_add(&pool->gate, 1) & OPEN) {
            seen = pool->number;
            over = !pool->part;
            begin_stint(&own);
            stood_back = !pool->for_all && own.begin_ns < own.back_until_ns;
            if (!over && !stood_back)
                pool->part(pool->context, thread);
            if (!pool->for_all && !stood_back)
                end_stint(&own);
            atomic_fetch_add(&pool->parts_done, 1);
        } else {
            seen = round;
        }
        leave(pool);
    }
}

/* Its stack frame is the parallel region. The region's first thread only keeps it open: the caller is thread 0. */
static void *host(void *argument) {
    rhm_pool *pool = argument;
#pragma omp parallel num_threads(pool->threads)
    {
        if (omp_get_thread_num() > 0) {
            work(pool, omp_get_thread_num());
        } else {
            pool->workers = omp_get_num_threads() - 1;
            atomic_store(&pool->settled, 1);
            futex_wake(&pool->settled, 1);
            while (atomic_load(&pool->settled) == 1)
                futex_wait(&pool->settled, 1);
        }
    }
    return NULL;
}

/* ---- the caller -------------------------------------------------------------------------------------------------- */

static bool all_left(const rhm_pool *pool) {
    return (atomic_load(&pool->gate) & ~OPEN) == 0;
}

static bool all_done(const rhm_pool *pool) {
    return atomic_load(&pool->parts_done) == pool->workers;
}

static void await(rhm_pool *pool, bool (*condition)(const rhm_pool *pool)) {
    if (condition(pool))
        return;
    if (pool->spin_ns > 0)
        for (const int64_t end = clock_ns(CLOCK_MONOTONIC) + pool->spin_ns; clock_ns(CLOCK_MONOTONIC) < end;)
            for (int i = 0; i < POLLS_PER_LOOK; i++) {
                relax();
                if (condition(pool))
                    return;
            }
    for (;;) {
        const unsigned bell = atomic_load(&pool->bell);
        atomic_store(&pool->caller_sleeps, true);
        if (condition(pool))
            break;
        futex_wait(&pool->bell, bell);
    }
    atomic_store(&pool->caller_sleeps, false);
}

static void hand_out(rhm_pool *pool, rhm_pool_part *part, void *context, bool for_all, int to_wake) {
    pool->part = part;
    pool->context = context;
    pool->for_all = for_all;
    pool->number++;
    atomic_store(&pool->parts_done, 0);
    atomic_store(&pool->to_wake, to_wake);
    atomic_fetch_or(&pool->gate, OPEN);
    atomic_fetch_add(&pool->round, 1);
    if (for_all) /* all of them are waited for: none may depend on another to be woken */
        futex_wake(&pool->round, INT_MAX);
    else
        wake_some(pool);
}

static void close_gate(rhm_pool *pool) {
    atomic_fetch_and(&pool->gate, ~OPEN);
    await(pool, all_left);
}

static rhm_status start_workers(rhm_pool *pool, rhm_error *error) {
    const int threads = pool->threads;
    const int64_t spin_ns = pool->spin_ns;
    *pool = (rhm_pool){.threads = threads, .spin_ns = spin_ns};
    if (threads == 1)
        return RHM_OK;
    /* The workers and their host. */
    const int limit = omp_get_thread_limit();
    RHM_TRY(rhm_limits_try_threads(threads < limit ? threads : limit, error));
    const int refusal = pthread_create(&pool->host, NULL, host, pool);
    if (refusal)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused a thread: %s", strerror(refusal));
    while (atomic_load(&pool->settled) == 0)
        futex_wait(&pool->settled, 0);
    pool->process = getpid();
    return RHM_OK;
}

/* A child of fork has the memory of the pool and none of its threads: it gets threads of its own, or does all alone. */
static bool has_workers(rhm_pool *pool) {
    if (pool->process != 0 && pool->process != getpid())
        start_workers(pool, NULL);
    return pool->workers > 0;
}

rhm_status rhm_pool_start(rhm_pool **out, int threads, int64_t spin_ns, rhm_error *error) {
    *out = NULL;
    rhm_pool *pool = RHM_NEW(rhm_pool, 1, 1, 1, "thread pool", error);
    if (!pool)
        return RHM_NO_MEMORY;
    pool->threads = threads;
    pool->spin_ns = spin_ns;
    const rhm_status status = start_workers(pool, error);
    if (status != RHM_OK) {
        rhm_free(pool);
        return status;
    }
    *out = pool;
    return RHM_OK;
}

void rhm_pool_stop(rhm_pool *pool) {
    if (!pool)
        return;
    if (pool->process == getpid()) {
        hand_out(pool, NULL, NULL, true, INT_MAX);
        await(pool, all_done);
        atomic_store(&pool->settled, 2);
        futex_wake(&pool->settled, 1);
        pthread_join(pool->host, NULL);
    }
    rhm_free(pool);
}

int rhm_pool_present(const rhm_pool *pool) {
    return pool->workers + 1;
}

void rhm_pool_run(rhm_pool *pool, rhm_pool_part *part, void *context, int useful) {
    const bool shared = useful > 1 && has_workers(pool);
    if (shared)
        hand_out(pool, part, context, false, useful - 1);
    part(context, 0);
    if (shared)
        close_gate(pool);
}

void rhm_pool_run_all(rhm_pool *pool, rhm_pool_part *part, void *context) {
    const bool shared = has_workers(pool);
    if (shared)
        hand_out(pool, part, context, true, INT_MAX);
    part(context, 0);
    if (shared) {
        await(pool, all_done);
        close_gate(pool);
    }
}
