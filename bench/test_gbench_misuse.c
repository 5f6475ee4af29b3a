/* Mistakes in registration and in the loop, which the library's own checks answer with abort, or does not see. */
#include "test_child.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static const char report_path[] = "test_gbench_misuse.json";

/* --- registration ---------------------------------------------------------------------------------------------------
 */

/* One registration, of everything that is given here. */
typedef struct mistake {
    const char *message, *name; /* NULL: "b" */
    bool nameless, no_body, twice, two_clocks;
    size_t tuples, lengths[2],
        names; /* how many tuples of arguments, the first two of these lengths; names of arguments */
    bool sets; /* the following: */
    gb_time_unit unit;
    int iterations, repetitions;
} mistake;

static void play_mistake(const void *what, verdict *out) {
    static const char *const names[] = {"x", "y"};
    const mistake *m = what;
    if (start(NULL, out) != RHM_OK)
        return;
    gb_bench *b = gb_register(m->nameless ? NULL : m->name ? m->name : "b", m->no_body ? NULL : plain, NULL);
    if (m->twice)
        gb_register("b", plain, NULL);
    for (size_t i = 0; i < m->tuples; i++)
        gb_args(b, (const int64_t[]){(int64_t)i, 2}, i < 2 ? m->lengths[i] : 1);
    if (m->names)
        gb_arg_names(b, names, m->names);
    if (m->two_clocks) {
        gb_use_manual_time(b);
        gb_use_real_time(b);
    }
    if (m->sets) {
        gb_unit(b, m->unit);
        gb_iterations(b, m->iterations);
        gb_repetitions(b, m->repetitions);
    }
    finish(NULL, NULL, out);
}

static void the_same_arguments(const void *what, verdict *out) {
    (void)what;
    if (start(NULL, out) != RHM_OK)
        return;
    gb_bench *b = gb_register("b", plain, NULL);
    gb_arg(b, 1);
    gb_arg(b, 1);
    finish(NULL, NULL, out);
}

