#include "rhm/machine.h"

#include <math.h>

#include <jansson.h>

#include "ceilings/ceilings.h"
#include "core/fail.h"
#include "core/fields.h"
#include "core/json.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "engine/rank_share.h"
#include "engine/record.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "kernels/kernels.h"
#include "kernels/operator.h"
#include "machine/explore.h"
#include "ranks/group.h"

_Static_assert((int)RHM_MACHINE_BACKEND_NBYTES == (int)RHM_BACKEND_TEXT_NBYTES, "one text, two names of its size");

static rhm_status to_text(char **text, json_t *json, rhm_error *error) {
    const rhm_status status =
        rhm_json_dump(text, json, JSON_REAL_PRECISION(17), "", "the record of the machine", error);
    json_decref(json);
    return status;
}

rhm_machine_peaks rhm_machine_measure_peaks(const rhm_engine *engine) {
    const int span = rhm_trace_begin(engine, "measure ceilings", 0);
    const rhm_machine_peaks peaks = {
        .fma_gflops = rhm_ceilings_measure_fma(engine, rhm_engine_isa(engine), CEILINGS_F32).rate,
        .load_gbs = rhm_ceilings_measure_bandwidth(engine, CEILINGS_LOAD, CEILINGS_DRAM).rate,
    };
    rhm_trace_end(engine, span, (rhm_span_work){0});
    return peaks;
}

/* By what they were for: null before ranks have told each other. */
static json_t *describe_messages(const rhm_rank_account *account) {
    static const char *const kinds[RHM_ACCOUNT_KINDS] = {"other", "gather", "reduce", "broadcast"};
    json_t *all = account ? json_object() : json_null();
    for (int kind = 0; account && kind < RHM_ACCOUNT_KINDS; kind++)
        rhm_json_set(&all, kinds[kind],
                     json_pack("{s:o, s:o, s:o, s:o, s:f}", "sent", rhm_json_unsigned(account->of[kind].sent),
                               "sent_bytes", rhm_json_unsigned(account->of[kind].sent_nbytes), "received",
                               rhm_json_unsigned(account->of[kind].received), "received_bytes",
                               rhm_json_unsigned(account->of[kind].received_nbytes), "seconds",
                               account->of[kind].seconds));
    if (account)
        rhm_json_set(&all, "waited_seconds", json_real(account->waited_seconds));
    return all;
}

/* Null in a process of its own. */
static json_t *describe_ranks(const rhm_engine *engine) {
    const rhm_ranks *ranks = rhm_engine_ranks(engine);
    json_t *all = ranks ? json_array() : json_null();
    for (int rank = 0; ranks && rank < rhm_ranks_size(ranks); rank++) {
        const rhm_rank_place *place = rhm_engine_rank_place(engine, rank);
        json_t *one = json_pack("{s:i, s:o, s:s, s:i, s:o}", "rank", rank, "node",
                                rhm_json_text(rhm_ranks_host(ranks, rank)), "cpus", place->cpus, "threads",
                                place->threads, "messages", describe_messages(rhm_ranks_account(ranks, rank)));
        rhm_json_set(&one, "node_first", json_integer(rhm_ranks_node(ranks, rank)));
        rhm_json_set(&one, "machine_first", json_integer(rhm_ranks_machine(ranks, rank)));
        rhm_json_append(&all, one);
    }
    return all;
}

static json_t *describe_effort(const rhm_engine *engine) {
    const rhm_effort effort = rhm_effort_read(&engine->effort);
    return json_pack("{s:f, s:f, s:o, s:o, s:o}", "seconds", effort.seconds, "cpu_seconds", effort.cpu_seconds,
                     "system_share",
                     rhm_json_number(effort.cpu_seconds > 0 ? effort.system_seconds / effort.cpu_seconds : (double)NAN),
                     "involuntary_switches", rhm_json_unsigned(effort.involuntary_switches), "effective_hertz",
                     rhm_json_number(effort.hertz));
}

