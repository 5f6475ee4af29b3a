/* A program's rows, asked for one at a time: what is prepared, verified and registered, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "program.h"

enum { ROWS = 5, ABSENT = 2, WRONG = 4, REQUESTS = 17 };

typedef struct row {
    int number;
} row;

static struct { int registered, prepared, verified, cleared, threads, alive; } seen[ROWS];
static json_t *answers[1 + REQUESTS]; /* the first is the greeting */

static rhm_status prepare(void *state, void *of, int threads, bool verify, rhm_error *error) {
    const int number = *(int *)state = ((row *)of)->number;
    seen[number].prepared++;
    seen[number].verified += verify;
    seen[number].threads = threads;
    if (number == ABSENT)
        return rhm_fail(error, RHM_UNSUPPORTED, "not here");
    if (number == WRONG && verify)
        return rhm_fail(error, RHM_FAILED, "wrong result");
    seen[number].alive++;
    return RHM_OK;
}

static rhm_status trial(void *state, double *seconds, rhm_error *error) {
    (void)error;
    *seconds = 1 + *(int *)state;
    return seen[*(int *)state].alive == 1 ? RHM_OK : RHM_FAILED;
}

static void report(gb_state *gb, const void *state, double best) {
    (void)state;
    gb_counter(gb, "best", best, 0);
}

static void clear(void *state) {
    seen[*(int *)state].cleared++;
    seen[*(int *)state].alive = 0;
}

static const program_kind kind = {sizeof(int), false, prepare, trial, report, clear};

static void register_problems(void *problems, size_t count) {
    assert_true(problems == NULL && count == 0);
    for (int i = 0; i < ROWS; i++) {
        const row r = {i};
        seen[i].registered += program_add(&kind, &r, sizeof r, "row/%c", "abcde"[i]) != NULL;
    }
}

/* Answers of a server to these requests. A process can serve once. */
static char *serve(const char *requests) {
    static char text[1 << 16];
    const program what = {.about = "test", .register_problems = register_problems};
    char name[] = "test_program", threads[] = "--threads=1,2", flag[] = "--serve",
         *argv[] = {name, threads, flag, NULL};
    FILE *in = tmpfile(), *out = tmpfile(), *kept[] = {stdin, stdout};
    assert_true(in && out);
    fputs(requests, in);
    rewind(in);
    stdin = in;
    stdout = out;
    const int status = program_main(3, argv, &what);
    stdin = kept[0];
    stdout = kept[1];
    assert_int_equal(status, 0);
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    fclose(in);
    fclose(out);
    return text;
}

static int ask(void **unused) {
    (void)unused;
    char *rest = serve("run 2 row/a/t:1\nrun 3 row/a/t:1\ntime 1 row/b/t:2\ntime 1 row/b/t:2\nrun 1 row/a/t:1\n"
                       "run 1 row/a/t:2\nrun 1 row/c/t:1\nrun 1 row/x/t:1\n"
                       "time 1 row/d/t:1\nrun 1 row/d/t:1\nrun 1 row/d/t:1\ntime 1 row/d/t:2\nrun 1 row/d/t:2\n"
                       "run 1 row/d/t:1\nrun 1 row/e/t:1\ntime 1 row/e/t:1\nrun 1 row/e/t:1\n");
    for (size_t i = 0; i < 1 + REQUESTS; i++) {
        answers[i] = json_loads(strsep(&rest, "\n"), 0, NULL);
        assert_non_null(answers[i]);
    }
    return 0;
}

static int forget(void **unused) {
    (void)unused;
    for (size_t i = 0; i < 1 + REQUESTS; i++)
        json_decref(answers[i]);
    return 0;
}

static void a_row_is_ready_until_another_is_asked_for(void **unused) {
    (void)unused;
    const char *const keys[] = {"serves", "row", "row", "row", "row", "row", "row", "row", "error"};
    for (size_t i = 0; i < 9; i++)
        assert_non_null(json_object_get(answers[i], keys[i]));
    assert_string_equal(json_string_value(json_array_get(json_object_get(answers[0], "requests"), 1)), "time");
    assert_int_equal(json_array_size(json_object_get(answers[2], "passes")), 3);
    assert_true(json_real_value(json_object_get(json_object_get(answers[4], "counters"), "best")) == 2);
    assert_string_equal(json_string_value(json_object_get(answers[7], "reason")), "not here");
    assert_true(json_is_true(json_object_get(answers[7], "skipped")));
    /* Anew after another row, and for other threads; verified at the first turn of each, unless only times are asked
     * for. */
    assert_int_equal(seen[0].prepared, 3);
    assert_int_equal(seen[0].verified, 2);
    assert_int_equal(seen[0].cleared, 3);
    assert_int_equal(seen[0].threads, 2);
    assert_int_equal(seen[1].prepared, 1);
    assert_int_equal(seen[1].verified, 0);
    assert_int_equal(seen[1].cleared, 1);
    assert_int_equal(seen[ABSENT].cleared, 1); /* whatever the failure left */
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(seen[i].registered, 1); /* when it was first asked for */
}

static const char *reason(size_t request) {
    return json_string_value(json_object_get(answers[request], "reason"));
}

static void the_first_run_verifies_whatever_was_timed_before(void **unused) {
    (void)unused;
    for (size_t i = 9; i <= 14; i++)
        assert_string_equal(reason(i), "");
    assert_int_equal(seen[3].verified, 2); /* once for each number of threads */
    assert_int_equal(seen[3].prepared, 5); /* for "time", and anew for the "run" after it */
}

static void a_result_that_was_wrong_is_never_timed(void **unused) {
    (void)unused;
    for (size_t i = 15; i <= 17; i++) {
        assert_string_equal(reason(i), "wrong result");
        assert_int_equal(json_array_size(json_object_get(answers[i], "passes")), 0);
    }
    assert_int_equal(seen[WRONG].verified, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_row_is_ready_until_another_is_asked_for),
                                       cmocka_unit_test(the_first_run_verifies_whatever_was_timed_before),
                                       cmocka_unit_test(a_result_that_was_wrong_is_never_timed)};
    return cmocka_run_group_tests(tests, ask, forget);
}
