#include "cli/measured.h"

#include <string.h>

#include "core/fail.h"
#include "rhm/machine.h"

static const struct {
    const char *name;
    unsigned parts;
} known[] = {
    {"caches", RHM_MACHINE_CACHES}, {"threads", RHM_MACHINE_THREADS}, {"frequency", RHM_MACHINE_FREQUENCY},
    {"smt", RHM_MACHINE_SMT},       {"nodes", RHM_MACHINE_NODES},     {"all", RHM_MACHINE_ALL},
};
enum { KNOWN = sizeof known / sizeof *known };

rhm_status rhm_measured_parts(unsigned *parts, const char *text, rhm_error *error) {
    *parts = 0;
    for (const char *entry = text;; entry++) {
        const size_t length = strcspn(entry, ",");
        size_t i = 0;
        while (i < KNOWN && (strlen(known[i].name) != length || memcmp(known[i].name, entry, length) != 0))
            i++;
        if (i == KNOWN)
            return rhm_fail(
                error, RHM_INVALID,
                "--measure '%.80s': '%.*s' is refused (unknown): allowed is all, or some of caches, threads, "
                "frequency, smt, nodes with commas between",
                text, length < 40 ? (int)length : 40, entry);
        *parts |= known[i].parts;
        entry += length;
        if (!*entry)
            return RHM_OK;
    }
}

/* A number with its unit, or why there is none. */
static void put(FILE *stream, const json_t *value, const char *format) {
    const char *reason = json_string_value(json_object_get(value, "unavailable"));
    if (json_is_number(value))
        fprintf(stream, format, json_number_value(value));
    else
        fprintf(stream, " %s", reason ? reason : "-");
}

static void print_caches(FILE *stream, const json_t *caches) {
    const char *name;
    json_t *value;
    size_t i;
    fprintf(stream, "\nlatency of a load whose address another load brings, CPU %d\n",
            (int)json_integer_value(json_object_get(caches, "cpu")));
    json_object_foreach(json_object_get(caches, "latency_ns"), name, value) {
        fprintf(stream, "  %-12s", name);
        put(stream, value, " %8.1f ns");
        fputc('\n', stream);
    }
    json_array_foreach(json_object_get(caches, "curve"), i, value) {
        fprintf(stream, "  %8lld KiB", (long long)json_integer_value(json_object_get(value, "bytes")) >> 10);
        put(stream, json_object_get(value, "ns"), " %8.1f ns");
        fputc('\n', stream);
    }
}

static void print_threads(FILE *stream, const json_t *threads) {
    size_t i;
    json_t *row;
    fprintf(stream, "\nbandwidth of memory\n  %7s %12s %12s\n", "threads", "load GB/s", "triad GB/s");
    json_array_foreach(threads, i, row) {
        fprintf(stream, "  %7lld", (long long)json_integer_value(json_object_get(row, "threads")));
        put(stream, json_object_get(row, "load_gbs"), " %12.1f");
        put(stream, json_object_get(row, "triad_gbs"), " %12.1f");
        fputc('\n', stream);
    }
}

static void print_frequency(FILE *stream, const json_t *frequency) {
    size_t i;
    json_t *row;
    fprintf(stream, "\nfrequency under multiply-adds, by %s\n  %5s %-8s %10s %10s\n",
            json_string_value(json_object_get(json_array_get(frequency, 0), "by")), "cores", "isa", "mean GHz",
            "least GHz");
    json_array_foreach(frequency, i, row) {
        fprintf(stream, "  %5lld %-8s", (long long)json_integer_value(json_object_get(row, "cores")),
                json_string_value(json_object_get(row, "isa")));
        fprintf(stream, " %10.2f %10.2f", 1e-9 * json_number_value(json_object_get(row, "mean_hertz")),
                1e-9 * json_number_value(json_object_get(row, "least_hertz")));
        const double disturbed = json_number_value(json_object_get(row, "disturbed"));
        if (disturbed > 0)
            fprintf(stream, "   others had processors in %.0f %% of the trials", 100 * disturbed);
        fputc('\n', stream);
    }
}

static void print_smt(FILE *stream, const json_t *smt) {
    const char *reason = json_string_value(json_object_get(smt, "unavailable"));
    if (reason) {
        fprintf(stream, "\ntwo threads on a core: unavailable: %s\n", reason);
        return;
    }
    fprintf(stream, "\ntwo threads on a core against one\n  multiply-adds");
    put(stream, json_object_get(smt, "fma_gain"), " %6.2f");
    fprintf(stream, "\n  loads        ");
    put(stream, json_object_get(smt, "load_gain"), " %6.2f");
    fputc('\n', stream);
}

