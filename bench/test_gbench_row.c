/* One row at a time: gb_run_row, and the protocol that --serve speaks on top of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gbench.h"
#include "session_engine.h"
#include "session_serve.h"

enum { PAUSE_NS = 20000000 };

static size_t first_calls, calls; /* of `counting` with run index 0, and in all */
static int64_t argument_seen, rounds_done;

static void wait_ns(long ns) {
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static void counting(gb_state *state, void *user) {
    (void)user;
    first_calls += gb_run_index(state) == 0;
    calls++;
    argument_seen = gb_range(state, 0);
    rounds_done = 0;
    while (gb_keep_running(state))
        rounds_done++;
    gb_counter(state, "flops", 7, 0);
    gb_counter(state, "size", 9, GB_1024);
    gb_counter(state, "flops_per_second", 7, GB_RATE);
    gb_label(state, "a label");
}

static void sleeping(gb_state *state, void *user) {
    (void)user;
    while (gb_keep_running(state))
        wait_ns(PAUSE_NS);
}

static void by_hand(gb_state *state, void *user) {
    (void)user;
    for (double seconds = 1; gb_keep_running(state); seconds++)
        gb_set_iteration_time(state, seconds);
}

static void skipping(gb_state *state, void *user) {
    (void)user;
    gb_skip_message(state, "not here");
}

static void failing(gb_state *state, void *user) {
    (void)user;
    gb_skip_error(state, "wrong result");
}

static int prepare(void **unused) {
    (void)unused;
    static const char *const names[] = {"t"};
    static const int64_t counts[] = {1, 10, 100};
    char program[] = "program";
    char *argv[] = {program, NULL};
    int argc = 1;
    if (gb_init(&argc, argv, NULL) != RHM_OK)
        return 1;
    gb_bench *bench = gb_register("count/v8.5", counting, NULL);
    gb_arg_names(bench, names, 1);
    for (size_t i = 0; i < 3; i++)
        gb_arg(bench, counts[i]);
    gb_use_real_time(bench);
    gb_measure_process_cpu_time(bench);
    bench = gb_register("count", counting, NULL);
    gb_arg(bench, 5);
    gb_iterations(bench, 50);
    gb_register("sleeping", sleeping, NULL);
    gb_use_manual_time(gb_register("by_hand", by_hand, NULL));
    gb_register("skipping", skipping, NULL);
    gb_register("failing", failing, NULL);
    return 0;
}

static int clean_up(void **unused) {
    (void)unused;
    gb_shutdown();
    return 0;
}

static void add(void *context, const char *name, double value) {
    json_object_set_new(context, name, json_real(value));
}

static gb_sample run(const char *row, int64_t iterations) {
    gb_sample sample;
    rhm_error error = {0};
    if (gb_run_row(row, iterations, &sample, NULL, NULL, &error) != RHM_OK)
        fail_msg("%s: %s", row, error.text);
    return sample;
}

static void a_row_runs_as_often_as_asked(void **unused) {
    (void)unused;
    json_t *counters = json_object();
    gb_sample sample;
    first_calls = calls = 0;
    for (int64_t iterations = 1; iterations <= 300; iterations += 13) {
        assert_int_equal(gb_run_row("count/v8.5/t:10", iterations, &sample, add, counters, NULL), RHM_OK);
        assert_int_equal(rounds_done, iterations);
        assert_int_equal(sample.count, iterations);
        assert_int_equal(argument_seen, 10);
        assert_string_equal(sample.label, "a label");
        assert_string_equal(sample.reason, "");
        for (size_t i = 0; i < sample.count; i++)
            assert_true(sample.pass[i] >= 0 && sample.pass[i] < 10 && sample.cpu[i] >= 0);
    }
    assert_int_equal(first_calls, 1); /* verified once, however often it is asked for */
    assert_int_equal(calls, 24);
    assert_int_equal(json_object_size(counters), 2);
    assert_true(json_real_value(json_object_get(counters, "flops")) == 7);
    assert_true(json_real_value(json_object_get(counters, "size")) == 9);
    json_decref(counters);
}

static void rows_are_told_apart(void **unused) {
    (void)unused;
    run("count/v8.5/t:1", 2);
    assert_int_equal(argument_seen, 1);
    run("count/v8.5/t:100", 2);
    assert_int_equal(argument_seen, 100);
    run("count/5", 2); /* replaces the iterations it was registered with */
    assert_int_equal(argument_seen, 5);
    assert_int_equal(rounds_done, 2);
    static const char *const wrong[] = {
        "nothing", "count/v8x5/t:1", "count/v8.5", "count/v8.5/t:", "count/v8.5/t:2", ".*", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        gb_sample sample;
        rhm_error error = {0};
        assert_int_equal(gb_run_row(wrong[i], 1, &sample, NULL, NULL, &error), RHM_INVALID);
        assert_true(*error.text);
    }
}

static void passes_are_timed_one_by_one(void **unused) {
    (void)unused;
    gb_sample sample = run("sleeping", 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(sample.pass[i] >= 1e-9 * PAUSE_NS);
        assert_true(sample.cpu[i] < 0.5 * 1e-9 * PAUSE_NS); /* sleep costs no processor */
    }
    sample = run("by_hand", 4);
    assert_int_equal(sample.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(sample.pass[i] == (double)(i + 1));
}

static void reasons_are_told_every_time(void **unused) {
    (void)unused;
    for (int i = 0; i < 3; i++) {
        gb_sample sample = run("skipping", 1);
        assert_true(sample.skipped && sample.count == 0);
        assert_string_equal(sample.reason, "not here");
        sample = run("failing", 1);
        assert_false(sample.skipped);
        assert_string_equal(sample.reason, "wrong result");
    }
    assert_string_equal(run("count/5", 1).reason, "");
}

static void what_cannot_be_is_refused(void **unused) {
    (void)unused;
    gb_sample sample;
    rhm_error error = {0};
    assert_int_equal(gb_run_row("count/5", 0, &sample, NULL, NULL, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "allowed are 1 or more"));
}

static void requests_are_answered(void **unused) {
    (void)unused;
    char requests[] = "run 3 count/v8.5/t:1\nrun 2 skipping\nrun x count/5\nrun 2 nothing\nwhat\nrun 4 by_hand\n";
    char *text = NULL;
    size_t nbytes = 0;
    FILE *in = fmemopen(requests, sizeof requests - 1, "r"), *out = open_memstream(&text, &nbytes);
    rhm_error error = {0};
    assert_int_equal(session_serve(in, out, &error), RHM_OK);
    fclose(in);
    fclose(out);
    static const char *const keys[] = {"serves", "row", "row", "error", "error", "error", "row"};
    json_t *answers[7] = {NULL};
    char *rest = text;
    for (size_t i = 0; i < 7; i++) {
        char *line = strsep(&rest, "\n");
        answers[i] = json_loads(line, 0, NULL);
        assert_non_null(json_object_get(answers[i], keys[i]));
    }
    assert_string_equal(rest, "");
    assert_int_equal(json_integer_value(json_object_get(answers[0], "protocol")), 1);
    assert_int_equal(json_array_size(json_object_get(answers[1], "passes")), 3);
    assert_int_equal(json_array_size(json_object_get(answers[1], "cpu_passes")), 3);
    assert_true(json_is_true(json_object_get(answers[2], "skipped")));
    assert_string_equal(json_string_value(json_object_get(answers[2], "reason")), "not here");
    assert_true(json_real_value(json_array_get(json_object_get(answers[6], "passes"), 3)) == 4);
    for (size_t i = 0; i < 7; i++)
        json_decref(answers[i]);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_runs_as_often_as_asked), cmocka_unit_test(rows_are_told_apart),
        cmocka_unit_test(passes_are_timed_one_by_one),  cmocka_unit_test(reasons_are_told_every_time),
        cmocka_unit_test(what_cannot_be_is_refused),    cmocka_unit_test(requests_are_answered),
    };
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
