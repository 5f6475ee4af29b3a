/* Conjugate gradients. */
#include <string.h>

#include "core/memory.h"
#include "linear/solvers.h"

/* The vectors of all classes, (classes, stride), and of each class the square of its residual before and after. */
typedef struct step {
    double lambda;
    size_t stride;
    double *w, *r, *direction, *image, *square, *next;
} step;

/* One step of one class, whose direction d has the image q = C d. */
static void advance(void *context, size_t c) {
    const step *s = context;
    const size_t stride = s->stride;
    double *w = s->w + c * stride, *r = s->r + c * stride, *d = s->direction + c * stride;
    const double *q = s->image + c * stride, lambda = s->lambda;
    s->next[c] = 0;
    const double curvature = rhm_dot(d, q, stride) + lambda * rhm_dot(d, d, stride);
    if (!(curvature > 0)) /* the direction is zero: this class is solved */
        return;
    const double length = s->square[c] / curvature;
    for (size_t f = 0; f < stride; f++) {
        w[f] += length * d[f];
        r[f] -= length * (q[f] + lambda * d[f]);
    }
    s->next[c] = rhm_dot(r, r, stride);
    const double beta = s->next[c] / s->square[c];
    for (size_t f = 0; f < stride; f++)
        d[f] = r[f] + beta * d[f];
    s->square[c] = s->next[c];
}

/* Every class is a system of its own with the same matrix; one pass serves them all. */
rhm_status rhm_solve_cg(rhm_normal *n, const rhm_solve_options *o, const double *target, double *w,
                        rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_normal_size(n), stride = n->stride;
    const double goal = o->tolerance * o->tolerance * rhm_normal_square(n, target);
    double *r = RHM_NEW(double, size, 3, 1, "conjugate gradient vectors", error);
    double *square = RHM_NEW(double, n->data.classes, 2, 1, "conjugate gradient norms", error);
    rhm_status status = r && square ? RHM_OK : RHM_NO_MEMORY;
    double *direction = r + size, *image = r + 2 * size, total;
    rhm_solve_state state = {
        .phase = RHM_PHASE_CG,
        .vector = {w, r, direction, square},
        .length = {size, size, size, n->data.classes},
    };
    if (status != RHM_OK)
        goto done;
    if (rhm_solve_restore(n->watch, &state)) {
        result->iterations = state.iterations;
        total = state.number[0];
    } else {
        if ((status = rhm_normal_residual(n, o->lambda, target, w, r, error)) != RHM_OK)
            goto done;
        memcpy(direction, r, sizeof *r * size);
        for (size_t c = 0; c < n->data.classes; c++)
            square[c] = rhm_dot(r + c * stride, r + c * stride, stride);
        total = rhm_normal_square(n, r);
    }
    while (total > goal && result->iterations < o->max_iterations) {
        state.iterations = result->iterations;
        state.number[0] = total;
        rhm_solve_show(n->watch, &state);
        status = rhm_normal_apply(n, direction, image, error);
        if (status != RHM_OK) {
            rhm_solve_show(n->watch, &state);
            goto done;
        }
        result->iterations++;
        rhm_solve_progress(n, result->iterations);
        step all = {o->lambda, stride, w, r, direction, image, square, square + n->data.classes};
        rhm_normal_each_class(n, advance, &all);
        total = 0;
        for (size_t c = 0; c < n->data.classes; c++)
            total += all.next[c];
    }
done:
    rhm_free(r);
    rhm_free(square);
    return status;
}
