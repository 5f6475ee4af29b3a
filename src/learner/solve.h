/* Solvers of (C + lambda I) W = B. All stop on the measured relative residual ||(C + lambda I) W - B|| / ||B||. */
#ifndef RHM_LEARNER_SOLVE_H
#define RHM_LEARNER_SOLVE_H

#include "learner/regression.h"
#include "rhm/learner.h"

struct rhm_coarse;

typedef struct rhm_solve_options {
    rhm_solver solver;
    double lambda;
    double tolerance;
    double patch_count;        /* |P_l|, for the step of gd-paper */
    uint32_t max_iterations;   /* 0: as many as the solver could sensibly need */
    struct rhm_coarse *coarse; /* preconditions conjugate gradients, or NULL */
} rhm_solve_options;

typedef struct rhm_solve_result {
    uint32_t iterations;
    double residual; /* of W rounded to float, by one more pass; with a sample, the solver's own, before rounding */
    bool converged;
} rhm_solve_result;

/* w (classes, stride): the start on entry (zero: the paper's), W rounded to float on return. `target` is B. */
rhm_status rhm_solve(rhm_regression *problem, const rhm_solve_options *options, const double *target, double *w,
                     rhm_solve_result *result, rhm_error *error);

/* The state of a finished solution, for the watch of what is done with it next. */
rhm_solve_state rhm_solved_state(const rhm_regression *problem, const rhm_solve_result *result, double *w);

/* The largest eigenvalue of C, from below, by power iteration; relative error about 1e-3. */
rhm_status rhm_top_eigenvalue(rhm_regression *problem, double *top, rhm_error *error);

/* Dense solution in double precision with LAPACKE: in the patches when they are fewer than the features, else in the
 * features (where B is formed from the counts anew). Outside the promise of equal bits. */
rhm_status rhm_solve_cholesky(rhm_regression *problem, double lambda, const double *target, double *w,
                              rhm_error *error);

#endif