static void mistakes_in_registration_are_named(void **unused) {
    (void)unused;
    static const mistake cases[] = {
        {"'b' needs a function", .no_body = true},
        {"needs a function and a name", .name = ""},
        {"needs a function and a name", .nameless = true},
        {"'a?b' needs", .name = "a\nb"},
        {"'b' is registered twice", .twice = true},
        {"'b' has 2 arguments where it had 1", .tuples = 2, .lengths = {1, 2}},
        {"'b' has 2 arguments where it had 1", .tuples = 1, .lengths = {1}, .names = 2},
        {"'b' has 0 arguments", .tuples = 1},
        {"'b' has more than 4096", .tuples = 4097, .lengths = {1, 1}},
        {"'b' has time unit 4", .sets = true, .unit = (gb_time_unit)4, .iterations = 1, .repetitions = 1},
        {"'b' has 0 iterations", .sets = true, .repetitions = 1},
        {"'b' has 0 repetitions", .sets = true, .iterations = 1},
        {"'b' uses real time and manual time", .two_clocks = true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(play_mistake, &cases[i], RHM_INVALID, cases[i].message);
    expect(the_same_arguments, NULL, RHM_INVALID, "'b' has the same arguments twice");
}

/* --- the loop's protocol
 * ---------------------------------------------------------------------------------------------- */

static void leaves_early(gb_state *state, void *user) {
    (void)user;
    if (gb_keep_running(state))
        return;
}
static void never_loops(gb_state *state, void *user) {
    (void)state, (void)user;
}
static void goes_on(gb_state *state, void *user) {
    plain(state, user);
    if (gb_keep_running(state) || gb_keep_running(state))
        abort();
    gb_skip_error(state, "asked again, and it was false");
}
static void asks_too_far(gb_state *state, void *user) {
    gb_range(state, 1);
    plain(state, user);
}
static void sets_time(gb_state *state, void *user) {
    const double *seconds = user;
    while (gb_keep_running(state))
        gb_set_iteration_time(state, *seconds);
}
static void sets_time_twice(gb_state *state, void *user) {
    (void)user;
    while (gb_keep_running(state)) {
        gb_set_iteration_time(state, 1);
        gb_set_iteration_time(state, 1);
    }
}
static void sets_time_late(gb_state *state, void *user) {
    plain(state, user);
    gb_set_iteration_time(state, 1);
}
static void counts(gb_state *state, void *user) {
    plain(state, NULL);
    gb_counter(state, user, 1, 0);
}
static void counts_with_bad_flags(gb_state *state, void *user) {
    plain(state, user);
    gb_counter(state, "x", 1, 64);
}
static void changes_flags(gb_state *state, void *user) {
    plain(state, user);
    gb_counter(state, "x", 1, gb_run_index(state) == 1 ? GB_RATE : 0);
}
static void counts_too_much(gb_state *state, void *user) {
    plain(state, user);
    for (int i = 0; i < 49; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        gb_counter(state, name, i, 0);
    }
}
static void registers_while_running(gb_state *state, void *user) {
    rhm_error error = {0};
    gb_result result;
    const bool refused = !gb_register("late", plain, NULL) && gb_run(NULL, NULL, &result, &error) == RHM_INVALID &&
                         gb_add_context("late", "too", &error) == RHM_INVALID;
    plain(state, user);
    gb_skip_error(state, refused ? "refused all three" : "allowed too much");
}

typedef struct breach {
    gb_function *body;
    const char *message;
    void *user;
    bool manual;
} breach;

static void play_breach(const void *what, verdict *out) {
    const breach *b = what;
    if (start(NULL, out) != RHM_OK)
        return;
    gb_bench *bench = gb_register("b", b->body, b->user);
    gb_arg(bench, 1);
    gb_iterations(bench, 10);
    gb_repetitions(bench, 3);
    if (b->manual)
        gb_use_manual_time(bench);
    finish(NULL, report_path, out);
}

static void breaches_fail_the_row(void **unused) {
    (void)unused;
    static double negative = -1, not_a_number, one = 1;
    static char threads[] = "threads", skip[] = "skip_message", bytes[] = "bytes_per_second", quote[] = "a\"b",
                empty[] = "";
    static char longest[66];
    not_a_number = (double)NAN;
    memset(longest, 'x', sizeof longest - 1);
    const breach cases[] = {
        {leaves_early, "returned before gb_keep_running was false", NULL, false},
        {never_loops, "returned before gb_keep_running was false", NULL, false},
        {goes_on, "asked again, and it was false", NULL, false},
        {asks_too_far, "argument 1 is asked for where there are 1", NULL, false},
        {plain, "called 0 times in 1 passes", NULL, true},
        {sets_time_twice, "called 2 times in 1 passes", NULL, true},
        {sets_time_late, "called 0 times in 1 passes", NULL, true},
        {sets_time, "an iteration time of -1 s", &negative, true},
        {sets_time, "an iteration time of nan s", &not_a_number, true},
        {sets_time, "gb_set_iteration_time without gb_use_manual_time", &one, false},
        {counts, "counter name 'threads' is a field of the report", threads, false},
        {counts, "counter name 'skip_message' is a field of the report", skip, false},
        {counts, "counter name 'bytes_per_second' is a field of the report", bytes, false},
        {counts, "counter name 'a\"b': allowed", quote, false},
        {counts, "counter name '': allowed", empty, false},
        {counts, "xxx': allowed are 1 to 63", longest, false},
        {counts_with_bad_flags, "counter 'x' has unknown flags 0x40", NULL, false},
        {changes_flags, "counter 'x' changes its flags", NULL, false},
        {counts_too_much, "counter 'c48' changes its flags, or is one more than 48", NULL, false},
        {registers_while_running, "refused all three", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const verdict v = in_child(cases[i].message, play_breach, &cases[i]);
        if (v.status != RHM_FAILED || v.result.failed != 1 || !strstr(v.text, cases[i].message))
            fail_msg("wanted '%s', got %s, '%s'", cases[i].message, rhm_status_name(v.status), v.text);
        json_error_t where;
        json_t *report = json_load_file(report_path, JSON_REJECT_DUPLICATES, &where);
        if (!report)
            fail_msg("'%s': the report is not JSON: %s", cases[i].message, where.text);
        assert_true(json_array_size(json_object_get(report, "benchmarks")) >= 3);
        json_decref(report);
    }
    remove(report_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_in_registration_are_named),
        cmocka_unit_test(breaches_fail_the_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
