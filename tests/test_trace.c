/* What the engine records: spans nest, sums are those of what was recorded, threads are accounted, bounds hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fail.h"
#include "engine/engine.h"
#include "engine/parallel.h"
#include "engine/trace_internal.h"

enum { THREADS = 3 };

static rhm_engine *engine_with(bool trace) {
    const rhm_engine_options options = {.threads = THREADS, .placement = "none", .trace = trace};
    rhm_engine *engine;
    rhm_error error;
    assert_int_equal(rhm_engine_create(&engine, &options, &error), RHM_OK);
    return engine;
}

/* cmocka compares floats. */
static void assert_near(double value, double wanted, double error) {
    if (!(value >= wanted - error && value <= wanted + error))
        fail_msg("%.17g is not within %g of %.17g", value, error, wanted);
}

static json_t *written(const rhm_engine *engine, const char *command) {
    char path[] = "/tmp/rhm-trace-XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    rhm_error error;
    assert_int_equal(rhm_engine_write_trace(engine, path, command, &error), RHM_OK);
    json_error_t problem;
    json_t *json = json_load_file(path, 0, &problem);
    unlink(path);
    if (!json)
        fail_msg("line %d: %s", problem.line, problem.text);
    return json;
}

static rhm_status spin(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    volatile double *sums = context;
    for (int i = 0; i < 20000; i++)
        sums[8 * chunk] += 1.0 / (i + 1);
    return RHM_OK;
}

static void loop(const rhm_engine *engine, size_t chunks) {
    static double sums[8 * 64];
    assert_true(chunks <= 64);
    assert_int_equal(rhm_parallel(engine, chunks, spin, sums, NULL), RHM_OK);
}

static const json_t *total_of(const json_t *trace, const char *name, json_int_t level) {
    size_t i;
    const json_t *total, *totals = json_object_get(json_object_get(trace, "otherData"), "totals");
    json_array_foreach(totals, i, total) if (!strcmp(json_string_value(json_object_get(total, "name")), name) &&
                                             json_integer_value(json_object_get(total, "level")) == level) return total;
    fail_msg("no total of %s at level %d", name, (int)level);
    return NULL;
}

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static bool is_event(const json_t *event, const char *phase, const char *category) {
    const char *cat = json_string_value(json_object_get(event, "cat"));
    return !strcmp(json_string_value(json_object_get(event, "ph")), phase) && cat && !strcmp(cat, category);
}

static void test_off(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(false);
    assert_null(engine->trace);
    rhm_trace_end(engine, rhm_trace_begin(engine, "nothing", 1), (rhm_span_work){0});
    loop(engine, 8);
    rhm_error error;
    assert_int_equal(rhm_engine_write_trace(engine, "/nowhere/t.json", NULL, &error), RHM_INVALID);
    rhm_engine_destroy(engine);
}

static void test_sums(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(true);
    const int outer = rhm_trace_begin(engine, "level", 2);
    for (int i = 0; i < 3; i++) {
        const int inner = rhm_trace_begin(engine, "work", 0);
        loop(engine, 20);
        rhm_trace_end(engine, inner, (rhm_span_work){.flops = 100, .nbytes = 7, .items = 5, .width = 64});
    }
    const int other = rhm_trace_begin(engine, "work", 1); /* another kind: its level differs */
    rhm_trace_end(engine, other, (rhm_span_work){.flops = 1, .width = 64});
    rhm_trace_end(engine, outer, (rhm_span_work){0});

    json_t *trace = written(engine, "rhm \"quoted\" \\ \xff");
    const json_t *level = total_of(trace, "level", 2), *work = total_of(trace, "work", 2);
    const json_t *run = total_of(trace, "run", 0);
    assert_near(number(work, "spans"), 3, 0);
    assert_near(number(work, "loops"), 3, 0);
    assert_near(number(work, "flops"), 300, 0);
    assert_near(number(work, "bytes"), 21, 0);
    assert_near(number(work, "items"), 15, 0);
    assert_near(number(work, "width"), 64, 0);
    assert_near(number(total_of(trace, "work", 1), "flops"), 1, 0);
    assert_near(number(level, "seconds"),
                number(level, "self_seconds") + number(work, "seconds") + number(total_of(trace, "work", 1), "seconds"),
                1e-8);

    /* Every nanosecond of the run belongs to exactly one span; loops lie within theirs, and threads within loops. */
    size_t i;
    const json_t *total, *totals = json_object_get(json_object_get(trace, "otherData"), "totals");
    double self = 0;
    json_array_foreach(totals, i, total) {
        self += number(total, "self_seconds");
        assert_true(number(total, "loop_seconds") <= number(total, "self_seconds") + 1e-9);
        const json_t *threads = json_object_get(total, "thread_seconds");
        assert_int_equal(json_array_size(threads), THREADS);
        const json_t *on_cpu = json_object_get(total, "thread_cpu_seconds");
        assert_int_equal(json_array_size(on_cpu), THREADS);
        /* The two clocks are read one after the other, and the second is the scheduler's. */
        const double slack = 1e-9 + 1e-4 * (1 + number(total, "loops"));
        for (size_t t = 0; t < THREADS; t++) {
            const double busy = json_number_value(json_array_get(threads, t));
            const double worked = json_number_value(json_array_get(on_cpu, t));
            assert_true(busy <= number(total, "loop_seconds") + 1e-9);
            assert_true(worked >= 0 && worked <= busy + slack);
        }
        const double alone = number(total, "self_seconds") - number(total, "loop_seconds");
        assert_true(number(total, "one_thread_cpu_seconds") <= alone + slack);
    }
    assert_near(self, number(run, "seconds"), 1e-7);
    json_decref(trace);
    rhm_engine_destroy(engine);
}

