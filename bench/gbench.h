/*
 * Google Benchmark for programs written in C.
 *
 * The only C++ of the tree is behind this header (gbench.cc, a thin bridge). No C++ type and no exception crosses it,
 * and nothing here exits or aborts: what the library would answer with std::exit or a failed internal check is refused
 * before it gets there. It compiles against 1.7.1 and every later release up to 1.9.x and gives the same meaning on
 * all.
 *
 * A program does, in this order:
 *
 *     gb_init(&argc, argv, &error);              its own flags may be taken out of argv before or after
 *     gb_bench *b = gb_register("name", body, user);
 *     gb_arg_names(b, names, 2); gb_args(b, values, 2); gb_use_real_time(b); ...
 *     gb_run(NULL, NULL, &result, &error);
 *     gb_shutdown();
 *
 * Errors. Lifecycle functions return an rhm_status and fill an rhm_error (rhm/status.h). Registration functions
 * return nothing: the first mistake is kept, with the name of the benchmark, and gb_run refuses to start with that
 * sentence. Functions on a running benchmark turn a mistake into a failed row of the report. Strings are copied.
 *
 * Threads. The library's own threads stay 1, because their meaning changed between releases: real time and rates
 * were divided by the thread count up to 1.8 and not, or partly, afterwards. Make our thread count an argument, create
 * the team outside the timed loop, and use real time with process CPU time: the default clock sees the calling thread
 * only. All functions are for the main thread; other threads must not touch a gb_state.
 *
 * What the library offers beyond this header is left to its flags (warm-up, aggregates) or to a loop over gb_args
 * (ranges and products of arguments).
 *
 * Rows of the JSON report are matched by name, so names must be unique and stable. Numbers that are not finite never
 * reach the report, since they are not JSON: they are taken out of the row and named in its label, "omitted: x=nan".
 */
#ifndef RHM_BENCH_GBENCH_H
#define RHM_BENCH_GBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A registered benchmark: a family of rows, one per tuple of arguments. Owned by the library until gb_shutdown. */
typedef struct gb_bench gb_bench;

/* One run of a benchmark. Lives for the duration of the call it is handed to. */
typedef struct gb_state gb_state;

/*
 * The body of a benchmark. It is called SEVERAL times per row, with growing iteration counts, until the run is long
 * enough: do allocation and verification when gb_run_index is 0, and keep them in `user`, which must outlive gb_run.
 *
 *     while (gb_keep_running(state))
 *         work();
 */
typedef void gb_function(gb_state *state, void *user);

/* --- lifecycle ---------------------------------------------------------------------------------------------- */

/*
 * Take the flags of Google Benchmark out of argv, as it would; other arguments stay, in order, and *argc shrinks.
 * Once per process, before gb_run. Differences to the library, each on purpose:
 *   --benchmark_format       console or json, for standard output
 *   --benchmark_out          always JSON; appears under its name complete or not at all
 *   --benchmark_min_time     0.5, 0.5s, or 100x where the library knows it, on every release
 *   --benchmark_perf_counters is refused: it would not see threads created before it
 *   --help                   is left in argv for the program, which prints gb_help()
 * The same holds for the environment variables BENCHMARK_*; BENCHMARK_CONTEXT is refused. The process is never
 * executed anew without address randomisation, as 1.9.5's own main does.
 */
rhm_status gb_init(int *argc, char **argv, rhm_error *error);

/* The flags that gb_init takes, for a program's own help text. */
const char *gb_help(void);

/* Print a line to standard error for every argument that is left after argv[0]; true when there was one. */
bool gb_report_unrecognized(int argc, char **argv);

/*
 * Put a line into the report's context. Refused: an empty or repeated key, and the keys that the library writes
 * itself. Values are strings. Control characters and broken UTF-8 are replaced by '?', here and in labels and reasons.
 */
rhm_status gb_add_context(const char *key, const char *value, rhm_error *error);

typedef struct gb_result {
    size_t matched;  /* rows whose name matches the filter */
    size_t measured; /* rows with a measurement */
    size_t skipped;  /* rows skipped by gb_skip_message */
    size_t failed;   /* rows stopped by gb_skip_error or by a mistake in the benchmark */
} gb_result;

/*
 * Run every row whose name matches `filter` (a regular expression, a leading '-' negates; NULL: --benchmark_filter)
 * and write the report to `json_path` (NULL: --benchmark_out, if given). May be called again. `result` may be NULL.
 * RHM_OK: at least one row was measured and none failed, or rows were only listed. RHM_FAILED: a row failed, or none
 * was measured; the report is written all the same. RHM_INVALID: a mistake in a registration, or no row matches.
 * RHM_IO: the report could not be written.
 */
rhm_status gb_run(const char *filter, const char *json_path, gb_result *result, rhm_error *error);

/* One run of a row by gb_run_row. Text is valid, and `pass` allocated, until the next gb_run_row or gb_shutdown. */
typedef struct gb_sample {
    const double *pass; /* (count): seconds of each pass of the loop; manual time where that is used */
    const double *cpu;  /* (count): processor time of all threads in the same passes, up to gb_set_iteration_time */
    size_t count;
    const char *label;  /* what gb_label said, or "" */
    const char *reason; /* why the row was skipped or failed, or "" */
    bool skipped;       /* by gb_skip_message */
} gb_sample;

