/*
 * Conjugate gradients for very many distinct patches, preconditioned by the same regression on some of them.
 *
 * C is a mean over patches, and few of its eigenvalues are above lambda, so a sample of patches knows C + lambda I to
 * some per cent: each pass over all patches then gains a factor of 20 to 50 where plain conjugate gradients gain 2
 * or 3. The solution is that of all patches; the sample only decides how soon it is reached.
 */
#ifndef RHM_LEARNER_COARSE_H
#define RHM_LEARNER_COARSE_H

#include "learner/route.h"
#include "learner/solve.h"

/* Some patches of a regression, evenly spaced in its list, with a regression of their own. */
typedef struct rhm_coarse {
    rhm_intern patches; /* a list */
    rhm_patch_counts counts;
    uint64_t samples;
    rhm_regression regression;
} rhm_coarse;

/* How many patches should precondition `distinct` ones of 2 x `width` features; 0: too few for it to pay. A function of
 * the problem's sizes alone, because the solution depends on it within the tolerance. */
size_t rhm_coarse_size(size_t distinct, size_t width);

/* What `solves` solutions cost then, in passes over all patches: those few, and the sample's own iterations. */
double rhm_coarse_passes(double solves);

/* Products with its own C that the sample is asked for meanwhile: some ten for each of those passes. */
double rhm_coarse_products(double solves);

/* Borrows `layer` and `inputs`; copies what it takes of the others. `route` is how the sample multiplies with its C. */
rhm_status rhm_coarse_init(rhm_coarse *coarse, size_t size, const rhm_engine *engine, const rhm_ready_layer *layer,
                           const rhm_embeddings *inputs, const rhm_intern *patches, const rhm_patch_counts *counts,
                           rhm_route route, rhm_error *error);
void rhm_coarse_clear(rhm_coarse *coarse); /* accepts a zeroed one */

/* As conjugate gradients in rhm_solve: w is the start on entry; iterations are passes over all patches. */
rhm_status rhm_coarse_solve(rhm_coarse *coarse, rhm_regression *problem, const rhm_solve_options *options,
                            const double *target, double *w, rhm_solve_result *result, rhm_error *error);

#endif
