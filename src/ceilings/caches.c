#include "ceilings/caches.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/cgroup.h"
#include "engine/topology.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

typedef struct caches {
    bool known;
    uint64_t l1, l2, l3;  /* bytes of one cache; 0 where there is none */
    uint64_t cores_on_l3; /* that share one */
    uint64_t last_level;  /* bytes of all caches of the largest level */
} caches;

static uint64_t cache_nbytes(hwloc_topology_t topology, hwloc_obj_type_t type) {
    const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
    return cache ? cache->attr->cache.size : 0;
}

static void read_caches(caches *c) {
    rhm_topology topology = {0};
    if (rhm_topology_load(&topology, NULL, NULL, NULL) != RHM_OK)
        return;
    c->l1 = cache_nbytes(topology.hwloc, HWLOC_OBJ_L1CACHE);
    c->l2 = cache_nbytes(topology.hwloc, HWLOC_OBJ_L2CACHE);
    c->l3 = cache_nbytes(topology.hwloc, HWLOC_OBJ_L3CACHE);
    const hwloc_obj_type_t last = c->l3 ? HWLOC_OBJ_L3CACHE : c->l2 ? HWLOC_OBJ_L2CACHE : HWLOC_OBJ_L1CACHE;
    const int count = hwloc_get_nbobjs_by_type(topology.hwloc, last);
    c->last_level = cache_nbytes(topology.hwloc, last) * (uint64_t)(count > 0 ? count : 0);
    const hwloc_obj_t l3 = c->l3 ? hwloc_get_obj_by_type(topology.hwloc, HWLOC_OBJ_L3CACHE, 0) : NULL;
    const int cores = l3 ? hwloc_get_nbobjs_inside_cpuset_by_type(topology.hwloc, l3->cpuset, HWLOC_OBJ_CORE) : 1;
    c->cores_on_l3 = (uint64_t)(cores > 0 ? cores : 1);
    c->known = true;
    rhm_topology_clear(&topology);
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t usable_memory_nbytes(void) {
    rhm_cgroup group;
    rhm_cgroup_read(&group, "");
    return smaller(group.memory_limit_nbytes, (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}

uint64_t rhm_ceilings_working_set(rhm_ceilings_memory where, unsigned arrays, int threads, char *reason,
                                  size_t reason_nbytes) {
    caches c = {0};
    read_caches(&c);
    const uint64_t team = (uint64_t)threads, size[] = {c.l1, c.l2, c.l3, c.last_level};
    if (!c.known || size[where] == 0) {
        snprintf(reason, reason_nbytes, "the system reports no %s cache",
                 where == CEILINGS_DRAM ? "last-level" : rhm_ceilings_memory_name(where));
        return 0;
    }
    switch (where) {
    case CEILINGS_L1: return c.l1 / 2;
    case CEILINGS_L2: return c.l2 / 2;
    case CEILINGS_L3: return larger(c.l3 / (2 * c.cores_on_l3), 2 * c.l2);
    default: break;
    }
    /* Four times the caches hide what is left in them. Where that is much memory to take beside a run, twice they do as
     * well but for a few percent. */
    const uint64_t array = larger(smaller(4 * c.last_level, 512 * MIB), 2 * c.last_level);
    const uint64_t wish = larger(array, 64 * MIB) * arrays;
    const uint64_t total = smaller(wish, smaller(4 * GIB, usable_memory_nbytes() / 4));
    if (total < 2 * c.last_level) {
        snprintf(reason, reason_nbytes, "%" PRIu64 " MiB may be used, less than twice the caches' %" PRIu64 " KiB",
                 total / MIB, c.last_level / KIB);
        return 0;
    }
    return total / team;
}
