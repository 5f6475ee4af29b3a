/*
 * Runs in the guest (guest.py): checks against the kernel, not against the engine's own records, that threads are on
 * their planned CPUs and pages on their planned nodes. Each group is a process of its own, for masks, groups and
 * filters stay.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/parallel.h"
#include "engine/record.h"

int guest_failures;

void guest_check(bool good, const char *format, ...) {
    if (good)
        return;
    guest_failures++;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

rhm_engine *guest_engine(const char *placement, int threads) {
    rhm_engine *engine;
    rhm_error error = {0};
    const rhm_engine_options options = {.placement = placement, .threads = threads};
    if (rhm_engine_create(&engine, &options, &error) != RHM_OK) {
        printf("no engine: %s\n", error.text);
        exit(1);
    }
    return engine;
}

static int only_cpu_of_mask(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) != 1)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            return cpu;
    return -1;
}

enum { MAX_SEATS = 8 };

typedef struct sightings {
    int mask_cpu[MAX_SEATS]; /* of each thread, -1 unless bound to one CPU */
    int ran_on[MAX_SEATS];
    int visits[MAX_SEATS];
    atomic_int arrived;
    int expected;
} sightings;

/* One chunk for each thread, and none is done before all have come: so each does one. */
static rhm_status look(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)chunk;
    (void)error;
    sightings *seen = context;
    seen->mask_cpu[thread] = only_cpu_of_mask();
    seen->ran_on[thread] = sched_getcpu();
    seen->visits[thread]++;
    atomic_fetch_add(&seen->arrived, 1);
    for (int i = 0; i < 10000 && atomic_load(&seen->arrived) < seen->expected; i++)
        usleep(1000);
    return RHM_OK;
}

static void expect_cpus(rhm_engine *engine, const char *what, const int *cpus, int threads) {
    const bool ours = engine->team.binds;
    sightings seen = {.expected = threads};
    rhm_error error = {0};
    guest_check(rhm_engine_threads(engine) == threads, "%s: %d threads, not %d", what, rhm_engine_threads(engine),
                threads);
    rhm_parallel(engine, (size_t)threads, look, &seen, &error);
    for (int i = 0; i < threads; i++) {
        guest_check(seen.visits[i] == 1, "%s: thread %d worked %d times", what, i, seen.visits[i]);
        guest_check(seen.mask_cpu[i] == cpus[i], "%s: thread %d is bound to %d, not %d", what, i, seen.mask_cpu[i],
                    cpus[i]);
        guest_check(seen.ran_on[i] == cpus[i], "%s: thread %d ran on %d, not %d", what, i, seen.ran_on[i], cpus[i]);
    }
    rhm_engine_destroy(engine);
    cpu_set_t after;
    sched_getaffinity(0, sizeof after, &after);
    guest_check(CPU_COUNT(&after) > 1 || !ours, "%s: the caller is still bound", what);
}

static void check_placement(void) {
    const rhm_engine_info info = rhm_engine_describe(guest_engine(NULL, 0));
    guest_check(info.numa_nodes == GUEST_NODES, "%d NUMA nodes, not %d", info.numa_nodes, GUEST_NODES);
    guest_check(info.threads == GUEST_CPUS, "%d threads, not %d", info.threads, GUEST_CPUS);
    expect_cpus(guest_engine("compact", 0), "compact", (int[]){0, 1, 2, 3}, 4);
    expect_cpus(guest_engine("compact", 3), "compact", (int[]){0, 1, 2}, 3);
    expect_cpus(guest_engine("scatter", 0), "scatter", (int[]){0, 2, 1, 3}, 4);
    expect_cpus(guest_engine("3,1", 0), "list", (int[]){3, 1}, 2);
    expect_cpus(guest_engine("scatter", 6), "oversubscribed", (int[]){0, 2, 1, 3, 0, 2}, 6);
}

static void check_affinity_mask(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(1, &set);
    CPU_SET(2, &set);
    sched_setaffinity(0, sizeof set, &set);
    expect_cpus(guest_engine("compact", 0), "mask 1-2", (int[]){1, 2}, 2);
    CPU_CLR(1, &set);
    CPU_SET(3, &set);
    sched_setaffinity(0, sizeof set, &set);
    rhm_engine *engine = guest_engine("compact", 0);
    guest_check(rhm_engine_describe(engine).numa_nodes == 1, "CPUs 2 and 3 have %d NUMA nodes",
                rhm_engine_describe(engine).numa_nodes);
    guest_check(engine->topology.node[0].os_index == 1, "their node is %u", engine->topology.node[0].os_index);
    expect_cpus(engine, "mask 2-3", (int[]){2, 3}, 2);
}

void guest_write_file(const char *path, const char *text) {
    const int file = open(path, O_WRONLY);
    const bool good = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    guest_check(good, "cannot write %s to %s: %s", text, path, strerror(errno));
    if (file >= 0)
        close(file);
}

