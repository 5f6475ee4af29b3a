/*
 * Tests of what must not end the process, or can be done once per process: each case runs in a child, since the
 * library's state cannot be taken back. A child that ends in any other way than by returning is a failure.
 */
#ifndef RHM_BENCH_TEST_CHILD_H
#define RHM_BENCH_TEST_CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gbench.h"

/* What a case came to, as told by the child through a pipe. */
typedef struct verdict {
    rhm_status status;
    gb_result result;
    char text[RHM_ERROR_TEXT_NBYTES];
} verdict;

typedef void scenario(const void *what, verdict *out);

static verdict in_child(const char *name, scenario *play, const void *what) {
    int ends[2];
    verdict out = {0};
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        play(what, &out);
        _exit(write(ends[1], &out, sizeof out) == (ssize_t)sizeof out ? 0 : 1);
    }
    close(ends[1]);
    const ssize_t got = read(ends[0], &out, sizeof out);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || got != (ssize_t)sizeof out)
        fail_msg("%s: the child ended with status %#x instead of returning", name, (unsigned)status);
    return out;
}

static inline void expect(scenario *play, const void *what, rhm_status status, const char *message) {
    const verdict v = in_child(message, play, what);
    if (v.status != status || !strstr(v.text, message))
        fail_msg("wanted %s, '%s', got %s, '%s'", rhm_status_name(status), message, rhm_status_name(v.status), v.text);
}

static rhm_status start(const char *flag, verdict *out) {
    char program[] = "program", argument[256];
    snprintf(argument, sizeof argument, "%s", flag ? flag : "");
    char *argv[] = {program, argument, NULL};
    int argc = flag ? 2 : 1;
    rhm_error error = {0};
    out->status = gb_init(&argc, argv, &error);
    memcpy(out->text, error.text, sizeof out->text);
    if (out->status == RHM_OK && argc > 1) {
        out->status = RHM_UNSUPPORTED;
        snprintf(out->text, sizeof out->text, "left over: %s", argv[1]);
    }
    return out->status;
}

static void finish(const char *filter, const char *path, verdict *out) {
    rhm_error error = {0};
    out->status = gb_run(filter, path, &out->result, &error);
    memcpy(out->text, error.text, sizeof out->text);
    gb_shutdown();
}

static void plain(gb_state *state, void *user) {
    (void)user;
    while (gb_keep_running(state))
        GB_CLOBBER();
}

#endif
