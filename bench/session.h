/* What every benchmark program does besides its benchmarks. */
#ifndef RHM_BENCH_SESSION_H
#define RHM_BENCH_SESSION_H

#include <stdbool.h>

enum { SESSION_THREAD_COUNTS = 16 }; /* at most, of a sweep */

/*
 * Read the flags, put into the report's context what a reader needs to judge the numbers, call `register_all`, run,
 * clean up. Returns the exit status: 0 done, 1 a benchmark failed or none was measured, 2 bad usage.
 */
int session_main(int argc, char **argv, const char *about, void (*register_all)(void));

/*
 * Where rows are asked for one at a time (--serve), call this before each is run, so that a program of many rows can
 * register those alone: the library looks at all that there are whenever it runs one. Before session_main.
 */
void session_on_request(void (*prepare)(const char *row));
bool session_serves(void); /* in `register_all` */

/*
 * Take the last "<prefix>value" out of argv, as Google Benchmark does with its flags: *value points to what follows the
 * prefix, and stays as it is when there is none. For programs with a flag of their own, before session_main.
 */
void session_take_option(int *argc, char **argv, const char *prefix, const char **value);

/* CPUs this process could run on at its first call; Google Benchmark's own num_cpus counts those of the machine. */
int session_allowed_cpus(void);

/*
 * Thread counts of a sweep: those of --threads=LIST, or 1, 2, 4, ... and the number of allowed CPUs. Returns how many
 * were written, at most `room`; 0 for a list that is none. After session_main has read the flags.
 */
int session_thread_counts(int *counts, int room);

/* What --placement=HOW asked for, as in rhm_engine_options; compact without it, so that rows of two processes are on
 * the same cores. */
const char *session_placement(void);

#endif
