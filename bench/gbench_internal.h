/*
 * How the pieces behind gbench.h fit together. Not for benchmarks.
 *
 *     gbench_session.c   lifecycle: flags, context, running everything, counting outcomes
 *     gbench_row.c       one row at a time, every pass timed by itself
 *     gbench_bench.c     registration: what the library would abort on is found here
 *     gbench_state.c     one run of one row: the loop's protocol, counters, reasons
 *     gbench_flags.c     the command line
 *     gbench_text.c      names and text that JSON can hold
 *     gbench.cc          the bridge: gb_raw_* below, one call of the library each, and the reporters
 */
#ifndef RHM_BENCH_GBENCH_INTERNAL_H
#define RHM_BENCH_GBENCH_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "gbench.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    GB_MAX_ROWS = 4096,    /* of one benchmark; they are searched one by one */
    GB_MAX_RANGES = 16,    /* arguments of a row */
    GB_MAX_COUNTERS = 48,  /* of one benchmark */
    GB_TEXT_NBYTES = 512,  /* labels and reasons; longer ones are cut */
    GB_COUNTER_NBYTES = 64 /* name of a counter with its final zero */
};

typedef enum gb_outcome { GB_PENDING, GB_MEASURED, GB_SKIPPED, GB_FAILED } gb_outcome;

/* What is known of one tuple of arguments over its trial runs and repetitions, within one gb_run. */
typedef struct gb_row {
    int64_t ranges[GB_MAX_RANGES];
    gb_outcome outcome;
    char reason[GB_TEXT_NBYTES];
    size_t runs;
    int64_t max_iterations; /* asked for in the last complete run, */
    int64_t iterations;     /* and done there */
} gb_row;

struct gb_bench {
    void *raw; /* the library's benchmark object */
    char *name;
    gb_function *body;
    void *user;
    gb_row *rows; /* (row_count, row_capacity allocated) */
    size_t row_count, row_capacity;
    size_t range_count;
    bool has_ranges, has_rows, has_real_time, has_manual_time;
    struct {
        char name[GB_COUNTER_NBYTES];
        unsigned flags;
    } counters[GB_MAX_COUNTERS]; /* as first set */
    size_t counter_count;
    gb_bench *next; /* in order of registration */
};

struct gb_state {
    void *raw; /* the library's benchmark::State */
    gb_bench *bench;
    gb_row *row;
    bool stopped; /* skipped or failed */
    bool ended;   /* the loop is over, or never to begin */
    bool looping;
    int64_t passes, times_set;
    double begin, manual_seconds;
    double pass_begin, cpu_begin; /* only while passes are recorded */
    char label[GB_TEXT_NBYTES], omitted[GB_TEXT_NBYTES];
};

/* --- gbench_session.c --- */

/* Whether registration is still possible; if not, a phrase that says why. */
bool gb_can_register(const char **why_not);

/* Run what matches `filter` without a report and without forgetting what earlier runs found. */
rhm_status gb_run_silently(const char *filter, size_t *matched, rhm_error *error);

/* --- gbench_bench.c --- */

/* The first mistake in a registration, or "". */
const char *gb_first_mistake(void);
gb_bench *gb_first_bench(void);

/* The row with these arguments; NULL when the library asks for one that was never registered. */
gb_row *gb_find_row(gb_bench *bench, const int64_t *ranges);
void gb_forget_outcomes(void);
void gb_free_benches(void);

/* --- gbench_state.c --- */

/* What the library calls for every run of a row, with its State. */
void gb_run_body(void *raw, gb_bench *bench);

/* --- gbench_row.c --- */

/* Whether gb_run_row is at work; if so, what a row does is told to it. */
bool gb_is_recording(void);
void gb_record_pass(double seconds, double cpu_seconds);
void gb_record_counter(const char *name, double value, unsigned flags);
void gb_record_row(const gb_state *state);
void gb_free_record(void);

/* Processor time of all threads of this process. */
double gb_cpu_now(void);

/* --- gbench_flags.c --- */

/* The command line, checked. Strings live as long as the process: the library keeps pointers to them. */
typedef struct gb_flags {
    bool json;       /* standard output gets JSON rather than a table */
    bool tabular;    /* the table has a column per counter */
    bool colour;     /* the table uses terminal colours */
    bool list_only;  /* names are printed, nothing runs */
    bool silent;     /* nothing is printed */
    const char *out; /* path of the JSON report; "" for none */
    char **context;  /* context_count times "key=value,..." */
    size_t context_count;
    char **argv; /* for the library: argc strings and NULL, nothing in it that makes it exit */
    int argc;
    char **kept; /* all strings, kept_count of them: the library takes out of argv what it understands */
    size_t kept_count;
    bool lacks_memory; /* for one of them */
} gb_flags;

/*
 * Move Google Benchmark's flags from argv, and its environment variables, into `flags`. RHM_INVALID or RHM_UNSUPPORTED
 * names the flag at fault; *argc and argv are unchanged then.
 */
rhm_status gb_flags_take(gb_flags *flags, int *argc, char **argv, rhm_error *error);

/* --- gbench_text.c --- */

/* Make `text` fit for JSON as the library writes it: control characters and bytes that are not UTF-8 become '?'. */
void gb_text_clean(char *text);

/* A clean copy, cut to `nbytes` with its final zero; NULL is "". */
void gb_text_copy(char *copy, size_t nbytes, const char *text);

/* Whether the key is written into the context, or the name into a row, by some release of the library itself. */
bool gb_is_context_field(const char *key);
bool gb_is_row_field(const char *name);

/* Whether `name` has a fitting length and every character may appear in the name of a counter. */
bool gb_is_counter_name(const char *name);

/* --- gbench.cc --- */

/* Whether the library was refused memory since this was asked for the last time. */
bool gb_raw_out_of_memory(void);

void gb_raw_initialize(int *argc, char **argv);
void gb_raw_add_context(const char *key, const char *value);
void gb_raw_shutdown(void);

/*
 * Run the rows that match `filter` (NULL: the flag's) and count them. A report goes to `report_path` unless that is
 * NULL. False with errno set when the file failed.
 */
bool gb_raw_run(const char *filter, const gb_flags *flags, const char *report_path, size_t *matched);

void *gb_raw_register(gb_bench *bench); /* NULL: no memory */
void gb_raw_args(void *raw, const int64_t *values, size_t count);
void gb_raw_arg_names(void *raw, const char *const *names, size_t count);
typedef enum gb_setting {
    GB_UNIT,
    GB_ITERATIONS,
    GB_REPETITIONS,
    GB_REAL_TIME,
    GB_PROCESS_TIME,
    GB_MANUAL_TIME
} gb_setting;
void gb_raw_set(void *raw, gb_setting what, int64_t value); /* no value for the clocks */

bool gb_raw_keep_running(void *raw);
void gb_raw_set_iteration_time(void *raw, double seconds);
void gb_raw_stop(void *raw, bool is_error, const char *reason);
void gb_raw_counter(void *raw, const char *name, double value, unsigned flags);
void gb_raw_bytes_processed(void *raw, int64_t nbytes);
void gb_raw_items_processed(void *raw, int64_t items);
void gb_raw_label(void *raw, const char *text);
int64_t gb_raw_range(const void *raw, size_t index);
int64_t gb_raw_iterations_done(const void *raw);
int64_t gb_raw_max_iterations(const void *raw);

#ifdef __cplusplus
}
#endif
#endif
