#include "engine/rank_share.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fail.h"
#include "core/memory.h"
#include "ranks/group.h"

enum { MASK_NBYTES = 256 };

/* The `index`th of `parts` parts of the cores. */
static rhm_status take_part(rhm_topology *topology, int index, int parts, rhm_error *error) {
    const int cores = topology->cores;
    const int first = parts <= cores ? index * cores / parts : index % cores;
    const int end = parts <= cores ? (index + 1) * cores / parts : first + 1;
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (!set)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a set of CPUs");
    for (int i = first; i < end; i++) {
        const hwloc_obj_t core = hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_CORE, (unsigned)i);
        const hwloc_obj_t pu = core ? core : hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_PU, (unsigned)i);
        if (pu)
            hwloc_bitmap_or(set, set, pu->cpuset);
    }
    const rhm_status status = rhm_topology_restrict(topology, set, error);
    hwloc_bitmap_free(set);
    return status;
}

rhm_status rhm_rank_share(rhm_topology *topology, rhm_ranks *ranks, rhm_error *error) {
    if (!ranks)
        return RHM_OK;
    const int own = rhm_ranks_rank(ranks), size = rhm_ranks_size(ranks);
    char *mask = RHM_NEW(char, (size_t)size, MASK_NBYTES, 1, "CPUs of ranks", error);
    if (!mask)
        return RHM_NO_MEMORY;
    hwloc_bitmap_list_snprintf(mask + own * MASK_NBYTES, MASK_NBYTES,
                               hwloc_topology_get_topology_cpuset(topology->hwloc));
    rhm_status status = rhm_ranks_gather_equal(ranks, mask, MASK_NBYTES, error);
    int parts = 0, index = 0;
    for (int rank = 0; status == RHM_OK && rank < size; rank++) {
        const bool same = rhm_ranks_machine(ranks, rank) == rhm_ranks_machine(ranks, own) &&
                          !strcmp(mask + rank * MASK_NBYTES, mask + own * MASK_NBYTES);
        parts += same;
        index += same && rank < own;
    }
    if (status == RHM_OK && parts > 1)
        status = take_part(topology, index, parts, error);
    rhm_free(mask);
    return status;
}

/* A file of a kernel's, in whatever place it is mounted; all zero: there is none. */
typedef struct file_identity {
    uint64_t device, number;
} file_identity;

static file_identity identify(const char *path) {
    struct stat status;
    if (!*path || stat(path, &status) != 0)
        return (file_identity){0};
    return (file_identity){status.st_dev, status.st_ino};
}

static bool same_file(file_identity a, file_identity b) {
    return a.device == b.device && a.number == b.number;
}

rhm_status rhm_rank_find_sharing(rhm_rank_sharing *out, const rhm_cgroup *cgroup, rhm_ranks *ranks, rhm_error *error) {
    struct groups {
        file_identity memory, quota;
    };
    *out = (rhm_rank_sharing){1, 1, 1};
    if (!ranks)
        return RHM_OK;
    const int own = rhm_ranks_rank(ranks);
    struct groups *all = RHM_NEW(struct groups, (size_t)rhm_ranks_size(ranks), 1, 1, "control groups of ranks", error);
    if (!all)
        return RHM_NO_MEMORY;
    all[own] = (struct groups){identify(cgroup->memory_file), identify(cgroup->quota_file)};
    const rhm_status status = rhm_ranks_gather_equal(ranks, all, sizeof *all, error);
    for (int rank = 0; status == RHM_OK && rank < rhm_ranks_size(ranks); rank++) {
        if (rank == own || rhm_ranks_machine(ranks, rank) != rhm_ranks_machine(ranks, own))
            continue;
        out->machine++;
        out->memory += same_file(all[rank].memory, all[own].memory);
        out->quota += same_file(all[rank].quota, all[own].quota);
    }
    rhm_free(all);
    return status;
}

rhm_status rhm_rank_places(rhm_rank_place **out, const rhm_topology *topology, int threads, rhm_ranks *ranks,
                           rhm_error *error) {
    *out = NULL;
    if (!ranks)
        return RHM_OK;
    rhm_rank_place *place = RHM_NEW(rhm_rank_place, (size_t)rhm_ranks_size(ranks), 1, 1, "places of ranks", error);
    if (!place)
        return RHM_NO_MEMORY;
    rhm_rank_place *own = &place[rhm_ranks_rank(ranks)];
    hwloc_bitmap_list_snprintf(own->cpus, sizeof own->cpus, hwloc_topology_get_topology_cpuset(topology->hwloc));
    own->threads = threads;
    const rhm_status status = rhm_ranks_gather_equal(ranks, place, sizeof *place, error);
    if (status == RHM_OK)
        *out = place;
    else
        rhm_free(place);
    return status;
}

rhm_status rhm_rank_least(rhm_ranks *ranks, uint64_t *value, rhm_error *error) {
    if (!ranks)
        return RHM_OK;
    const size_t size = (size_t)rhm_ranks_size(ranks);
    uint64_t *all = RHM_NEW(uint64_t, size, 1, 1, "values of ranks", error);
    if (!all)
        return RHM_NO_MEMORY;
    all[rhm_ranks_rank(ranks)] = *value;
    const rhm_status status = rhm_ranks_gather_equal(ranks, all, sizeof *all, error);
    for (size_t rank = 0; status == RHM_OK && rank < size; rank++)
        *value = all[rank] < *value ? all[rank] : *value;
    rhm_free(all);
    return status;
}
