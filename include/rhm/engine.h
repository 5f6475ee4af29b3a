/*
 * The engine: a team of threads, where they run, which kernels they use, and who hears about progress.
 *
 * One engine serves one caller at a time; create several for independent callers. It is the only state of the library.
 *
 * Threads are OpenMP's, each bound to one processing unit (PU) while the engine lives, the calling thread included:
 * create other threads before the engine, for they inherit its mask. rhm_engine_destroy, called by the same thread,
 * gives the mask back. Where OMP_PROC_BIND, OMP_PLACES, GOMP_CPU_AFFINITY or KMP_AFFINITY is set nothing is bound: the
 * placement in effect is then "environment".
 *
 * The threads belong to the engine and wait on their own terms: they look for work for a fraction of a millisecond (not
 * at all where they share PUs), then sleep. OMP_WAIT_POLICY has no say in it. A child of fork may go on with the engine
 * and gets threads of its own at the first call; nothing may be running while the process forks.
 */
#ifndef RHM_ENGINE_H
#define RHM_ENGINE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/ranks.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rhm_engine rhm_engine;

/* What is going on, for a progress display. */
typedef struct rhm_progress {
    const char *stage; /* a short phrase, such as "level 3: sampling" */
    uint64_t done;     /* units finished */
    uint64_t total;    /* units in all; 0 when unknown */
} rhm_progress;

typedef struct rhm_engine_options {
    int threads; /* at most 4096; 0: OMP_NUM_THREADS, else one per allowed core as far as a CPU quota can keep busy */

    /*
     * "compact": neighbouring cores first; "scatter": round-robin over NUMA nodes, then L3 caches; "none": no binding;
     * or a list of PUs such as "0,2,4-7", which may name one several times. One thread per core before any gets a
     * second. The numbers of a list count the PUs that the process may use, in hwloc's logical order: 0 is CPU 1 under
     * taskset -c 1. NULL: compact; but with fewer threads than cores, keeping off cores that other engines without a
     * placement have taken or that are busy now, as far as others are left.
     */
    const char *placement;
    const char *isa; /* "auto", "scalar", "avx2", "avx512"; NULL: auto. RHM_ISA hides levels above the one it names */

    /*
     * Who computes the products of a level. "native": the library's kernels, whose results are the same everywhere;
     * "onednn": oneDNN, equal within rounding, RHM_UNSUPPORTED in builds without it; "auto": oneDNN for the shapes for
     * which a measurement on this machine finds it faster. NULL: native.
     */
    const char *backend;
    bool trace;                   /* record what is done when, for rhm_engine_write_trace */
    uint64_t memory_limit_nbytes; /* 0: the smaller of physical memory and the control group's limit; in any case no
                                     more than ulimit -v and -d leave */

    /* Other processes that run the same calls, with which the work is shared (rhm/ranks.h); NULL: none. Stays the
     * caller's, and must outlive the engine. */
    rhm_ranks *ranks;

    /* Set to nonzero (by a signal handler, say) to make the running call return RHM_INTERRUPTED soon. May be NULL. */
    const volatile sig_atomic_t *interrupt;

    /* Called now and then, on the calling thread only. May be NULL. */
    void (*progress)(void *user, const rhm_progress *progress);
    void *user;
} rhm_engine_options;

/* The answer to "what is this running on", all strings owned by the engine. */
typedef struct rhm_engine_info {
    int threads;
    const char *cpu;       /* model name */
    const char *isa;       /* level of the kernels in use */
    const char *backend;   /* as asked */
    const char *placement; /* in effect: a policy, a list, or "environment" */
    int numa_nodes;        /* that have allowed PUs */
    uint64_t memory_limit_nbytes;
} rhm_engine_info;

/* All zero is a valid choice of options; NULL means that. The strings are copied. */
RHM_API rhm_status rhm_engine_create(rhm_engine **out, const rhm_engine_options *options, rhm_error *error);

/* The same for bindings, which need not know the structure: these members of it, and zero for the others. */
RHM_API rhm_status rhm_engine_open(rhm_engine **out, int threads, const char *placement, const char *isa,
                                   const char *backend, uint64_t memory_limit_nbytes,
                                   const volatile sig_atomic_t *interrupt,
                                   void (*progress)(void *user, const rhm_progress *progress), void *user,
                                   rhm_error *error);

/* Accepts NULL. */
RHM_API void rhm_engine_destroy(rhm_engine *engine);

RHM_API rhm_engine_info rhm_engine_describe(const rhm_engine *engine);

enum { RHM_SENTENCE_NBYTES = 512 };

/* Whether several threads have to share a CPU, and the sentence that says so. */
RHM_API bool rhm_engine_shares_cpus(const rhm_engine *engine, char sentence[RHM_SENTENCE_NBYTES]);

/*
 * Of ranks whose engines trace, all that they have recorded, to rank 0, whose rhm_engine_write_trace then has a track
 * for each: process 1000 r + 1 and the next ones are rank r's, with names that say so, and "otherData" has their sums
 * in "ranks". Times are of rank 0's clock, but for half of a message's way. All ranks must call; no effect without
 * ranks or traces. Events beyond 64 MiB of text a rank, or 1 GiB of all, are dropped and counted.
 */
RHM_API rhm_status rhm_engine_gather_trace(const rhm_engine *engine, rhm_error *error);

/*
 * What an engine with `trace` has recorded, as trace-event JSON for Perfetto (ui.perfetto.dev) or chrome://tracing:
 * stages, draws, embeddings, fits and solver passes on one track, and on a track per thread, by NUMA node, its part in
 * every parallel loop. "loops" has, loop by loop, how long every chunk took (beside Chrome's format, which allows other
 * keys); "otherData" sums by kind of span, and how much was dropped to keep memory bounded. `command`
 * is put into it; NULL: nothing. Also after a failed call. RHM_INVALID for an engine that does not trace.
 */
RHM_API rhm_status rhm_engine_write_trace(const rhm_engine *engine, const char *path, const char *command,
                                          rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
