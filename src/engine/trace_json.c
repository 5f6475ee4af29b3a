/*
 * Chrome's trace-event format ("Trace Event Format", Google, 2016), written as it goes: a trace can be a hundred
 * megabytes. Process 1 is the calling thread with its spans; process 2 + k has the threads of NUMA node k.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "engine/record.h"
#include "engine/trace_internal.h"

enum { SPANS_PID = 1, NODE_PID = 2, LEAD_TID = 1 };

static double microseconds(int64_t nanoseconds) {
    return 1e-3 * (double)nanoseconds;
}

/* A level is a stage of its own to a reader; elsewhere it is an argument. */
static void put_name(FILE *file, const char *name, uint32_t level) {
    if (strcmp(name, "level") == 0)
        fprintf(file, "\"name\":\"level %u\"", level);
    else
        fprintf(file, "\"name\":\"%s\"", name);
}

static void put_meta(FILE *file, const char *what, int pid, int tid, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void put_meta(FILE *file, const char *what, int pid, int tid, const char *format, ...) {
    va_list arguments;
    fprintf(file, "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":\"", what, pid, tid);
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fputs("\"}},\n", file);
}

static int node_pid(const rhm_engine *engine, int thread) {
    return NODE_PID + (engine->thread_node[thread] < 0 ? engine->topology.node_count : engine->thread_node[thread]);
}

static void put_tracks(FILE *file, const rhm_engine *engine) {
    put_meta(file, "process_name", SPANS_PID, LEAD_TID, "rhm");
    put_meta(file, "thread_name", SPANS_PID, LEAD_TID, "stages");
    for (int node = 0; node < engine->topology.node_count; node++)
        if (engine->node_threads[node] > 0)
            put_meta(file, "process_name", NODE_PID + node, 0, "NUMA node %u", engine->topology.node[node].os_index);
    if (!engine->threads_have_nodes)
        put_meta(file, "process_name", NODE_PID + engine->topology.node_count, 0, "threads of no fixed node");
    for (int t = 0; t < engine->threads; t++) {
        const int pid = node_pid(engine, t), tid = LEAD_TID + t;
        if (engine->plan.place)
            put_meta(file, "thread_name", pid, tid, "thread %d, PU %d", t, engine->plan.place[t].pu_os);
        else
            put_meta(file, "thread_name", pid, tid, "thread %d, not bound by rhm", t);
    }
}

static void put_work(FILE *file, const rhm_span_work *work) {
    const struct {
        const char *key;
        double value;
    } all[] = {{"flops", work->flops},   {"bytes", work->nbytes},        {"items", work->items},
               {"tokens", work->tokens}, {"embedding", work->embedding}, {"classes", work->classes},
               {"width", work->width},   {"rows", work->rows},           {"run", work->run}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].value > 0)
            fprintf(file, ",\"%s\":%.17g", all[i].key, all[i].value);
}

static void put_rate(FILE *file, int64_t when, double gflops) {
    fprintf(file, "{\"ph\":\"C\",\"name\":\"GFLOP/s\",\"pid\":%d,\"ts\":%.3f,\"args\":{\"GFLOP/s\":%.4g}},\n",
            SPANS_PID, microseconds(when), gflops);
}

static void put_span(FILE *file, const rhm_trace_span *span) {
    const int64_t lasted = span->end - span->begin;
    fputs("{\"ph\":\"X\",", file);
    put_name(file, span->name, span->level);
    fprintf(file, ",\"cat\":\"span\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"level\":%u", SPANS_PID,
            LEAD_TID, microseconds(span->begin), microseconds(lasted), span->level);
    put_work(file, &span->work);
    fprintf(file, "%s}},\n", span->unfinished ? ",\"unfinished\":true" : "");
    if (span->work.flops > 0 && lasted > 0) {
        put_rate(file, span->begin, span->work.flops / (double)lasted);
        put_rate(file, span->end, 0);
    }
}

static void put_share(FILE *file, const rhm_engine *engine, const rhm_trace_share *share) {
    fputs("{\"ph\":\"X\",", file);
    put_name(file, share->name, share->level);
    fprintf(file,
            ",\"cat\":\"loop\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"level\":%u,\"chunks\":%u,"
            "\"taken_from_others\":%u,\"cpu\":%d,\"late_us\":%.3f,\"idle_us\":%.3f}},\n",
            node_pid(engine, share->thread), LEAD_TID + share->thread, microseconds(share->begin),
            microseconds(share->end - share->begin), share->level, share->own + share->stolen, share->stolen,
            share->cpu, microseconds(share->begin - share->loop_begin), microseconds(share->loop_end - share->end));
}

static void put_total(FILE *file, const rhm_trace *trace, size_t i) {
    const rhm_trace_total *total = &trace->totals[i];
    fprintf(file,
            "{\"name\":\"%s\",\"level\":%u,\"spans\":%llu,\"seconds\":%.9f,\"self_seconds\":%.9f,\"loops\":%llu,"
            "\"loop_seconds\":%.9f",
            total->name, total->level, (unsigned long long)total->spans, 1e-9 * (double)total->total,
            1e-9 * (double)total->self, (unsigned long long)total->loops, 1e-9 * (double)total->in_loops);
    put_work(file, &total->work);
    const int64_t *busy = trace->total_busy + i * trace->columns;
    fprintf(file, ",\"one_thread_cpu_seconds\":%.9f,\"thread_seconds\":[", 1e-9 * (double)total->alone_cpu);
    for (int t = 0; t < trace->threads; t++)
        fprintf(file, "%s%.9f", t ? "," : "", 1e-9 * (double)busy[t]);
    fputs("],\"thread_cpu_seconds\":[", file);
    for (int t = 0; t < trace->threads; t++)
        fprintf(file, "%s%.9f", t ? "," : "", 1e-9 * (double)busy[trace->threads + t]);
    fprintf(file, "]}%s\n", i + 1 < trace->total_count ? "," : "");
}