/* Called for every counter without flags, whose value is the row's own: exact work, sizes. */
typedef void gb_counter_sink(void *context, const char *name, double value);

/*
 * Run one row, exactly `iterations` times round its loop, without any report, and time every pass by itself. `row` is
 * the name as registered with its arguments, "name/t:2". For programs that take turns with another build of themselves:
 * the count is the caller's, so that both do the same work, and gb_run_index goes on from call to call, so that the
 * result is verified and memory allocated once. RHM_INVALID: no such row, or iterations < 1. RHM_OK for a row that was
 * skipped or failed: see `reason`.
 */
rhm_status gb_run_row(const char *row, int64_t iterations, gb_sample *out, gb_counter_sink *sink, void *context,
                      rhm_error *error);

/* Free every benchmark and the context. Final: gb_init does not start again. */
void gb_shutdown(void);

/* Version of the library this was compiled against, such as "1.7.1". */
const char *gb_version(void);

/* --- registration ------------------------------------------------------------------------------------------- */

/* NULL after a mistake; every function below accepts NULL. */
gb_bench *gb_register(const char *name, gb_function *body, void *user);

/*
 * Arguments are integers; put anything else into the name. A benchmark has at most 4096 tuples of 1 to 16 arguments,
 * all different and of the same length.
 */
void gb_arg(gb_bench *bench, int64_t value);
void gb_args(gb_bench *bench, const int64_t *values, size_t count);

/* One name per argument, shown as "name:value" in the row's name; NULL or "" shows the value alone. */
void gb_arg_names(gb_bench *bench, const char *const *names, size_t count);

typedef enum gb_time_unit { GB_NANOSECOND, GB_MICROSECOND, GB_MILLISECOND, GB_SECOND } gb_time_unit;

void gb_unit(gb_bench *bench, gb_time_unit unit);

/* Exactly so many iterations. */
void gb_iterations(gb_bench *bench, int64_t count);

void gb_repetitions(gb_bench *bench, int count);

/* The clock that decides how long to run and that divides rates: CPU time of the calling thread unless one is named. */
void gb_use_real_time(gb_bench *bench);
void gb_measure_process_cpu_time(gb_bench *bench); /* CPU time of all threads; combines with either of the others */
void gb_use_manual_time(gb_bench *bench);          /* what gb_set_iteration_time says; excludes gb_use_real_time */

/* --- inside a benchmark ------------------------------------------------------------------------------------- */

/*
 * True while another iteration is to be done. The body must go on until it is false; leaving earlier fails the row.
 * The call costs a few nanoseconds: put a loop into short work. False at once after a skip, and ever after it was
 * false.
 */
bool gb_keep_running(gb_state *state);

/*
 * Manual time: the seconds of this pass, finite and not negative, exactly once per pass.
 * The library sets no wall limit to such a benchmark, so here one that reports less than a twentieth of the wall time
 * fails after 10 s.
 */
void gb_set_iteration_time(gb_state *state, double seconds);

/*
 * End the row with a reason: an error, or something this machine cannot do. The loop ends at its next test; return from
 * the body. Later repetitions of the row are ended with the same reason. Where the library has no skip message
 * (before 1.8) the report holds an error that starts with "skipped: ".
 */
void gb_skip_error(gb_state *state, const char *reason);
void gb_skip_message(gb_state *state, const char *reason);

/* How a counter's value becomes the reported number; may be combined. */
enum {
    GB_RATE = 1,      /* divide by the seconds of the selected clock */
    GB_INVARIANT = 2, /* the value of one iteration: multiply by the iterations (first) */
    GB_1024 = 4,      /* shown with binary prefixes on the terminal */
};

/*
 * A column of the row, set after the loop. Names are letters, digits and any of "_-./%()" and fail the row when they
 * are a field of the report ("threads", "real_time", "label", ...) or change their flags between repetitions.
 */
void gb_counter(gb_state *state, const char *name, double value, unsigned flags);

/* Totals over all iterations, reported as bytes_per_second and items_per_second of the selected clock. */
void gb_bytes_processed(gb_state *state, int64_t nbytes);
void gb_items_processed(gb_state *state, int64_t items);

/* Free text beside the row. */
void gb_label(gb_state *state, const char *text);

int64_t gb_range(gb_state *state, size_t index); /* fails the row, and is 0, when there is no such argument */
int64_t gb_iterations_done(const gb_state *state);

/* How often this row's body was called before within this gb_run; 0 is the time to verify the result. */
size_t gb_run_index(const gb_state *state);

/* --- keeping the compiler honest ---------------------------------------------------------------------------- */

/* The compiler must produce the value of this scalar or pointer lvalue, and may not assume it keeps it. */
#define GB_DO_NOT_OPTIMIZE(lvalue) __asm__ volatile("" : "+m,r"(lvalue) : : "memory")

/* The compiler must carry out pending writes to memory that has escaped, and read it anew. */
#define GB_CLOBBER() __asm__ volatile("" : : : "memory")

#ifdef __cplusplus
}
#endif
#endif