/* A quota of 1.5 CPUs set two groups up, a cpuset in our own. */
static void check_control_group(void) {
    mkdir("/tmp/groups", 0700);
    if (mount("none", "/tmp/groups", "cgroup2", 0, NULL) != 0) {
        guest_check(false, "cannot mount cgroup2: %s", strerror(errno));
        return;
    }
    guest_write_file("/tmp/groups/cgroup.subtree_control", "+cpu +cpuset +memory");
    mkdir("/tmp/groups/outer", 0700);
    guest_write_file("/tmp/groups/outer/cgroup.subtree_control", "+cpu +cpuset +memory");
    mkdir("/tmp/groups/outer/inner", 0700);
    guest_write_file("/tmp/groups/outer/cpu.max", "150000 100000");
    guest_write_file("/tmp/groups/outer/memory.max", "209715200");
    guest_write_file("/tmp/groups/outer/inner/cgroup.procs", "0");
    rhm_engine *engine = guest_engine("compact", 0);
    guest_check(engine->cgroup.quota_cpus > 1.49 && engine->cgroup.quota_cpus < 1.51, "quota %g",
                engine->cgroup.quota_cpus);
    guest_check(engine->memory_limit_nbytes == 209715200, "memory limit %lu",
                (unsigned long)engine->memory_limit_nbytes);
    expect_cpus(engine, "quota 1.5", (int[]){0, 1}, 2);

    guest_write_file("/tmp/groups/outer/cpu.max", "max");
    guest_write_file("/tmp/groups/outer/inner/cpuset.cpus", "0,3");
    expect_cpus(guest_engine("scatter", 0), "cpuset 0,3", (int[]){0, 3}, 2);
}

/* With OMP_PROC_BIND and OMP_PLACES set (by run_group): libgomp has bound us before main. */
static void check_environment(void) {
    rhm_engine *engine = guest_engine("compact", 0);
    guest_check(strcmp(rhm_engine_describe(engine).placement, "environment") == 0, "placement %s",
                rhm_engine_describe(engine).placement);
    guest_check(!engine->team.binds, "the engine binds although the environment does");
    for (int i = 0; i < GUEST_CPUS; i++)
        guest_check(engine->thread_node[i] == guest_node_of_cpu(3 - i), "thread %d: node %d", i,
                    engine->thread_node[i]);
    expect_cpus(engine, "OMP_PLACES", (int[]){3, 2, 1, 0}, 4);
}

static void check_record(void) {
    rhm_engine *engine = guest_engine("scatter", 0);
    json_t *record;
    char *text;
    rhm_error error = {0};
    guest_check(rhm_engine_record(engine, &record, &error) == RHM_OK, "no record: %s", error.text);
    size_t i;
    const json_t *seat;
    json_array_foreach(json_object_get(record, "team"), i, seat) {
        guest_check(json_is_true(json_object_get(seat, "as_planned")), "thread %zu is not as planned", i);
        guest_check(json_integer_value(json_object_get(json_object_get(seat, "actual"), "node")) == (json_int_t)i % 2,
                    "thread %zu: wrong node in the record", i);
    }
    guest_check(i == GUEST_CPUS, "%zu threads in the record", i);
    guest_check(rhm_engine_record_text(record, &text, &error) == RHM_OK, "no text: %s", error.text);
    fputs(text, stdout);
    free(text);
    json_decref(record);
    rhm_engine_destroy(engine);
}

static void check_isa(const char *expected) {
    rhm_engine *engine = guest_engine(NULL, 0);
    guest_check(strcmp(rhm_isa_name(rhm_engine_isa(engine)), expected) == 0, "isa %s, not %s",
                rhm_isa_name(rhm_engine_isa(engine)), expected);
    rhm_engine_destroy(engine);
    rhm_error error = {0};
    const rhm_engine_options options = {.isa = "avx512"};
    guest_check(rhm_engine_create(&engine, &options, &error) == RHM_UNSUPPORTED, "avx512 was not refused");
    printf("isa %s; %s\n", expected, error.text);
}

static int run_group(const char *group, const char *argument) {
    if (strcmp(group, "environment") == 0) {
        setenv("OMP_PROC_BIND", "close", 1);
        setenv("OMP_PLACES", "{3},{2},{1},{0}", 1);
    }
    fflush(stdout);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    const pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "guest_engine", group, argument, (char *)NULL);
        _exit(127);
    }
    unsetenv("OMP_PROC_BIND");
    unsetenv("OMP_PLACES");
    int status = -1;
    waitpid(child, &status, 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    const double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    printf("%-12s %s, %.2f s\n", group, status == 0 ? "ok" : "FAILED", seconds);
    return status != 0;
}

int main(int argc, char **argv) {
    static const char *const groups[] = {"placement", "affinity", "cgroup", "environment",
                                         "memory",    "denied",   "record", "isa"};
    const char *group = argc > 1 ? argv[1] : "", *argument = argc > 2 ? argv[2] : "";
    if (strcmp(group, "all") == 0) {
        for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
            guest_failures += run_group(groups[i], argument);
        return guest_failures ? 1 : 0;
    }
    if (strcmp(group, "placement") == 0)
        check_placement();
    else if (strcmp(group, "affinity") == 0)
        check_affinity_mask();
    else if (strcmp(group, "cgroup") == 0)
        check_control_group();
    else if (strcmp(group, "environment") == 0)
        check_environment();
    else if (strcmp(group, "memory") == 0)
        guest_check_memory();
    else if (strcmp(group, "denied") == 0)
        guest_check_memory_denied();
    else if (strcmp(group, "record") == 0)
        check_record();
    else if (strcmp(group, "isa") == 0)
        check_isa(argument);
    else
        guest_check(false, "no group of checks is called \"%s\"", group);
    return guest_failures ? 1 : 0;
}
