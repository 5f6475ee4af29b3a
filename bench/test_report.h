/* For tests that register benchmarks, run them once and look at their rows in the JSON report. Included once a program.
 */
#ifndef RHM_BENCH_TEST_REPORT_H
#define RHM_BENCH_TEST_REPORT_H

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

/* What the including test registers. */
static void register_all(void);

static inline void plain(gb_state *state, void *user) {
    (void)user;
    double sum = 0;
    while (gb_keep_running(state)) {
        sum += 1;
        GB_DO_NOT_OPTIMIZE(sum);
        GB_CLOBBER();
    }
}

/* The `index`-th row of a benchmark; `aggregate` NULL for a repetition, else "mean" and so on. NULL when there is none.
 */
static inline json_t *find_row(const char *bench, const char *aggregate, size_t index) {
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

static inline json_t *row_of(const char *bench) {
    json_t *row = find_row(bench, NULL, 0);
    if (!row)
        fail_msg("the report has no row of '%s'", bench);
    return row;
}

static inline double number(const json_t *row, const char *field) {
    const json_t *value = json_object_get(row, field);
    if (!json_is_number(value))
        fail_msg("no number '%s' in row '%s'", field, json_string_value(json_object_get(row, "name")));
    return json_number_value(value);
}

static inline const char *string(const json_t *row, const char *field) {
    const char *value = json_string_value(json_object_get(row, field));
    return value ? value : "(absent)";
}

static inline bool is_close(double value, double expected) {
    return fabs(value - expected) <= 1e-9 * fabs(expected);
}

static inline int run_everything(void **unused) {
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

static inline int clean_up(void **unused) {
    (void)unused;
    json_decref(report);
    remove(report_path);
    gb_shutdown();
    gb_shutdown();
    return 0;
}

#endif
