/* The ceilings of src/ceilings, each measured once per process: all rows of a benchmark are shares of the same ones. */
#ifndef RHM_BENCH_CEILINGS_SESSION_H
#define RHM_BENCH_CEILINGS_SESSION_H

#include "ceilings/ceilings.h"

/*
 * GFLOP/s (1e9) of independent chains of multiply-adds that stay in registers, `threads` >= 1 at once. A multiply-add
 * is two operations, also where it is two instructions: the scalar kernel multiplies, then adds, as the baseline
 * instruction set has it.
 */
double rhm_ceilings_fma_gflops(rhm_isa isa, int threads);     /* single precision */
double rhm_ceilings_fma_gflops_f64(rhm_isa isa, int threads); /* double precision */

/*
 * GB/s (1e9) over all threads with the widest loads and stores, each thread on a working set of its own that fits the
 * given level and not the one before. `load` counts the bytes read. `triad` is a[i] = b[i] + x * c[i] and counts three
 * words per i, which is what the program names; beyond L1 the hardware also reads a's line before it is written, so
 * that four words move: see traffic_gbs below.
 */
double rhm_ceilings_load_gbs(rhm_ceilings_memory where, int threads);
double rhm_ceilings_triad_gbs(rhm_ceilings_memory where, int threads);

/* The same in long form. */
rhm_ceilings_result rhm_ceilings_fma(rhm_isa isa, rhm_ceilings_precision precision, int threads);
rhm_ceilings_result rhm_ceilings_bandwidth(rhm_ceilings_stream stream, rhm_ceilings_memory where, int threads);

#endif
