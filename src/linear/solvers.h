/*
 * The solvers, one file each, which know the equations through normal.h alone. A new one is a value in rhm/learner.h,
 * and here a declaration, a row of the table, and a price if it multiplies with C.
 */
#ifndef RHM_LINEAR_SOLVERS_H
#define RHM_LINEAR_SOLVERS_H

#include "linear/solve.h"

/* As rhm_solve, whose options have max_iterations set: iterations and, with a preconditioner, the residual go into
 * `result`. */
typedef rhm_status rhm_solver_run(rhm_normal *normal, const rhm_solve_options *options, const double *target, double *w,
                                  rhm_solve_result *result, rhm_error *error);

rhm_solver_run rhm_solve_cg, rhm_solve_preconditioned_cg;

/* Gradient descent with the best step for the spectrum of C, and with that of the paper. */
rhm_solver_run rhm_solve_gd, rhm_solve_gd_paper;

/* Dense solution in double precision with LAPACKE: in the patches when they are fewer than the features, else in the
 * features (where B is formed from the counts anew). Outside the promise of equal bits. */
rhm_solver_run rhm_solve_cholesky;

/* Value, name, the function, the one with a preconditioner (NULL: none), and after how many iterations it ends in any
 * case: conjugate gradients after as many as there are distinct eigenvalues; descent needs about condition x
 * log(1/tolerance). */
#define RHM_SOLVER_TABLE(row)                                                                                          \
    row(RHM_CG, "cg", rhm_solve_cg, rhm_solve_preconditioned_cg, 2000) row(RHM_GD, "gd", rhm_solve_gd, NULL, 200000)   \
        row(RHM_GD_PAPER, "gd-paper", rhm_solve_gd_paper, NULL, 200000)                                                \
            row(RHM_CHOLESKY, "cholesky", rhm_solve_cholesky, NULL, 1)

/* Products with C that `solves` solutions to a residual of about 1e-4 take, at ridges between 1 / |P_l| and a hundredth
 * of it, and their final residuals; 0: the solver does not multiply with C. */
static inline double rhm_solver_products(rhm_solver solver, double solves) {
    switch (solver) {
    case RHM_CG: return 14 * solves;
    case RHM_GD: return 20 * solves + 30; /* the step takes the top eigenvalue */
    case RHM_GD_PAPER: return 140 * solves;
    default: return 0;
    }
}

/* Its one iteration is a factorisation (rhm_factoring_cost). */
static inline bool rhm_solver_factors(rhm_solver solver) {
    return solver == RHM_CHOLESKY;
}

/* After so many iterations it ends in any case: of the table above. */
uint32_t rhm_solver_most_iterations(rhm_solver solver);

/* The largest eigenvalue of C, from below, by power iteration; relative error about 1e-3. */
rhm_status rhm_top_eigenvalue(rhm_normal *normal, double *top, rhm_error *error);

/* Passes are the unit; how many more will be needed is not known. */
static inline void rhm_solve_progress(const rhm_normal *normal, uint32_t iterations) {
    if (normal->label)
        rhm_engine_progress(normal->engine, normal->label, iterations, 0);
}

static inline double rhm_dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

#endif
