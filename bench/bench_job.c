/*
 * Whole jobs, at every thread count, for shapes/jobs.txt (or --shapes=FILE):
 * job/shape/t       rhm_train from the grammar to the accuracy on fresh sequences; the stages of the best run are in
 * the counters seconds_level_<l>, seconds_sampling, seconds_kernels and seconds_test; start/engine/t    creating and
 * destroying an engine: topology, plan, team, bindings; start/command     the program `rhm` beside this one, from its
 * start to its exit, doing nothing (--version); start/train       the same for the smallest job, engine and all.
 *
 * Nothing is warm but the files' pages: every iteration starts from nothing. Every run of a job must give the same
 * model, to the last bit, whatever the thread count, and the accuracy that the shape states.
 */
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gbench.h"
#include "job.h"
#include "session.h"
#include "session_engine.h"

enum { PATH_NBYTES = 4096 };

extern char **environ;

typedef struct row {
    job *of;
    double best; /* seconds, over all calls of the row */
} row;

static struct {
    const char *path;
    shapes shapes;
    job *jobs; /* (shapes.count) */
    row *rows;
    char (*hash)[RHM_HASH_TEXT_NBYTES]; /* (shapes.count): of the first model of each job */
    char command[PATH_NBYTES];          /* rhm, or "" */
} all = {.path = RHM_BENCH_DIR "/shapes/jobs.txt"};

static rhm_status check(const row *r, const rhm_model *model, const rhm_train_report *report, rhm_error *error) {
    char hash[RHM_HASH_TEXT_NBYTES], *first = all.hash[r->of - all.jobs];
    rhm_model_hash(model, hash);
    if (!*first)
        memcpy(first, hash, sizeof hash);
    if (strcmp(first, hash) == 0 && report->test_accuracy >= r->of->accuracy)
        return RHM_OK;
    snprintf(error->text, sizeof error->text,
             "wrong result: accuracy %.4f, at least %.2f wanted; model %.16s, first %.16s", report->test_accuracy,
             r->of->accuracy, hash, first);
    return RHM_FAILED;
}

static void report_job(gb_state *state, const row *r, const rhm_train_report *report) {
    double flops = 0, sampling = report->test_sample_seconds, kernels = report->test_kernel_seconds;
    double samples = (double)report->test_samples;
    char name[32];
    for (uint32_t level = report->levels; level >= 1; level--) {
        const rhm_level_report *one = &report->level[level];
        snprintf(name, sizeof name, "seconds_level_%u", level);
        gb_counter(state, name, one->total_seconds, 0);
        flops += one->flops;
        sampling += one->sample_seconds;
        kernels += one->kernel_seconds;
        samples += (double)(one->samples + one->validation_samples);
    }
    gb_counter(state, "seconds_sampling", sampling, 0);
    gb_counter(state, "seconds_kernels", kernels, 0);
    gb_counter(state, "seconds_test", report->test_seconds, 0);
    gb_counter(state, "best_seconds", r->best, 0);
    gb_counter(state, "samples", samples, 0);
    gb_counter(state, "flops", flops, 0);
    gb_counter(state, "best_flops_per_second", flops / r->best, 0);
    gb_counter(state, "ceiling_flops_per_second", session_ceiling(), 0);
    gb_counter(state, "share", flops / r->best / session_ceiling(), 0);
    gb_counter(state, "accuracy", report->test_accuracy, 0);
    gb_counter(state, "best_items_per_second", samples / r->best, 0);
    session_report_placement(state);
    gb_label(state, "samples, from nothing");
}

static void run_job(gb_state *state, void *user) {
    row *r = user;
    rhm_error error = {0};
    rhm_engine *engine = NULL;
    rhm_train_report best = {0};
    rhm_status status = session_engine(&engine, instance_isa(), (int)gb_range(state, 0), &error);
    if (gb_run_index(state) == 0)
        r->best = HUGE_VAL;
    while (status == RHM_OK && gb_keep_running(state)) {
        rhm_model *model = NULL;
        rhm_train_report report;
        const double start = session_seconds();
        status = rhm_train(&model, &report, engine, r->of->of.grammar, &r->of->options, &error);
        const double seconds = session_seconds() - start;
        if (status == RHM_OK)
            status = check(r, model, &report, &error);
        rhm_model_destroy(model);
        if (status != RHM_OK)
            break;
        gb_set_iteration_time(state, seconds);
        if (seconds < r->best || best.levels == 0)
            best = report;
        r->best = fmin(r->best, seconds);
        session_ceiling_trial();
    }
    if (status == RHM_OK)
        report_job(state, r, &best);
    else if (status == RHM_UNSUPPORTED)
        gb_skip_message(state, error.text);
    else
        gb_skip_error(state, error.text);
}

static void run_engine(gb_state *state, void *user) {
    double *best = user;
    session_engine_clear(); /* threads inherit the mask of their creator */
    const rhm_engine_options options = {.threads = (int)gb_range(state, 0), .placement = session_placement()};
    if (gb_run_index(state) == 0)
        *best = HUGE_VAL;
    while (gb_keep_running(state)) {
        rhm_error error = {0};
        rhm_engine *engine;
        const double start = session_seconds();
        if (rhm_engine_create(&engine, &options, &error) != RHM_OK) {
            gb_skip_error(state, error.text);
            continue;
        }
        const int threads = rhm_engine_describe(engine).threads;
        rhm_engine_destroy(engine);
        const double seconds = session_seconds() - start;
        if (threads != options.threads) {
            gb_skip_error(state, "wrong result: the engine has another number of threads");
            continue;
        }
        gb_set_iteration_time(state, seconds);
        *best = fmin(*best, seconds);
    }
    gb_counter(state, "best_seconds", *best, 0);
}

