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

#include "kernel_work.h"
#include "program.h"

enum { SCALAR_FRACTION = 32 };

typedef struct row {
    problem *p;
    operation what;
    rhm_isa isa;
    bool onednn;
    double best; /* seconds, over all calls of the row */
} row;

/* The scalar table is an order of magnitude slower: fewer patches keep its trials as short. */
static size_t trial_patches(const row *r) {
    const size_t most = r->p->patches;
    return r->isa != RHM_ISA_SCALAR ? most : most < SCALAR_FRACTION ? 1 : most / SCALAR_FRACTION;
}

static void report(gb_state *state, const row *r, const work *w, int threads) {
    const size_t count = w->patches * (size_t)threads;
    const double flops = work_flops(r->p, r->what, count), bytes = work_bytes(r->p, r->what, count);
    const double resident = work_resident_nbytes(w, r->what);
    program_report_flops(state, flops, r->best);
    gb_counter(state, "bytes", bytes, 0);
    gb_counter(state, "patches", (double)count, 0);
    gb_counter(state, "flops_per_second", flops, GB_RATE | GB_INVARIANT);
    gb_counter(state, "resident_bytes", resident, GB_1024);
    session_report_placement(state);
    gb_bytes_processed(state, (int64_t)bytes * gb_iterations_done(state));
    gb_label(state, resident <= session_l2_nbytes() ? "reused operands fit L2, patches stream"
                                                    : "reused operands exceed L2, patches stream");
}

static rhm_status trial(void *context, double *seconds, rhm_error *error) {
    const double start = session_seconds();
    const rhm_status status = work_run(context, error);
    *seconds = session_seconds() - start;
    return status;
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
    if (program_first(state, &r->best) && status == RHM_OK)
        status = work_verify(&w, &error);
    if (program_measure(state, status, trial, &w, &r->best, true, &error) == RHM_OK)
        report(state, r, &w, threads);
    work_clear(&w);
}

/* oneDNN's kernels need AVX2: no row of it for scalar. */
static void register_problems(void *problems, size_t count) {
    problem *p = problems;
    for (int what = 0; what < WORK_COUNT; what++)
        for (size_t i = 0; i < count; i++)
            for (int isa = RHM_ISA_SCALAR; isa < RHM_ISA_COUNT; isa++)
                for (int onednn = 0; onednn <= (isa > RHM_ISA_SCALAR); onednn++) {
                    const row r = {&p[i], (operation)what, (rhm_isa)isa, onednn, 0};
                    program_add(run, &r, sizeof r, "%s/%s/%s/%s", operation_name(r.what), p[i].source->name,
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
