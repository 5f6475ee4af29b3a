/* The one way work is spread over the engine's threads. */
#ifndef RHM_ENGINE_PARALLEL_H
#define RHM_ENGINE_PARALLEL_H

#include <stddef.h>

#include "engine/pool.h"
#include "rhm/engine.h"

/*
 * Call body(context, chunk, thread) once for every chunk 0..chunk_count-1, on any thread 0..threads-1 of the team, in
 * any order. Results must not depend on which thread ran a chunk: chunks are fixed by the problem, and whoever combines
 * their results does so in the order of the chunks. Returns RHM_INTERRUPTED when the interrupt flag was seen, else the
 * failure of the lowest-numbered failing chunk, the same in every run; chunks above it may have been skipped.
 * Not from inside a body.
 *
 * Each thread has its own contiguous range of the chunks (rhm_chunk_home) and takes others' only when it is done with
 * that: the same number of chunks meets the same memory again on the same NUMA node. A thread that does not come, as
 * its processor is busy with other things, is not waited for: the others do its range.
 */
typedef rhm_status rhm_chunk_body(void *context, size_t chunk, int thread, rhm_error *error);
rhm_status rhm_parallel(const rhm_engine *engine, size_t chunk_count, rhm_chunk_body *body, void *context,
                        rhm_error *error);

/*
 * The same for short work that must be done wholly or not at all, such as a step of a solver whose vectors a checkpoint
 * keeps: nothing in it can fail, and no interruption is looked for.
 */
typedef void rhm_chunk_work(void *context, size_t chunk);
void rhm_parallel_whole(const rhm_engine *engine, size_t chunk_count, rhm_chunk_work *work, void *context);

/* The same for work that needs memory of the thread's own: thread 0..threads-1. */
typedef void rhm_lane_work(void *context, size_t chunk, int thread);
void rhm_parallel_lanes(const rhm_engine *engine, size_t chunk_count, rhm_lane_work *work, void *context);

/*
 * Call part(context, thread) once for every thread of the team that there is, for work that only the thread itself can
 * do. Waits for all of them, however busy their processors are: loops are for everything else.
 */
void rhm_on_every_thread(const rhm_engine *engine, rhm_pool_part *part, void *context);

/* First chunk of the range of `thread` (0..threads; with `threads` the end of all). */
size_t rhm_chunk_begin(const rhm_engine *engine, size_t chunk_count, int thread);

/* The thread whose range holds `chunk`. */
int rhm_chunk_home(const rhm_engine *engine, size_t chunk_count, size_t chunk);

int rhm_engine_threads(const rhm_engine *engine);

/* RHM_INTERRUPTED, with its sentence, once the caller's flag is up. */
rhm_status rhm_engine_check(const rhm_engine *engine, rhm_error *error);

void rhm_engine_progress(const rhm_engine *engine, const char *stage, uint64_t done, uint64_t total);

#endif