/* Exit status of `rhm` with arguments separated by spaces and its output thrown away, or -1. */
static int spawn(const char *arguments) {
    enum { MOST_ARGUMENTS = 32, LINE_NBYTES = 256 };
    posix_spawn_file_actions_t actions;
    char line[LINE_NBYTES], *words[MOST_ARGUMENTS] = {all.command}, *rest;
    snprintf(line, sizeof line, "%s", arguments);
    size_t count = 1;
    for (char *word = strtok_r(line, " ", &rest); word && count + 1 < MOST_ARGUMENTS; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    pid_t child;
    int status = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&child, all.command, &actions, NULL, words, environ) == 0 && waitpid(child, &status, 0) == child)
        status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

static void run_command(gb_state *state, void *user) {
    static const char version[] = "--version";
    static const char train[] = "train --vocab 2 --rules 1 --levels 1 --samples 64 --width 16 --test-samples 64 "
                                "--bandwidth 1 --ridge 0.01 --progress off";
    static double best[2];
    double *mine = &best[user != NULL];
    if (gb_run_index(state) == 0)
        *mine = HUGE_VAL;
    if (access(all.command, X_OK) != 0) {
        gb_skip_message(state, "there is no rhm beside this program");
        return;
    }
    session_engine_clear(); /* the child inherits our mask */
    while (gb_keep_running(state)) {
        const double start = session_seconds();
        const int status = spawn(user ? train : version);
        const double seconds = session_seconds() - start;
        if (status != 0) {
            gb_skip_error(state, "wrong result: rhm failed");
            continue;
        }
        gb_set_iteration_time(state, seconds);
        *mine = fmin(*mine, seconds);
    }
    gb_counter(state, "best_seconds", *mine, 0);
}

static void configure(gb_bench *bench, gb_time_unit unit) {
    gb_use_manual_time(bench);
    gb_measure_process_cpu_time(bench);
    gb_unit(bench, unit);
}

static void register_all(void) {
    static const char *const names[] = {"t"};
    static double engine_best;
    int counts[SESSION_THREAD_COUNTS];
    const int n = session_thread_counts(counts, SESSION_THREAD_COUNTS);
    for (size_t i = 0; i < all.shapes.count; i++) {
        all.rows[i] = (row){&all.jobs[i], 0};
        char name[128];
        snprintf(name, sizeof name, "job/%s", all.jobs[i].of.source->name);
        gb_bench *bench = gb_register(name, run_job, &all.rows[i]);
        gb_arg_names(bench, names, 1);
        for (int c = 0; c < n; c++)
            gb_arg(bench, counts[c]);
        configure(bench, GB_MILLISECOND);
    }
    gb_bench *engine = gb_register("start/engine", run_engine, &engine_best);
    gb_arg_names(engine, names, 1);
    for (int c = 0; c < n; c++)
        gb_arg(engine, counts[c]);
    configure(engine, GB_MILLISECOND);
    configure(gb_register("start/command", run_command, NULL), GB_MILLISECOND);
    configure(gb_register("start/train", run_command, all.command), GB_MILLISECOND);
}

static rhm_status prepare(rhm_error *error) {
    rhm_status status = shapes_read(&all.shapes, all.path, job_keys, error);
    if (status != RHM_OK)
        return status;
    all.jobs = calloc(all.shapes.count, sizeof *all.jobs);
    all.rows = calloc(all.shapes.count, sizeof *all.rows);
    all.hash = calloc(all.shapes.count, sizeof *all.hash);
    if (!all.jobs || !all.rows || !all.hash)
        return RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < all.shapes.count; i++)
        status = job_make(&all.jobs[i], &all.shapes, &all.shapes.items[i], error);
    const ssize_t length = readlink("/proc/self/exe", all.command, sizeof all.command - sizeof "rhm");
    char *slash = length > 0 ? memrchr(all.command, '/', (size_t)length) : NULL;
    if (slash)
        strcpy(slash + 1, "rhm");
    else
        *all.command = '\0';
    return status;
}

static void clear(void) {
    session_engine_clear();
    for (size_t i = 0; all.jobs && i < all.shapes.count; i++)
        job_clear(&all.jobs[i]);
    free(all.jobs);
    free(all.rows);
    free(all.hash);
    shapes_destroy(&all.shapes);
}

int main(int argc, char **argv) {
    rhm_error error = {0};
    session_take_option(&argc, argv, "--shapes=", &all.path);
    const rhm_status prepared = prepare(&error);
    int status = 2;
    if (prepared == RHM_OK)
        status = session_main(argc, argv, "bench_job [--shapes=FILE]: whole jobs and start-up", register_all);
    else
        fprintf(stderr, "%s: %s\n", argv[0], *error.text ? error.text : rhm_status_name(prepared));
    clear();
    return status;
}
