#include "engine/neighbours.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/fail.h"
#include "core/memory.h"

/* Idle time is told in ticks of 10 ms: three of them tell an idle PU from a busy one. */
enum { MOMENT_MS = 30, CORE_NAME_NBYTES = 64 };

/*
 * A name in the abstract name space of local sockets: nothing in the file system, no rights to be granted, and the
 * kernel gives it back when the process ends. *out becomes -1 where the system has no such thing.
 */
static bool claim(const char *core, int *out) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    /* An abstract name starts with a zero byte and ends where the length says. */
    const int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "rhm/%s", core);
    const socklen_t nbytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    *out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (*out < 0 || bind(*out, (const struct sockaddr *)&name, nbytes) == 0)
        return true;
    const bool taken = errno == EADDRINUSE;
    close(*out);
    *out = -1;
    return !taken;
}

/* What processes with different masks call a core alike. */
static void name_core(char name[CORE_NAME_NBYTES], const rhm_topology *topology, int pu_os) {
    const hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(topology->hwloc, (unsigned)pu_os);
    const hwloc_obj_t core = pu ? hwloc_get_ancestor_obj_by_type(topology->hwloc, HWLOC_OBJ_CORE, pu) : NULL;
    const hwloc_obj_t package = pu ? hwloc_get_ancestor_obj_by_type(topology->hwloc, HWLOC_OBJ_PACKAGE, pu) : NULL;
    if (core && package)
        snprintf(name, CORE_NAME_NBYTES, "package-%u/core-%u", package->os_index, core->os_index);
    else
        snprintf(name, CORE_NAME_NBYTES, "cpu-%d", pu_os);
}

static void release(rhm_neighbours *n) {
    for (int i = 0; i < n->claims; i++)
        close(n->socket[i]);
    n->claims = 0;
}

/* The cores of a plan that can be claimed; those PUs of it that others have claimed are added to `lost`. */
static void claim_cores(rhm_neighbours *n, const rhm_topology *topology, const rhm_plan *plan, hwloc_bitmap_t lost) {
    for (int i = 0; i < plan->threads; i++) {
        char core[CORE_NAME_NBYTES];
        int held;
        const int pu_os = plan->place[i].pu_os;
        name_core(core, topology, pu_os);
        if (!claim(core, &held))
            hwloc_bitmap_set(lost, (unsigned)pu_os);
        else if (held >= 0)
            n->socket[n->claims++] = held;
    }
}

/* ---- what the system shows --------------------------------------------------------------------------------------- */

long long rhm_neighbours_idle_ticks(const char *text, int pu_os) {
    char key[24];
    snprintf(key, sizeof key, "\ncpu%d ", pu_os);
    const char *line = strstr(text, key);
    long long idle, waiting;
    /* cpuN user nice system idle iowait ... */
    if (!line || sscanf(line + strlen(key), "%*d %*d %*d %lld %lld", &idle, &waiting) != 2)
        return -1;
    return idle + waiting;
}

/* The whole file, to be freed; NULL where it cannot be read. */
static void read_text(char **text, const char *path) {
    FILE *file = fopen(path, "re");
    size_t capacity = 0;
    *text = NULL;
    if (file && getdelim(text, &capacity, '\0', file) <= 0) {
        free(*text);
        *text = NULL;
    }
    if (file)
        fclose(file);
}

/* /proc/loadavg: "0.00 0.01 0.05 2/345 6789", two threads of 345 running. We are one. */
static bool nothing_else_runs(void) {
    char *text;
    read_text(&text, "/proc/loadavg");
    int running = 0;
    const bool told = text && sscanf(text, "%*s %*s %*s %d/", &running) == 1;
    free(text);
    return told && running <= 1;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void find_busy(hwloc_bitmap_t busy, const rhm_topology *topology) {
    if (nothing_else_runs())
        return;
    const double start = now(), ticks = (double)sysconf(_SC_CLK_TCK);
    char *before, *after;
    read_text(&before, "/proc/stat");
    nanosleep(&(struct timespec){.tv_nsec = MOMENT_MS * 1000000L}, NULL);
    read_text(&after, "/proc/stat");
    const double moment = now() - start;
    hwloc_bitmap_t found = hwloc_bitmap_alloc();
    hwloc_const_cpuset_t all = hwloc_topology_get_topology_cpuset(topology->hwloc);
    if (before && after && found) {
        for (int pu = hwloc_bitmap_first(all); pu >= 0; pu = hwloc_bitmap_next(all, pu)) {
            const long long then = rhm_neighbours_idle_ticks(before, pu), later = rhm_neighbours_idle_ticks(after, pu);
            if (then >= 0 && later >= 0 && (double)(later - then) / ticks < moment / 2)
                hwloc_bitmap_set(found, (unsigned)pu);
        }
        if (!hwloc_bitmap_isequal(found, all))
            hwloc_bitmap_copy(busy, found);
    }
    hwloc_bitmap_free(found);
    free(before);
    free(after);
}

/* ------------------------------------------------------------------------------------------------------------------ */

/*
 * A core that turns out to be claimed, or that another run claims between the plan and our own claim, is known for the
 * next plan. In the end nothing new is lost: only what was planned although it is known to be claimed, for want of
 * other cores.
 */
static rhm_status plan_and_claim(rhm_neighbours *n, rhm_plan *plan, const rhm_topology *topology, int threads,
                                 hwloc_bitmap_t lost, rhm_error *error) {
    for (;;) {
        RHM_TRY(rhm_plan_make_beside(plan, topology, threads, n->busy, n->claimed, error));
        hwloc_bitmap_zero(lost);
        claim_cores(n, topology, plan, lost);
        if (hwloc_bitmap_isincluded(lost, n->claimed))
            return RHM_OK;
        hwloc_bitmap_or(n->claimed, n->claimed, lost);
        release(n);
        rhm_plan_clear(plan);
    }
}

rhm_status rhm_neighbours_plan(rhm_neighbours *out, rhm_plan *plan, const rhm_topology *topology, int threads,
                               rhm_error *error) {
    *out = (rhm_neighbours){.busy = hwloc_bitmap_alloc(), .claimed = hwloc_bitmap_alloc()};
    hwloc_bitmap_t lost = hwloc_bitmap_alloc();
    out->socket = RHM_NEW(int, (size_t)threads, 1, 1, "claims of cores", error);
    rhm_status status = RHM_NO_MEMORY;
    if (!out->busy || !out->claimed || !lost)
        rhm_fail(error, status, "the system refused memory for a set of CPUs");
    else if (out->socket) {
        find_busy(out->busy, topology);
        status = plan_and_claim(out, plan, topology, threads, lost, error);
    }
    hwloc_bitmap_free(lost);
    return status;
}

void rhm_neighbours_clear(rhm_neighbours *neighbours) {
    release(neighbours);
    rhm_free(neighbours->socket);
    hwloc_bitmap_free(neighbours->busy);
    hwloc_bitmap_free(neighbours->claimed);
    *neighbours = (rhm_neighbours){0};
}
