/*
 * Chrome's trace-event format ("Trace Event Format", Google, 2016): the events of one process, which is several to
 * readers: the first has the spans of the calling thread, the next ones the threads of each NUMA node.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/trace_internal.h"

enum { LEAD_TID = 1 };

/* What goes where. */
typedef struct writer {
    FILE *file;
    const rhm_engine *engine;
    const rhm_trace_tracks *tracks;
} writer;

static double moment(const writer *w, int64_t nanoseconds) {
    return 1e-3 * (double)(nanoseconds + w->tracks->shift);
}

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

static void put_meta(const writer *w, const char *what, int pid, int tid, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void put_meta(const writer *w, const char *what, int pid, int tid, const char *format, ...) {
    va_list arguments;
    const bool process = strcmp(what, "process_name") == 0;
    fprintf(w->file, "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":\"%s", what, pid, tid,
            process ? w->tracks->of : "");
    va_start(arguments, format);
    vfprintf(w->file, format, arguments);
    va_end(arguments);
    fputs("\"}},\n", w->file);
}

static int node_pid(const writer *w, int thread) {
    const int node = w->engine->thread_node[thread];
    return w->tracks->pid + 1 + (node < 0 ? w->engine->topology.node_count : node);
}

static void put_tracks(const writer *w) {
    const rhm_engine *engine = w->engine;
    const int spans = w->tracks->pid, nodes = spans + 1;
    put_meta(w, "process_name", spans, LEAD_TID, "rhm");
    put_meta(w, "thread_name", spans, LEAD_TID, "stages");
    for (int node = 0; node < engine->topology.node_count; node++)
        if (engine->node_threads[node] > 0)
            put_meta(w, "process_name", nodes + node, 0, "NUMA node %u", engine->topology.node[node].os_index);
    if (!engine->threads_have_nodes)
        put_meta(w, "process_name", nodes + engine->topology.node_count, 0, "threads of no fixed node");
    for (int t = 0; t < engine->threads; t++) {
        const int pid = node_pid(w, t), tid = LEAD_TID + t;
        if (engine->plan.place)
            put_meta(w, "thread_name", pid, tid, "thread %d, PU %d", t, engine->plan.place[t].pu_os);
        else
            put_meta(w, "thread_name", pid, tid, "thread %d, not bound by rhm", t);
    }
}

void rhm_trace_put_work(FILE *file, const rhm_span_work *work) {
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

static void put_rate(const writer *w, int64_t when, double gflops) {
    fprintf(w->file, "{\"ph\":\"C\",\"name\":\"GFLOP/s\",\"pid\":%d,\"ts\":%.3f,\"args\":{\"GFLOP/s\":%.4g}},\n",
            w->tracks->pid, moment(w, when), gflops);
}

static void put_span(const writer *w, const rhm_trace_span *span) {
    const int64_t lasted = span->end - span->begin;
    fputs("{\"ph\":\"X\",", w->file);
    put_name(w->file, span->name, span->level);
    fprintf(w->file, ",\"cat\":\"span\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"level\":%u",
            w->tracks->pid, LEAD_TID, moment(w, span->begin), microseconds(lasted), span->level);
    rhm_trace_put_work(w->file, &span->work);
    fprintf(w->file, "%s}},\n", span->unfinished ? ",\"unfinished\":true" : "");
    if (span->work.flops > 0 && lasted > 0) {
        put_rate(w, span->begin, span->work.flops / (double)lasted);
        put_rate(w, span->end, 0);
    }
}

static void put_share(const writer *w, const rhm_trace_share *share) {
    fputs("{\"ph\":\"X\",", w->file);
    put_name(w->file, share->name, share->level);
    fprintf(w->file,
            ",\"cat\":\"loop\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"level\":%u,\"chunks\":%u,"
            "\"taken_from_others\":%u,\"cpu\":%d,\"late_us\":%.3f,\"idle_us\":%.3f}},\n",
            node_pid(w, share->thread), LEAD_TID + share->thread, moment(w, share->begin),
            microseconds(share->end - share->begin), share->level, share->own + share->stolen, share->stolen,
            share->cpu, microseconds(share->begin - share->loop_begin), microseconds(share->loop_end - share->end));
}

static bool fits(FILE *file, size_t most_nbytes) {
    return most_nbytes == SIZE_MAX || (size_t)ftell(file) < most_nbytes;
}

void rhm_trace_put_events(FILE *file, const rhm_engine *engine, const rhm_trace_tracks *tracks, size_t most_nbytes) {
    rhm_trace *trace = engine->trace;
    const writer w = {file, engine, tracks};
    put_tracks(&w);
    for (size_t i = 0; i < trace->span_count; i++) {
        if (fits(file, most_nbytes))
            put_span(&w, &trace->spans[i]);
        else
            trace->spans_dropped++;
    }
    for (size_t i = 0; i < trace->share_count; i++) {
        if (fits(file, most_nbytes))
            put_share(&w, &trace->shares[i]);
        else
            trace->shares_dropped++;
    }
}