/* Chunks of all threads add up to the loop's; events of one track do not overlap unless one holds the other. */
static void test_events(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(true);
    const int outer = rhm_trace_begin(engine, "level", 1);
    for (int i = 0; i < 4; i++) {
        const int inner = rhm_trace_begin(engine, "work", 0);
        loop(engine, 50);
        rhm_trace_end(engine, inner, (rhm_span_work){.flops = 10});
    }
    rhm_trace_end(engine, outer, (rhm_span_work){0});
    json_t *trace = written(engine, NULL);
    const json_t *events = json_object_get(trace, "traceEvents");
    size_t i, j;
    json_t *event, *later;
    double chunks = 0;
    int spans = 0, rates = 0;
    json_array_foreach(events, i, event) {
        rates += !strcmp(json_string_value(json_object_get(event, "ph")), "C");
        spans += is_event(event, "X", "span");
        if (is_event(event, "X", "loop")) {
            const json_t *arguments = json_object_get(event, "args");
            chunks += number(arguments, "chunks");
            assert_true(number(arguments, "taken_from_others") <= number(arguments, "chunks"));
            assert_true(number(arguments, "late_us") >= 0 && number(arguments, "idle_us") >= 0);
            assert_true(number(arguments, "cpu") >= 0);
            assert_string_equal(json_string_value(json_object_get(event, "name")), "work");
        }
        if (strcmp(json_string_value(json_object_get(event, "ph")), "X") != 0)
            continue;
        json_array_foreach(events, j, later) {
            if (j <= i || strcmp(json_string_value(json_object_get(later, "ph")), "X") != 0 ||
                number(event, "pid") != number(later, "pid") || number(event, "tid") != number(later, "tid"))
                continue;
            const double begin = number(event, "ts"), end = begin + number(event, "dur");
            const double begin2 = number(later, "ts"), end2 = begin2 + number(later, "dur");
            const bool apart = end <= begin2 + 2e-3 || end2 <= begin + 2e-3;
            const bool nested = (begin <= begin2 && end2 <= end + 2e-3) || (begin2 <= begin && end <= end2 + 2e-3);
            assert_true(apart || nested);
        }
    }
    assert_near(chunks, 200, 0);
    assert_int_equal(spans, 1 + 1 + 1 + 4); /* run, start, level 1, work */
    assert_int_equal(rates, 8);             /* up and down */
    json_decref(trace);
    rhm_engine_destroy(engine);
}

static void test_failed_call(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(true);
    const int outer = rhm_trace_begin(engine, "outer", 3);
    rhm_trace_begin(engine, "left", 0);
    rhm_trace_begin(engine, "left too", 0);
    rhm_trace_end(engine, outer, (rhm_span_work){0});
    assert_int_equal(engine->trace->depth, 1);
    rhm_trace_begin(engine, "open at the end", 0);
    json_t *trace = written(engine, NULL);
    size_t i;
    json_t *event;
    int unfinished = 0;
    json_array_foreach(json_object_get(trace, "traceEvents"), i, event) unfinished +=
        json_is_true(json_object_get(json_object_get(event, "args"), "unfinished"));
    assert_int_equal(unfinished, 3);
    json_decref(trace);
    rhm_engine_destroy(engine);
}

static void test_bounds(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(true);
    enum { MORE = 1000 };
    for (int i = 0; i < RHM_TRACE_SPANS + MORE; i++)
        rhm_trace_end(engine, rhm_trace_begin(engine, "many", 1), (rhm_span_work){.items = 1});
    const rhm_trace *trace = engine->trace;
    assert_int_equal(trace->span_count, RHM_TRACE_SPANS);
    assert_int_equal(trace->spans_dropped, MORE + 2); /* "run" and "start" were there before */
    for (int i = 0; i < RHM_TRACE_DEPTH + 3; i++)
        rhm_trace_begin(engine, "deep", 1);
    loop(engine, 4); /* belongs to the innermost that there is */
    rhm_trace_end(engine, 1, (rhm_span_work){0});
    assert_int_equal(trace->depth, 1);
    for (size_t i = 0; i < trace->total_count; i++)
        if (!strcmp(trace->totals[i].name, "many"))
            assert_near(trace->totals[i].work.items, RHM_TRACE_SPANS + MORE, 0);
    assert_true(trace->total_count == 3); /* start, many, deep */
    for (uint32_t level = 1; level <= RHM_TRACE_KINDS + 10; level++)
        rhm_trace_end(engine, rhm_trace_begin(engine, "kinds", level), (rhm_span_work){0});
    assert_int_equal(trace->total_count, RHM_TRACE_KINDS);
    assert_int_equal(trace->kinds_dropped, 13);
    rhm_engine_destroy(engine);
}

static void test_refused_file(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(true);
    rhm_error error = {0};
    assert_int_equal(rhm_engine_write_trace(engine, "/nonexistent/folder/t.json", NULL, &error), RHM_IO);
    assert_non_null(strstr(error.text, "/nonexistent/folder"));
    assert_int_equal(rhm_engine_write_trace(engine, "/dev/full", NULL, &error), RHM_IO);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),         cmocka_unit_test(test_sums),   cmocka_unit_test(test_events),
        cmocka_unit_test(test_failed_call), cmocka_unit_test(test_bounds), cmocka_unit_test(test_refused_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
