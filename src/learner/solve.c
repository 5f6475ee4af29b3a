#include "learner/solve.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "learner/coarse.h"
#include "learner/gaussian.h"

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Passes are the unit; how many more will be needed is not known. */
static void show(const rhm_regression *p, const rhm_solve_result *result) {
    if (p->stage)
        rhm_engine_progress(p->engine, p->stage, result->iterations, 0);
}

/* Every class is a system of its own with the same matrix; one pass serves them all. */
static rhm_status conjugate_gradients(rhm_regression *p, const rhm_solve_options *o, const double *target, double *w,
                                      rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_regression_size(p), stride = p->stride;
    const double goal = o->tolerance * o->tolerance * dot(target, target, size);
    double *r = RHM_NEW(double, size, 3, 1, "conjugate gradient vectors", error);
    double *square = RHM_NEW(double, p->classes, 1, 1, "conjugate gradient norms", error);
    rhm_status status = r && square ? RHM_OK : RHM_NO_MEMORY;
    double *direction = r + size, *image = r + 2 * size, total;
    rhm_solve_state state = {
        .phase = RHM_PHASE_CG,
        .vector = {w, r, direction, square},
        .length = {size, size, size, p->classes},
    };
    if (status != RHM_OK)
        goto done;
    if (rhm_solve_restore(p->watch, &state)) {
        result->iterations = state.iterations;
        total = state.number[0];
    } else {
        if ((status = rhm_regression_residual(p, o->lambda, target, w, r, error)) != RHM_OK)
            goto done;
        memcpy(direction, r, sizeof *r * size);
        for (size_t c = 0; c < p->classes; c++)
            square[c] = dot(r + c * stride, r + c * stride, stride);
        total = dot(r, r, size);
    }
    while (total > goal && result->iterations < o->max_iterations) {
        state.iterations = result->iterations;
        state.number[0] = total;
        rhm_solve_show(p->watch, &state);
        status = rhm_regression_apply(p, direction, image, error);
        if (status != RHM_OK) {
            rhm_solve_show(p->watch, &state);
            goto done;
        }
        result->iterations++;
        show(p, result);
        total = 0;
        for (size_t c = 0; c < p->classes; c++) {
            double *rc = r + c * stride, *dc = direction + c * stride, *qc = image + c * stride, *wc = w + c * stride;
            const double curvature = dot(dc, qc, stride) + o->lambda * dot(dc, dc, stride);
            if (!(curvature > 0)) /* the direction is zero: this class is solved */
                continue;
            const double step = square[c] / curvature;
            for (size_t f = 0; f < stride; f++) {
                wc[f] += step * dc[f];
                rc[f] -= step * (qc[f] + o->lambda * dc[f]);
            }
            const double next = dot(rc, rc, stride), turn = next / square[c];
            for (size_t f = 0; f < stride; f++)
                dc[f] = rc[f] + turn * dc[f];
            square[c] = next;
            total += next;
        }
    }
done:
    rhm_free(r);
    rhm_free(square);
    return status;
}

static rhm_status gradient_descent(rhm_regression *p, const rhm_solve_options *o, double step, const double *target,
                                   double *w, rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_regression_size(p);
    const double goal = o->tolerance * o->tolerance * dot(target, target, size);
    double *r = RHM_NEW(double, size, 1, 1, "gradient", error);
    if (!r)
        return RHM_NO_MEMORY;
    /* In exact arithmetic every step lowers the residual; once many in a row do not, rounding to float is all that is
     * left. */
    enum { MOST_STALLS = 50 };
    rhm_status status;
    double least = INFINITY;
    int stalls = 0;
    rhm_solve_state state = {.phase = RHM_PHASE_DESCENT, .number = {step}, .vector = {w}, .length = {size}};
    if (rhm_solve_restore(p->watch, &state)) {
        result->iterations = state.iterations;
        least = state.number[1];
        stalls = (int)state.number[2];
    }
    for (;;) {
        state.iterations = result->iterations;
        state.number[1] = least;
        state.number[2] = stalls;
        rhm_solve_show(p->watch, &state);
        if ((status = rhm_regression_residual(p, o->lambda, target, w, r, error)) != RHM_OK) {
            rhm_solve_show(p->watch, &state);
            break;
        }
        const double total = dot(r, r, size);
        stalls = total < least ? 0 : stalls + 1;
        least = fmin(least, total);
        if (total <= goal || stalls == MOST_STALLS || result->iterations == o->max_iterations)
            break;
        for (size_t i = 0; i < size; i++)
            w[i] += step * r[i];
        result->iterations++;
        show(p, result);
    }
    rhm_free(r);
    return status;
}

static void normalise_rows(double *v, size_t rows, size_t stride) {
    for (size_t c = 0; c < rows; c++) {
        const double norm = sqrt(dot(v + c * stride, v + c * stride, stride));
        for (size_t f = 0; f < stride && norm > 0; f++)
            v[c * stride + f] /= norm;
    }
}