rhm_status rhm_machine_describe(char **json, const rhm_engine *engine, const rhm_machine_peaks *peaks,
                                rhm_error *error) {
    const rhm_engine_info info = rhm_engine_describe(engine);
    json_t *record;
    *json = NULL;
    RHM_TRY(rhm_engine_record(engine, &record, error));
    /* clang-format off */
    return to_text(json,
                   json_pack("{s:o, s:s, s:s, s:o, s:o, s:i, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}",
                             "cpu", rhm_json_text(info.cpu),
                             "isa", info.isa,
                             "kernels", rhm_kernels_of(engine).name,
                             "backend", rhm_json_text(info.backend),
                             "backend_details", rhm_backend_record(engine),
                             "threads", info.threads,
                             "placement", rhm_json_text(info.placement),
                             "numa_nodes", info.numa_nodes,
                             "memory_limit_bytes", rhm_json_unsigned(info.memory_limit_nbytes),
                             "fma_peak_gflops", rhm_json_number(peaks ? peaks->fma_gflops : (double)NAN),
                             "bandwidth_gbs", rhm_json_number(peaks ? peaks->load_gbs : (double)NAN),
                             "ranks", describe_ranks(engine),
                             "effort", describe_effort(engine),
                             "record", record),
                   error);
    /* clang-format on */
}

rhm_status rhm_machine_text(char **text, const rhm_engine *engine, rhm_error *error) {
    json_t *record;
    *text = NULL;
    RHM_TRY(rhm_engine_record(engine, &record, error));
    const rhm_status status = rhm_engine_record_text(record, text, error);
    json_decref(record);
    return status;
}

static json_t *describe(rhm_ceilings_result result) {
    return isnan(result.rate) ? rhm_record_unavailable(result.reason) : json_real(result.rate);
}

rhm_status rhm_machine_measure_ceilings(char **json, const rhm_engine *engine, rhm_error *error) {
    json_t *fma = json_object(), *load = json_object(), *triad = json_object();
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        rhm_json_set(&fma, rhm_isa_name((rhm_isa)isa),
                     describe(rhm_ceilings_measure_fma(engine, (rhm_isa)isa, CEILINGS_F32)));
    for (int w = 0; w < CEILINGS_MEMORY_COUNT; w++) {
        const rhm_ceilings_memory where = (rhm_ceilings_memory)w;
        const char *name = rhm_ceilings_memory_name(where);
        rhm_json_set(&load, name, describe(rhm_ceilings_measure_bandwidth(engine, CEILINGS_LOAD, where)));
        rhm_json_set(&triad, name, describe(rhm_ceilings_measure_bandwidth(engine, CEILINGS_TRIAD, where)));
    }
    return to_text(json,
                   json_pack("{s:i, s:o, s:o, s:o}", "threads", rhm_engine_threads(engine), "fma_gflops", fma,
                             "load_gbs", load, "triad_gbs", triad),
                   error);
}

double rhm_machine_measure_seconds(const rhm_engine *engine, unsigned parts) {
    return rhm_machine_explore_seconds(engine, parts);
}

rhm_status rhm_machine_measure(char **json, const rhm_engine *engine, unsigned parts, rhm_error *error) {
    json_t *found;
    *json = NULL;
    RHM_TRY(rhm_machine_explore(&found, engine, parts, error));
    return to_text(json, found, error);
}

rhm_status rhm_machine_measure_messages(char **json, const rhm_engine *engine, rhm_error *error) {
    json_t *found;
    *json = NULL;
    RHM_TRY(rhm_machine_survey_messages(&found, engine, error));
    return to_text(json, found, error);
}

void rhm_machine_backend(const rhm_engine *engine, char text[RHM_MACHINE_BACKEND_NBYTES]) {
    rhm_backend_text(engine, text);
}

uint64_t rhm_machine_peak_rss_nbytes(void) {
    return rhm_peak_rss_nbytes();
}
