/*
 * What a stretch of work took of the machine beside its time: how much of it went to the kernel, how often somebody
 * else was given the processor, and how fast that ran. A rate without these cannot be told from a disturbed one.
 */
#ifndef RHM_ENGINE_EFFORT_H
#define RHM_ENGINE_EFFORT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/frequency.h"

/* Begun by the thread that ends it. */
typedef struct rhm_effort_mark {
    bool whole_process;
    double clock, user, system;
    uint64_t involuntary;
    rhm_cycle_counter cycles; /* of the thread */
    uint64_t cycles_before;
} rhm_effort_mark;

typedef struct rhm_effort {
    double seconds;                /* by the clock */
    double cpu_seconds;            /* on processors, */
    double system_seconds;         /* of these in the kernel */
    uint64_t involuntary_switches; /* the processor was taken away */
    double hertz;                  /* of the calling thread's processor; NAN where it cannot be known */
    bool counted;                  /* by perf events over the whole stretch; else by additions at its end */
} rhm_effort;

void rhm_effort_begin(rhm_effort_mark *mark, bool whole_process);

/* Since `mark`; the stretch goes on. Where cycles are not counted this takes 0.1 ms. */
rhm_effort rhm_effort_read(const rhm_effort_mark *mark);
void rhm_effort_end(rhm_effort_mark *mark);

#endif
