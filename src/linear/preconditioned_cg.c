/* Conjugate gradients, preconditioned by a sample of the patches. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "linear/preconditioner.h"
#include "linear/solvers.h"

rhm_status rhm_solve_preconditioned_cg(rhm_normal *n, const rhm_solve_options *options, const double *target, double *w,
                                       rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_normal_size(n), stride = n->stride;
    const double norm = rhm_dot(target, target, size), goal = options->tolerance * options->tolerance * norm;
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
    while (status == RHM_OK && rhm_dot(r, r, size) > goal && result->iterations < options->max_iterations) {
        state.iterations = result->iterations;
        state.vector[2] = direction;
        rhm_solve_show(n->watch, &state);
        if ((status = rhm_preconditioner_apply(options->preconditioner, options->lambda, r, z, error)) != RHM_OK)
            break;
        /* The inner solution is inexact, and so no fixed linear map: z is made conjugate to the last direction
         * outright (flexible conjugate gradients), class by class. */
        for (size_t c = 0; c < n->data.classes; c++) {
            double *zc = z + c * stride, *dc = direction + c * stride, *qc = previous + c * stride;
            const double curvature = rhm_dot(dc, qc, stride);
            const double turn = result->iterations && curvature > 0 ? rhm_dot(zc, qc, stride) / curvature : 0;
            for (size_t f = 0; f < stride; f++)
                zc[f] -= turn * dc[f];
        }
        if ((status = rhm_normal_apply(n, z, image, error)) != RHM_OK)
            break;
        double *const spent = direction; /* an interrupted pass has left it as it was */
        direction = z;
        z = spent;
        result->iterations++;
        rhm_solve_progress(n, result->iterations);
        for (size_t c = 0; c < n->data.classes; c++) {
            double *rc = r + c * stride, *dc = direction + c * stride, *qc = image + c * stride, *wc = w + c * stride;
            for (size_t f = 0; f < stride; f++)
                qc[f] += options->lambda * dc[f];
            const double curvature = rhm_dot(dc, qc, stride);
            if (!(curvature > 0)) /* the direction is zero: this class is solved */
                continue;
            const double step = rhm_dot(rc, dc, stride) / curvature;
            for (size_t f = 0; f < stride; f++) {
                wc[f] += step * dc[f];
                rc[f] -= step * qc[f];
            }
        }
        memcpy(previous, image, sizeof *image * size);
    }
    if (status != RHM_OK)
        rhm_solve_show(n->watch, &state);
    result->residual = norm > 0 ? sqrt(rhm_dot(r, r, size) / norm) : 0;
done:
    rhm_free(r);
    return status;
}
