/*
 * Which way products C w of a regression are computed: one pass over the distinct patches each, or the Gram matrix C
 * once and then products with that. A rule of the problem's sizes alone, never of the machine, the memory at hand or
 * what was computed before: the two ways round differently, and the model must not depend on where it was trained.
 */
#ifndef RHM_LEARNER_ROUTE_H
#define RHM_LEARNER_ROUTE_H

#include <stddef.h>

#include "rhm/learner.h"

/* Widest Gram matrix: 2M = 8192 features, 260 MiB. Beyond it the route is passes whatever the cost. */
enum { RHM_GRAM_MOST_WIDTH = 4096 };

/* Fits with one bandwidth that a walk along ridges takes, of about: what the policy announces before it begins one. */
enum { RHM_RIDGE_FITS = 4 };

typedef struct rhm_route_sizes {
    double patches;  /* n, distinct */
    double width;    /* M */
    double classes;  /* |V_0| */
    double inputs;   /* s d_e */
    double products; /* C w that will be asked for with the same patches, width and bandwidth */
} rhm_route_sizes;

/*
 * In multiply-adds of single precision as a pass does them. A pass makes the features, n M (s d_e + 14), cosine and
 * sine counted as 14, and two products, 4 n M |V_0|. The Gram matrix makes the features once and takes 2 n M^2; each
 * product with it 4 M^2 |V_0| in double precision, of which one costs as much as three: half as many to a register, and
 * the matrix comes from memory. bench_solvers measures these ratios.
 */
double rhm_route_cost(rhm_route route, const rhm_route_sizes *sizes);

/* The cheaper one that is allowed. */
rhm_route rhm_route_choose(const rhm_route_sizes *sizes);

/* Products with C that `solves` solutions to a residual of about 1e-4 take, and their final residuals; 0: the solver
 * does not multiply with C. */
double rhm_route_products(rhm_solver solver, double solves);

#endif
