#include "program.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "engine/effort.h"

enum { NAME_NBYTES = 128 };

/* A row for all its thread counts. */
typedef struct kept {
    struct kept *next;
    const program_kind *kind;
    char name[NAME_NBYTES];
    bool alone;
    int threads;                         /* that `best` is of */
    double best;                         /* seconds, over all calls of the row */
    int verified[SESSION_THREAD_COUNTS]; /* thread counts whose result was; (verified_count) of them */
    int verified_count;
    max_align_t row[];
} kept;

static struct {
    const program *what;
    shapes shapes;
    void *problems; /* (shapes.count) */
    kept *rows;
    const char *asked; /* the row that a server was asked for, while it is registered; else NULL */
} all;

/* The row whose state is ready. */
static struct {
    const kept *of; /* NULL: none */
    int threads;
    void *state;
} ready;

static void let_go(void) {
    if (ready.state && ready.of->kind->clear)
        ready.of->kind->clear(ready.state);
    free(ready.state);
    ready.of = NULL;
    ready.state = NULL;
}

static rhm_status make_ready(kept *of, int threads, bool verify, rhm_error *error) {
    if (ready.of == of && ready.threads == threads && !verify)
        return RHM_OK;
    let_go();
    if (!(ready.state = calloc(1, of->kind->state_nbytes)))
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the state of a benchmark");
    ready.of = of;
    ready.threads = threads;
    const rhm_status status = of->kind->prepare(ready.state, of->row, threads, verify, error);
    if (status != RHM_OK)
        let_go();
    return status;
}

/* By which a rate that was disturbed can be told from a slow one. Numbers that are not known are left out. */
static void report_effort(gb_state *state, rhm_effort_mark *mark) {
    const rhm_effort effort = rhm_effort_read(mark);
    rhm_effort_end(mark);
    if (isfinite(effort.hertz))
        gb_counter(state, "effective_hertz", effort.hertz, 0);
    gb_counter(state, "system_share", effort.cpu_seconds > 0 ? effort.system_seconds / effort.cpu_seconds : 0, 0);
    gb_counter(state, "involuntary_switches", (double)effort.involuntary_switches, 0);
}

/* Trials until the row is measured. */
static rhm_status measure(gb_state *gb, kept *of, rhm_error *error) {
    rhm_effort_mark mark;
    rhm_status status = RHM_OK;
    rhm_effort_begin(&mark, true);
    while (status == RHM_OK && gb_keep_running(gb)) {
        double seconds = 0;
        if ((status = of->kind->trial(ready.state, &seconds, error)) != RHM_OK)
            break;
        gb_set_iteration_time(gb, seconds);
        of->best = fmin(of->best, seconds);
        if (of->kind->against_ceiling)
            session_ceiling_trial();
    }
    report_effort(gb, &mark);
    return status;
}

static bool was_verified(const kept *of, int threads) {
    for (int i = 0; i < of->verified_count; i++)
        if (of->verified[i] == threads)
            return true;
    return false;
}

static void run(gb_state *gb, void *user) {
    kept *of = user;
    rhm_error error = {0};
    const int threads = of->alone ? 0 : (int)gb_range(gb, 0);
    const bool verify = session_verifies() && !was_verified(of, threads);
    if (gb_run_index(gb) == 0 || of->threads != threads)
        of->best = HUGE_VAL;
    of->threads = threads;
    rhm_status status = make_ready(of, threads, verify, &error);
    if (status == RHM_OK && verify && of->verified_count < SESSION_THREAD_COUNTS)
        of->verified[of->verified_count++] = threads;
    if (status == RHM_OK)
        status = measure(gb, of, &error);
    if (status == RHM_OK)
        of->kind->report(gb, ready.state, of->best);
    else if (status == RHM_UNSUPPORTED)
        gb_skip_message(gb, error.text);
    else
        gb_skip_error(gb, error.text);
}

