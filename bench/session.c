#include "session.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "ceilings_session.h"
#include "engine/record.h"
#include "gbench.h"
#include "rhm/rhm.h"

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

int session_allowed_cpus(void) {
    cpu_set_t *set = NULL;
    int count = 0;
    /* The kernel refuses a set smaller than its own; machines above 1024 CPUs exist. */
    for (int cpus = 1024; count == 0 && cpus <= 1 << 20; cpus *= 2) {
        const size_t nbytes = CPU_ALLOC_SIZE(cpus);
        set = CPU_ALLOC(cpus);
        if (set && sched_getaffinity(0, nbytes, set) == 0)
            count = CPU_COUNT_S(nbytes, set);
        CPU_FREE(set);
    }
    return count > 0 ? count : 1;
}

int session_thread_counts(int *counts, int room) {
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
        {"cpus_allowed", allowed},      {"isa_widest", rhm_isa_name(rhm_ceilings_widest_isa())},
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
            printf("%s\n\n%s", about, gb_help());
            return 0;
        }
    rhm_status status = gb_init(&argc, argv, &error);
    if (status == RHM_OK && gb_report_unrecognized(argc, argv))
        return 2;
    if (status == RHM_OK)
        status = add_context(&error);
    if (status == RHM_OK) {
        register_all();
        status = gb_run(NULL, NULL, NULL, &error);
    }
    gb_shutdown();
    if (status != RHM_OK)
        fprintf(stderr, "%s: %s\n", argv[0], error.text);
    return status == RHM_OK ? 0 : status == RHM_INVALID || status == RHM_UNSUPPORTED ? 2 : 1;
}
