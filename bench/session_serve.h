/*
 * A benchmark program that runs rows on request, one at a time, until its input ends: --serve. Several builds of the
 * program can so take turns within milliseconds, which is what a comparison on a shared machine needs.
 *
 * It prints a line of JSON when it is ready and one for every request:
 *
 *     {"serves": "bench_kernels", "protocol": 1, "version": "0.1.0", "isa_widest": "avx2", "cpus_allowed": 2,
 *      "requests": ["run", "time"]}
 *     run 8 forward/v16/avx2/native/t:1
 *     {"row": "forward/v16/avx2/native/t:1", "passes": [seconds, ...], "cpu_passes": [seconds, ...],
 *      "counters": {"flops": 1e8, ...}, "label": "", "reason": "", "skipped": false,
 *      "seconds": 0.02, "cpu_seconds": 0.02, "system_seconds": 0.001, "hertz": 3e9, "preempted": 0, "cpus": [0, 0]}
 *
 * `passes` are of the row's loop, `cpu_passes` the processor time of all threads in them; `seconds`, `cpu_seconds` of
 * the whole process, `system_seconds` of these in the kernel, `hertz` (engine/effort.h; left out where it is unknown),
 * `preempted` (involuntary context switches) and `cpus` (where the calling thread was first and last) belong to all
 * that the row did, preparation included. A request that cannot be carried out is answered with
 * {"error": sentence}.
 *
 * "time 8 ROW" is the same for a row whose result another process of this build has verified: the first "run" of a row
 * verifies it, "time" never does.
 */
#ifndef RHM_BENCH_SESSION_SERVE_H
#define RHM_BENCH_SESSION_SERVE_H

#include <stdio.h>

#include "rhm/status.h"

/* RHM_IO when an answer could not be written. */
rhm_status session_serve(FILE *requests, FILE *answers, rhm_error *error);

#endif
