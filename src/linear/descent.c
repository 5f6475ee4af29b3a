/* Gradient descent. */
#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/gaussian.h"
#include "core/memory.h"
#include "linear/solvers.h"

typedef struct descent {
    double length;
    size_t stride;
    double *w;
    const double *r;
} descent;

static void advance(void *context, size_t c) {
    const descent *s = context;
    for (size_t i = c * s->stride; i < (c + 1) * s->stride; i++)
        s->w[i] += s->length * s->r[i];
}

static rhm_status gradient_descent(rhm_normal *n, const rhm_solve_options *o, double length, const double *target,
                                   double *w, rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_normal_size(n);
    const double goal = o->tolerance * o->tolerance * rhm_normal_square(n, target);
    double *r = RHM_NEW(double, size, 1, 1, "gradient", error);
    if (!r)
        return RHM_NO_MEMORY;
    /* In exact arithmetic every step lowers the residual; once many in a row do not, rounding to float is all that is
     * left. */
    enum { MOST_STALLS = 50 };
    rhm_status status;
    double least = INFINITY;
    int stalls = 0;
    rhm_solve_state state = {.phase = RHM_PHASE_DESCENT, .number = {length}, .vector = {w}, .length = {size}};
    if (rhm_solve_restore(n->watch, &state)) {
        result->iterations = state.iterations;
        least = state.number[1];
        stalls = (int)state.number[2];
    }
    for (;;) {
        state.iterations = result->iterations;
        state.number[1] = least;
        state.number[2] = stalls;
        rhm_solve_show(n->watch, &state);
        if ((status = rhm_normal_residual(n, o->lambda, target, w, r, error)) != RHM_OK) {
            rhm_solve_show(n->watch, &state);
            break;
        }
        const double total = rhm_normal_square(n, r);
        stalls = total < least ? 0 : stalls + 1;
        least = fmin(least, total);
        if (total <= goal || stalls == MOST_STALLS || result->iterations == o->max_iterations)
            break;
        rhm_normal_each_class(n, advance, &(descent){length, n->stride, w, r});
        result->iterations++;
        rhm_solve_progress(n, result->iterations);
    }
    rhm_free(r);
    return status;
}

typedef struct power {
    size_t stride, width;
    double *v, *image;
    double *estimate; /* (classes) */
} power;

/* Every class iterates from its own start, so the largest of |V_0| independent estimates is returned. */
static void start_row(void *context, size_t c) {
    const power *p = context;
    for (size_t k = 0; k < p->width; k++)
        for (int sine = 0; sine < 2; sine++)
            p->image[c * p->stride + rhm_feature_index(k, sine)] =
                rhm_gaussian(c, UINT32_C(1) << 17, 2 * k + (size_t)sine);
}

static void normalise_row(void *context, size_t c) {
    const power *p = context;
    double *v = p->v + c * p->stride;
    memcpy(v, p->image + c * p->stride, sizeof *v * p->stride);
    const double norm = sqrt(rhm_dot(v, v, p->stride));
    for (size_t f = 0; f < p->stride && norm > 0; f++)
        v[f] /= norm;
}

static void estimate_row(void *context, size_t c) {
    const power *p = context;
    p->estimate[c] = rhm_dot(p->v + c * p->stride, p->image + c * p->stride, p->stride);
}

rhm_status rhm_top_eigenvalue(rhm_normal *n, double *top, rhm_error *error) {
    enum { MOST = 200 };
    const size_t size = rhm_normal_size(n), stride = n->stride;
    const size_t classes = n->data.classes;
    double *v = RHM_NEW(double, 2 * size + classes, 1, 1, "power iteration vectors", error);
    if (!v)
        return RHM_NO_MEMORY;
    double *image = v + size;
    power all = {stride, n->data.width, v, image, v + 2 * size};
    rhm_solve_state state = {.phase = RHM_PHASE_POWER, .vector = {v}, .length = {size}};
    if (!rhm_solve_restore(n->watch, &state)) {
        rhm_normal_each_class(n, start_row, &all);
        rhm_normal_each_class(n, normalise_row, &all);
    }
    rhm_status status = RHM_OK;
    *top = state.number[0];
    for (; state.iterations < MOST; state.iterations++) {
        rhm_solve_show(n->watch, &state);
        if ((status = rhm_normal_apply(n, v, image, error)) != RHM_OK) {
            rhm_solve_show(n->watch, &state);
            break;
        }
        const double previous = *top;
        *top = 0;
        rhm_normal_each_class(n, estimate_row, &all);
        for (size_t c = 0; c < classes; c++)
            *top = fmax(*top, all.estimate[c]);
        if (fabs(*top - previous) <= 1e-4 * *top)
            break;
        rhm_normal_each_class(n, normalise_row, &all);
        state.number[0] = *top;
        rhm_solve_progress(n, state.iterations + 1);
    }
    rhm_free(v);
    return status;
}

/* The step that is best for a spectrum from 0 to its top. */
rhm_status rhm_solve_gd(rhm_normal *normal, const rhm_solve_options *options, const double *target, double *w,
                        rhm_solve_result *result, rhm_error *error) {
    const rhm_solve_state *from = normal->watch ? normal->watch->from : NULL;
    double step = from && from->phase == RHM_PHASE_DESCENT ? from->number[0] : 0, top;
    if (step == 0) {
        RHM_TRY(rhm_top_eigenvalue(normal, &top, error));
        /* The estimate approaches from below; two per cent keep the step inside the stable range. */
        step = 2 / (1.02 * top + 2 * options->lambda);
    }
    return gradient_descent(normal, options, step, target, w, result, error);
}

rhm_status rhm_solve_gd_paper(rhm_normal *normal, const rhm_solve_options *options, const double *target, double *w,
                              rhm_solve_result *result, rhm_error *error) {
    const double step = 2 * options->patch_count / (options->patch_count + 1);
    return gradient_descent(normal, options, step, target, w, result, error);
}
