/* The machine record as a page of text. Reads the JSON and nothing else, so that a stored record prints the same. */
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/record.h"

enum { CELL_NBYTES = 160 };

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "?";
}

static long long integer_of(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

/* A value in a cell of a line: "-" for null, the reason for what is unavailable. */
static const char *cell(char out[CELL_NBYTES], const json_t *value) {
    const char *reason = json_string_value(json_object_get(value, "unavailable"));
    if (reason)
        snprintf(out, CELL_NBYTES, "unavailable (%s)", reason);
    else if (json_is_string(value))
        snprintf(out, CELL_NBYTES, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(out, CELL_NBYTES, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        snprintf(out, CELL_NBYTES, "%s", json_is_true(value) ? "on" : "off");
    else
        snprintf(out, CELL_NBYTES, "-");
    return out;
}

static const char *size_cell(char out[CELL_NBYTES], const json_t *value) {
    if (!json_is_integer(value))
        return cell(out, value);
    const double nbytes = (double)json_integer_value(value);
    if (nbytes < 1 << 20)
        snprintf(out, CELL_NBYTES, "%.4g KiB", nbytes / (1 << 10));
    else if (nbytes < 1 << 30)
        snprintf(out, CELL_NBYTES, "%.4g MiB", nbytes / (1 << 20));
    else
        snprintf(out, CELL_NBYTES, "%.1f GiB", nbytes / (1 << 30));
    return out;
}

static void print_topology(FILE *file, const json_t *record) {
    char a[CELL_NBYTES], b[CELL_NBYTES];
    const json_t *topology = json_object_get(record, "topology");
    const json_t *nodes = json_object_get(topology, "numa_nodes"), *caches = json_object_get(topology, "caches");
    fprintf(file, "topology     packages %lld, cores %lld, PUs %lld, NUMA nodes %zu%s\n",
            integer_of(topology, "packages"), integer_of(topology, "cores"), integer_of(topology, "pus"),
            json_array_size(nodes),
            json_is_true(json_object_get(topology, "this_system")) ? "" : " (not of this system)");
    size_t i;
    const json_t *entry;
    json_array_foreach(nodes, i, entry) {
        fprintf(file, "             node %lld: %s, CPUs %s\n", integer_of(entry, "node_os"),
                size_cell(a, json_object_get(entry, "memory_bytes")), text_of(entry, "cpus"));
    }
    json_array_foreach(caches, i, entry) {
        fprintf(file, "             L%lld: %lld x %s, shared by %s\n", integer_of(entry, "level"),
                integer_of(entry, "count"), size_cell(a, json_object_get(entry, "bytes")),
                cell(b, json_object_get(entry, "pus_sharing")));
    }
}

static void print_limits(FILE *file, const json_t *record) {
    char a[CELL_NBYTES], b[CELL_NBYTES], c[CELL_NBYTES];
    const json_t *allowed = json_object_get(record, "allowed"), *quota = json_object_get(record, "quota");
    const json_t *throttling = json_object_get(record, "throttling");
    fprintf(file, "allowed      CPUs %s of %s, NUMA nodes %s\n", text_of(allowed, "cpus"),
            text_of(allowed, "known_cpus"), text_of(allowed, "nodes"));
    if (json_is_real(json_object_get(quota, "cpus")))
        fprintf(file, "quota        %.2f CPUs (%s)\n", json_real_value(json_object_get(quota, "cpus")),
                text_of(quota, "file"));
    else
        fprintf(file, "quota        none\n");
    if (json_object_get(throttling, "unavailable"))
        fprintf(file, "throttling   %s\n", cell(a, throttling));
    else
        fprintf(file, "throttling   %lld of %lld periods, %.3f s\n", integer_of(throttling, "throttled_periods"),
                integer_of(throttling, "periods"), 1e-6 * (double)integer_of(throttling, "throttled_usec"));

    const json_t *memory = json_object_get(record, "memory");
    fprintf(file, "memory       limit %s, physical %s, control group %s\n",
            size_cell(a, json_object_get(memory, "limit_bytes")),
            size_cell(b, json_object_get(memory, "physical_bytes")),
            size_cell(c, json_object_get(memory, "cgroup_limit_bytes")));
    fprintf(file, "             large arrays %s, at most %s so far\n",
            size_cell(a, json_object_get(memory, "used_bytes")), size_cell(b, json_object_get(memory, "peak_bytes")));
    fprintf(file, "             binding to nodes %s, location of pages %s\n",
            cell(a, json_object_get(memory, "binding")), cell(b, json_object_get(memory, "page_location")));
}

static void print_team(FILE *file, const json_t *record) {
    const json_t *threads = json_object_get(record, "threads"), *placement = json_object_get(record, "placement");
    fprintf(file, "threads      %lld, decided by %s\n", integer_of(threads, "count"), text_of(threads, "decided_by"));
    fprintf(file, "placement    %s\n", text_of(placement, "in_effect"));
    fprintf(file, "\n%8s %6s %6s %6s %6s %8s %6s   %-12s %s\n", "thread", "PU", "CPU", "core", "L3", "package", "node",
            "bound to", "last on");
    size_t i;
    const json_t *seat;
    json_array_foreach(json_object_get(record, "team"), i, seat) {
        static const char *const keys[] = {"pu", "cpu", "core", "l3", "package", "node"};
        static const int widths[] = {6, 6, 6, 6, 8, 6};
        char text[CELL_NBYTES];
        const json_t *planned = json_object_get(seat, "planned"), *actual = json_object_get(seat, "actual");
        fprintf(file, "%8lld", integer_of(seat, "thread"));
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            fprintf(file, " %*s", widths[k], cell(text, json_object_get(planned, keys[k])));
        if (json_object_get(actual, "unavailable"))
            fprintf(file, "   %s", cell(text, actual));
        else
            fprintf(file, "   %-12s %s", text_of(actual, "cpus"), cell(text, json_object_get(actual, "last_cpu")));
        fprintf(file, "%s\n", json_is_false(json_object_get(seat, "as_planned")) ? "   NOT AS PLANNED" : "");
    }
}

static void print_buffers(FILE *file, const json_t *record) {
    const json_t *buffers = json_object_get(json_object_get(record, "memory"), "buffers");
    if (json_array_size(buffers) == 0)
        return;
    fprintf(file, "\n%-28s %-14s %8s %12s   %s\n", "memory", "home", "buffers", "largest", "sampled pages");
    size_t i;
    const json_t *row;
    json_array_foreach(buffers, i, row) {
        char a[CELL_NBYTES];
        const json_t *pages = json_object_get(row, "sampled_pages");
        fprintf(file, "%-28s %-14s %8lld %12s   ", text_of(row, "name"), text_of(row, "home"),
                integer_of(row, "buffers"), size_cell(a, json_object_get(row, "largest_bytes")));
        if (json_object_get(pages, "unavailable"))
            fprintf(file, "%s\n", cell(a, pages));
        else
            fprintf(file, "%lld as planned, %lld elsewhere, %lld untouched\n", integer_of(pages, "on_plan"),
                    integer_of(pages, "off_plan"), integer_of(pages, "untouched"));
    }
}

static void print_system(FILE *file, const json_t *record) {
    enum { NUMA_BALANCING = 5 };
    static const char *const keys[] = {"kernel",        "governor", "turbo", "smt", "transparent_huge_pages",
                                       "numa_balancing"};
    static const char *const titles[] = {"kernel", "governor", "turbo", "smt", "huge pages", "NUMA bal."};
    const json_t *isa = json_object_get(record, "isa"), *system = json_object_get(record, "system");
    fprintf(file, "cpu          %s\n", text_of(record, "cpu"));
    fprintf(file, "isa          %s in use, %s available\n", text_of(isa, "in_use"), text_of(isa, "available"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char text[CELL_NBYTES];
        cell(text, json_object_get(system, keys[i]));
        /* Whether the kernel moves pages between nodes: a digit, more than 0 for yes. */
        if (i == NUMA_BALANCING && text[0] >= '0' && text[0] <= '9')
            strcpy(text, text[0] == '0' ? "off" : "on");
        fprintf(file, "%-12s %s\n", titles[i], text);
    }
}

rhm_status rhm_engine_record_text(const json_t *record, char **out, rhm_error *error) {
    char *text = NULL;
    size_t nbytes;
    *out = NULL;
    FILE *file = open_memstream(&text, &nbytes);
    if (!file)
        goto short_of_memory;
    print_system(file, record);
    print_topology(file, record);
    print_limits(file, record);
    print_team(file, record);
    print_buffers(file, record);
    size_t i;
    const json_t *sentence;
    json_array_foreach(json_object_get(record, "notes"), i, sentence) {
        fprintf(file, "%s%s\n", i == 0 ? "\n" : "", json_string_value(sentence));
    }
    if (fclose(file) == 0) {
        *out = text;
        return RHM_OK;
    }
    rhm_free(text);

short_of_memory:
    return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the text of the machine record");
}
