/* The command line, the environment and the order of calls: what the library answers with exit, abort or silence. */
#include "test_child.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

static const char report_path[] = "test_gbench_session.json";

/* --- flags and environment ---------------------------------------------------------------------------------------- */

static void play_flag(const void *what, verdict *out) {
    const char *flag = what;
    char variable[64];
    const char *equals = strchr(flag, '=');
    if (strncmp(flag, "BENCHMARK_", 10) == 0 && equals) {
        snprintf(variable, sizeof variable, "%.*s", (int)(equals - flag), flag);
        setenv(variable, equals + 1, 1);
        flag = NULL;
    }
    if (start(flag, out) != RHM_OK)
        return;
    gb_iterations(gb_register("plain", plain, NULL), 1);
    gb_register("searching", plain, NULL);
    finish("plain", NULL, out);
}

static void bad_flags_are_refused(void **unused) {
    (void)unused;
    static const struct {
        const char *flag, *message;
    } cases[] = {
        {"--benchmark_format=xml", "--benchmark_format is 'xml'"},
        {"--benchmark_out_format=csv", "--benchmark_out_format is 'csv'"},
        {"--benchmark_color=", ""},
        {"--benchmark_color=blue", "--benchmark_color is 'blue'"},
        {"--benchmark_time_unit=h", "--benchmark_time_unit is 'h'"},
        {"--benchmark_perf_counters=CYCLES", "--benchmark_perf_counters is 'CYCLES'"},
        {"--benchmark_min_time=soon", "--benchmark_min_time is 'soon'"},
        {"--benchmark_min_time=", "--benchmark_min_time is ''"},
        {"--benchmark_min_time=-1", "--benchmark_min_time is '-1'"},
        {"--benchmark_min_time=1e999", "--benchmark_min_time is '1e999'"},
        {"--benchmark_min_time=0x", "--benchmark_min_time is '0x'"},
        {"--benchmark_min_time=1.5x", "--benchmark_min_time is '1.5x'"},
        {"--benchmark_min_warmup_time=1s", "--benchmark_min_warmup_time is '1s'"},
        {"--benchmark_repetitions=0", "--benchmark_repetitions is '0'"},
        {"--benchmark_repetitions=many", "--benchmark_repetitions is 'many'"},
        {"--benchmark_counters_tabular=maybe", "--benchmark_counters_tabular is 'maybe'"},
        {"--benchmark_context=novalue", "--benchmark_context has 'novalue'"},
        {"--benchmark_context=date=now", "context key 'date'"},
        {"--benchmark_nonsense=1", "left over: --benchmark_nonsense=1"},
        {"--v=loud", "left over: --v=loud"},
        {"--help", "left over: --help"},
        {"BENCHMARK_FORMAT=xml", "--benchmark_format is 'xml'"},
        {"BENCHMARK_MIN_TIME=soon", "--benchmark_min_time is 'soon'"},
        {"BENCHMARK_REPETITIONS=-1", "--benchmark_repetitions is '-1'"},
        {"BENCHMARK_CONTEXT=date=now", "BENCHMARK_CONTEXT is set"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const verdict v = in_child(cases[i].flag, play_flag, cases[i].flag);
        if (*cases[i].message == '\0' ? v.status != RHM_OK : v.status == RHM_OK || !strstr(v.text, cases[i].message))
            fail_msg("%s: %s, '%s'", cases[i].flag, rhm_status_name(v.status), v.text);
    }
}

static void good_flags_are_taken(void **unused) {
    (void)unused;
    static const char *const cases[] = {
        "--benchmark_format=json",
        "--benchmark_out_format=json",
        "--benchmark_color=auto",
        "--benchmark_color=yes",
        "--benchmark_time_unit=ms",
        "--benchmark_perf_counters=",
        "--benchmark_min_time=0.01",
        "--benchmark_min_time=0.01s",
        "--benchmark_repetitions=3",
        "--benchmark_min_warmup_time=0",
        "--benchmark_counters_tabular",
        "--benchmark_filter=.*",
        "--benchmark_context=a=b",
        "--benchmark_out=",
        "BENCHMARK_MIN_TIME=0.01s",
        "BENCHMARK_COLOR=false",
        "--benchmark_enable_random_interleaving=true",
        "--benchmark_report_aggregates_only=true",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const verdict v = in_child(cases[i], play_flag, cases[i]);
        if (v.status != RHM_OK || v.result.measured != 1)
            fail_msg("%s: %s, '%s'", cases[i], rhm_status_name(v.status), v.text);
    }
}

static void listing_runs_nothing(void **unused) {
    (void)unused;
    const verdict v = in_child("list", play_flag, "--benchmark_list_tests");
    assert_int_equal(v.status, RHM_OK);
    assert_int_equal(v.result.matched, 1);
    assert_int_equal(v.result.measured, 0);
}

/* --- lifecycle
 * -------------------------------------------------------------------------------------------------------- */

static void skips(gb_state *state, void *user) {
    (void)user;
    gb_skip_message(state, "not here");
}

static void play_all_skipped(const void *what, verdict *out) {
    if (start(NULL, out) != RHM_OK)
        return;
    gb_register("a", skips, NULL);
    gb_register("b", skips, NULL);
    finish(what, NULL, out);
}

static void play_no_init(const void *what, verdict *out) {
    (void)what;
    gb_register("a", plain, NULL);
    rhm_error error = {0};
    out->status = gb_run(NULL, NULL, &out->result, &error);
    memcpy(out->text, error.text, sizeof out->text);
}

static void play_after_shutdown(const void *what, verdict *out) {
    (void)what;
    if (start(NULL, out) != RHM_OK)
        return;
    gb_register("a", plain, NULL);
    gb_shutdown();
    gb_shutdown();
    rhm_error error = {0};
    if (gb_register("b", plain, NULL) || gb_add_context("k", "v", &error) != RHM_INVALID ||
        start(NULL, out) != RHM_INVALID)
        abort();
    finish(NULL, NULL, out);
}

static void play_context(const void *what, verdict *out) {
    if (start(NULL, out) != RHM_OK)
        return;
    rhm_error error = {0};
    gb_add_context("given", "1", NULL);
    out->status = gb_add_context(what, "2", &error);
    memcpy(out->text, error.text, sizeof out->text);
}

/* `what` is the path; the limit makes the system refuse the report's bytes, not its name. */
static void play_report(const void *what, verdict *out) {
    if (start(NULL, out) != RHM_OK)
        return;
    if (strcmp(what, report_path) == 0) {
        const struct rlimit none = {0, RLIM_INFINITY};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &none);
    }
    gb_iterations(gb_register("a", plain, NULL), 1);
    finish(NULL, what, out);
}

