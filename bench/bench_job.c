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
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fail.h"
#include "job.h"
#include "program.h"

enum { PATH_NBYTES = 4096 };

extern char **environ;

typedef struct subject {
    job of;
    char hash[RHM_HASH_TEXT_NBYTES]; /* of its first model */
} subject;

typedef struct row {
    subject *of;           /* of a job */
    const char *arguments; /* of the command */
} row;

static char command[PATH_NBYTES]; /* rhm, or "" */

static rhm_status check(const row *r, const rhm_model *model, const rhm_train_report *report, rhm_error *error) {
    char hash[RHM_HASH_TEXT_NBYTES], *first = r->of->hash;
    rhm_model_hash(model, hash);
    if (!*first)
        memcpy(first, hash, sizeof hash);
    if (strcmp(first, hash) == 0 && report->test_accuracy >= r->of->of.accuracy)
        return RHM_OK;
    snprintf(error->text, sizeof error->text,
             "wrong result: accuracy %.4f, at least %.2f wanted; model %.16s, first %.16s", report->test_accuracy,
             r->of->of.accuracy, hash, first);
    return RHM_FAILED;
}

typedef struct trials {
    const row *r;
    rhm_engine *engine;
    double fastest;        /* seconds */
    rhm_train_report best; /* of the fastest; no levels before the first */
} trials;

static rhm_status prepare_job(void *state, void *of, int threads, bool verify, rhm_error *error) {
    (void)verify; /* every trial does */
    trials *t = state;
    t->r = of;
    return session_engine(&t->engine, instance_isa(), threads, error);
}

static rhm_status train(void *state, double *seconds, rhm_error *error) {
    trials *t = state;
    rhm_model *model = NULL;
    rhm_train_report report;
    const job *of = &t->r->of->of;
    const double start = rhm_seconds();
    rhm_status status = rhm_train(&model, &report, t->engine, of->of.grammar, &of->options, error);
    *seconds = rhm_seconds() - start;
    if (status == RHM_OK)
        status = check(t->r, model, &report, error);
    rhm_model_destroy(model);
    if (status == RHM_OK && (*seconds < t->fastest || t->best.levels == 0)) {
        t->best = report;
        t->fastest = *seconds;
    }
    return status;
}

static void report_job(gb_state *gb, const void *state, double best) {
    const rhm_train_report *report = &((const trials *)state)->best;
    double flops = 0, sampling = report->test_sample_seconds, kernels = report->test_kernel_seconds;
    double samples = (double)report->test_samples;
    char name[32];
    for (uint32_t level = report->levels; level >= 1; level--) {
        const rhm_level_report *one = &report->level[level];
        snprintf(name, sizeof name, "seconds_level_%u", level);
        gb_counter(gb, name, one->total_seconds, 0);
        flops += one->flops;
        sampling += one->sample_seconds;
        kernels += one->kernel_seconds;
        samples += (double)(one->samples + one->validation_samples);
    }
    gb_counter(gb, "seconds_sampling", sampling, 0);
    gb_counter(gb, "seconds_kernels", kernels, 0);
    gb_counter(gb, "seconds_test", report->test_seconds, 0);
    gb_counter(gb, "best_seconds", best, 0);
    gb_counter(gb, "samples", samples, 0);
    program_report_flops(gb, flops, best);
    gb_counter(gb, "accuracy", report->test_accuracy, 0);
    gb_counter(gb, "best_items_per_second", samples / best, 0);
    session_report_placement(gb);
    gb_label(gb, "samples, from nothing");
}

static void report_start(gb_state *gb, const void *state, double best) {
    (void)state;
    gb_counter(gb, "best_seconds", best, 0);
}

static rhm_status prepare_engine(void *state, void *of, int threads, bool verify, rhm_error *error) {
    (void)of, (void)verify, (void)error;
    session_engine_clear(); /* threads inherit the mask of their creator */
    *(rhm_engine_options *)state = (rhm_engine_options){.threads = threads, .placement = session_placement()};
    return RHM_OK;
}

