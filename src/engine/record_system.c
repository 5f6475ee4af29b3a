/* The machine around the engine: topology, kernel settings that change how fast it is, environment variables. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/json.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/record.h"

/* Keys of JSON objects stand one to a line. */
/* clang-format off */

json_t *rhm_record_unavailable(const char *reason) {
    return json_pack("{s:s}", "unavailable", reason);
}

static json_t *set_text(hwloc_const_bitmap_t set) {
    char text[512];
    hwloc_bitmap_list_snprintf(text, sizeof text, set);
    return json_string(text);
}

/* One entry per cache level with data. All of a level are alike but on hybrid machines: there the first speaks. */
static json_t *list_caches(hwloc_topology_t hwloc) {
    static const hwloc_obj_type_t types[] = {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE,
                                             HWLOC_OBJ_L4CACHE};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const hwloc_obj_t cache = hwloc_get_obj_by_type(hwloc, types[i], 0);
        if (cache)
            rhm_json_append(&list, json_pack("{s:i, s:I, s:i, s:i, s:i}",
                                             "level", (int)cache->attr->cache.depth,
                                             "bytes", (json_int_t)cache->attr->cache.size,
                                             "line_bytes", (int)cache->attr->cache.linesize,
                                             "count", hwloc_get_nbobjs_by_type(hwloc, types[i]),
                                             "pus_sharing", hwloc_bitmap_weight(cache->cpuset)));
    }
    return list;
}

static json_t *list_nodes(hwloc_topology_t hwloc) {
    json_t *list = json_array();
    for (hwloc_obj_t node = NULL; (node = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, node));)
        rhm_json_append(&list, json_pack("{s:i, s:I, s:o}",
                                         "node_os", (int)node->os_index,
                                         "memory_bytes", (json_int_t)node->attr->numanode.local_memory,
                                         "cpus", set_text(node->cpuset)));
    return list;
}

json_t *rhm_record_topology(const rhm_engine *engine) {
    const rhm_topology *topology = &engine->topology;
    return json_pack("{s:b, s:i, s:i, s:i, s:o, s:o}",
                     "this_system", topology->this_system,
                     "packages", topology->packages,
                     "cores", topology->cores,
                     "pus", topology->pus,
                     "numa_nodes", list_nodes(topology->hwloc),
                     "caches", list_caches(topology->hwloc));
}

/* First line of a file, or the reason why there is none. Of "always [madvise] never" the word in brackets. */
static json_t *read_setting(const char *path) {
    FILE *file = fopen(path, "re");
    char line[256] = "";
    const bool read = file && fgets(line, sizeof line, file);
    if (file)
        fclose(file);
    if (!read)
        return rhm_record_unavailable("the kernel does not show it");
    line[strcspn(line, "\n")] = '\0';
    const char *open = strchr(line, '[');
    char *close = open ? strchr(line, ']') : NULL;
    if (!close)
        return rhm_json_text(line);
    *close = '\0';
    return rhm_json_text(open + 1);
}

/* The setting of the first allowed CPU, or "mixed" where others differ. */
static json_t *read_governor(const rhm_topology *topology) {
    json_t *governor = NULL;
    hwloc_const_cpuset_t set = hwloc_topology_get_topology_cpuset(topology->hwloc);
    for (int pu = hwloc_bitmap_first(set); pu >= 0; pu = hwloc_bitmap_next(set, pu)) {
        char path[96];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", pu);
        json_t *here = read_setting(path);
        if (!here || (governor && !json_equal(governor, here))) {
            json_decref(governor);
            json_t *mixed = here ? json_string("mixed") : NULL;
            json_decref(here);
            return mixed;
        }
        json_decref(governor);
        governor = here;
    }
    return governor;
}

static json_t *read_turbo(void) {
    json_t *boost = read_setting("/sys/devices/system/cpu/cpufreq/boost");
    if (json_is_string(boost)) {
        json_t *on = json_boolean(strcmp(json_string_value(boost), "0") != 0);
        json_decref(boost);
        return on;
    }
    if (!boost)
        return NULL;
    json_t *off = read_setting("/sys/devices/system/cpu/intel_pstate/no_turbo");
    json_decref(boost);
    if (!json_is_string(off))
        return off;
    json_t *on = json_boolean(strcmp(json_string_value(off), "0") == 0);
    json_decref(off);
    return on;
}

json_t *rhm_record_system(const rhm_engine *engine) {
    struct utsname name;
    const bool named = uname(&name) == 0;
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}",
                     "kernel", named ? name.release : "unknown",
                     "governor", read_governor(&engine->topology),
                     "turbo", read_turbo(),
                     "smt", read_setting("/sys/devices/system/cpu/smt/control"),
                     "transparent_huge_pages", read_setting("/sys/kernel/mm/transparent_hugepage/enabled"),
                     "numa_balancing", read_setting("/proc/sys/kernel/numa_balancing"));
}

json_t *rhm_record_environment(void) {
    static const char *const prefixes[] = {"OMP_", "GOMP_", "KMP_", "HWLOC_", "RHM_", "ONEDNN_", "DNNL_", "OPENBLAS_"};
    json_t *variables = json_object();
    for (char **entry = environ; variables && *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        for (size_t i = 0; equals && i < sizeof prefixes / sizeof *prefixes; i++) {
            if (strncmp(*entry, prefixes[i], strlen(prefixes[i])) != 0)
                continue;
            char key[128];
            const size_t length = (size_t)(equals - *entry);
            if (length < sizeof key) {
                memcpy(key, *entry, length);
                key[length] = '\0';
                rhm_json_set(&variables, key, rhm_json_text(equals + 1));
            }
        }
    }
    return variables;
}
