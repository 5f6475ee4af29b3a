/* Conjugate gradients, preconditioned by a sample of the patches. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "linear/preconditioner.h"
#include "linear/solvers.h"

/* The vectors of all classes, (classes, stride). */
typedef struct step {
    double lambda;
    size_t stride;
    bool first;
    double *w, *r, *z, *direction, *image, *previous;
} step;

/* The inner solution is inexact, and so no fixed linear map: z is made conjugate to the last direction outright
 * (flexible conjugate gradients), class by class. */
static void make_conjugate(void *context, size_t c) {
    const step *s = context;
    const size_t stride = s->stride;
    double *z = s->z + c * stride, *d = s->direction + c * stride, *q = s->previous + c * stride;
    const double curvature = rhm_dot(d, q, stride);
    const double beta = !s->first && curvature > 0 ? rhm_dot(z, q, stride) / curvature : 0;
    for (size_t f = 0; f < stride; f++)
        z[f] -= beta * d[f];
}

static void advance(void *context, size_t c) {
    const step *s = context;
    const size_t stride = s->stride;
    double *r = s->r + c * stride, *d = s->direction + c * stride, *q = s->image + c * stride, *w = s->w + c * stride;
    for (size_t f = 0; f < stride; f++)
        q[f] += s->lambda * d[f];
    memcpy(s->previous + c * stride, q, sizeof *q * stride);
    const double curvature = rhm_dot(d, q, stride);
    if (!(curvature > 0)) /* the direction is zero: this class is solved */
        return;
    const double length = rhm_dot(r, d, stride) / curvature;
    for (size_t f = 0; f < stride; f++) {
        w[f] += length * d[f];
        r[f] -= length * q[f];
    }
}

rhm_status rhm_solve_preconditioned_cg(rhm_normal *n, const rhm_solve_options *options, const double *target, double *w,
                                       rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_normal_size(n), stride = n->stride;
    const double norm = rhm_normal_square(n, target), goal = options->tolerance * options->tolerance * norm;
    double *r = RHM_NEW(double, size, 5, 1, "conjugate gradient vectors", error);
    if (!r)
        return RHM_NO_MEMORY;
    double *z = r + size, *direction = r + 2 * size, *image = r + 3 * size, *previous = r + 4 * size;
    rhm_status status = RHM_OK;
    rhm_solve_state state = {
        .phase = RHM_PHASE_PRECONDITIONED, .vector = {w, r, direction, previous}, .length = {size, size, size, size}};
    if (rhm_solve_restore(n->watch, &state))
        result->iterations = state.iterations;
    else if ((status = rhm_normal_residual(n, options->lambda, target, w, r, error)) != RHM_OK)
        goto done;
    while (status == RHM_OK && rhm_normal_square(n, r) > goal && result->iterations < options->max_iterations) {
        state.iterations = result->iterations;
        state.vector[2] = direction;
        rhm_solve_show(n->watch, &state);
        if ((status = rhm_preconditioner_apply(options->preconditioner, options->lambda, r, z, error)) != RHM_OK)
            break;
        step all = {options->lambda, stride, result->iterations == 0, w, r, z, direction, image, previous};
        rhm_normal_each_class(n, make_conjugate, &all);
        if ((status = rhm_normal_apply(n, z, image, error)) != RHM_OK)
            break;
        double *const spent = direction; /* an interrupted pass has left it as it was */
        direction = z;
        z = spent;
        result->iterations++;
        rhm_solve_progress(n, result->iterations);
        all.direction = direction;
        rhm_normal_each_class(n, advance, &all);
    }
    if (status != RHM_OK)
        rhm_solve_show(n->watch, &state);
    result->residual = norm > 0 ? sqrt(rhm_normal_square(n, r) / norm) : 0;
done:
    rhm_free(r);
    return status;
}
