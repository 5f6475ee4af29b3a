/*
 * The machine that an engine runs on: what it is, what it is at most capable of, and what this process has taken of it.
 * Texts are JSON unless said otherwise, and are released with free().
 */
#ifndef RHM_MACHINE_H
#define RHM_MACHINE_H

#include <stdint.h>

#include "rhm/engine.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Measured peaks of the engine's threads at its instruction set; NAN where not measured. */
typedef struct rhm_machine_peaks {
    double fma_gflops; /* multiply-adds in single precision, counted as two */
    double load_gbs;   /* loads from memory */
} rhm_machine_peaks;

/* About a second of measuring; nothing else may run meanwhile. */
RHM_API rhm_machine_peaks rhm_machine_measure_peaks(const rhm_engine *engine);

/*
 * The "machine" of a report (docs/report.md): processor, kernels, backend, threads and placement, peaks (NULL: null),
 * under "effort" what the process has taken since the engine was created, and under "record" topology, limits, bindings
 * and memory as they are now.
 */
RHM_API rhm_status rhm_machine_describe(char **json, const rhm_engine *engine, const rhm_machine_peaks *peaks,
                                        rhm_error *error);

/* The record alone, for people to read: plain text. */
RHM_API rhm_status rhm_machine_text(char **text, const rhm_engine *engine, rhm_error *error);

/*
 * All ceilings with the engine's threads, a quarter of a second each: {"threads", "fma_gflops": by instruction set,
 * "load_gbs" and "triad_gbs": by cache level and "DRAM"}; what cannot be measured is {"unavailable": reason}.
 */
RHM_API rhm_status rhm_machine_measure_ceilings(char **json, const rhm_engine *engine, rhm_error *error);

/* What else there is to measure, one or several joined by |. */
typedef enum rhm_machine_part {
    RHM_MACHINE_CACHES = 1,    /* latency of a load by working set: by level, and a curve */
    RHM_MACHINE_THREADS = 2,   /* bandwidth of memory by number of threads, one a core */
    RHM_MACHINE_FREQUENCY = 4, /* by number of cores at work and instruction set */
    RHM_MACHINE_SMT = 8,       /* what a second thread on a core adds */
    RHM_MACHINE_NODES = 16,    /* bandwidth and latency from the cores of each NUMA node to the memory of each */
    RHM_MACHINE_ALL = 31,
} rhm_machine_part;

/* About how long that takes, in seconds, with everything else idle. */
RHM_API double rhm_machine_measure_seconds(const rhm_engine *engine, unsigned parts);

/*
 * An object with a member for each part, "caches", "threads", "frequency", "smt" and "nodes" (docs/servers.md). On all
 * processors that the process may use, whatever the engine's threads are; these must be idle meanwhile. The engine
 * hears of progress and is asked for interruption. RHM_UNSUPPORTED where OpenMP's variables bind threads and for engines
 * of several ranks, also for no part at all.
 */
RHM_API rhm_status rhm_machine_measure(char **json, const rhm_engine *engine, unsigned parts, rhm_error *error);

/*
 * What messages between the engine's ranks cost: of pairs of ranks (of all, or where there are more than 16 of rank 0
 * with each other one) the latency of a message of 8 bytes and the bandwidth that one of 4 MiB adds, one way and from
 * there and back; their medians "within_nodes" and "between_nodes"; and "all_to_all", in which each rank sends each
 * other one so many "bytes": "seconds", and "gbs" that a rank sends, and receives, meanwhile. All ranks must call, and
 * have the same text but for rounding of the clock. RHM_INVALID without ranks. A second for a few ranks.
 */
RHM_API rhm_status rhm_machine_measure_messages(char **json, const rhm_engine *engine, rhm_error *error);

enum { RHM_MACHINE_BACKEND_NBYTES = 96 };

/* What became of the engine's choice of a backend, in a few words: "native", "auto: oneDNN 2.6.3 for 2 of 3 shapes". */
RHM_API void rhm_machine_backend(const rhm_engine *engine, char text[RHM_MACHINE_BACKEND_NBYTES]);

/* The most memory that this process has had at a time. */
RHM_API uint64_t rhm_machine_peak_rss_nbytes(void);

#ifdef __cplusplus
}
#endif
#endif
