/* A rank on whose cores the first one has cells run. */
#include <string.h>

#include "cli/interrupt.h"
#include "cli/sweep/remote.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"

typedef struct service {
    rhm_ranks *ranks;
    const rhm_engine_options *options;
    rhm_engine *engine; /* until its cores are dealt */
    rhm_core_sets sets;
    rhm_sweep_process *process; /* (sets.count), and whether there is one */
    bool *runs;
    int running;
    bool over;
} service;

static rhm_status join(service *s, rhm_error *error) {
    RHM_TRY(rhm_engine_create(&s->engine, s->options, error));
    return rhm_sweep_tell(s->ranks, 0, json_pack("{s:i}", "cores", rhm_engine_describe(s->engine).threads), error);
}

static rhm_status deal(service *s, int threads, rhm_error *error) {
    RHM_TRY(rhm_core_sets_deal(&s->sets, s->engine, threads, error));
    rhm_engine_destroy(s->engine);
    s->engine = NULL;
    s->process = RHM_NEW(rhm_sweep_process, (size_t)s->sets.count, 1, 1, "cells side by side", error);
    s->runs = RHM_NEW(bool, (size_t)s->sets.count, 1, 1, "cells side by side", error);
    if (!s->process || !s->runs)
        return RHM_NO_MEMORY;
    rhm_sweep_process_prepare();
    json_t *sets = json_array();
    for (int i = 0; i < s->sets.count; i++) {
        json_t *cpus = json_array();
        for (int j = 0; j < s->sets.set[i].count; j++)
            rhm_json_append(&cpus, json_integer(s->sets.set[i].cpu[j]));
        rhm_json_append(&sets, cpus);
    }
    return rhm_sweep_tell(s->ranks, 0, json_pack("{s:o}", "sets", sets), error);
}

static rhm_status start(service *s, size_t number, const json_t *list, rhm_error *error) {
    const size_t count = json_array_size(list);
    char **options = RHM_NEW(char *, count + 1, 1, 1, "arguments of a cell", error);
    if (!options)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        options[i] = (char *)(uintptr_t)json_string_value(json_array_get(list, i)); /* only read */
    const rhm_status status = rhm_sweep_process_start(&s->process[number], options, count, &s->sets.set[number], error);
    s->runs[number] = status == RHM_OK;
    s->running += status == RHM_OK;
    rhm_free(options);
    return status;
}

static rhm_status obey(service *s, const json_t *json, rhm_error *error) {
    const char *what = json_string_value(json_object_get(json, "do"));
    if (!strcmp(what, "join"))
        return join(s, error);
    if (!strcmp(what, "deal"))
        return deal(s, (int)json_integer_value(json_object_get(json, "threads")), error);
    if (!strcmp(what, "start"))
        return start(s, (size_t)json_integer_value(json_object_get(json, "number")), json_object_get(json, "options"),
                     error);
    s->over = true;
    return RHM_OK;
}

static rhm_status tell_ended(service *s, int number, const rhm_sweep_outcome *outcome, rhm_error *error) {
    return rhm_sweep_tell(s->ranks, 0,
                          json_pack("{s:i, s:f, s:f, s:b, s:o, s:o*}", "number", number, "seconds", outcome->seconds,
                                    "cpu_seconds", outcome->cpu_seconds, "interrupted", outcome->interrupted, "reason",
                                    rhm_json_text(outcome->reason), "report", outcome->report),
                          error);
}

/* Who has ended; nobody is told where `stopping`. */
static rhm_status look_at_cells(service *s, bool stopping, rhm_error *error) {
    rhm_status status = RHM_OK;
    for (int i = 0; i < s->sets.count; i++) {
        rhm_sweep_outcome outcome;
        if (!s->runs[i] || !rhm_sweep_process_ended(&s->process[i], &outcome))
            continue;
        s->runs[i] = false;
        s->running--;
        if (stopping || status != RHM_OK)
            json_decref(outcome.report);
        else
            status = tell_ended(s, i, &outcome, error);
    }
    return status;
}

static void stop_cells(service *s) {
    for (int i = 0; i < s->sets.count && s->running > 0; i++)
        if (s->runs[i])
            rhm_sweep_process_interrupt(&s->process[i]);
    while (s->running > 0) {
        rhm_sweep_process_wait(RHM_SWEEP_NAP_SECONDS);
        (void)look_at_cells(s, true, NULL);
    }
}

static rhm_status serve(service *s, rhm_error *error) {
    while (!s->over) {
        json_t *json;
        int from;
        RHM_TRY(rhm_interrupt_check(error));
        RHM_TRY(rhm_sweep_hear(&json, &from, s->ranks, error));
        if (json) {
            const rhm_status status = obey(s, json, error);
            json_decref(json);
            RHM_TRY(status);
            continue;
        }
        RHM_TRY(look_at_cells(s, false, error));
        rhm_sweep_process_wait(RHM_SWEEP_NAP_SECONDS);
    }
    return RHM_OK;
}

rhm_status rhm_sweep_serve(rhm_ranks *ranks, const rhm_engine_options *options, rhm_error *error) {
    service s = {.ranks = ranks, .options = options};
    const rhm_status status = serve(&s, error);
    stop_cells(&s);
    rhm_engine_destroy(s.engine);
    rhm_core_sets_clear(&s.sets);
    rhm_free(s.process);
    rhm_free(s.runs);
    return status;
}
