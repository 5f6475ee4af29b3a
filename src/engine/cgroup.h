/*
 * Limits that the control groups of this process set and hwloc does not know: CPU quota, throttling, memory. Version 2,
 * version 1 and both mounted at once. Everything is read from files, so tests hand in a directory that holds fake ones.
 */
#ifndef RHM_ENGINE_CGROUP_H
#define RHM_ENGINE_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* How often the scheduler has stopped the group because its quota was spent. */
typedef struct rhm_throttling {
    bool known;
    uint64_t periods;
    uint64_t throttled_periods;
    uint64_t throttled_usec;
} rhm_throttling;

typedef struct rhm_cgroup {
    double quota_cpus;            /* CPU seconds per second that the tightest group of the path allows; 0: no quota */
    uint64_t memory_limit_nbytes; /* of the tightest group; UINT64_MAX: none */
    rhm_throttling throttling;    /* of the group that sets the quota, else of our own */
    char quota_file[PATH_MAX];    /* where these were found, "" where there is none */
    char memory_file[PATH_MAX];
    char throttling_file[PATH_MAX];
} rhm_cgroup;

/* `root` is put before every path that is opened: "" in production. Files that are missing or odd set no limit. */
void rhm_cgroup_read(rhm_cgroup *out, const char *root);

/* The throttling counters as they are now. */
rhm_throttling rhm_cgroup_throttling(const rhm_cgroup *cgroup, const char *root);

/* Threads that a quota can keep busy: rounded up; INT_MAX without one. */
int rhm_cgroup_threads(const rhm_cgroup *cgroup);

#endif
