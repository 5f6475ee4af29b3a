/* Limits of the process become a status and a sentence. Most are set in children, for some cannot be raised again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/limits.h"
#include "engine/memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NEEDS_ITS_ADDRESSES() skip() /* a sanitizer's shadow memory is part of the address space */
#else
#define NEEDS_ITS_ADDRESSES()
#endif

enum { LINE_NBYTES = 600, MEBIBYTE = 1 << 20 };

/* What an engine says that has to make do with `more_nbytes` more than the process has: its status and its sentence, or
 * that of a buffer of 300 MiB. */
static void say(char line[LINE_NBYTES], int resource, rlim_t more_nbytes, int threads) {
    struct rlimit limit;
    const char *why;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
        return;
    /* What is left under a limit of 1 TiB tells what is used. */
    limit.rlim_cur = (rlim_t)1 << 40;
    setrlimit((__rlimit_resource_t)resource, &limit);
    limit.rlim_cur = ((rlim_t)1 << 40) - rhm_limits_memory_left(&why) + more_nbytes;
    setrlimit((__rlimit_resource_t)resource, &limit);

    rhm_engine *engine = NULL;
    rhm_buffer buffer = {0};
    rhm_error error = {0};
    rhm_status status = rhm_engine_create(&engine, &(rhm_engine_options){.threads = threads}, &error);
    if (status == RHM_OK) {
        status = rhm_buffer_create(&buffer, engine, (rhm_home){0}, 300, MEBIBYTE, 1, 1, "table", &error);
        rhm_buffer_destroy(&buffer, engine);
    }
    snprintf(line, LINE_NBYTES, "%s: %s", rhm_status_name(status), error.text);
    rhm_engine_destroy(engine);
}

static void assert_said(int resource, rlim_t more_nbytes, int threads, const char *const words[3]) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char line[LINE_NBYTES] = "";
        alarm(60);
        say(line, resource, more_nbytes, threads);
        _exit(write(ends[1], line, sizeof line) != sizeof line);
    }
    close(ends[1]);
    char line[LINE_NBYTES + 1] = "";
    const ssize_t got = read(ends[0], line, LINE_NBYTES); /* fewer bytes than a pipe takes at once */
    close(ends[0]);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(got, LINE_NBYTES);
    for (int i = 0; i < 3 && words[i]; i++)
        if (!strstr(line, words[i]))
            fail_msg("no \"%s\" in \"%s\"", words[i], line);
}

static void address_space_and_data_are_memory(void **state) {
    (void)state;
    NEEDS_ITS_ADDRESSES();
    assert_said(RLIMIT_AS, 200 * MEBIBYTE, 1, (const char *const[3]){"no memory: table", "(address space, ulimit -v)"});
    assert_said(RLIMIT_DATA, 200 * MEBIBYTE, 1, (const char *const[3]){"no memory: table", "(data, ulimit -d)"});
    assert_said(RLIMIT_AS, 14 * MEBIBYTE, 1, (const char *const[3]){"no memory", "ulimit -v", "16 MiB are needed"});
    assert_said(RLIMIT_AS, 900 * MEBIBYTE, 1, (const char *const[3]){"ok"});
}

static void threads_that_cannot_start_are_no_end(void **state) {
    (void)state;
    NEEDS_ITS_ADDRESSES();
    struct rlimit stack;
    assert_int_equal(getrlimit(RLIMIT_STACK, &stack), 0);
    if (stack.rlim_cur == RLIM_INFINITY || stack.rlim_cur < MEBIBYTE)
        skip();
    assert_said(RLIMIT_AS, 10 * stack.rlim_cur, 64,
                (const char *const[3]){"no memory", "64 threads are needed", "ulimit -u"});
}

static void *create_on_a_small_stack(void *argument) {
    rhm_error *error = argument;
    rhm_engine *engine;
    rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1}, error);
    rhm_engine_destroy(engine);
    return NULL;
}

static void small_stacks_are_refused(void **state) {
    (void)state;
    assert_true(rhm_stack_left() >= RHM_STACK_NBYTES);
    pthread_attr_t attributes;
    pthread_t thread;
    rhm_error error = {0};
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, RHM_STACK_NBYTES);
    assert_int_equal(pthread_create(&thread, &attributes, create_on_a_small_stack, &error), 0);
    pthread_join(thread, NULL);
    assert_int_equal(error.status, RHM_NO_MEMORY);
    assert_non_null(strstr(error.text, "the stack of the calling thread has 3"));

    error = (rhm_error){0};
    pthread_attr_setstacksize(&attributes, 2 * RHM_STACK_NBYTES);
    assert_int_equal(pthread_create(&thread, &attributes, create_on_a_small_stack, &error), 0);
    pthread_join(thread, NULL);
    assert_int_equal(error.status, RHM_OK);
    pthread_attr_destroy(&attributes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_space_and_data_are_memory),
        cmocka_unit_test(threads_that_cannot_start_are_no_end),
        cmocka_unit_test(small_stacks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
