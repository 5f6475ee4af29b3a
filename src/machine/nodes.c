/* From the cores of every NUMA node to the memory of every node: bandwidth of all its cores, latency of one. */
#include <math.h>

#include "ceilings/caches.h"
#include "ceilings/chase.h"
#include "ceilings/loops.h"
#include "core/fail.h"
#include "core/fields.h"
#include "core/json.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "machine/explore.h"

/* Memory is read piece by piece, about a millisecond each: some are read before anybody takes a processor away. */
enum { MOST_PIECES = 64, PASSES = 4, PIECE_NBYTES_A_THREAD = 4 << 20 };

typedef struct node_work {
    const rhm_engine *engine;
    rhm_buffer memory;
    int node;      /* whose threads work */
    int threads;   /* of it */
    size_t pieces; /* of the memory */
    size_t piece;  /* that is read */
    double *begin; /* (threads of the engine), seconds; and */
    double *end;
} node_work;

static int rank_in_node(const rhm_engine *engine, int thread) {
    int rank = 0;
    for (int t = 0; t < thread; t++)
        rank += engine->thread_node[t] == engine->thread_node[thread];
    return rank;
}

/* By a thread of the memory's own node, so that pages are there also where binding is denied. */
static void make_cycle(void *context, int thread) {
    const node_work *w = context;
    if (w->engine->thread_node[thread] == w->memory.home.node && rank_in_node(w->engine, thread) == 0)
        rhm_chase_make(w->memory.data, rhm_chase_whole(w->memory.nbytes), 1);
}

static void read_piece(void *context, int thread) {
    const node_work *w = context;
    if (w->engine->thread_node[thread] != w->node)
        return;
    const rhm_ceilings_kernels *kernels = rhm_tables_nearest(&rhm_ceilings_loops, rhm_isa_here());
    const size_t blocks = w->memory.nbytes / CEILINGS_BLOCK_NBYTES / w->pieces;
    const size_t rank = (size_t)rank_in_node(w->engine, thread), threads = (size_t)w->threads;
    const size_t first = w->piece * blocks + rank * blocks / threads,
                 end = w->piece * blocks + (rank + 1) * blocks / threads;
    w->begin[thread] = 1e-9 * (double)rhm_trace_now();
    volatile uint64_t sum = kernels->load((const char *)w->memory.data + first * CEILINGS_BLOCK_NBYTES,
                                          (end - first) * CEILINGS_BLOCK_NBYTES);
    (void)sum;
    w->end[thread] = 1e-9 * (double)rhm_trace_now();
}

/* From the first start to the last end. */
static double piece_seconds(const node_work *w) {
    double begin = HUGE_VAL, end = -HUGE_VAL;
    for (int t = 0; t < w->engine->threads; t++)
        if (w->engine->thread_node[t] == w->node) {
            begin = fmin(begin, w->begin[t]);
            end = fmax(end, w->end[t]);
        }
    return end - begin;
}

/* Of the best piece. All of the memory lies between two readings of one, so that caches hold little of it. */
static double bandwidth(node_work *w) {
    const size_t pieces = w->memory.nbytes / PIECE_NBYTES_A_THREAD / (size_t)w->threads;
    w->pieces = pieces < 1 ? 1 : pieces < MOST_PIECES ? pieces : MOST_PIECES;
    const size_t blocks = w->memory.nbytes / CEILINGS_BLOCK_NBYTES / w->pieces;
    double least = HUGE_VAL;
    for (int pass = 0; pass < PASSES; pass++)
        for (w->piece = 0; w->piece < w->pieces; w->piece++) {
            rhm_on_every_thread(w->engine, read_piece, w);
            least = fmin(least, piece_seconds(w));
        }
    return least > 0 && isfinite(least) ? 1e-9 * (double)(blocks * CEILINGS_BLOCK_NBYTES) / least : (double)NAN;
}

static void walk_all(void *context, int thread) {
    const node_work *w = context;
    if (w->engine->thread_node[thread] == w->node && rank_in_node(w->engine, thread) == 0)
        w->begin[0] = rhm_chase_seconds(w->memory.data, rhm_chase_whole(w->memory.nbytes));
}