rhm_status rhm_top_eigenvalue(rhm_regression *problem, double *top, rhm_error *error) {
    enum { MOST = 200 };
    const size_t size = rhm_regression_size(problem), stride = problem->stride;
    double *v = RHM_NEW(double, size, 2, 1, "power iteration vectors", error);
    if (!v)
        return RHM_NO_MEMORY;
    double *image = v + size;
    rhm_solve_state state = {.phase = RHM_PHASE_POWER, .vector = {v}, .length = {size}};
    if (!rhm_solve_restore(problem->watch, &state)) {
        /* Every class iterates from its own start, so the largest of |V_0| independent estimates is returned. */
        for (size_t c = 0; c < problem->classes; c++)
            for (size_t k = 0; k < problem->width; k++)
                for (int sine = 0; sine < 2; sine++)
                    v[c * stride + rhm_feature_index(k, sine)] =
                        rhm_gaussian(c, UINT32_C(1) << 17, 2 * k + (size_t)sine);
        normalise_rows(v, problem->classes, stride);
    }
    rhm_status status = RHM_OK;
    *top = state.number[0];
    for (; state.iterations < MOST; state.iterations++) {
        rhm_solve_show(problem->watch, &state);
        if ((status = rhm_regression_apply(problem, v, image, error)) != RHM_OK) {
            rhm_solve_show(problem->watch, &state);
            break;
        }
        const double previous = *top;
        *top = 0;
        for (size_t c = 0; c < problem->classes; c++)
            *top = fmax(*top, dot(v + c * stride, image + c * stride, stride));
        if (fabs(*top - previous) <= 1e-4 * *top)
            break;
        memcpy(v, image, sizeof *v * size);
        normalise_rows(v, problem->classes, stride);
        state.number[0] = *top;
        if (problem->stage)
            rhm_engine_progress(problem->engine, problem->stage, state.iterations + 1, 0);
    }
    rhm_free(v);
    return status;
}

static uint32_t default_iterations(rhm_solver solver) {
    /* CG ends after as many steps as there are distinct eigenvalues; descent needs about condition x log(1/tolerance).
     */
    return solver == RHM_CG ? 2000 : 200000;
}

static void judge(rhm_solve_result *result, double residual, const rhm_solve_options *o) {
    result->residual = residual;
    /* Rounding to float moves the residual by parts in 10^7, which is no failure to converge. */
    result->converged = residual <= 1.1 * o->tolerance + 2e-6;
}

/* W is final: its residual. */
static rhm_status finish(rhm_regression *problem, const rhm_solve_options *o, const double *target, double *w,
                         rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_regression_size(problem);
    const rhm_solve_state state = rhm_solved_state(problem, result, w);
    double *r = RHM_NEW(double, size, 1, 1, "residual", error);
    if (!r)
        return RHM_NO_MEMORY;
    rhm_solve_show(problem->watch, &state);
    const rhm_status status = rhm_regression_residual(problem, o->lambda, target, w, r, error);
    const double norm = sqrt(dot(target, target, size));
    judge(result, norm > 0 ? sqrt(dot(r, r, size)) / norm : 0, o);
    if (status != RHM_OK)
        rhm_solve_show(problem->watch, &state);
    rhm_free(r);
    return status;
}

rhm_solve_state rhm_solved_state(const rhm_regression *problem, const rhm_solve_result *result, double *w) {
    return (rhm_solve_state){
        .phase = RHM_PHASE_SOLVED,
        .iterations = result->iterations,
        .number = {result->residual},
        .vector = {w},
        .length = {rhm_regression_size(problem)},
    };
}

rhm_status rhm_solve(rhm_regression *problem, const rhm_solve_options *options, const double *target, double *w,
                     rhm_solve_result *result, rhm_error *error) {
    const size_t size = rhm_regression_size(problem);
    rhm_solve_options o = *options;
    *result = (rhm_solve_result){0};
    if (!o.max_iterations)
        o.max_iterations = default_iterations(o.solver);
    rhm_solve_state solved = rhm_solved_state(problem, result, w);
    if (rhm_solve_restore(problem->watch, &solved)) {
        result->iterations = solved.iterations;
        if (o.coarse) {
            judge(result, solved.number[0], &o);
            return RHM_OK;
        }
        return finish(problem, &o, target, w, result, error);
    }
    switch (o.solver) {
    case RHM_CG:
        RHM_TRY(o.coarse ? rhm_coarse_solve(o.coarse, problem, &o, target, w, result, error)
                         : conjugate_gradients(problem, &o, target, w, result, error));
        break;
    case RHM_GD: {
        const rhm_solve_state *from = problem->watch ? problem->watch->from : NULL;
        double step = from && from->phase == RHM_PHASE_DESCENT ? from->number[0] : 0, top;
        if (step == 0) {
            RHM_TRY(rhm_top_eigenvalue(problem, &top, error));
            /* The estimate approaches from below; two per cent keep the step inside the stable range. */
            step = 2 / (1.02 * top + 2 * o.lambda);
        }
        RHM_TRY(gradient_descent(problem, &o, step, target, w, result, error));
        break;
    }
    case RHM_GD_PAPER:
        RHM_TRY(gradient_descent(problem, &o, 2 * o.patch_count / (o.patch_count + 1), target, w, result, error));
        break;
    case RHM_CHOLESKY:
        RHM_TRY(rhm_solve_cholesky(problem, o.lambda, target, w, error));
        result->iterations = 1;
        break;
    default: return rhm_fail(error, RHM_INVALID, "solver %d is unknown", (int)o.solver);
    }
    for (size_t i = 0; i < size; i++)
        w[i] = (double)(float)w[i];
    /* With so many patches, a pass to measure what is known already costs as much as a third of the solution. */
    if (o.coarse) {
        judge(result, result->residual, &o);
        solved = rhm_solved_state(problem, result, w);
        rhm_solve_show(problem->watch, &solved);
        return RHM_OK;
    }
    return finish(problem, &o, target, w, result, error);
}
