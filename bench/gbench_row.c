/* One row at a time, every pass timed by itself, for programs that take turns with another build of themselves. */
#include <inttypes.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "gbench_internal.h"

static struct {
    bool active, complete; /* a row is being run; passes were all kept */
    double *pass, *cpu;
    size_t count, capacity;
    gb_counter_sink *sink;
    void *context;
    char label[GB_TEXT_NBYTES], reason[GB_TEXT_NBYTES];
    bool skipped;
} record;

bool gb_is_recording(void) {
    return record.active;
}

static bool grow(double **values, size_t capacity) {
    void *grown = *values;
    if (rhm_grow(&grown, sizeof **values, record.count, capacity, "passes", NULL) != RHM_OK)
        return false;
    *values = grown;
    return true;
}

void gb_record_pass(double seconds, double cpu_seconds) {
    if (record.count == record.capacity) {
        const size_t capacity = record.capacity ? 2 * record.capacity : 64;
        if (!grow(&record.pass, capacity) || !grow(&record.cpu, capacity)) {
            record.complete = false;
            return;
        }
        record.capacity = capacity;
    }
    record.pass[record.count] = seconds;
    record.cpu[record.count++] = cpu_seconds;
}

void gb_record_counter(const char *name, double value, unsigned flags) {
    if ((flags & ~(unsigned)GB_1024) == 0 && record.sink)
        record.sink(record.context, name, value);
}

void gb_record_row(const gb_state *state) {
    gb_text_copy(record.label, sizeof record.label, state->label);
    if (state->row->outcome == GB_SKIPPED || state->row->outcome == GB_FAILED)
        gb_text_copy(record.reason, sizeof record.reason, state->row->reason);
    record.skipped = state->row->outcome == GB_SKIPPED;
}

void gb_free_record(void) {
    rhm_free(record.pass);
    rhm_free(record.cpu);
    record.pass = record.cpu = NULL;
    record.count = record.capacity = 0;
}

/* The benchmark whose name is the longest that the row's name starts with. */
static gb_bench *bench_of(const char *row) {
    gb_bench *found = NULL;
    size_t longest = 0;
    for (gb_bench *bench = gb_first_bench(); bench; bench = bench->next) {
        const size_t length = strlen(bench->name);
        const bool fits = strncmp(row, bench->name, length) == 0 && (row[length] == '/' || row[length] == '\0');
        if (fits && length >= longest) {
            found = bench;
            longest = length;
        }
    }
    return found;
}

/* What follows the arguments in the library's name, such as "/iterations:3/manual_time", is left open. */
static rhm_status anchored(char *filter, size_t nbytes, const char *row, rhm_error *error) {
    static const char tail[] = "(/(iterations|process_time|manual_time|real_time).*)?$";
    size_t used = 0;
    if (2 * strlen(row) + sizeof tail + 1 > nbytes)
        return rhm_fail(error, RHM_INVALID, "the name of a row has %zu bytes: allowed are %zu", strlen(row),
                        (nbytes - sizeof tail - 1) / 2);
    filter[used++] = '^';
    for (const char *c = row; *c; c++) {
        if (strchr(".[{()*+?^$|\\", *c)) /* no others: the library reads extended expressions */
            filter[used++] = '\\';
        filter[used++] = *c;
    }
    memcpy(filter + used, tail, sizeof tail);
    return RHM_OK;
}

rhm_status gb_run_row(const char *row, int64_t iterations, gb_sample *out, gb_counter_sink *sink, void *context,
                      rhm_error *error) {
    char filter[2 * GB_TEXT_NBYTES];
    *out = (gb_sample){.label = "", .reason = ""};
    gb_bench *bench = bench_of(row);
    if (!bench)
        return rhm_fail(error, RHM_INVALID, "there is no row '%s'", row);
    if (iterations < 1)
        return rhm_fail(error, RHM_INVALID, "%" PRId64 " iterations of '%s': allowed are 1 or more", iterations, row);
    RHM_TRY(anchored(filter, sizeof filter, row, error));
    gb_raw_set(bench->raw, GB_ITERATIONS, iterations);
    record.active = record.complete = true;
    record.count = 0;
    record.sink = sink;
    record.context = context;
    *record.label = *record.reason = '\0';
    record.skipped = false;
    size_t matched = 0;
    const rhm_status status = gb_run_silently(filter, &matched, error);
    record.active = false;
    if (status != RHM_OK)
        return status;
    if (matched != 1)
        return rhm_fail(error, RHM_INVALID, "'%s' names %zu rows: exactly one is needed", row, matched);
    if (!record.complete)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the passes of '%s'", row);
    *out = (gb_sample){record.pass, record.cpu, record.count, record.label, record.reason, record.skipped};
    return RHM_OK;
}
