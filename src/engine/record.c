#include "engine/record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"
#include "engine/engine.h"

/* Keys of JSON objects stand one to a line. */
/* clang-format off */

static void note(json_t **notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(json_t **notes, const char *format, ...) {
    char sentence[RHM_SENTENCE_NBYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    rhm_json_append(notes, rhm_json_text(sentence));
}

static json_t *number_or_null(int value) {
    return value < 0 ? json_null() : json_integer(value);
}

/* JSON readers keep 53 bits at least and jansson 63; no limit is null. */
static json_t *nbytes_or_null(uint64_t nbytes) {
    return nbytes > INT64_MAX ? json_null() : json_integer((json_int_t)nbytes);
}

static json_t *describe_place(const rhm_engine *engine, int thread) {
    if (!engine->plan.place)
        return json_null();
    const rhm_place *place = &engine->plan.place[thread];
    const int node_os = place->node < 0 ? -1 : (int)engine->topology.node[place->node].os_index;
    return json_pack("{s:i, s:i, s:o, s:o, s:o, s:o}",
                     "pu", place->pu,
                     "cpu", place->pu_os,
                     "core", number_or_null(place->core),
                     "l3", number_or_null(place->l3),
                     "package", number_or_null(place->package),
                     "node", number_or_null(node_os));
}

static json_t *describe_seat(const rhm_engine *engine, const rhm_seat *seat) {
    if (!seat->present)
        return rhm_record_unavailable("OpenMP gave the team fewer threads");
    if (!engine->topology.this_system)
        return rhm_record_unavailable("the topology is not of this system");
    const int node_os = seat->node < 0 ? -1 : (int)engine->topology.node[seat->node].os_index;
    return json_pack("{s:s, s:o, s:o}",
                     "cpus", seat->cpus,
                     "last_cpu", number_or_null(seat->last_pu_os),
                     "node", number_or_null(node_os));
}

/* Whether the thread is bound to the planned PU and to nothing else, and was last seen there. */
static bool sits_as_planned(const rhm_engine *engine, const rhm_seat *seat, int thread) {
    char planned[RHM_SEAT_CPUS_NBYTES];
    snprintf(planned, sizeof planned, "%d", engine->plan.place[thread].pu_os);
    return seat->present && strcmp(seat->cpus, planned) == 0 && seat->last_pu_os == engine->plan.place[thread].pu_os;
}

static json_t *describe_team(const rhm_engine *engine, json_t **notes) {
    rhm_seat *seats = RHM_NEW(rhm_seat, (size_t)engine->threads, 1, 1, "record of the team", NULL);
    if (!seats)
        return NULL;
    rhm_team_observe(&engine->team, seats);
    json_t *list = json_array();
    int missing = 0, astray = 0, refusal = 0;
    for (int i = 0; i < engine->threads; i++) {
        const bool planned = engine->team.binds;
        const bool ok = planned && sits_as_planned(engine, &seats[i], i);
        missing += !seats[i].present;
        astray += planned && seats[i].present && !ok;
        if (seats[i].bind_errno)
            refusal = seats[i].bind_errno;
        rhm_json_append(&list, json_pack("{s:i, s:o, s:o, s:o}",
                                         "thread", i,
                                         "planned", describe_place(engine, i),
                                         "actual", describe_seat(engine, &seats[i]),
                                         "as_planned", planned ? json_boolean(ok) : json_null()));
    }
    if (missing)
        note(notes, "OpenMP started %d of %d threads (OMP_THREAD_LIMIT or OMP_DYNAMIC).", engine->threads - missing,
             engine->threads);
    if (refusal)
        note(notes, "The system refused to bind threads: %s.", strerror(refusal));
    if (astray)
        note(notes, "%d of %d threads are not on the CPU planned for them.", astray, engine->threads);
    rhm_free(seats);
    return list;
}

static int threads_per_cpu(const rhm_engine *engine) {
    const int pus = engine->topology.pus;
    return engine->plan.place ? engine->plan.threads_per_pu : (engine->threads + pus - 1) / pus;
}

bool rhm_engine_shares_cpus(const rhm_engine *engine, char sentence[RHM_SENTENCE_NBYTES]) {
    const int sharing = threads_per_cpu(engine);
    if (sharing > 1)
        snprintf(sentence, RHM_SENTENCE_NBYTES, "%d threads for %d allowed CPU%s: %d of them share one.",
                 engine->threads, engine->topology.pus, engine->topology.pus == 1 ? "" : "s", sharing);
    return sharing > 1;
}

/* PUs that were left to others as far as possible. */
static json_t *describe_avoided(const rhm_engine *engine, json_t **notes) {
    const rhm_neighbours *others = &engine->neighbours;
    char cpus[512];
    hwloc_bitmap_t all = others->busy ? hwloc_bitmap_dup(others->busy) : NULL;
    if (!all || hwloc_bitmap_or(all, all, others->claimed) != 0 || hwloc_bitmap_iszero(all)) {
        hwloc_bitmap_free(all);
        return json_null();
    }
    hwloc_bitmap_list_snprintf(cpus, sizeof cpus, all);
    hwloc_bitmap_free(all);
    note(notes, "Other runs or processes use CPUs %s: threads keep off them as far as others are left.", cpus);
    return json_string(cpus);
}

static json_t *describe_placement(const rhm_engine *engine, json_t **notes) {
    if (engine->affinity_variable)
        note(notes, "%s is set: it decides where threads run, and placement %s is not applied.",
             engine->affinity_variable, engine->placement_asked);
    if (!engine->topology.this_system)
        note(notes, "The topology is not of this system (HWLOC_XMLFILE or HWLOC_SYNTHETIC): "
                    "threads are planned but not bound.");
    char sentence[RHM_SENTENCE_NBYTES];
    if (rhm_engine_shares_cpus(engine, sentence))
        note(notes, "%s", sentence);
    if (engine->threads > rhm_cgroup_threads(&engine->cgroup))
        note(notes, "%d threads share a quota of %.2f CPUs: the scheduler will stop them again and again.",
             engine->threads, engine->cgroup.quota_cpus);
    return json_pack("{s:s, s:s, s:o, s:o, s:b}",
                     "asked", engine->placement_asked,
                     "in_effect", rhm_policy_name(engine->plan.policy),
                     "avoided", describe_avoided(engine, notes),
                     "decided_by", engine->affinity_variable ? json_string(engine->affinity_variable) : json_null(),
                     "oversubscribed", threads_per_cpu(engine) > 1);
}

static json_t *describe_allowed(const rhm_engine *engine) {
    hwloc_topology_t hwloc = engine->topology.hwloc;
    char cpus[512], machine[512], nodes[512];
    hwloc_bitmap_list_snprintf(cpus, sizeof cpus, hwloc_topology_get_topology_cpuset(hwloc));
    hwloc_bitmap_list_snprintf(machine, sizeof machine, hwloc_topology_get_complete_cpuset(hwloc));
    hwloc_bitmap_list_snprintf(nodes, sizeof nodes, hwloc_topology_get_topology_nodeset(hwloc));
    return json_pack("{s:s, s:s, s:s}", "cpus", cpus, "nodes", nodes, "known_cpus", machine);
}

static json_t *describe_quota(const rhm_cgroup *cgroup) {
    if (cgroup->quota_cpus <= 0)
        return json_pack("{s:n, s:n}", "cpus", "file");
    return json_pack("{s:f, s:o}", "cpus", cgroup->quota_cpus, "file", rhm_json_text(cgroup->quota_file));
}

static json_t *describe_throttling(const rhm_cgroup *cgroup, json_t **notes) {
    const rhm_throttling then = cgroup->throttling, now = rhm_cgroup_throttling(cgroup, "");
    if (!now.known)
        return rhm_record_unavailable("no control group counts it");
    if (now.throttled_periods > then.throttled_periods)
        note(notes, "The CPU quota stopped this process in %llu scheduling periods since the engine started.",
             (unsigned long long)(now.throttled_periods - then.throttled_periods));
    return json_pack("{s:I, s:I, s:I, s:I, s:I}",
                     "periods", (json_int_t)now.periods,
                     "throttled_periods", (json_int_t)now.throttled_periods,
                     "throttled_usec", (json_int_t)now.throttled_usec,
                     "throttled_periods_since_start", (json_int_t)(now.throttled_periods - then.throttled_periods),
                     "throttled_usec_since_start", (json_int_t)(now.throttled_usec - then.throttled_usec));
}

static const char *reason_of(int failure) {
    switch (failure) {
    case EPERM: return "the system denies it (containers grant it with CAP_SYS_NICE)";
    case ENOSYS: return "the kernel does not offer it";
    default: return strerror(failure);
    }
}

static json_t *describe_row(const rhm_engine *engine, const rhm_ledger_row *row) {
    static const char *const homes[] = {"first touch", "one node", "interleaved", "near threads"};
    json_t *pages;
    if (row->locate_errno) {
        pages = rhm_record_unavailable(reason_of(row->locate_errno));
    } else {
        json_t *nodes = json_object();
        for (int i = 0; i < engine->topology.node_count; i++) {
            char key[16];
            snprintf(key, sizeof key, "%u", engine->topology.node[i].os_index);
            rhm_json_set(&nodes, key, json_integer((json_int_t)row->per_node[i]));
        }
        pages = json_pack("{s:I, s:I, s:I, s:o}",
                          "on_plan", (json_int_t)row->on_plan,
                          "off_plan", (json_int_t)row->off_plan,
                          "untouched", (json_int_t)row->untouched,
                          "by_node", nodes);
    }
    return json_pack("{s:s, s:s, s:I, s:I, s:b, s:b, s:o}",
                     "name", row->name,
                     "home", homes[row->home],
                     "buffers", (json_int_t)row->buffers,
                     "largest_bytes", (json_int_t)row->largest_nbytes,
                     "bound", row->bound,
                     "huge_pages", row->huge,
                     "sampled_pages", pages);
}

static json_t *describe_memory(const rhm_engine *engine, json_t **notes) {
    rhm_ledger *ledger = engine->ledger;
    json_t *rows = json_array();
    pthread_mutex_lock(&ledger->mutex);
    for (int i = 0; i < ledger->rows; i++)
        rhm_json_append(&rows, describe_row(engine, &ledger->row[i]));
    pthread_mutex_unlock(&ledger->mutex);
    if (ledger->bind_errno && engine->topology.node_count > 1)
        note(notes, "Memory cannot be bound to nodes, %s: pages are placed by first touch, "
                    "and the kernel may move them later.",
             reason_of(ledger->bind_errno));
    json_t *binding = ledger->bind_errno ? rhm_record_unavailable(reason_of(ledger->bind_errno)) : json_true();
    json_t *location = ledger->locate_errno ? rhm_record_unavailable(reason_of(ledger->locate_errno)) : json_true();
    return json_pack("{s:I, s:o, s:o, s:s, s:I, s:I, s:o, s:o, s:o}",
                     "physical_bytes", (json_int_t)engine->physical_nbytes,
                     "cgroup_limit_bytes", nbytes_or_null(engine->cgroup.memory_limit_nbytes),
                     "limit_bytes", nbytes_or_null(engine->memory_limit_nbytes),
                     "limit_decided_by", engine->memory_limit_from,
                     "used_bytes", (json_int_t)rhm_memory_used(engine),
                     "peak_bytes", (json_int_t)rhm_memory_peak(engine),
                     "binding", binding,
                     "page_location", location,
                     "buffers", rows);
}

rhm_status rhm_engine_record(const rhm_engine *engine, json_t **out, rhm_error *error) {
    *out = NULL;
    json_t *notes = json_array();
    json_t *team = describe_team(engine, &notes);
    if (!team) {
        json_decref(notes);
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the machine record");
    }
    /* Their notes come in this order. */
    json_t *placement = describe_placement(engine, &notes);
    json_t *throttling = describe_throttling(&engine->cgroup, &notes);
    json_t *memory = describe_memory(engine, &notes);
    *out = json_pack("{s:o, s:{s:s, s:s}, s:o, s:o, s:o, s:o, s:{s:i, s:s}, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "cpu", rhm_json_text(engine->cpu),
                     "isa",
                         "in_use", rhm_isa_name(engine->isa),
                         "available", rhm_isa_name(engine->isa_of_cpu),
                     "topology", rhm_record_topology(engine),
                     "allowed", describe_allowed(engine),
                     "quota", describe_quota(&engine->cgroup),
                     "throttling", throttling,
                     "threads",
                         "count", engine->threads,
                         "decided_by", engine->threads_from,
                     "placement", placement,
                     "team", team,
                     "memory", memory,
                     "system", rhm_record_system(engine),
                     "environment", rhm_record_environment(),
                     "notes", notes);
    if (!*out)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the machine record");
    return RHM_OK;
}
