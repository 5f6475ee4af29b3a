#include "linear/solve.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "linear/solvers.h"

typedef struct method {
    const char *name;
    rhm_solver_run *run, *preconditioned; /* the latter with a preconditioner, where the solver can use one */
    uint32_t most_iterations;
} method;

#define METHOD(solver, ...) [solver] = {__VA_ARGS__},
static const method methods[RHM_SOLVERS] = {RHM_SOLVER_TABLE(METHOD)};

const char *rhm_solver_name(rhm_solver solver) {
    return (unsigned)solver < RHM_SOLVERS ? methods[solver].name : "unknown";
}

uint32_t rhm_solver_most_iterations(rhm_solver solver) {
    return methods[solver].most_iterations;
}

static void judge(rhm_solve_result *result, double residual, const rhm_solve_options *o) {
    result->residual = residual;
    /* Rounding to float moves the residual by parts in 10^7, which is no failure to converge. */
    result->converged = residual <= 1.1 * o->tolerance + 2e-6;
}

/* W is final: its residual. */
static rhm_status finish(rhm_normal *n, const rhm_solve_options *o, const double *target, double *w,
                         rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_normal_size(n);
    const rhm_solve_state state = rhm_solved_state(n, result, w);
    double *r = RHM_NEW(double, size, 1, 1, "residual", error);
    if (!r)
        return RHM_NO_MEMORY;
    rhm_solve_show(n->watch, &state);
    const rhm_status status = rhm_normal_residual(n, o->lambda, target, w, r, error);
    const double norm = sqrt(rhm_normal_square(n, target));
    judge(result, norm > 0 ? sqrt(rhm_normal_square(n, r)) / norm : 0, o);
    if (status != RHM_OK)
        rhm_solve_show(n->watch, &state);
    rhm_free(r);
    return status;
}

rhm_solve_state rhm_solved_state(const rhm_normal *n, const rhm_solve_result *result, double *w) {
    return (rhm_solve_state){
        .phase = RHM_PHASE_SOLVED,
        .iterations = result->iterations,
        .number = {result->residual},
        .vector = {w},
        .length = {rhm_normal_size(n)},
    };
}

rhm_status rhm_solve(rhm_normal *n, const rhm_solve_options *options, const double *target, double *w,
                     rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_normal_size(n);
    rhm_solve_options o = *options;
    *result = (rhm_solve_result){0};
    if ((unsigned)o.solver >= RHM_SOLVERS)
        return rhm_fail(error, RHM_INVALID, "solver %d is unknown", (int)o.solver);
    if (!o.max_iterations)
        o.max_iterations = methods[o.solver].most_iterations;
    rhm_solve_state solved = rhm_solved_state(n, result, w);
    if (rhm_solve_restore(n->watch, &solved)) {
        result->iterations = solved.iterations;
        if (o.preconditioner) {
            judge(result, solved.number[0], &o);
            return RHM_OK;
        }
        return finish(n, &o, target, w, result, error);
    }
    const method *by = &methods[o.solver];
    RHM_TRY((o.preconditioner && by->preconditioned ? by->preconditioned : by->run)(n, &o, target, w, result, error));
    for (size_t i = 0; i < size; i++)
        w[i] = (double)(float)w[i];
    /* With so many patches, a pass to measure what is known already costs as much as a third of the solution. */
    if (o.preconditioner) {
        judge(result, result->residual, &o);
        solved = rhm_solved_state(n, result, w);
        rhm_solve_show(n->watch, &solved);
        return RHM_OK;
    }
    return finish(n, &o, target, w, result, error);
}
