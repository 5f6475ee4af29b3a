/*
 * What this machine can do at most, measured in this process: multiply-adds per second and bytes per second. A report
 * or a benchmark states its rate as a share of these; both then saw the same clock frequency and the same neighbours.
 *
 * Every value is the best of many trials of about 2 ms with all threads of an engine at work, a quarter of a second in
 * all. What cannot be measured is NaN, with the reason in the long form.
 */
#ifndef RHM_CEILINGS_H
#define RHM_CEILINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/registry.h"
#include "rhm/engine.h"

typedef enum rhm_ceilings_precision { CEILINGS_F32, CEILINGS_F64, CEILINGS_PRECISION_COUNT } rhm_ceilings_precision;
typedef enum rhm_ceilings_memory {
    CEILINGS_L1,
    CEILINGS_L2,
    CEILINGS_L3,
    CEILINGS_DRAM,
    CEILINGS_MEMORY_COUNT
} rhm_ceilings_memory;
typedef enum rhm_ceilings_stream {
    CEILINGS_LOAD,
    CEILINGS_TRIAD,
    CEILINGS_WRITE,
    CEILINGS_STREAM_COUNT
} rhm_ceilings_stream;

/* Whether processor, operating system and this build allow it. Scalar always. */
bool rhm_ceilings_has_isa(rhm_isa isa);

/* "f32", "f64"; "L1", ..., "DRAM"; "load", "triad", "write". */
const char *rhm_ceilings_precision_name(rhm_ceilings_precision precision);
const char *rhm_ceilings_memory_name(rhm_ceilings_memory where);
const char *rhm_ceilings_stream_name(rhm_ceilings_stream stream);

/* A measured ceiling. */
typedef struct rhm_ceilings_result {
    double rate;                 /* GFLOP/s or GB/s; NaN when it could not be measured */
    double traffic_gbs;          /* with write-allocation; rate where there is none; NaN for multiply-adds */
    double seconds;              /* of the best trial */
    uint64_t working_set_nbytes; /* per thread; 0 for multiply-adds */
    int cpus;                    /* that the team could run on; fewer than threads: they shared */
    char reason[160];            /* why rate is NaN, or "" */
} rhm_ceilings_result;

/*
 * Multiply-adds: independent chains that stay in registers, one set a thread. A multiply-add is two operations, also
 * where it is two instructions: the scalar loop multiplies, then adds, as the baseline instruction set has it. `isa`
 * need not be the engine's.
 */
rhm_ceilings_result rhm_ceilings_measure_fma(const rhm_engine *engine, rhm_isa isa, rhm_ceilings_precision precision);

/*
 * Bytes, over all threads with the widest loads and stores, each thread on a working set of its own that fits the
 * given level and not the one before. `load` counts the bytes read. `triad` is a[i] = b[i] + x * c[i] and counts three
 * words per i, which is what the program names; beyond L1 the hardware also reads a's line before it is written, so
 * that four words move: see traffic_gbs. `write` is a[i] = x, by stores that go past the caches where `where` is DRAM.
 */
rhm_ceilings_result rhm_ceilings_measure_bandwidth(const rhm_engine *engine, rhm_ceilings_stream stream,
                                                   rhm_ceilings_memory where);

/* --- one trial at a time, for a benchmark that does its own repetition ------------------------------------------- */

typedef struct rhm_ceilings_trial rhm_ceilings_trial;

/* RHM_UNSUPPORTED when the machine lacks it, RHM_NO_MEMORY. The engine must outlive the trial. */
rhm_status rhm_ceilings_trial_fma(rhm_ceilings_trial **out, const rhm_engine *engine, rhm_isa isa,
                                  rhm_ceilings_precision precision, rhm_error *error);
rhm_status rhm_ceilings_trial_bandwidth(rhm_ceilings_trial **out, const rhm_engine *engine, rhm_ceilings_stream stream,
                                        rhm_ceilings_memory where, rhm_error *error);
void rhm_ceilings_trial_destroy(rhm_ceilings_trial *trial); /* accepts NULL */

/* Seconds from the first thread's start to the last one's end, for `rounds` >= 1; NaN when the team came out smaller.
 */
double rhm_ceilings_trial_run(rhm_ceilings_trial *trial, uint64_t rounds);

/* A number of rounds that takes about 2 ms (at least one round); found by trying, which also warms up. */
uint64_t rhm_ceilings_trial_rounds(rhm_ceilings_trial *trial);

/* Exact work of one round over all threads: floating-point operations or counted bytes. */
double rhm_ceilings_trial_work(const rhm_ceilings_trial *trial);

/* Bytes that cross the level's boundary in one round, write-allocation included; 0 for multiply-adds. */
double rhm_ceilings_trial_traffic(const rhm_ceilings_trial *trial);

/* Bytes per thread; 0 for multiply-adds. */
uint64_t rhm_ceilings_trial_working_set(const rhm_ceilings_trial *trial);

/* CPUs that the threads of the last run may use, all together; 0 before the first. */
int rhm_ceilings_trial_cpus(const rhm_ceilings_trial *trial);

#endif