static void print_matrix(FILE *stream, const json_t *nodes, const char *key, const char *title) {
    size_t i, j;
    json_t *number, *row, *value;
    fprintf(stream, "\n%s (rows: cores of a node, columns: memory of a node)\n  %6s", title, "");
    json_array_foreach(json_object_get(nodes, "nodes"), j, number)
        fprintf(stream, " %9lld", (long long)json_integer_value(number));
    json_array_foreach(json_object_get(nodes, key), i, row) {
        number = json_array_get(json_object_get(nodes, "nodes"), i);
        fprintf(stream, "\n  %6lld", (long long)json_integer_value(number));
        json_array_foreach(row, j, value) put(stream, value, " %9.1f");
    }
    fputc('\n', stream);
}

/* Said where it is more than a fiftieth of one processor. */
static void print_others(FILE *stream, const json_t *others) {
    const double seconds = json_number_value(json_object_get(others, "seconds"));
    const double busy = json_number_value(json_object_get(others, "other_programs_seconds"));
    const double stolen = json_number_value(json_object_get(others, "stolen_seconds"));
    if (busy > 0.02 * seconds || stolen > 0.02 * seconds)
        fprintf(
            stream,
            "\nnot quiet: other programs used %.2f processors meanwhile, and the host took %.2f. Rates and latencies "
            "are those of the best of many short trials; with others in the caches and on the memory they may still "
            "be too low\n",
            busy / seconds, stolen / seconds);
}

void rhm_measured_print(FILE *stream, const json_t *measured) {
    const json_t *part;
    if ((part = json_object_get(measured, "caches")))
        print_caches(stream, part);
    if ((part = json_object_get(measured, "threads")))
        print_threads(stream, part);
    if ((part = json_object_get(measured, "frequency")))
        print_frequency(stream, part);
    if ((part = json_object_get(measured, "smt")))
        print_smt(stream, part);
    if ((part = json_object_get(measured, "nodes"))) {
        print_matrix(stream, part, "load_gbs", "bandwidth between nodes, GB/s");
        print_matrix(stream, part, "latency_ns", "latency between nodes, ns");
    }
    if ((part = json_object_get(measured, "others")))
        print_others(stream, part);
}

static const json_t *pair_of(const json_t *pairs, json_int_t a, json_int_t b) {
    size_t i;
    const json_t *pair;
    json_array_foreach(pairs, i, pair) {
        const json_t *ranks = json_object_get(pair, "ranks");
        if (json_integer_value(json_array_get(ranks, 0)) == (a < b ? a : b) &&
            json_integer_value(json_array_get(ranks, 1)) == (a < b ? b : a))
            return pair;
    }
    return NULL;
}

static void print_pairs(FILE *stream, const json_t *messages, const char *key, const char *title) {
    const json_t *pairs = json_object_get(messages, "pairs"), *hosts = json_object_get(messages, "hosts");
    const size_t count = json_array_size(hosts), rows = pair_of(pairs, 1, 2) ? count : 1;
    fprintf(stream, "\n%s between ranks\n  %6s", title, "");
    for (size_t b = 0; b < count; b++)
        fprintf(stream, " %9zu", b);
    for (size_t a = 0; a < rows; a++) {
        fprintf(stream, "\n  %6zu", a);
        for (size_t b = 0; b < count; b++) {
            const json_t *pair = a == b ? NULL : pair_of(pairs, (json_int_t)a, (json_int_t)b);
            if (pair && json_is_number(json_object_get(pair, key)))
                fprintf(stream, " %9.2f", json_number_value(json_object_get(pair, key)));
            else
                fprintf(stream, " %9s", "-");
        }
        fprintf(stream, "   %s", json_string_value(json_array_get(hosts, a)));
    }
    fputc('\n', stream);
}

static void print_typical(FILE *stream, const json_t *link, const char *where) {
    if (json_is_object(link))
        fprintf(stream, "%s %.3g us, %.3g GB/s", where, json_number_value(json_object_get(link, "latency_us")),
                json_number_value(json_object_get(link, "gbs")));
}

void rhm_measured_print_messages(FILE *stream, const json_t *messages) {
    size_t i;
    json_t *row;
    fprintf(stream, "\nmessages    %s", json_string_value(json_object_get(messages, "library")));
    print_typical(stream, json_object_get(messages, "within_nodes"), "; within nodes");
    print_typical(stream, json_object_get(messages, "between_nodes"), "; between nodes");
    fputc('\n', stream);
    print_pairs(stream, messages, "latency_us", "latency, us,");
    print_pairs(stream, messages, "gbs", "bandwidth, GB/s,");
    fprintf(stream, "\nall ranks to all others\n  %9s %12s %12s\n", "bytes", "us", "GB/s a rank");
    json_array_foreach(json_object_get(messages, "all_to_all"), i, row) fprintf(
        stream, "  %9lld %12.1f %12.3f\n", (long long)json_integer_value(json_object_get(row, "bytes")),
        1e6 * json_number_value(json_object_get(row, "seconds")), json_number_value(json_object_get(row, "gbs")));
}
