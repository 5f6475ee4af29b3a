/* How rows end: measured, skipped, failed, in some repetition; and how all that is counted. */
#include "test_report.h"

static void skip_message(gb_state *state, void *user) {
    gb_skip_message(state, "no such unit");
    plain(state, user);
}

static void skip_error(gb_state *state, void *user) {
    (void)user;
    int passes = 0;
    while (gb_keep_running(state))
        if (++passes == 3)
            gb_skip_error(state, "wrong result");
    gb_counter(state, "after", 1, 0);
}

/* Fails in the repetition that `user` points to, in the middle of it. */
static void fails_in_repetition(gb_state *state, void *user) {
    int *left = user;
    const bool now = --*left == 0;
    int passes = 0;
    while (gb_keep_running(state))
        if (now && ++passes == 2)
            gb_skip_error(state, "this time");
}

static int third = 3, first = 1;

static void register_all(void) {
    gb_iterations(gb_register("skip_message", skip_message, NULL), 1);
    gb_iterations(gb_register("skip_error", skip_error, NULL), 100);

    gb_bench *b = gb_register("fails_late", fails_in_repetition, &third);
    gb_iterations(b, 20);
    gb_repetitions(b, 4);
    b = gb_register("fails_first", fails_in_repetition, &first);
    gb_iterations(b, 20);
    gb_repetitions(b, 4);
}

static void outcomes_are_counted(void **unused) {
    (void)unused;
    assert_int_equal(run_status, RHM_FAILED);
    assert_int_equal(result.failed, 3);
    assert_int_equal(result.skipped, 1);
    assert_int_equal(result.measured + result.skipped + result.failed, result.matched);
    assert_non_null(strstr(run_error.text, "3 of "));
    assert_non_null(strstr(run_error.text, "'skip_error': wrong result"));
    char partial[sizeof report_path + sizeof ".partial"];
    snprintf(partial, sizeof partial, "%s.partial", report_path);
    assert_int_equal(access(partial, F_OK), -1);
}

static void skips_have_reasons(void **unused) {
    (void)unused;
    const json_t *row = row_of("skip_message");
    if (json_object_get(row, "skip_message"))
        assert_string_equal(string(row, "skip_message"), "no such unit");
    else
        assert_string_equal(string(row, "error_message"), "skipped: no such unit");
    row = row_of("skip_error");
    assert_true(json_is_true(json_object_get(row, "error_occurred")));
    assert_string_equal(string(row, "error_message"), "wrong result");
    assert_null(json_object_get(row, "after"));
}

/* The library's own checks would end the process over repetitions of different length. */
static void a_failing_repetition_fails_the_row(void **unused) {
    (void)unused;
    for (size_t i = 0; i < 4; i++) {
        const json_t *late = find_row("fails_late", NULL, i), *early = find_row("fails_first", NULL, i);
        assert_true(!json_object_get(late, "error_occurred") == (i < 2));
        assert_string_equal(string(early, "error_message"), "this time");
    }
    assert_string_equal(string(find_row("fails_late", NULL, 3), "error_message"), "this time");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_are_counted),
        cmocka_unit_test(skips_have_reasons),
        cmocka_unit_test(a_failing_repetition_fails_the_row),
    };
    return cmocka_run_group_tests(tests, run_everything, clean_up);
}