static double latency(const node_work *w) {
    w->begin[0] = (double)NAN;
    rhm_on_every_thread(w->engine, walk_all, (void *)(uintptr_t)w);
    return 1e9 * w->begin[0];
}

/* Columns of both matrices: all nodes' ways to the memory of one. */
static rhm_status explore_memory(const rhm_engine *engine, int target, size_t nbytes, double *gbs, double *ns,
                                 bool *bound, rhm_error *error) {
    const int nodes = engine->topology.node_count;
    node_work w = {.engine = engine};
    const rhm_home home = {.kind = RHM_HOME_NODE, .node = target};
    RHM_TRY(rhm_buffer_create(&w.memory, engine, home, 1, nbytes, 1, 1, "memory of a node", error));
    w.begin = RHM_NEW(double, (size_t)engine->threads, 2, 1, "times of threads", error);
    if (!w.begin) {
        rhm_buffer_destroy(&w.memory, engine);
        return RHM_NO_MEMORY;
    }
    w.end = w.begin + engine->threads;
    *bound = w.memory.bound;
    rhm_on_every_thread(engine, make_cycle, &w);
    for (w.node = 0; w.node < nodes; w.node++) {
        w.threads = engine->node_threads[w.node];
        gbs[w.node * nodes + target] = w.threads ? bandwidth(&w) : (double)NAN;
        ns[w.node * nodes + target] = w.threads ? latency(&w) : (double)NAN;
    }
    rhm_free(w.begin);
    rhm_buffer_destroy(&w.memory, engine);
    return rhm_engine_check(engine, error);
}

static json_t *matrix_of(const double *values, int nodes) {
    json_t *rows = json_array();
    for (int i = 0; i < nodes; i++) {
        json_t *row = json_array();
        for (int j = 0; j < nodes; j++)
            rhm_json_append(&row, rhm_json_number(values[i * nodes + j]));
        rhm_json_append(&rows, row);
    }
    return rows;
}

rhm_status rhm_explore_nodes(json_t **out, const rhm_engine *parent, rhm_error *error) {
    rhm_plan plan = {0};
    rhm_engine *engine = NULL;
    RHM_TRY(rhm_explore_cores(&plan, parent, error));
    rhm_status status = rhm_explore_on(&engine, parent, plan.place, plan.threads, error);
    rhm_plan_clear(&plan);
    RHM_TRY(status);
    char reason[128] = "";
    const int nodes = engine->topology.node_count;
    const size_t cells = (size_t)nodes * (size_t)nodes;
    const uint64_t set = rhm_ceilings_working_set(CEILINGS_DRAM, 1, 1, reason, sizeof reason);
    const size_t nbytes = (size_t)(set ? set : 64 << 20) / CEILINGS_BLOCK_NBYTES * CEILINGS_BLOCK_NBYTES;
    double *gbs = RHM_NEW(double, cells, 2, 1, "matrix of nodes", error), *ns = gbs ? gbs + cells : NULL;
    json_t *numbers = json_array();
    bool bound = true, all_bound = true;
    status = gbs ? RHM_OK : RHM_NO_MEMORY;
    for (int node = 0; node < nodes && status == RHM_OK; node++) {
        rhm_engine_progress(parent, "machine: nodes", (uint64_t)node, (uint64_t)nodes);
        rhm_json_append(&numbers, json_integer(engine->topology.node[node].os_index));
        status = explore_memory(engine, node, nbytes, gbs, ns, &bound, error);
        all_bound = all_bound && bound;
    }
    if (status == RHM_OK)
        *out = json_pack("{s:o, s:I, s:b, s:o, s:o}", "nodes", json_incref(numbers), "bytes", (json_int_t)nbytes,
                         "bound", all_bound, "load_gbs", matrix_of(gbs, nodes), "latency_ns", matrix_of(ns, nodes));
    json_decref(numbers);
    rhm_free(gbs);
    rhm_engine_destroy(engine);
    return status;
}
