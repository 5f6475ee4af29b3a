/* Registration. The library checks with assertions that end the process; here every mistake becomes a sentence. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "gbench_internal.h"

static gb_bench *first_bench, *last_bench;
static char first_mistake[GB_TEXT_NBYTES];

const char *gb_first_mistake(void) {
    return first_mistake;
}

gb_bench *gb_first_bench(void) {
    return first_bench;
}

__attribute__((format(printf, 2, 3))) static void note_mistake(const char *name, const char *format, ...) {
    if (*first_mistake)
        return;
    char clean[128];
    gb_text_copy(clean, sizeof clean, name);
    const int length = snprintf(first_mistake, sizeof first_mistake, "benchmark '%s' ", clean);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(first_mistake + length, sizeof first_mistake - (size_t)length, format, arguments);
    va_end(arguments);
}

static void note_memory(const char *name) {
    note_mistake(name, "was refused memory by the system");
}

static void free_bench(gb_bench *bench) {
    rhm_free(bench->name);
    rhm_free(bench->rows);
    rhm_free(bench);
}

gb_bench *gb_register(const char *name, gb_function *body, void *user) {
    const char *why_not = NULL;
    char clean[GB_TEXT_NBYTES];
    gb_text_copy(clean, sizeof clean, name);
    if (!gb_can_register(&why_not)) {
        note_mistake(name, "is registered too late: %s", why_not);
        return NULL;
    }
    if (!name || !*name || !body || strcmp(clean, name) != 0) {
        note_mistake(name, "needs a function and a name of 1 to %d bytes of printable UTF-8", GB_TEXT_NBYTES - 1);
        return NULL;
    }
    for (const gb_bench *other = first_bench; other; other = other->next)
        if (strcmp(other->name, name) == 0) {
            note_mistake(name, "is registered twice: names must be unique");
            return NULL;
        }

    gb_bench *bench = RHM_NEW(gb_bench, 1, 1, 1, "benchmark", NULL);
    if (!bench) {
        note_memory(name);
        return NULL;
    }
    /* A benchmark without arguments has one row, of the empty tuple. */
    *bench = (gb_bench){.body = body, .user = user, .row_count = 1, .row_capacity = 1};
    bench->name = RHM_NEW(char, strlen(name) + 1, 1, 1, "name", NULL);
    bench->rows = RHM_NEW(gb_row, 1, 1, 1, "rows", NULL);
    if (bench->name && bench->rows) {
        memcpy(bench->name, name, strlen(name));
        bench->raw = gb_raw_register(bench);
    }
    if (!bench->raw) {
        note_memory(name);
        free_bench(bench);
        return NULL;
    }
    if (last_bench)
        last_bench->next = bench;
    else
        first_bench = bench;
    last_bench = bench;
    return bench;
}

void gb_free_benches(void) {
    while (first_bench) {
        gb_bench *next = first_bench->next;
        free_bench(first_bench);
        first_bench = next;
    }
    last_bench = NULL;
}

void gb_forget_outcomes(void) {
    for (gb_bench *bench = first_bench; bench; bench = bench->next) {
        bench->counter_count = 0;
        for (size_t i = 0; i < bench->row_count; i++) {
            gb_row fresh = {0};
            memcpy(fresh.ranges, bench->rows[i].ranges, sizeof fresh.ranges);
            bench->rows[i] = fresh;
        }
    }
}

gb_row *gb_find_row(gb_bench *bench, const int64_t *ranges) {
    for (size_t i = 0; i < bench->row_count; i++)
        if (memcmp(bench->rows[i].ranges, ranges, bench->range_count * sizeof *ranges) == 0)
            return &bench->rows[i];
    return NULL;
}

