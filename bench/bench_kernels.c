/*
 * The operations of a level at every instruction set, backend and thread count, for the shapes of shapes/kernels.txt
 * (or
 * --shapes=FILE): operation/shape/isa/backend/t.
 *
 * An iteration is a trial of a few milliseconds on all threads, followed by a trial of the multiply-add ceiling of the
 * same instruction set and threads. Neighbours on a shared machine take whole milliseconds away and never give any, so
 * the best trial of each counts: share = best rate of the row / best ceiling of the process so far.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gbench.h"
#include "kernel_work.h"
#include "session.h"
#include "session_engine.h"

enum { SCALAR_FRACTION = 32 };

typedef struct row {
    problem *p;
    operation what;
    rhm_isa isa;
    bool onednn;
    double best; /* seconds, over all calls of the row */
} row;

static struct {
    const char *path;
    shapes shapes;
    problem *problems; /* (shapes.count) */
    row *rows;
    rhm_error error;
} all = {.path = RHM_BENCH_DIR "/shapes/kernels.txt"};

/* The scalar table is an order of magnitude slower: fewer patches keep its trials as short. */
static size_t trial_patches(const row *r) {
    const size_t most = r->p->patches;
    return r->isa != RHM_ISA_SCALAR ? most : most < SCALAR_FRACTION ? 1 : most / SCALAR_FRACTION;
}

static void report(gb_state *state, const row *r, const work *w, int threads) {
    const size_t count = w->patches * (size_t)threads;
    const double flops = work_flops(r->p, r->what, count), bytes = work_bytes(r->p, r->what, count);
    const double resident = work_resident_nbytes(w, r->what);
    gb_counter(state, "flops", flops, 0);
    gb_counter(state, "bytes", bytes, 0);
    gb_counter(state, "patches", (double)count, 0);
    gb_counter(state, "flops_per_second", flops, GB_RATE | GB_INVARIANT);
    gb_counter(state, "best_flops_per_second", flops / r->best, 0);
    gb_counter(state, "ceiling_flops_per_second", session_ceiling(), 0);
    gb_counter(state, "share", flops / r->best / session_ceiling(), 0);
    gb_counter(state, "resident_bytes", resident, GB_1024);
    session_report_placement(state);
    gb_bytes_processed(state, (int64_t)bytes * gb_iterations_done(state));
    gb_label(state, resident <= session_l2_nbytes() ? "reused operands fit L2, patches stream"
                                                    : "reused operands exceed L2, patches stream");
}

static void measure(gb_state *state, row *r, work *w) {
    rhm_error error = {0};
    while (gb_keep_running(state)) {
        const double start = session_seconds();
        const rhm_status status = work_run(w, &error);
        const double seconds = session_seconds() - start;
        if (status != RHM_OK) {
            gb_skip_error(state, error.text);
            continue;
        }
        gb_set_iteration_time(state, seconds);
        r->best = fmin(r->best, seconds);
        session_ceiling_trial();
    }
}

static void run(gb_state *state, void *user) {
    row *r = user;
    const int threads = (int)gb_range(state, 0);
    rhm_error error = {0};
    rhm_engine *engine = NULL;
    work w = {0};
    rhm_status status = session_engine(&engine, r->isa, threads, &error);
    if (status == RHM_OK)
        status = work_init(&w, r->p, engine, r->what, r->onednn, trial_patches(r), &error);
    if (status == RHM_OK && gb_run_index(state) == 0) {
        r->best = HUGE_VAL;
        status = work_verify(&w, &error);
    }
    if (status == RHM_UNSUPPORTED) {
        gb_skip_message(state, error.text);
    } else if (status != RHM_OK) {
        gb_skip_error(state, error.text);
    } else {
        measure(state, r, &w);
        if (!gb_skipped(state))
            report(state, r, &w, threads);
    }
    work_clear(&w);
}

static void add(row *r) {
    static const char *const names[] = {"t"};
    char name[128];
    int counts[SESSION_THREAD_COUNTS];
    const int n = session_thread_counts(counts, SESSION_THREAD_COUNTS);
    snprintf(name, sizeof name, "%s/%s/%s/%s", operation_name(r->what), r->p->source->name, rhm_isa_name(r->isa),
             r->onednn ? "onednn" : "native");
    gb_bench *bench = gb_register(name, run, r);
    gb_arg_names(bench, names, 1);
    for (int i = 0; i < n; i++)
        gb_arg(bench, counts[i]);
    gb_use_manual_time(bench);
    gb_measure_process_cpu_time(bench);
    gb_unit(bench, GB_MILLISECOND);
}

/* oneDNN's kernels need AVX2: no row of it for scalar. */
static void register_all(void) {
    row *r = all.rows;
    for (int what = 0; what < WORK_COUNT; what++)
        for (size_t i = 0; i < all.shapes.count; i++)
            for (int isa = RHM_ISA_SCALAR; isa < RHM_ISA_COUNT; isa++)
                for (int onednn = 0; onednn <= (isa > RHM_ISA_SCALAR); onednn++, r++) {
                    *r = (row){&all.problems[i], (operation)what, (rhm_isa)isa, onednn, 0};
                    add(r);
                }
}

static rhm_status prepare(rhm_error *error) {
    static const char *const known[] = {"vocab", "branching", "width", "rows", "run", "patches", NULL};
    rhm_status status = shapes_read(&all.shapes, all.path, known, error);
    if (status != RHM_OK)
        return status;
    all.problems = calloc(all.shapes.count, sizeof *all.problems);
    all.rows = calloc(all.shapes.count * WORK_COUNT * 2 * RHM_ISA_COUNT, sizeof *all.rows);
    if (!all.problems || !all.rows)
        return RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < all.shapes.count; i++)
        status = problem_make(&all.problems[i], &all.shapes, &all.shapes.items[i], error);
    return status;
}

static void clear(void) {
    session_engine_clear();
    for (size_t i = 0; all.problems && i < all.shapes.count; i++)
        problem_clear(&all.problems[i]);
    free(all.problems);
    free(all.rows);
    shapes_destroy(&all.shapes);
}

int main(int argc, char **argv) {
    session_take_option(&argc, argv, "--shapes=", &all.path);
    const rhm_status prepared = prepare(&all.error);
    int status = 2;
    if (prepared == RHM_OK)
        status = session_main(argc, argv, "bench_kernels [--shapes=FILE]: the operations of a level", register_all);
    else
        fprintf(stderr, "%s: %s\n", argv[0], *all.error.text ? all.error.text : rhm_status_name(prepared));
    clear();
    return status;
}
