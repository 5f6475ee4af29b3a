#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/measured.h"
#include "cli/results.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/fail.h"
#include "core/json.h"
#include "rhm/machine.h"

static const rhm_word on_off[] = {{"on", 1}, {"off", 0}, {NULL, 0}};
static const rhm_option own[] = {
    RHM_OPTION_JSON,
    {.name = "ceilings",
     .kind = RHM_OPTION_CHOICE,
     .argument = "on|off",
     .fallback = "on",
     .words = on_off,
     .place = offsetof(rhm_settings, ceilings),
     .help = "Measure multiply-adds and bytes per second, which takes some seconds. off: the key is null."},
    {.name = "measure",
     .kind = RHM_OPTION_TEXT,
     .argument = "all|PART,...",
     .place = offsetof(rhm_settings, measure),
     .help = "Also measure these parts, which takes seconds to minutes (said beforehand): caches (latency by working "
             "set), threads (bandwidth by their number), frequency (by cores at work and instruction set), smt (what a "
             "second thread on a core adds), nodes (bandwidth and latency between NUMA nodes)."},
    {0}};
static const rhm_option_group own_options = {"Output", own};

static void print_row(const char *what, const char *name, const json_t *value, const char *unit) {
    char row[24];
    snprintf(row, sizeof row, "%s %s", what, name);
    if (json_is_number(value))
        printf("  %-12s %8.1f %s\n", row, json_number_value(value), unit);
    else
        printf("  %-12s unavailable: %s\n", row, json_string_value(json_object_get(value, "unavailable")));
}

static void print_ceilings(json_t *ceilings) {
    const int threads = (int)json_integer_value(json_object_get(ceilings, "threads"));
    const char *name;
    json_t *value, *triad = json_object_get(ceilings, "triad_gbs");
    printf("\nceilings measured with %d thread%s\n", threads, threads == 1 ? "" : "s");
    json_object_foreach(json_object_get(ceilings, "fma_gflops"), name, value)
        print_row("fma", name, value, "GFLOP/s, single precision");
    json_object_foreach(json_object_get(ceilings, "load_gbs"), name, value) {
        print_row("load", name, value, "GB/s");
        print_row("triad", name, json_object_get(triad, name), "GB/s, 12 bytes per element");
    }
}

/* What there is to show, owned; NULL: not measured. */
typedef struct findings {
    json_t *machine, *ceilings, *measured, *messages;
} findings;

static rhm_status show(const findings *found, const rhm_engine *engine, const rhm_settings *settings,
                       rhm_error *error) {
    json_t *record = json_object_get(found->machine, "record"), *kernels = json_object_get(found->machine, "kernels");
    if (settings->json) {
        json_incref(record);
        rhm_json_set(&record, "kernels", json_incref(kernels));
        rhm_json_set(&record, "ceilings", found->ceilings ? json_incref(found->ceilings) : json_null());
        if (found->measured)
            rhm_json_set(&record, "measured", json_incref(found->measured));
        if (found->messages)
            rhm_json_set(&record, "messages", json_incref(found->messages));
        return rhm_results_print(record, error);
    }
    char *text;
    RHM_TRY(rhm_machine_text(&text, engine, error));
    fputs(text, stdout);
    free(text);
    printf("\nkernels     %s\n", json_string_value(kernels));
    if (found->ceilings)
        print_ceilings(found->ceilings);
    if (found->measured)
        rhm_measured_print(stdout, found->measured);
    if (found->messages)
        rhm_measured_print_messages(stdout, found->messages);
    return RHM_OK;
}

/* What cannot be measured is refused before anything takes time, and what can be is said to take some. */
static rhm_status begin_measuring(const rhm_engine *engine, unsigned parts, rhm_error *error) {
    char *nothing;
    RHM_TRY(rhm_machine_measure(&nothing, engine, 0, error));
    free(nothing);
    fprintf(stderr, "rhm machine: note: measuring takes about %.0f seconds\n",
            rhm_machine_measure_seconds(engine, parts));
    return RHM_OK;
}

/* One measurement: its text, parsed. */
static rhm_status keep(json_t **out, rhm_status status, char **text, rhm_error *error) {
    return status == RHM_OK ? rhm_results_parse(out, *text, error) : status;
}

static rhm_status find(findings *found, const rhm_engine *engine, rhm_progress_bar *bar, unsigned parts,
                       const rhm_settings *settings, rhm_error *error) {
    char *text = NULL;
    RHM_TRY(keep(&found->machine, rhm_machine_describe(&text, engine, NULL, error), &text, error));
    if (settings->ceilings)
        RHM_TRY(keep(&found->ceilings, rhm_machine_measure_ceilings(&text, engine, error), &text, error));
    if (settings->running.ranks)
        RHM_TRY(keep(&found->messages, rhm_machine_measure_messages(&text, engine, error), &text, error));
    if (!parts)
        return RHM_OK;
    const rhm_status status = rhm_machine_measure(&text, engine, parts, error);
    rhm_progress_clear(bar);
    return keep(&found->measured, status, &text, error);
}

static rhm_status work(rhm_engine **engine, rhm_progress_bar *bar, const rhm_settings *settings, rhm_error *error) {
    findings found = {0};
    unsigned parts = 0;
    if (settings->running.ranks)
        RHM_TRY(rhm_option_refuse(settings, "measure", "measures a machine in one process: leave out mpirun", error));
    if (settings->measure)
        RHM_TRY(rhm_measured_parts(&parts, settings->measure, error));
    RHM_TRY(rhm_running_engine(engine, bar, settings, error));
    rhm_status status = parts ? begin_measuring(*engine, parts, error) : RHM_OK;
    if (status == RHM_OK)
        status = find(&found, *engine, bar, parts, settings, error);
    if (status == RHM_OK)
        status = show(&found, *engine, settings, error);
    json_decref(found.machine);
    json_decref(found.ceilings);
    json_decref(found.measured);
    json_decref(found.messages);
    return status;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    rhm_engine *engine = NULL;
    rhm_progress_bar bar;
    const rhm_status status = work(&engine, &bar, settings, error);
    rhm_engine_destroy(engine);
    return status;
}

const rhm_command rhm_command_machine = {
    .name = "machine",
    .operands = "",
    .summary = "topology, limits, placement, kernels and measured ceilings",
    .description =
        "Show what this process may use of the machine (hwloc topology, affinity, cgroup), where the threads of a run "
        "would be and are, which kernels it would take, and how fast the machine is at most: multiply-adds "
        "and bytes per second, measured with the threads of the run. --measure looks closer. Under mpirun all that is "
        "rank 0's, while the others do the same, and latency and bandwidth of messages between ranks are measured too.",
    .examples = "rhm machine\n"
                "rhm machine --measure frequency,smt\n"
                "mpirun -n 4 rhm machine",
    .groups = {&rhm_thread_options, &rhm_kernel_options, &rhm_rank_options, &own_options},
    .on_ranks = true,
    .run = run,
};
