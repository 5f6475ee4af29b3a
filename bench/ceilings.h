/*
 * What this machine can do at most, measured in this process: multiply-adds per second and bytes per second. A
 * benchmark states its rate as a share of these; both then saw the same clock frequency and the same neighbours.
 *
 * Every value is the best of many trials of about 2 ms with all threads at work, a quarter of a second in all, and is
 * kept for the rest of the process. Threads are an OpenMP team of the process, the same ones that an engine of as many
 * threads has bound. While an engine lives ask for its number of threads only: a larger team's new threads would
 * inherit the one CPU of their creator. `cpus` below shows it. Call from one thread, outside parallel regions. What
 * cannot be measured is NaN, with the reason in the long form.
 */
#ifndef RHM_BENCH_CEILINGS_H
#define RHM_BENCH_CEILINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/cpu.h"
#include "rhm/status.h"

enum { CEILINGS_ISA_COUNT = RHM_ISA_AVX512 + 1 };

typedef enum ceilings_precision { CEILINGS_F32, CEILINGS_F64, CEILINGS_PRECISION_COUNT } ceilings_precision;
typedef enum ceilings_memory {
    CEILINGS_L1,
    CEILINGS_L2,
    CEILINGS_L3,
    CEILINGS_DRAM,
    CEILINGS_MEMORY_COUNT
} ceilings_memory;
typedef enum ceilings_stream { CEILINGS_LOAD, CEILINGS_TRIAD, CEILINGS_STREAM_COUNT } ceilings_stream;

/* Whether processor, operating system and this build allow it. Scalar always. */
bool ceilings_has_isa(rhm_isa isa);
rhm_isa ceilings_widest_isa(void);

/* "f32", "f64"; "L1", ..., "DRAM"; "load", "triad". */
const char *ceilings_precision_name(ceilings_precision precision);
const char *ceilings_memory_name(ceilings_memory where);
const char *ceilings_stream_name(ceilings_stream stream);

/*
 * GFLOP/s (1e9) of independent chains of multiply-adds that stay in registers, `threads` >= 1 at once. A multiply-add
 * is two operations, also where it is two instructions: the scalar kernel multiplies, then adds, as the baseline
 * instruction set has it.
 */
double ceilings_fma_gflops(rhm_isa isa, int threads);     /* single precision */
double ceilings_fma_gflops_f64(rhm_isa isa, int threads); /* double precision */

/*
 * GB/s (1e9) over all threads with the widest loads and stores, each thread on a working set of its own that fits the
 * given level and not the one before. `load` counts the bytes read. `triad` is a[i] = b[i] + x * c[i] and counts three
 * words per i, which is what the program names; beyond L1 the hardware also reads a's line before it is written, so
 * that four words move: see traffic_gbs below.
 */
double ceilings_load_gbs(ceilings_memory where, int threads);
double ceilings_triad_gbs(ceilings_memory where, int threads);

/* The same in long form. */
typedef struct ceilings_result {
    double rate;                 /* GFLOP/s or GB/s; NaN when it could not be measured */
    double traffic_gbs;          /* with write-allocation; rate where there is none; NaN for multiply-adds */
    double seconds;              /* of the best trial */
    uint64_t working_set_nbytes; /* per thread; 0 for multiply-adds */
    int cpus;                    /* that the team could run on; fewer than threads: they shared */
    char reason[160];            /* why rate is NaN, or "" */
} ceilings_result;

ceilings_result ceilings_fma(rhm_isa isa, ceilings_precision precision, int threads);
ceilings_result ceilings_bandwidth(ceilings_stream stream, ceilings_memory where, int threads);

/* --- one trial at a time, for a benchmark that does its own repetition ------------------------------------------- */

typedef struct ceilings_trial ceilings_trial;

/* RHM_UNSUPPORTED when the machine lacks it, RHM_INVALID for a thread count below 1 or above 4096, RHM_NO_MEMORY. */
rhm_status ceilings_trial_fma(ceilings_trial **out, rhm_isa isa, ceilings_precision precision, int threads,
                              rhm_error *error);
rhm_status ceilings_trial_bandwidth(ceilings_trial **out, ceilings_stream stream, ceilings_memory where, int threads,
                                    rhm_error *error);
void ceilings_trial_destroy(ceilings_trial *trial); /* accepts NULL */

/* Seconds from the first thread's start to the last one's end, for `rounds` >= 1; NaN when the team came out smaller.
 */
double ceilings_trial_run(ceilings_trial *trial, uint64_t rounds);

/* A number of rounds that takes about 2 ms (at least one round); found by trying, which also warms up. */
uint64_t ceilings_trial_rounds(ceilings_trial *trial);

/* Exact work of one round over all threads: floating-point operations or counted bytes. */
double ceilings_trial_work(const ceilings_trial *trial);

/* Bytes that cross the level's boundary in one round, write-allocation included; 0 for multiply-adds. */
double ceilings_trial_traffic(const ceilings_trial *trial);

/* Bytes per thread; 0 for multiply-adds. */
uint64_t ceilings_trial_working_set(const ceilings_trial *trial);

/* CPUs that the threads of the last run may use, all together; 0 before the first. */
int ceilings_trial_cpus(const ceilings_trial *trial);

#endif
