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

static const rhm_option own[] = {
    RHM_OPTION_JSON,
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

static rhm_status show(json_t *machine, json_t *ceilings, json_t *measured, const rhm_engine *engine,
                       const rhm_settings *settings, rhm_error *error) {
    json_t *record = json_object_get(machine, "record"), *kernels = json_object_get(machine, "kernels");
    if (settings->json) {
        json_incref(record);
        rhm_json_set(&record, "kernels", json_incref(kernels));
        rhm_json_set(&record, "ceilings", json_incref(ceilings));
        if (measured)
            rhm_json_set(&record, "measured", json_incref(measured));
        return rhm_results_print(record, error);
    }
    char *text;
    RHM_TRY(rhm_machine_text(&text, engine, error));
    fputs(text, stdout);
    free(text);
    printf("\nkernels     %s\n", json_string_value(kernels));
    print_ceilings(ceilings);
    if (measured)
        rhm_measured_print(stdout, measured);
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

static rhm_status work(rhm_engine **engine, rhm_progress_bar *bar, const rhm_settings *settings, rhm_error *error) {
    json_t *machine = NULL, *ceilings = NULL, *measured = NULL;
    unsigned parts = 0;
    char *text;
    if (settings->measure)
        RHM_TRY(rhm_measured_parts(&parts, settings->measure, error));
    RHM_TRY(rhm_running_engine(engine, bar, settings, error));
    rhm_status status = parts ? begin_measuring(*engine, parts, error) : RHM_OK;
    if (status == RHM_OK)
        status = rhm_machine_describe(&text, *engine, NULL, error);
    if (status == RHM_OK)
        status = rhm_results_parse(&machine, text, error);
    if (status == RHM_OK)
        status = rhm_machine_measure_ceilings(&text, *engine, error);
    if (status == RHM_OK)
        status = rhm_results_parse(&ceilings, text, error);
    if (status == RHM_OK && parts) {
        status = rhm_machine_measure(&text, *engine, parts, error);
        rhm_progress_clear(bar);
        if (status == RHM_OK)
            status = rhm_results_parse(&measured, text, error);
    }
    if (status == RHM_OK)
        status = show(machine, ceilings, measured, *engine, settings, error);
    json_decref(machine);
    json_decref(ceilings);
    json_decref(measured);
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
        "and bytes per second, measured with the threads of the run. --measure looks closer.",
    .examples = "rhm machine\n"
                "rhm machine --measure frequency,smt",
    .groups = {&rhm_thread_options, &rhm_kernel_options, &own_options},
    .run = run,
};