static void nothing_measured_is_no_success(void **unused) {
    (void)unused;
    expect(play_all_skipped, NULL, RHM_FAILED, "nothing was measured: all 2 benchmarks were skipped");
    expect(play_all_skipped, "c", RHM_INVALID, "no benchmark matches the filter: c");
    expect(play_all_skipped, "(", RHM_INVALID, "no benchmark matches the filter: (");
}

static void order_of_calls_matters(void **unused) {
    (void)unused;
    expect(play_no_init, NULL, RHM_INVALID, "gb_init was not called");
    expect(play_after_shutdown, NULL, RHM_INVALID, "gb_shutdown was called");
}

static void context_keys_are_checked(void **unused) {
    (void)unused;
    expect(play_context, "new", RHM_OK, "");
    expect(play_context, "given", RHM_INVALID, "'given' is set twice");
    expect(play_context, "", RHM_INVALID, "allowed are 1 to 63 bytes");
    expect(play_context, "a\x7f", RHM_INVALID, "context key 'a?'");
    expect(play_context, "json_schema_version", RHM_INVALID, "is written by Google Benchmark itself");
}

static void failed_reports_leave_nothing(void **unused) {
    (void)unused;
    expect(play_report, "no/such/directory/x.json", RHM_IO, "cannot write the report 'no/such/directory/x.json'");
    expect(play_report, report_path, RHM_IO, "cannot write the report");
    assert_int_equal(access(report_path, F_OK), -1);
    assert_int_equal(access("test_gbench_session.json.partial", F_OK), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_flags_are_refused),        cmocka_unit_test(good_flags_are_taken),
        cmocka_unit_test(listing_runs_nothing),         cmocka_unit_test(nothing_measured_is_no_success),
        cmocka_unit_test(order_of_calls_matters),       cmocka_unit_test(context_keys_are_checked),
        cmocka_unit_test(failed_reports_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
