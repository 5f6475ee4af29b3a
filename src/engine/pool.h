/*
 * Threads that wait for work, however the OpenMP runtime would have them wait.
 *
 * OpenMP starts the threads, once: they stay inside one parallel region until the pool stops, and what they do there is
 * handed to them here. Waiting is spinning for some microseconds at most, then sleeping; and nobody waits for a thread
 * that has not begun. A thread that the system does not run, because its processor has other work, then costs what it
 * would have contributed and no more.
 */
#ifndef RHM_ENGINE_POOL_H
#define RHM_ENGINE_POOL_H

#include <stdint.h>

#include "rhm/status.h"

typedef struct rhm_pool rhm_pool;

/* The part of thread `thread` in a piece of work. */
typedef void rhm_pool_part(void *context, int thread);

/*
 * `threads` >= 1 counts the caller, who is thread 0 of whatever it hands out. `spin_ns` bounds how long a thread looks
 * for work, or for the others to finish, before it sleeps: 0 where threads share processors. One caller at a time.
 */
rhm_status rhm_pool_start(rhm_pool **out, int threads, int64_t spin_ns, rhm_error *error);

/* Ends the threads. Accepts NULL. */
void rhm_pool_stop(rhm_pool *pool);

/* Threads that there are, numbered from 0: OpenMP gives fewer than asked for under OMP_THREAD_LIMIT and the like. */
int rhm_pool_present(const rhm_pool *pool);

/*
 * Call part(context, 0), and part(context, t) for those other threads t that come before that call has returned, which
 * may be none. Returns when all calls have. At most `useful` threads are woken up for it.
 */
void rhm_pool_run(rhm_pool *pool, rhm_pool_part *part, void *context, int useful);

/* Call part(context, t) once for every thread t that is present. */
void rhm_pool_run_all(rhm_pool *pool, rhm_pool_part *part, void *context);

#endif
