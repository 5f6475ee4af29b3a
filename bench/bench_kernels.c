/*
 * The operations of a level at every instruction set, backend and thread count, for the shapes of shapes/kernels.txt
 * (or
 * --shapes=FILE): operation/shape/isa/backend/t.
 *
 * An iteration is a trial of a few milliseconds on all threads, followed by a trial of the multiply-add ceiling of the
 * same instruction set and threads. Neighbours on a shared machine take whole milliseconds away and never give any, so
 * the best trial of each counts: share = best rate of the row / best ceiling of the process so far.
 */
#include <stdio.h>

#include "core/clock.h"
#include "core/fail.h"
#include "kernel_work.h"
#include "program.h"

enum { SCALAR_FRACTION = 32 };

typedef struct row {
    problem *p;
    operation what;
    rhm_isa isa;
    bool onednn;
} row;

typedef struct turn {
    const row *r;
    int threads;
    work w;
} turn;

/* The scalar table is an order of magnitude slower: fewer patches keep its trials as short. */
static size_t trial_patches(const row *r) {
    const size_t most = r->p->patches;
    return r->isa != RHM_ISA_SCALAR ? most : most < SCALAR_FRACTION ? 1 : most / SCALAR_FRACTION;
}

static rhm_status prepare(void *state, void *of, int threads, bool verify, rhm_error *error) {
    turn *t = state;
    const row *r = t->r = of;
    rhm_engine *engine;
    t->threads = threads;
    RHM_TRY(problem_fill(r->p, error));
    RHM_TRY(session_engine(&engine, r->isa, threads, error));
    RHM_TRY(work_init(&t->w, r->p, engine, r->what, r->onednn, trial_patches(r), error));
    return verify ? work_verify(&t->w, error) : RHM_OK;
}

static void clear(void *state) {
    work_clear(&((turn *)state)->w);
}

static rhm_status trial(void *state, double *seconds, rhm_error *error) {
    const double start = rhm_seconds();
    const rhm_status status = work_run(&((turn *)state)->w, error);
    *seconds = rhm_seconds() - start;
    return status;
}

static void report(gb_state *gb, const void *state, double best) {
    const turn *t = state;
    const row *r = t->r;
    const size_t count = t->w.patches * (size_t)t->threads;
    const double flops = work_flops(r->p, r->what, count), bytes = work_bytes(r->p, r->what, count);
    const double resident = work_resident_nbytes(&t->w, r->what);
    program_report_flops(gb, flops, best);
    gb_counter(gb, "bytes", bytes, 0);
    gb_counter(gb, "patches", (double)count, 0);
    gb_counter(gb, "flops_per_second", flops, GB_RATE | GB_INVARIANT);
    gb_counter(gb, "resident_bytes", resident, GB_1024);
    session_report_placement(gb);
    gb_bytes_processed(gb, (int64_t)bytes * gb_iterations_done(gb));
    gb_label(gb, resident <= session_l2_nbytes() ? "reused operands fit L2, patches stream"
                                                 : "reused operands exceed L2, patches stream");
}

static const program_kind kind = {sizeof(turn), true, prepare, trial, report, clear};

/* oneDNN's kernels need AVX2: no row of it for scalar. */
static void register_problems(void *problems, size_t count) {
    problem *p = problems;
    for (int what = 0; what < WORK_COUNT; what++)
        for (size_t i = 0; i < count; i++)
            for (int isa = RHM_ISA_SCALAR; isa < RHM_ISA_COUNT; isa++)
                for (int onednn = 0; onednn <= (isa > RHM_ISA_SCALAR); onednn++) {
                    const row r = {&p[i], (operation)what, (rhm_isa)isa, onednn};
                    program_add(&kind, &r, sizeof r, "%s/%s/%s/%s", operation_name(r.what), p[i].source->name,
                                rhm_isa_name(r.isa), onednn ? "onednn" : "native");
                }
}

static rhm_status make_problem(void *p, const shapes *all, const shape *line, rhm_error *error) {
    return problem_make(p, all, line, error);
}

static void clear_problem(void *p) {
    problem_clear(p);
}

int main(int argc, char **argv) {
    static const char *const keys[] = {"vocab", "branching", "width", "rows", "run", "patches", NULL};
    const program what = {
        .about = "bench_kernels [--shapes=FILE]: the operations of a level",
        .shapes_path = RHM_BENCH_DIR "/shapes/kernels.txt",
        .keys = keys,
        .problem_nbytes = sizeof(problem),
        .make = make_problem,
        .clear = clear_problem,
        .register_problems = register_problems,
    };
    return program_main(argc, argv, &what);
}
