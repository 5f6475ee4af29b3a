/* Lifecycle of the shim: the command line, the report's context, running everything and counting what came of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "gbench_internal.h"

enum { MAX_CONTEXT = 128, CONTEXT_KEY_NBYTES = 64 };

static enum { FRESH, READY, RUNNING, OVER } phase;
static gb_flags flags;
static char context_keys[MAX_CONTEXT][CONTEXT_KEY_NBYTES];
static size_t context_count;

static const char *const phase_phrases[] = {"gb_init was not called", "", "benchmarks are running",
                                            "gb_shutdown was called"};

bool gb_can_register(const char **why_not) {
    *why_not = phase_phrases[phase];
    return phase == FRESH || phase == READY;
}

const char *gb_version(void) {
    return GB_LIBRARY_VERSION;
}

rhm_status gb_add_context(const char *key, const char *value, rhm_error *error) {
    char name[CONTEXT_KEY_NBYTES], text[4 * GB_TEXT_NBYTES];
    gb_text_copy(name, sizeof name, key);
    gb_text_copy(text, sizeof text, value);
    if (phase == RUNNING || phase == OVER)
        return rhm_fail(error, RHM_INVALID, "context '%s' comes too late: %s", name, phase_phrases[phase]);
    if (!key || !*key || strcmp(name, key) != 0)
        return rhm_fail(error, RHM_INVALID, "context key '%s': allowed are 1 to %d bytes of printable UTF-8", name,
                        CONTEXT_KEY_NBYTES - 1);
    if (gb_is_context_field(key))
        return rhm_fail(error, RHM_INVALID, "context key '%s' is written by Google Benchmark itself: choose another",
                        name);
    for (size_t i = 0; i < context_count; i++)
        if (strcmp(context_keys[i], name) == 0)
            return rhm_fail(error, RHM_INVALID, "context key '%s' is set twice: once is allowed", name);
    if (context_count == MAX_CONTEXT)
        return rhm_fail(error, RHM_INVALID, "context key '%s' is one more than %d", name, MAX_CONTEXT);
    gb_raw_add_context(name, text);
    if (gb_raw_out_of_memory())
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for context key '%s'", name);
    memcpy(context_keys[context_count++], name, sizeof name);
    return RHM_OK;
}

/* "key=value,key=value", as the flag has it; `text` is consumed. */
static rhm_status add_context_flag(char *text, rhm_error *error) {
    while (text) {
        char *key = strsep(&text, ",");
        char *value = strchr(key, '=');
        if (!value)
            return rhm_fail(error, RHM_INVALID, "--benchmark_context has '%s': allowed is KEY=VALUE,...", key);
        *value++ = '\0';
        RHM_TRY(gb_add_context(key, value, error));
    }
    return RHM_OK;
}

rhm_status gb_init(int *argc, char **argv, rhm_error *error) {
    if (phase != FRESH)
        return rhm_fail(error, RHM_INVALID, "gb_init was called before: once per process is allowed");
    RHM_TRY(gb_flags_take(&flags, argc, argv, error));
    int left = flags.argc;
    gb_raw_initialize(&left, flags.argv);
    if (gb_raw_out_of_memory())
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory to Google Benchmark");
    for (int i = 1; i < left; i++)
        argv[(*argc)++] = flags.argv[i];
    phase = READY;
    for (size_t i = 0; i < flags.context_count; i++)
        RHM_TRY(add_context_flag(flags.context[i], error));
    return RHM_OK;
}

bool gb_report_unrecognized(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        fprintf(stderr, "%s: argument '%s' is not recognised\n", argv[0], argv[i]);
    return argc > 1;
}

static rhm_status judge(const char *filter, gb_result *result, rhm_error *error) {
    const gb_bench *failed_bench = NULL;
    const gb_row *failed_row = NULL;
    for (const gb_bench *bench = gb_first_bench(); bench; bench = bench->next)
        for (size_t i = 0; i < bench->row_count; i++) {
            const gb_row *row = &bench->rows[i];
            result->measured += row->outcome == GB_MEASURED;
            result->skipped += row->outcome == GB_SKIPPED;
            result->failed += row->outcome == GB_FAILED;
            if (row->outcome == GB_FAILED && !failed_row) {
                failed_row = row;
                failed_bench = bench;
            }
        }
    if (result->matched == 0)
        return rhm_fail(error, RHM_INVALID, "no benchmark matches the filter%s%s", filter ? ": " : "",
                        filter ? filter : "");
    if (failed_row)
        return rhm_fail(error, RHM_FAILED, "%zu of %zu benchmarks failed, the first of them '%s': %s", result->failed,
                        result->matched, failed_bench->name, failed_row->reason);
    if (result->measured == 0 && !flags.list_only)
        return rhm_fail(error, RHM_FAILED, "nothing was measured: all %zu benchmarks were skipped", result->skipped);
    return RHM_OK;
}

static rhm_status check_ready(const char *function, rhm_error *error) {
    if (phase != READY)
        return rhm_fail(error, RHM_INVALID, "%s is not possible: %s", function, phase_phrases[phase]);
    if (*gb_first_mistake())
        return rhm_fail(error, RHM_INVALID, "%s", gb_first_mistake());
    if (gb_raw_out_of_memory())
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory to a registration");
    return RHM_OK;
}

/* RHM_IO, without a sentence but with errno, where the report's file failed. */
static rhm_status run_raw(const char *filter, const gb_flags *how, const char *path, size_t *matched,
                          rhm_error *error) {
    phase = RUNNING;
    const bool written = gb_raw_run(filter, how, path, matched);
    phase = READY;
    if (gb_raw_out_of_memory())
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory to Google Benchmark");
    return written ? RHM_OK : RHM_IO;
}

/* The report grows under a temporary name and is renamed when it is complete. */
static rhm_status write_all(const char *filter, const char *path, gb_result *result, rhm_error *error) {
    char *partial = NULL;
    if (*path && !flags.list_only) {
        const size_t nbytes = strlen(path) + sizeof ".partial";
        partial = RHM_NEW(char, nbytes, 1, 1, "name of the report", error);
        if (!partial)
            return RHM_NO_MEMORY;
        snprintf(partial, nbytes, "%s.partial", path);
    }
    gb_forget_outcomes();
    rhm_status status = run_raw(filter, &flags, partial, &result->matched, error);
    if (status == RHM_IO || (status == RHM_OK && partial && result->matched && rename(partial, path) != 0))
        status = rhm_fail(error, RHM_IO, "cannot write the report '%s': %s", path, strerror(errno));
    if (partial && (status != RHM_OK || result->matched == 0))
        remove(partial);
    rhm_free(partial);
    return status == RHM_OK ? judge(filter, result, error) : status;
}

rhm_status gb_run_silently(const char *filter, size_t *matched, rhm_error *error) {
    gb_flags silent = flags;
    silent.silent = true;
    RHM_TRY(check_ready("gb_run_row", error));
    return run_raw(filter, &silent, NULL, matched, error);
}

rhm_status gb_run(const char *filter, const char *json_path, gb_result *result, rhm_error *error) {
    gb_result counts = {0};
    rhm_status status = check_ready("gb_run", error);
    if (status == RHM_OK)
        status = write_all(filter, json_path ? json_path : flags.out, &counts, error);
    if (result)
        *result = counts;
    return status;
}

void gb_shutdown(void) {
    if (phase == RUNNING || phase == OVER)
        return;
    gb_raw_shutdown();
    gb_free_benches();
    gb_free_record();
    phase = OVER;
}
