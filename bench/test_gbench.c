/*
 * The shim as its users see it: benchmarks are registered and run once, and every test looks at their rows in the JSON
 * report. Manual time makes the expected numbers exact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gbench.h"

static char report_path[64];
static json_t *report;
static gb_result result;
static rhm_status run_status;
static rhm_error run_error;

/* --- benchmarks, each named after what it shows ---------------------------------------------------------------- */

static void plain(gb_state *state, void *user) {
    (void)user;
    double sum = 0;
    while (gb_keep_running(state)) {
        sum += 1;
        GB_DO_NOT_OPTIMIZE(sum);
        GB_CLOBBER();
    }
}

static void args(gb_state *state, void *user) {
    plain(state, user);
    gb_counter(state, "first", (double)gb_range(state, 0), 0);
    gb_counter(state, "last", (double)gb_range(state, 1), 0);
}

/* Every iteration takes a hundredth of a second by the manual clock. */
static void counters(gb_state *state, void *user) {
    (void)user;
    while (gb_keep_running(state))
        gb_set_iteration_time(state, 0.01);
    gb_counter(state, "plain", 5, 0);
    gb_counter(state, "rate", 50, GB_RATE);
    gb_counter(state, "invariant", 3, GB_INVARIANT | GB_1024);
    gb_counter(state, "invariant_rate", 3, GB_INVARIANT | GB_RATE);
    gb_bytes_processed(state, 1 << 20);
    gb_items_processed(state, 700);
    gb_counter(state, "done", (double)gb_iterations_done(state), 0);
}

static void not_finite(gb_state *state, void *user) {
    plain(state, user);
    gb_label(state, "hello");
    gb_counter(state, "bad", (double)NAN, 0);
    gb_counter(state, "worse", -(double)INFINITY, GB_RATE);
    gb_counter(state, "good", 1, 0);
}

static void infinite_later(gb_state *state, void *user) {
    (void)user;
    while (gb_keep_running(state))
        gb_set_iteration_time(state, 0);
    gb_counter(state, "per_second", 1, GB_RATE);
    gb_bytes_processed(state, 0); /* 0/0 */
}

static void zero_counter(gb_state *state, void *user) {
    plain(state, user);
    gb_counter(state, "zero", 0, 0);
}

static void text(gb_state *state, void *user) {
    plain(state, user);
    gb_label(state, user);
}

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
    static const char *const names[] = {"n", ""};
    static const int64_t tuple[2][2] = {{1, 2}, {-3, 4}};

    gb_bench *b = gb_register("plain", plain, NULL);
    gb_iterations(b, 10);
    b = gb_register("searching", plain, NULL);
    gb_use_real_time(b);
    gb_measure_process_cpu_time(b);
    gb_unit(b, GB_MICROSECOND);

    b = gb_register("args", args, NULL);
    gb_arg_names(b, names, 2);
    gb_args(b, tuple[0], 2);
    gb_args(b, tuple[1], 2);
    gb_iterations(b, 3);

    b = gb_register("counters", counters, NULL);
    gb_use_manual_time(b);
    gb_iterations(b, 100);
    gb_unit(b, GB_MILLISECOND);
    b = gb_register("not_finite", not_finite, NULL);
    gb_iterations(b, 10);
    b = gb_register("infinite_later", infinite_later, NULL);
    gb_use_manual_time(b);
    gb_iterations(b, 2);
    b = gb_register("zero_counter", zero_counter, NULL);
    gb_iterations(b, 10);
    gb_repetitions(b, 3);

    static char nasty[] = "tab\there \"quoted\" \\ \x01 \xc3\xa9 \xff \xe2\x82", longest[2000];
    memset(longest, 'x', sizeof longest - 1);
    gb_iterations(gb_register("text", text, nasty), 1);
    gb_iterations(gb_register("text_long", text, longest), 1);

    gb_iterations(gb_register("skip_message", skip_message, NULL), 1);
    gb_iterations(gb_register("skip_error", skip_error, NULL), 100);

    b = gb_register("fails_late", fails_in_repetition, &third);
    gb_iterations(b, 20);
    gb_repetitions(b, 4);
    b = gb_register("fails_first", fails_in_repetition, &first);
    gb_iterations(b, 20);
    gb_repetitions(b, 4);
}

/* --- the report ------------------------------------------------------------------------------------------------- */

/* The `index`-th row of a benchmark; `aggregate` NULL for a repetition, else "mean" and so on. NULL when there is none.
 */
static json_t *find_row(const char *bench, const char *aggregate, size_t index) {
    const size_t length = strlen(bench);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(report, "benchmarks"), i, row) {
        const char *name = json_string_value(json_object_get(row, "run_name"));
        const char *kind = json_string_value(json_object_get(row, "aggregate_name"));
        const bool same_kind = aggregate ? kind && strcmp(kind, aggregate) == 0 : !kind;
        if (strncmp(name, bench, length) == 0 && (name[length] == '/' || !name[length]) && same_kind && index-- == 0)
            return row;
    }
    return NULL;
}

static json_t *row_of(const char *bench) {
    json_t *row = find_row(bench, NULL, 0);
    if (!row)
        fail_msg("the report has no row of '%s'", bench);
    return row;
}

static double number(const json_t *row, const char *field) {
    const json_t *value = json_object_get(row, field);
    if (!json_is_number(value))
        fail_msg("no number '%s' in row '%s'", field, json_string_value(json_object_get(row, "name")));
    return json_number_value(value);
}