/* Text that others wrote, as JSON. */
static void put_text(FILE *file, const char *key, const char *text) {
    json_t *json = rhm_json_text(text);
    char *quoted;
    rhm_json_dump(&quoted, json, JSON_ENCODE_ANY, "", key, NULL);
    fprintf(file, "\"%s\":%s,\n", key, quoted ? quoted : "null");
    rhm_free(quoted);
    json_decref(json);
}

static void put_other(FILE *file, const rhm_engine *engine, const char *command) {
    const rhm_trace *trace = engine->trace;
    const rhm_engine_info info = rhm_engine_describe(engine);
    fprintf(file, "\"schema\":\"rhm-trace/1\",\n\"version\":\"%s\",\n", rhm_version());
    if (command)
        put_text(file, "command", command);
    put_text(file, "cpu", info.cpu);
    put_text(file, "placement", info.placement);
    put_text(file, "backend", info.backend);
    fprintf(file, "\"isa\":\"%s\",\n\"threads\":%d,\n\"nodes\":[", info.isa, info.threads);
    for (int t = 0; t < engine->threads; t++)
        fprintf(file, "%s%d", t ? "," : "",
                engine->thread_node[t] < 0 ? -1 : (int)engine->topology.node[engine->thread_node[t]].os_index);
    fputs("],\n\"pus\":[", file);
    for (int t = 0; t < engine->threads; t++)
        fprintf(file, "%s%d", t ? "," : "", engine->plan.place ? engine->plan.place[t].pu_os : -1);
    fprintf(file, "],\n\"peak_rss_bytes\":%llu,\n", (unsigned long long)rhm_peak_rss_nbytes());
    fprintf(
        file,
        "\"dropped\":{\"spans\":%llu,\"shares\":%llu,\"kinds\":%llu,\"loops\":%llu,\"chunks\":%llu},\n\"totals\":[\n",
        (unsigned long long)trace->spans_dropped, (unsigned long long)trace->shares_dropped,
        (unsigned long long)trace->kinds_dropped, (unsigned long long)trace->loops_dropped,
        (unsigned long long)trace->chunks_dropped);
    for (size_t i = 0; i < trace->total_count; i++)
        put_total(file, trace, i);
    fputs("]", file);
}

/* Not of Chrome's format, whose readers skip what they do not know. Chunks take time on a processor, not by the clock:
 * what others took from one is not its own. */
static void put_loops(FILE *file, const rhm_trace *trace) {
    fputs(",\n\"loops\":[", file);
    for (size_t i = 0; i < trace->loop_count; i++) {
        const rhm_trace_loop *loop = &trace->loops[i];
        fprintf(
            file,
            "%s\n{\"name\":\"%s\",\"level\":%u,\"ts\":%.3f,\"dur\":%.3f,\"cpu_us\":%.3f,\"chunks\":%u,\"sum_us\":%.3f,"
            "\"longest_us\":%.3f,\"chunk_ns\":[",
            i ? "," : "", loop->name, loop->level, microseconds(loop->begin), microseconds(loop->end - loop->begin),
            microseconds(loop->on_cpu), loop->chunks, microseconds(loop->sum), microseconds(loop->longest));
        for (size_t k = 0; k < loop->kept; k++)
            fprintf(file, "%s%u", k ? "," : "", trace->chunks[loop->first + k]);
        fputs("]}", file);
    }
    fputs("]", file);
}

static rhm_status write_to(const rhm_engine *engine, const char *target, const char *path, const char *command,
                           rhm_error *error) {
    const rhm_trace *trace = engine->trace;
    FILE *file = fopen(target, "we");
    if (!file)
        return rhm_fail(error, RHM_IO, "%s: cannot write the trace: %s", rhm_path_shown(path), strerror(errno));
    fputs("{\"displayTimeUnit\":\"ms\",\n\"traceEvents\":[\n", file);
    put_tracks(file, engine);
    for (size_t i = 0; i < trace->span_count; i++)
        put_span(file, &trace->spans[i]);
    for (size_t i = 0; i < trace->share_count; i++)
        put_share(file, engine, &trace->shares[i]);
    /* Every event above ends in a comma; JSON wants none after the last. */
    fputs("{\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":1,\"tid\":1,\"args\":{\"sort_index\":-1}}\n],\n"
          "\"otherData\":{\n",
          file);
    put_other(file, engine, command);
    fputs("}", file);
    put_loops(file, trace);
    fputs("}\n", file);
    const int failure = ferror(file) ? EIO : 0;
    errno = 0;
    if (fclose(file) != 0 || failure)
        return rhm_fail(error, RHM_IO, "%s: cannot write the trace: %s", rhm_path_shown(path),
                        strerror(errno ? errno : EIO));
    return RHM_OK;
}

rhm_status rhm_engine_write_trace(const rhm_engine *engine, const char *path, const char *command, rhm_error *error) {
    if (!engine->trace)
        return rhm_fail(error, RHM_INVALID, "%s: this engine was created without a trace to write",
                        rhm_path_shown(path));
    rhm_trace_finish(engine->trace);
    rhm_atomic file;
    RHM_TRY(rhm_atomic_begin(&file, path, error));
    const rhm_status status = write_to(engine, file.temporary, path, command, error);
    if (status != RHM_OK) {
        rhm_atomic_abandon(&file);
        return status;
    }
    return rhm_atomic_commit(&file, error);
}
