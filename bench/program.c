#include "program.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/effort.h"

typedef struct kept {
    struct kept *next;
    max_align_t row[];
} kept;

static struct {
    const program *what;
    shapes shapes;
    void *problems; /* (shapes.count) */
    kept *rows;
} all;

static gb_bench *add(gb_function *body, const void *row, size_t nbytes, const char *name) {
    kept *copy = malloc(sizeof *copy + nbytes);
    if (!copy)
        return gb_register(name, NULL, NULL); /* a mistake, with which nothing is run */
    memcpy(copy->row, row, nbytes);
    copy->next = all.rows;
    all.rows = copy;
    gb_bench *bench = gb_register(name, body, copy->row);
    gb_use_manual_time(bench);
    gb_measure_process_cpu_time(bench);
    gb_unit(bench, GB_MILLISECOND);
    return bench;
}

gb_bench *program_add(gb_function *body, const void *row, size_t nbytes, const char *name, ...) {
    static const char *const names[] = {"t"};
    char printed[128];
    int counts[SESSION_THREAD_COUNTS];
    const int n = session_thread_counts(counts, SESSION_THREAD_COUNTS);
    va_list arguments;
    va_start(arguments, name);
    vsnprintf(printed, sizeof printed, name, arguments);
    va_end(arguments);
    gb_bench *bench = add(body, row, nbytes, printed);
    gb_arg_names(bench, names, 1);
    for (int i = 0; i < n; i++)
        gb_arg(bench, counts[i]);
    return bench;
}

void program_add_alone(gb_function *body, const void *row, size_t nbytes, const char *name) {
    add(body, row, nbytes, name);
}

bool program_first(gb_state *state, double *best) {
    if (gb_run_index(state) != 0)
        return false;
    *best = HUGE_VAL;
    return true;
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

rhm_status program_measure(gb_state *state, rhm_status status, program_trial *trial, void *context, double *best,
                           bool against_ceiling, rhm_error *error) {
    rhm_effort_mark mark;
    rhm_effort_begin(&mark, true);
    while (status == RHM_OK && gb_keep_running(state)) {
        double seconds = 0;
        if ((status = trial(context, &seconds, error)) != RHM_OK)
            break;
        gb_set_iteration_time(state, seconds);
        *best = fmin(*best, seconds);
        if (against_ceiling)
            session_ceiling_trial();
    }
    report_effort(state, &mark);
    if (status == RHM_UNSUPPORTED)
        gb_skip_message(state, error->text);
    else if (status != RHM_OK)
        gb_skip_error(state, error->text);
    return status;
}

void program_report_flops(gb_state *state, double flops, double best) {
    gb_counter(state, "flops", flops, 0);
    gb_counter(state, "best_flops_per_second", flops / best, 0);
    gb_counter(state, "ceiling_flops_per_second", session_ceiling(), 0);
    gb_counter(state, "share", flops / best / session_ceiling(), 0);
}

static void register_all(void) {
    all.what->register_problems(all.problems, all.shapes.count);
}

static rhm_status prepare(const char *path, rhm_error *error) {
    rhm_status status = shapes_read(&all.shapes, path, all.what->keys, error);
    if (status == RHM_OK && !(all.problems = calloc(all.shapes.count, all.what->problem_nbytes)))
        status = RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < all.shapes.count; i++)
        status = all.what->make((char *)all.problems + i * all.what->problem_nbytes, &all.shapes, &all.shapes.items[i],
                                error);
    return status;
}

static void clear(void) {
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
    session_take_option(&argc, argv, "--shapes=", &path);
    all.what = what;
    const rhm_status prepared = prepare(path, &error);
    int status = 2;
    if (prepared == RHM_OK)
        status = session_main(argc, argv, what->about, register_all);
    else
        fprintf(stderr, "%s: %s\n", argv[0], *error.text ? error.text : rhm_status_name(prepared));
    clear();
    return status;
}
