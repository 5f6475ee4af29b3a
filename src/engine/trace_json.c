/* The file of a trace, written as it goes: it can be a hundred megabytes. */
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

static double microseconds(int64_t nanoseconds) {
    return 1e-3 * (double)nanoseconds;
}

static void put_total(FILE *file, const rhm_trace *trace, size_t i) {
    const rhm_trace_total *total = &trace->totals[i];
    fprintf(file,
            "{\"name\":\"%s\",\"level\":%u,\"spans\":%llu,\"seconds\":%.9f,\"self_seconds\":%.9f,\"loops\":%llu,"
            "\"loop_seconds\":%.9f",
            total->name, total->level, (unsigned long long)total->spans, 1e-9 * (double)total->total,
            1e-9 * (double)total->self, (unsigned long long)total->loops, 1e-9 * (double)total->in_loops);
    rhm_trace_put_work(file, &total->work);
    const int64_t *busy = trace->total_busy + i * trace->columns;
    fprintf(file, ",\"one_thread_cpu_seconds\":%.9f,\"thread_seconds\":[", 1e-9 * (double)total->alone_cpu);
    for (int t = 0; t < trace->threads; t++)
        fprintf(file, "%s%.9f", t ? "," : "", 1e-9 * (double)busy[t]);
    fputs("],\"thread_cpu_seconds\":[", file);
    for (int t = 0; t < trace->threads; t++)
        fprintf(file, "%s%.9f", t ? "," : "", 1e-9 * (double)busy[trace->threads + t]);
    fprintf(file, "]}%s\n", i + 1 < trace->total_count ? "," : "");
}

void rhm_trace_put_sums(FILE *file, const rhm_trace *trace) {
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

static void put_others(FILE *file, const rhm_engine *engine) {
    fputs(",\n\"ranks\":[", file);
    for (int rank = 1; rank < engine->trace->other_end; rank++) {
        const char *text = engine->trace->others[rank];
        fprintf(file, "%s{\"rank\":%d,\"first_pid\":%d,\n%s}", rank > 1 ? ",\n" : "", rank, rank * RHM_TRACE_PIDS + 1,
                text + strlen(text) + 1);
    }
    fputs("]", file);
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
    rhm_trace_put_sums(file, trace);
    put_others(file, engine);
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
            i ? "," : "", loop->name, loop->level, microseconds(loop->begin + trace->tracks.shift),
            microseconds(loop->end - loop->begin), microseconds(loop->on_cpu), loop->chunks, microseconds(loop->sum),
            microseconds(loop->longest));
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
    rhm_trace_put_events(file, engine, &trace->tracks, SIZE_MAX);
    for (int rank = 1; rank < trace->other_end; rank++)
        fputs(trace->others[rank], file);
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