static rhm_status start_engine(void *state, double *seconds, rhm_error *error) {
    const rhm_engine_options *options = state;
    rhm_engine *engine;
    const double start = rhm_seconds();
    RHM_TRY(rhm_engine_create(&engine, options, error));
    const int threads = rhm_engine_describe(engine).threads;
    rhm_engine_destroy(engine);
    *seconds = rhm_seconds() - start;
    return threads == options->threads
               ? RHM_OK
               : rhm_fail(error, RHM_FAILED, "wrong result: the engine has another number of threads");
}

/* Exit status of `rhm` with arguments separated by spaces and its output thrown away, or -1. */
static int spawn(const char *arguments) {
    enum { MOST_ARGUMENTS = 32, LINE_NBYTES = 256 };
    posix_spawn_file_actions_t actions;
    char line[LINE_NBYTES], *words[MOST_ARGUMENTS] = {command}, *rest;
    snprintf(line, sizeof line, "%s", arguments);
    size_t count = 1;
    for (char *word = strtok_r(line, " ", &rest); word && count + 1 < MOST_ARGUMENTS; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    pid_t child;
    int status = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&child, command, &actions, NULL, words, environ) == 0 && waitpid(child, &status, 0) == child)
        status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

static rhm_status prepare_command(void *state, void *of, int threads, bool verify, rhm_error *error) {
    (void)threads, (void)verify;
    if (access(command, X_OK) != 0)
        return rhm_fail(error, RHM_UNSUPPORTED, "there is no rhm beside this program");
    session_engine_clear(); /* the child inherits our mask */
    *(const row **)state = of;
    return RHM_OK;
}

static rhm_status start_command(void *state, double *seconds, rhm_error *error) {
    const double start = rhm_seconds();
    const int status = spawn((*(const row **)state)->arguments);
    *seconds = rhm_seconds() - start;
    return status == 0 ? RHM_OK : rhm_fail(error, RHM_FAILED, "wrong result: rhm failed");
}

static const program_kind jobs = {sizeof(trials), true, prepare_job, train, report_job, NULL},
                          engines =
                              {sizeof(rhm_engine_options), false, prepare_engine, start_engine, report_start, NULL},
                          commands = {sizeof(row *), false, prepare_command, start_command, report_start, NULL};

static void register_problems(void *problems, size_t count) {
    subject *subjects = problems;
    for (size_t i = 0; i < count; i++) {
        const row r = {.of = &subjects[i]};
        program_add(&jobs, &r, sizeof r, "job/%s", subjects[i].of.of.source->name);
    }
    const row engine = {0}, version = {.arguments = "--version"},
              smallest = {.arguments = "train --vocab 2 --rules 1 --levels 1 --samples 64 --width 16 --test-samples 64 "
                                       "--bandwidth 1 --ridge 0.01 --progress off"};
    program_add(&engines, &engine, sizeof engine, "start/engine");
    program_add_alone(&commands, &version, sizeof version, "start/command");
    program_add_alone(&commands, &smallest, sizeof smallest, "start/train");
}

static rhm_status make_subject(void *problem, const shapes *all, const shape *line, rhm_error *error) {
    return job_make(&((subject *)problem)->of, all, line, error);
}

static void clear_subject(void *problem) {
    job_clear(&((subject *)problem)->of);
}

/* The program `rhm` beside this one. */
static void find_command(void) {
    const ssize_t length = readlink("/proc/self/exe", command, sizeof command - sizeof "rhm");
    char *slash = length > 0 ? memrchr(command, '/', (size_t)length) : NULL;
    if (slash)
        strcpy(slash + 1, "rhm");
    else
        *command = '\0';
}

int main(int argc, char **argv) {
    const program what = {
        .about = "bench_job [--shapes=FILE]: whole jobs and start-up",
        .shapes_path = RHM_BENCH_DIR "/shapes/jobs.txt",
        .keys = job_keys,
        .problem_nbytes = sizeof(subject),
        .make = make_subject,
        .clear = clear_subject,
        .register_problems = register_problems,
    };
    find_command();
    return program_main(argc, argv, &what);
}
