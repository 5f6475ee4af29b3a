#include "session.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceilings/ceilings.h"
#include "engine/record.h"
#include "gbench.h"
#include "rhm/rhm.h"
#include "session_serve.h"

enum { MOST_THREADS = 4096 };

static const char *placement = "compact", *thread_list; /* exact: rows are compared */

static bool serves;

bool session_serves(void) {
    return serves;
}

const char *session_placement(void) {
    return placement;
}

void session_take_option(int *argc, char **argv, const char *prefix, const char **value) {
    int kept = 1;
    for (int i = 1; i < *argc; i++)
        if (strncmp(argv[i], prefix, strlen(prefix)) == 0)
            *value = argv[i] + strlen(prefix);
        else
            argv[kept++] = argv[i];
    if (*argc > 0)
        argv[ *argc = kept < *argc ? kept : *argc] = NULL;
}

static bool session_take_flag(int *argc, char **argv, const char *flag) {
    const char *rest = NULL;
    session_take_option(argc, argv, flag, &rest);
    return rest != NULL;
}

int session_allowed_cpus(void) {
    static int count; /* an engine binds this thread */
    cpu_set_t *set = NULL;
    /* The kernel refuses a set smaller than its own; machines above 1024 CPUs exist. */
    for (int cpus = 1024; count == 0 && cpus <= 1 << 20; cpus *= 2) {
        const size_t nbytes = CPU_ALLOC_SIZE(cpus);
        set = CPU_ALLOC(cpus);
        if (set && sched_getaffinity(0, nbytes, set) == 0)
            count = CPU_COUNT_S(nbytes, set);
        CPU_FREE(set);
    }
    return count = count > 0 ? count : 1;
}

/* Whole numbers from 1 to MOST_THREADS with commas between them; how many, or 0 for anything else. */
static int read_list(const char *list, int *counts, int room) {
    int n = 0;
    for (const char *at = list; n < room; at++) {
        char *end;
        const long value = strtol(at, &end, 10);
        if (end == at || value < 1 || value > MOST_THREADS)
            return 0;
        counts[n++] = (int)value;
        at = end;
        if (*at != ',')
            return *at == '\0' ? n : 0;
    }
    return 0;
}

int session_thread_counts(int *counts, int room) {
    if (thread_list)
        return read_list(thread_list, counts, room);
    const int allowed = session_allowed_cpus();
    int n = 0;
    for (int threads = 1; threads < allowed && n < room; threads *= 2)
        counts[n++] = threads;
    if (n < room)
        counts[n++] = allowed;
    return n;
}

/* The variables that move threads about or choose kernels, as found. */
static rhm_status add_environment(rhm_error *error) {
    json_t *variables = rhm_record_environment();
    const char *name;
    json_t *value;
    rhm_status status = RHM_OK;
    json_object_foreach(variables, name, value) {
        if (status == RHM_OK)
            status = gb_add_context(name, json_string_value(value), error);
    }
    json_decref(variables);
    return status;
}

static rhm_status add_context(rhm_error *error) {
    char allowed[16], cpu[RHM_CPU_NAME_NBYTES];
    snprintf(allowed, sizeof allowed, "%d", session_allowed_cpus());
    rhm_cpu_name(cpu);
    const struct {
        const char *key, *value;
    } lines[] = {
        {"rhm_version", rhm_version()}, {"gbench_version", gb_version()},
        {"compiler", __VERSION__},      {"cpu", cpu},
        {"cpus_allowed", allowed},      {"isa_widest", rhm_isa_name(rhm_isa_here())},
        {"placement", placement},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const rhm_status status = gb_add_context(lines[i].key, lines[i].value, error);
        if (status != RHM_OK)
            return status;
    }
    return add_environment(error);
}

int session_main(int argc, char **argv, const char *about, void (*register_all)(void)) {
    rhm_error error = {0};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            printf(
                "%s\n\n"
                "  --threads=LIST                           thread counts, such as 1,2,6 (default 1, 2, 4, ... all)\n"
                "  --placement=HOW                          compact, scatter, none or a list, as `rhm --placement`\n"
                "  --serve                                  run rows on request: bench/session_serve.h\n"
                "%s",
                about, gb_help());
            return 0;
        }
    session_take_option(&argc, argv, "--threads=", &thread_list);
    session_take_option(&argc, argv, "--placement=", &placement);
    int counts[SESSION_THREAD_COUNTS];
    if (session_thread_counts(counts, SESSION_THREAD_COUNTS) == 0) {
        fprintf(stderr, "%s: --threads=%s: up to %d whole numbers from 1 to %d with commas between them\n", argv[0],
                thread_list, SESSION_THREAD_COUNTS, MOST_THREADS);
        return 2;
    }
    rhm_status status = gb_init(&argc, argv, &error);
    serves = session_take_flag(&argc, argv, "--serve");
    if (status == RHM_OK && gb_report_unrecognized(argc, argv))
        return 2;
    if (status == RHM_OK)
        status = add_context(&error);
    if (status == RHM_OK) {
        register_all();
        status = serves ? session_serve(stdin, stdout, &error) : gb_run(NULL, NULL, NULL, &error);
    }
    gb_shutdown();
    if (status != RHM_OK)
        fprintf(stderr, "%s: %s\n", argv[0], error.text);
    return status == RHM_OK ? 0 : status == RHM_INVALID || status == RHM_UNSUPPORTED ? 2 : 1;
}
