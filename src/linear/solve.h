/* Solvers of (C + lambda I) W = B. All stop on the measured relative residual ||(C + lambda I) W - B|| / ||B||. */
#ifndef RHM_LINEAR_SOLVE_H
#define RHM_LINEAR_SOLVE_H

#include "linear/normal.h"
#include "rhm/learner.h"

struct rhm_preconditioner;

typedef struct rhm_solve_options {
    rhm_solver solver;
    double lambda;
    double tolerance;
    double patch_count;                        /* |P_l|, for the step of gd-paper */
    uint32_t max_iterations;                   /* 0: as many as the solver could sensibly need */
    struct rhm_preconditioner *preconditioner; /* of conjugate gradients, or NULL */
} rhm_solve_options;

typedef struct rhm_solve_result {
    uint32_t iterations;
    double residual; /* of W rounded to float, by one more pass; with a sample, the solver's own, before rounding */
    bool converged;
} rhm_solve_result;

/* w (classes, stride): the start on entry (zero: the paper's), W rounded to float on return. `target` is B. */
rhm_status rhm_solve(rhm_normal *normal, const rhm_solve_options *options, const double *target, double *w,
                     rhm_solve_result *result, rhm_error *error);

/* The state of a finished solution, for the watch of what is done with it next. */
rhm_solve_state rhm_solved_state(const rhm_normal *normal, const rhm_solve_result *result, double *w);

#endif