/* Whether a row's name is `name` with arguments after it. */
static bool begins_with(const char *row, const char *name) {
    const size_t length = strlen(name);
    return strncmp(row, name, length) == 0 && (row[length] == '/' || row[length] == '\0');
}

static gb_bench *add(const program_kind *kind, bool alone, const void *row, size_t nbytes, const char *name) {
    if (all.asked && !begins_with(all.asked, name))
        return NULL;
    kept *copy = calloc(1, sizeof *copy + nbytes);
    if (!copy)
        return gb_register(name, NULL, NULL); /* a mistake, with which nothing is run */
    memcpy(copy->row, row, nbytes);
    copy->next = all.rows;
    copy->kind = kind;
    snprintf(copy->name, sizeof copy->name, "%s", name);
    copy->alone = alone;
    all.rows = copy;
    gb_bench *bench = gb_register(name, run, copy);
    gb_use_manual_time(bench);
    gb_measure_process_cpu_time(bench);
    gb_unit(bench, GB_MILLISECOND);
    return bench;
}

gb_bench *program_add(const program_kind *kind, const void *row, size_t nbytes, const char *name, ...) {
    static const char *const names[] = {"t"};
    char printed[NAME_NBYTES];
    int counts[SESSION_THREAD_COUNTS];
    const int n = session_thread_counts(counts, SESSION_THREAD_COUNTS);
    va_list arguments;
    va_start(arguments, name);
    vsnprintf(printed, sizeof printed, name, arguments);
    va_end(arguments);
    gb_bench *bench = add(kind, false, row, nbytes, printed);
    gb_arg_names(bench, names, 1);
    for (int i = 0; i < n; i++)
        gb_arg(bench, counts[i]);
    return bench;
}

void program_add_alone(const program_kind *kind, const void *row, size_t nbytes, const char *name) {
    add(kind, true, row, nbytes, name);
}

void program_report_flops(gb_state *state, double flops, double best) {
    gb_counter(state, "flops", flops, 0);
    gb_counter(state, "best_flops_per_second", flops / best, 0);
    gb_counter(state, "ceiling_flops_per_second", session_ceiling(), 0);
    gb_counter(state, "share", flops / best / session_ceiling(), 0);
}

static void register_all(void) {
    if (!session_serves())
        all.what->register_problems(all.problems, all.shapes.count);
}

static void register_asked(const char *row) {
    for (const kept *one = all.rows; one; one = one->next)
        if (begins_with(row, one->name))
            return;
    all.asked = row;
    all.what->register_problems(all.problems, all.shapes.count);
    all.asked = NULL;
}

static rhm_status prepare(const char *path, rhm_error *error) {
    if (!path)
        return RHM_OK;
    rhm_status status = shapes_read(&all.shapes, path, all.what->keys, error);
    if (status == RHM_OK && !(all.problems = calloc(all.shapes.count, all.what->problem_nbytes)))
        status = RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < all.shapes.count; i++)
        status = all.what->make((char *)all.problems + i * all.what->problem_nbytes, &all.shapes, &all.shapes.items[i],
                                error);
    return status;
}

static void clear(void) {
    let_go();
    session_engine_clear();
    for (size_t i = 0; all.problems && all.what->clear && i < all.shapes.count; i++)
        all.what->clear((char *)all.problems + i * all.what->problem_nbytes);
    free(all.problems);
    while (all.rows) {
        kept *next = all.rows->next;
        free(all.rows);
        all.rows = next;
    }
    shapes_destroy(&all.shapes);
}

int program_main(int argc, char **argv, const program *what) {
    rhm_error error = {0};
    const char *path = what->shapes_path;
    if (path)
        session_take_option(&argc, argv, "--shapes=", &path);
    all.what = what;
    const rhm_status prepared = prepare(path, &error);
    int status = 2;
    session_on_request(register_asked);
    if (prepared == RHM_OK)
        status = session_main(argc, argv, what->about, register_all);
    else
        fprintf(stderr, "%s: %s\n", argv[0], *error.text ? error.text : rhm_status_name(prepared));
    clear();
    return status;
}
