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

enum { ROWS = 3 };

typedef struct row {
    int number;
} row;

static struct { int registered, prepared, verified, cleared, threads, alive; } seen[ROWS];

static rhm_status prepare(void *state, void *of, int threads, bool verify, rhm_error *error) {
    const int number = *(int *)state = ((row *)of)->number;
    seen[number].prepared++;
    seen[number].verified += verify;
    seen[number].threads = threads;
    if (number == 2)
        return rhm_fail(error, RHM_UNSUPPORTED, "not here");
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
        seen[i].registered += program_add(&kind, &r, sizeof r, "row/%c", "abc"[i]) != NULL;
    }
}

/* Answers of a server to these requests. */
static char *serve(const char *requests) {
    static char answers[1 << 16];
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
    answers[fread(answers, 1, sizeof answers - 1, out)] = '\0';
    fclose(in);
    fclose(out);
    return answers;
}

static void a_row_is_ready_until_another_is_asked_for(void **unused) {
    (void)unused;
    char *rest = serve("run 2 row/a/t:1\nrun 3 row/a/t:1\ntime 1 row/b/t:2\ntime 1 row/b/t:2\nrun 1 row/a/t:1\n"
                       "run 1 row/a/t:2\nrun 1 row/c/t:1\nrun 1 row/d/t:1\n");
    const char *const keys[] = {"serves", "row", "row", "row", "row", "row", "row", "row", "error"};
    json_t *answers[9];
    for (size_t i = 0; i < 9; i++) {
        answers[i] = json_loads(strsep(&rest, "\n"), 0, NULL);
        assert_non_null(json_object_get(answers[i], keys[i]));
    }
    assert_string_equal(json_string_value(json_array_get(json_object_get(answers[0], "requests"), 1)), "time");
    assert_int_equal(json_array_size(json_object_get(answers[2], "passes")), 3);
    assert_true(json_real_value(json_object_get(json_object_get(answers[4], "counters"), "best")) == 2);
    assert_string_equal(json_string_value(json_object_get(answers[7], "reason")), "not here");
    assert_true(json_is_true(json_object_get(answers[7], "skipped")));
    for (size_t i = 0; i < 9; i++)
        json_decref(answers[i]);
    /* Anew after another row, and for other threads; verified at the first turn of each, unless only times are asked
     * for. */
    assert_int_equal(seen[0].prepared, 3);
    assert_int_equal(seen[0].verified, 2);
    assert_int_equal(seen[0].cleared, 3);
    assert_int_equal(seen[0].threads, 2);
    assert_int_equal(seen[1].prepared, 1);
    assert_int_equal(seen[1].verified, 0);
    assert_int_equal(seen[1].cleared, 1);
    assert_int_equal(seen[2].cleared, 1); /* whatever the failure left */
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(seen[i].registered, 1); /* when it was first asked for */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_row_is_ready_until_another_is_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
