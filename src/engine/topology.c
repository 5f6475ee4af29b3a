#include "engine/topology.h"

#include <errno.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

/*
 * Of the nodes that are local to a PU its home is one that the fewest PUs share (memory may be attached to a whole
 * package or machine as well), and of these the one with the lowest number: firmware lists DRAM before other kinds.
 */
static hwloc_obj_t home_node(hwloc_topology_t hwloc, unsigned pu_os) {
    hwloc_obj_t home = NULL;
    int sharing = 0;
    for (hwloc_obj_t node = NULL; (node = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, node));) {
        if (!hwloc_bitmap_isset(node->cpuset, pu_os))
            continue;
        const int pus = hwloc_bitmap_weight(node->cpuset);
        if (!home || pus < sharing || (pus == sharing && node->os_index < home->os_index)) {
            home = node;
            sharing = pus;
        }
    }
    return home;
}

static int find_node(const rhm_topology *topology, unsigned os_index) {
    for (int i = 0; i < topology->node_count; i++)
        if (topology->node[i].os_index == os_index)
            return i;
    return -1;
}

/* Nodes in the order of their numbers, each with the PUs whose home it is. */
static rhm_status survey(rhm_topology *topology, rhm_error *error) {
    hwloc_topology_t hwloc = topology->hwloc;
    topology->pus = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_PU);
    const int cores = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_CORE);
    topology->cores = cores > 0 ? cores : topology->pus;
    const int packages = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_PACKAGE);
    topology->packages = packages > 0 ? packages : 1;
    if (topology->pus <= 0)
        return rhm_fail(error, RHM_UNSUPPORTED, "hwloc finds no processing unit that this process may use");

    const int all = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_NUMANODE);
    rhm_node *nodes = RHM_NEW(rhm_node, all > 0 ? (size_t)all : 1, 1, 1, "NUMA nodes", error);
    if (!nodes)
        return RHM_NO_MEMORY;
    rhm_free(topology->node);
    topology->node = nodes;
    topology->node_count = 0;
    for (hwloc_obj_t pu = NULL; (pu = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_PU, pu));) {
        const hwloc_obj_t home = home_node(hwloc, pu->os_index);
        if (!home)
            continue;
        int at = find_node(topology, home->os_index);
        if (at < 0) {
            for (at = topology->node_count++; at > 0 && nodes[at - 1].os_index > home->os_index; at--)
                nodes[at] = nodes[at - 1];
            nodes[at] = (rhm_node){.os_index = home->os_index, .memory_nbytes = home->attr->numanode.local_memory};
        }
        nodes[at].pus++;
    }
    if (topology->node_count == 0) {
        topology->node_count = 1;
        nodes[0].pus = topology->pus;
    }
    return RHM_OK;
}

rhm_status rhm_topology_load(rhm_topology *out, const char *synthetic, const char *xml_path, rhm_error *error) {
    *out = (rhm_topology){0};
    if (hwloc_topology_init(&out->hwloc) != 0)
        return rhm_fail(error, RHM_NO_MEMORY, "hwloc cannot set up a topology: %s", strerror(errno));
    rhm_status status;
    hwloc_topology_set_flags(out->hwloc, HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING);
    if (synthetic && hwloc_topology_set_synthetic(out->hwloc, synthetic) != 0) {
        status = rhm_fail(error, RHM_INVALID, "\"%s\" is not a synthetic topology that hwloc understands", synthetic);
        goto fail;
    }
    if (xml_path && hwloc_topology_set_xml(out->hwloc, xml_path) != 0) {
        status = rhm_fail(error, RHM_INVALID, "%s is not a topology that hwloc can import", xml_path);
        goto fail;
    }
    if (hwloc_topology_load(out->hwloc) != 0) {
        status = rhm_fail(error, RHM_UNSUPPORTED, "hwloc cannot read the topology of %s: %s",
                          synthetic  ? synthetic
                          : xml_path ? xml_path
                                     : "this machine",
                          strerror(errno));
        goto fail;
    }
    out->this_system = hwloc_topology_is_thissystem(out->hwloc);
    status = survey(out, error);
    if (status == RHM_OK)
        return RHM_OK;

fail:
    rhm_topology_clear(out);
    return status;
}

rhm_status rhm_topology_restrict(rhm_topology *topology, hwloc_const_cpuset_t allowed, rhm_error *error) {
    if (hwloc_bitmap_isincluded(hwloc_topology_get_topology_cpuset(topology->hwloc), allowed))
        return RHM_OK;
    if (hwloc_topology_restrict(topology->hwloc, allowed, 0) != 0)
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "the affinity mask of this process and its cgroup's cpuset have no CPU in common: %s",
                        strerror(errno));
    return survey(topology, error);
}

void rhm_topology_clear(rhm_topology *topology) {
    if (topology->hwloc)
        hwloc_topology_destroy(topology->hwloc);
    rhm_free(topology->node);
    *topology = (rhm_topology){0};
}

int rhm_topology_node_of_pu(const rhm_topology *topology, unsigned pu_os) {
    const hwloc_obj_t home = home_node(topology->hwloc, pu_os);
    return home ? find_node(topology, home->os_index) : topology->node_count == 1 ? 0 : -1;
}

int rhm_topology_node_of_set(const rhm_topology *topology, hwloc_const_cpuset_t set) {
    if (topology->node_count == 1)
        return 0;
    int node = -1;
    for (int pu = hwloc_bitmap_first(set); pu >= 0; pu = hwloc_bitmap_next(set, pu)) {
        const int here = rhm_topology_node_of_pu(topology, (unsigned)pu);
        if (here < 0 || (node >= 0 && here != node))
            return -1;
        node = here;
    }
    return node;
}