static const char *string(const json_t *row, const char *field) {
    const char *value = json_string_value(json_object_get(row, field));
    return value ? value : "(absent)";
}

static bool is_close(double value, double expected) {
    return fabs(value - expected) <= 1e-9 * fabs(expected);
}

static int run_everything(void **unused) {
    (void)unused;
    snprintf(report_path, sizeof report_path, "test_gbench-%d.json", (int)getpid());
    char program[] = "test_gbench", flag[] = "--benchmark_context=from=flag,and=another", mine[] = "--mine",
         colour[] = "--benchmark_color=false", least[] = "--benchmark_min_time=0.02";
    char *argv[] = {program, flag, mine, colour, least, NULL};
    int argc = 5;
    rhm_error error = {0};
    if (gb_init(&argc, argv, &error) != RHM_OK || argc != 2 || strcmp(argv[1], "--mine") != 0 ||
        gb_add_context("key", "value with \x02 and \"quotes\"", &error) != RHM_OK) {
        print_error("gb_init: %s\n", error.text);
        return -1;
    }
    register_all();
    run_status = gb_run(NULL, report_path, &result, &run_error);
    json_error_t where;
    report = json_load_file(report_path, JSON_REJECT_DUPLICATES, &where);
    if (!report)
        print_error("the report is not JSON: %s, line %d\n", where.text, where.line);
    return report ? 0 : -1;
}

static int clean_up(void **unused) {
    (void)unused;
    json_decref(report);
    remove(report_path);
    gb_shutdown();
    gb_shutdown();
    return 0;
}

/* --- tests ------------------------------------------------------------------------------------------------------ */

static void context_holds_our_keys(void **unused) {
    (void)unused;
    const json_t *context = json_object_get(report, "context");
    assert_string_equal(string(context, "from"), "flag");
    assert_string_equal(string(context, "and"), "another");
    assert_string_equal(string(context, "key"), "value with ? and \"quotes\"");
    assert_string_equal(string(context, "executable"), "test_gbench");
}

static void arguments_reach_names_and_bodies(void **unused) {
    (void)unused;
    assert_string_equal(string(row_of("args"), "name"), "args/n:1/2/iterations:3");
    assert_true(number(row_of("args"), "first") == 1 && number(row_of("args"), "last") == 2);
    const json_t *second = find_row("args", NULL, 1);
    assert_true(number(second, "first") == -3 && number(second, "last") == 4);
    assert_null(find_row("args", NULL, 2));
}

static void counters_follow_their_flags(void **unused) {
    (void)unused;
    const json_t *row = row_of("counters");
    assert_true(number(row, "iterations") == 100);
    assert_true(is_close(number(row, "real_time"), 10));
    assert_string_equal(string(row, "time_unit"), "ms");
    assert_true(number(row, "plain") == 5);
    assert_true(is_close(number(row, "rate"), 50));
    assert_true(number(row, "invariant") == 300);
    assert_true(is_close(number(row, "invariant_rate"), 300));
    assert_true(is_close(number(row, "bytes_per_second"), 1 << 20));
    assert_true(is_close(number(row, "items_per_second"), 700));
    assert_true(number(row, "done") == 100);
}

static void numbers_that_are_not_json_are_named(void **unused) {
    (void)unused;
    const json_t *row = row_of("not_finite");
    assert_string_equal(string(row, "label"), "hello; omitted: bad=nan,worse=-inf");
    assert_null(json_object_get(row, "bad"));
    assert_null(json_object_get(row, "worse"));
    assert_true(number(row, "good") == 1);

    row = row_of("infinite_later");
    assert_null(json_object_get(row, "per_second"));
    assert_non_null(strstr(string(row, "label"), "per_second=inf"));
    assert_non_null(strstr(string(row, "label"), "bytes_per_second="));
}

static void repetitions_are_summarised(void **unused) {
    (void)unused;
    assert_non_null(find_row("zero_counter", NULL, 2));
    assert_true(number(find_row("zero_counter", "mean", 0), "zero") == 0);
    assert_non_null(
        find_row("zero_counter", "cv", 0)); /* 0/0 in 1.7.1: parsing the report has shown that it is not in it */
}

static void text_is_made_fit(void **unused) {
    (void)unused;
    assert_string_equal(string(row_of("text"), "label"), "tab?here \"quoted\" \\ ? \xc3\xa9 ? ??");
    assert_int_equal(strlen(string(row_of("text_long"), "label")), 511);
}

static void clocks_and_names_go_together(void **unused) {
    (void)unused;
    assert_string_equal(string(row_of("searching"), "name"), "searching/process_time/real_time");
    assert_string_equal(string(row_of("searching"), "time_unit"), "us");
    assert_true(number(row_of("searching"), "iterations") > 1000);
    assert_true(number(row_of("searching"), "threads") == 1);
    assert_true(number(row_of("plain"), "iterations") == 10);
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
        cmocka_unit_test(context_holds_our_keys),       cmocka_unit_test(arguments_reach_names_and_bodies),
        cmocka_unit_test(counters_follow_their_flags),  cmocka_unit_test(numbers_that_are_not_json_are_named),
        cmocka_unit_test(repetitions_are_summarised),   cmocka_unit_test(text_is_made_fit),
        cmocka_unit_test(clocks_and_names_go_together), cmocka_unit_test(outcomes_are_counted),
        cmocka_unit_test(skips_have_reasons),           cmocka_unit_test(a_failing_repetition_fails_the_row),
    };
    return cmocka_run_group_tests(tests, run_everything, clean_up);
}