/* Whether `count` arguments agree with what was said before; sets the number the first time. */
static bool agree_on_ranges(gb_bench *bench, size_t count) {
    if (count < 1 || count > GB_MAX_RANGES) {
        note_mistake(bench->name, "has %zu arguments: allowed are 1 to %d", count, GB_MAX_RANGES);
        return false;
    }
    if (bench->has_ranges && bench->range_count != count) {
        note_mistake(bench->name, "has %zu arguments where it had %zu before", count, bench->range_count);
        return false;
    }
    bench->has_ranges = true;
    bench->range_count = count;
    return true;
}

void gb_arg(gb_bench *bench, int64_t value) {
    gb_args(bench, &value, 1);
}

void gb_args(gb_bench *bench, const int64_t *values, size_t count) {
    if (!bench || !agree_on_ranges(bench, count))
        return;
    if (!bench->has_rows)
        bench->row_count = 0;
    bench->has_rows = true;
    if (bench->row_count == GB_MAX_ROWS) {
        note_mistake(bench->name, "has more than %d tuples of arguments", GB_MAX_ROWS);
        return;
    }
    if (gb_find_row(bench, values)) {
        note_mistake(bench->name, "has the same arguments twice, so two rows of one name");
        return;
    }
    if (bench->row_count == bench->row_capacity) {
        void *rows = bench->rows;
        if (rhm_grow(&rows, sizeof *bench->rows, bench->row_count, 2 * bench->row_capacity, "rows", NULL) != RHM_OK) {
            note_memory(bench->name);
            return;
        }
        bench->rows = rows;
        bench->row_capacity *= 2;
    }
    gb_row *row = &bench->rows[bench->row_count++];
    *row = (gb_row){0};
    memcpy(row->ranges, values, count * sizeof *values);
    gb_raw_args(bench->raw, values, count);
}

void gb_arg_names(gb_bench *bench, const char *const *names, size_t count) {
    if (!bench || !agree_on_ranges(bench, count))
        return;
    char clean[GB_TEXT_NBYTES];
    for (size_t i = 0; i < count; i++) {
        gb_text_copy(clean, sizeof clean, names[i]);
        if (names[i] && strcmp(clean, names[i]) != 0) {
            note_mistake(bench->name, "has an argument name that is not printable UTF-8: '%s'", clean);
            return;
        }
    }
    gb_raw_arg_names(bench->raw, names, count);
}

void gb_unit(gb_bench *bench, gb_time_unit unit) {
    if (!bench)
        return;
    if ((unsigned)unit > GB_SECOND)
        note_mistake(bench->name, "has time unit %d: allowed are GB_NANOSECOND to GB_SECOND", (int)unit);
    else
        gb_raw_set(bench->raw, GB_UNIT, unit);
}

static void set_count(gb_bench *bench, gb_setting what, int64_t count, const char *name) {
    if (bench && count < 1)
        note_mistake(bench->name, "has %" PRId64 " %s: allowed are 1 or more", count, name);
    else if (bench)
        gb_raw_set(bench->raw, what, count);
}

void gb_iterations(gb_bench *bench, int64_t count) {
    set_count(bench, GB_ITERATIONS, count, "iterations");
}

void gb_repetitions(gb_bench *bench, int count) {
    set_count(bench, GB_REPETITIONS, count, "repetitions");
}

static bool one_clock(gb_bench *bench, bool *this_one, bool other) {
    if (other)
        note_mistake(bench->name, "uses real time and manual time at once");
    *this_one = !other;
    return !other;
}

void gb_use_real_time(gb_bench *bench) {
    if (bench && one_clock(bench, &bench->has_real_time, bench->has_manual_time))
        gb_raw_set(bench->raw, GB_REAL_TIME, 0);
}

void gb_use_manual_time(gb_bench *bench) {
    if (bench && one_clock(bench, &bench->has_manual_time, bench->has_real_time))
        gb_raw_set(bench->raw, GB_MANUAL_TIME, 0);
}

void gb_measure_process_cpu_time(gb_bench *bench) {
    if (bench)
        gb_raw_set(bench->raw, GB_PROCESS_TIME, 0);
}
