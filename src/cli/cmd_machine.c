#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "ceilings/ceilings.h"
#include "cli/report.h"
#include "cli/running.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "engine/record.h"
#include "kernels/kernels.h"

static const rhm_option own[] = {{.name = "json",
                                  .kind = RHM_OPTION_FLAG,
                                  .place = offsetof(rhm_settings, json),
                                  .help = "Print JSON instead of text."},
                                 {0}};
static const rhm_option_group own_options = {"Output", own};

/* All ceilings with the threads of the engine. */
typedef struct ceilings {
    int threads;
    rhm_ceilings_result fma[RHM_ISA_COUNT];
    rhm_ceilings_result load[CEILINGS_MEMORY_COUNT], triad[CEILINGS_MEMORY_COUNT];
} ceilings;

static ceilings measure(const rhm_engine *engine) {
    ceilings c = {.threads = rhm_engine_threads(engine)};
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        c.fma[isa] = rhm_ceilings_measure_fma(engine, (rhm_isa)isa, CEILINGS_F32);
    for (int where = 0; where < CEILINGS_MEMORY_COUNT; where++) {
        c.load[where] = rhm_ceilings_measure_bandwidth(engine, CEILINGS_LOAD, (rhm_ceilings_memory)where);
        c.triad[where] = rhm_ceilings_measure_bandwidth(engine, CEILINGS_TRIAD, (rhm_ceilings_memory)where);
    }
    return c;
}

static json_t *describe_one(const rhm_ceilings_result *r) {
    return isnan(r->rate) ? rhm_record_unavailable(r->reason) : rhm_json_number(r->rate);
}

static json_t *describe(const ceilings *c) {
    json_t *fma = json_object(), *load = json_object(), *triad = json_object();
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        rhm_json_set(&fma, rhm_isa_name((rhm_isa)isa), describe_one(&c->fma[isa]));
    for (int where = 0; where < CEILINGS_MEMORY_COUNT; where++) {
        const char *name = rhm_ceilings_memory_name((rhm_ceilings_memory)where);
        rhm_json_set(&load, name, describe_one(&c->load[where]));
        rhm_json_set(&triad, name, describe_one(&c->triad[where]));
    }
    return json_pack("{s:i, s:o, s:o, s:o}", "threads", c->threads, "fma_gflops", fma, "load_gbs", load, "triad_gbs",
                     triad);
}

static void print_row(const char *name, const rhm_ceilings_result *r, const char *unit) {
    if (isnan(r->rate))
        printf("  %-12s unavailable: %s\n", name, r->reason);
    else
        printf("  %-12s %8.1f %s\n", name, r->rate, unit);
}

static void print(const ceilings *c) {
    printf("\nceilings measured with %d thread%s\n", c->threads, c->threads == 1 ? "" : "s");
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++) {
        char name[24];
        snprintf(name, sizeof name, "fma %s", rhm_isa_name((rhm_isa)isa));
        print_row(name, &c->fma[isa], "GFLOP/s, single precision");
    }
    for (int where = 0; where < CEILINGS_MEMORY_COUNT; where++) {
        char name[24];
        snprintf(name, sizeof name, "load %s", rhm_ceilings_memory_name((rhm_ceilings_memory)where));
        print_row(name, &c->load[where], "GB/s");
        snprintf(name, sizeof name, "triad %s", rhm_ceilings_memory_name((rhm_ceilings_memory)where));
        print_row(name, &c->triad[where], "GB/s, three words an element");
    }
}

static rhm_status work(rhm_engine **engine, rhm_progress_bar *bar, const rhm_settings *settings, rhm_error *error) {
    RHM_TRY(rhm_running_engine(engine, bar, settings, error));
    json_t *record;
    RHM_TRY(rhm_engine_record(*engine, &record, error));
    const char *kernels = rhm_kernels_of(*engine).name;
    rhm_json_set(&record, "kernels", json_string(kernels));
    if (!record)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the machine record");
    const ceilings c = measure(*engine);
    if (settings->json) {
        rhm_json_set(&record, "ceilings", describe(&c));
        return rhm_report_print(record, error);
    }
    char *text;
    const rhm_status status = rhm_engine_record_text(record, &text, error);
    json_decref(record);
    if (status != RHM_OK)
        return status;
    fputs(text, stdout);
    rhm_free(text);
    printf("\nkernels     %s\n", kernels);
    print(&c);
    return RHM_OK;
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
        "and bytes per second, measured with the threads of the run.",
    .groups = {&rhm_thread_options, &rhm_kernel_options, &own_options},
    .run = run,
};
