/*
 * What a run did when: spans of the calling thread, and the part that each thread had in every parallel loop. Written
 * as Chrome's trace-event JSON, which Perfetto (ui.perfetto.dev) and chrome://tracing open.
 *
 * Spans nest. A loop of rhm_parallel belongs to the innermost open span; of it is kept, per thread, when it began and
 * ended, how many chunks it ran and on which CPU; and, in the totals, how much of it the thread was on a processor.
 * What each chunk took of a processor is kept too, for a prediction of what more threads would make of the loop. Memory
 * is bounded: what exceeds the bounds is dropped and counted, while the totals of each kind of span go on.
 *
 * Spans are begun and ended by the thread that calls into the library, outside of loops. All functions accept an engine
 * that does not trace and then do nothing.
 */
#ifndef RHM_ENGINE_TRACE_H
#define RHM_ENGINE_TRACE_H

#include <stdint.h>

#include "rhm/engine.h"

/* What a span worked on; zero: unknown or not applicable. Only innermost spans have flops and bytes, so these add up.
 */
typedef struct rhm_span_work {
    double flops;                               /* multiply-adds of the products, counted as two */
    double nbytes;                              /* operands, each counted once */
    double items;                               /* patches, samples or sequences */
    uint32_t tokens, embedding, classes, width; /* s, d_e, |V_0| and M of the level that ran */
    uint32_t rows;                              /* embeddings of whose phasors its features were products, or 0, */
    uint32_t run;                               /* and patches that a turning of weights served on average, or 0 */
} rhm_span_work;

/*
 * `name` is a literal; `level` is 0 for that of the span around. rhm_trace_end takes what rhm_trace_begin returned, and
 * also ends spans inside that a failing call left open.
 */
int rhm_trace_begin(const rhm_engine *engine, const char *name, uint32_t level);
void rhm_trace_end(const rhm_engine *engine, int span, rhm_span_work work);

/* Between these two neither spans nor loops are recorded: the time goes to the innermost open span. They do not nest.
 */
void rhm_trace_pause(const rhm_engine *engine);
void rhm_trace_resume(const rhm_engine *engine);

/* ---- for the engine itself; all but the first accept NULL -------------------------------------------------------- */

typedef struct rhm_trace rhm_trace;

/* Opens the outermost span, "run", at `origin` on rhm_trace_now's clock; what has passed since then is "start". */
rhm_status rhm_trace_create(rhm_trace **out, int threads, int64_t origin, rhm_error *error);
void rhm_trace_destroy(rhm_trace *trace);
int64_t rhm_trace_now(void); /* nanoseconds that only go forward */

/* By the calling thread before and after a loop, and in between by each thread when it comes and goes. */
void rhm_trace_loop_begin(rhm_trace *trace);
void rhm_trace_loop_end(rhm_trace *trace);
void rhm_trace_enter(rhm_trace *trace, int thread);
void rhm_trace_leave(rhm_trace *trace, int thread, size_t own, size_t stolen);

/* By each thread before the first chunk, and then after every one. */
void rhm_trace_chunk(rhm_trace *trace, int thread);

#endif
