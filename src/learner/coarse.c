#include "learner/coarse.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "learner/gram.h"

enum {
    MOST_FEATURES = 1 << 27, /* floats of the sample's features, which are kept */
    LEAST_RATIO = 8,         /* patches to one of the sample, for the sample's own iterations not to cost more */
    KEPT_FEATURES = 1 << 28, /* floats up to which a stage keeps all features, and passes are cheap */
};

/* Of the inner solution: below what the sample differs from all patches by, which is some per cent. */
static const double INNER_TOLERANCE = 1e-2;

size_t rhm_coarse_size(size_t distinct, size_t width) {
    if (distinct <= KEPT_FEATURES / (2 * width))
        return 0;
    const size_t most = MOST_FEATURES / (2 * width), share = distinct / LEAST_RATIO;
    const size_t size = share < most ? share : most;
    return size < 4 * width ? 0 : size;
}

/* Three or four passes and B; the sample's matrix is worth three, or its own iterations as much. */
double rhm_coarse_passes(double solves) {
    return 5 * solves + 3;
}

/* Measured on three spectra with an inner tolerance of 3e-3: 4 or 5 passes over all patches, 32 to 119 products of the
 * sample; on two others, 1e-2 took as many passes and up to 15 % fewer products. */
double rhm_coarse_products(double solves) {
    return 40 * solves;
}

rhm_status rhm_coarse_init(rhm_coarse *coarse, size_t size, const rhm_engine *engine, const rhm_ready_layer *layer,
                           const rhm_embeddings *inputs, const rhm_intern *patches, const rhm_patch_counts *counts,
                           rhm_route route, rhm_error *error) {
    *coarse = (rhm_coarse){.patches = {.words = patches->words, .count = size, .capacity = size}};
    size_t cells = 0;
    for (size_t i = 0; i < size; i++) {
        const size_t at = i * patches->count / size;
        cells += counts->offset[at + 1] - counts->offset[at];
    }
    coarse->patches.tuples = RHM_NEW(uint32_t, size, patches->words, 1, "sample of patches", error);
    coarse->counts.offset = RHM_NEW(size_t, size + 1, 1, 1, "sample of patches", error);
    coarse->counts.label = RHM_NEW(uint32_t, cells, 1, 1, "sample of patches", error);
    coarse->counts.count = RHM_NEW(uint64_t, cells, 1, 1, "sample of patches", error);
    rhm_status status = RHM_NO_MEMORY;
    if (!coarse->patches.tuples || !coarse->counts.offset || !coarse->counts.label || !coarse->counts.count)
        goto fail;
    size_t cell = 0;
    for (size_t i = 0; i < size; i++) {
        const size_t at = i * patches->count / size;
        memcpy(coarse->patches.tuples + i * patches->words, rhm_intern_tuple(patches, at),
               sizeof(uint32_t) * patches->words);
        coarse->counts.offset[i] = cell;
        for (size_t from = counts->offset[at]; from < counts->offset[at + 1]; from++, cell++) {
            coarse->counts.label[cell] = counts->label[from];
            coarse->counts.count[cell] = counts->count[from];
            coarse->samples += counts->count[from];
        }
    }
    coarse->counts.offset[size] = cell;
    status = rhm_regression_init(&coarse->regression, engine, layer, inputs, &coarse->patches, &coarse->counts,
                                 coarse->samples, route == RHM_ROUTE_GRAM ? 0 : SIZE_MAX, error);
    if (status == RHM_OK && route == RHM_ROUTE_GRAM)
        status = rhm_gram_form(&coarse->regression, error);
    if (status == RHM_OK)
        return RHM_OK;
fail:
    rhm_coarse_clear(coarse);
    return status;
}

void rhm_coarse_clear(rhm_coarse *coarse) {
    rhm_regression_clear(&coarse->regression);
    rhm_patch_counts_clear(&coarse->counts);
    rhm_intern_destroy(&coarse->patches);
    *coarse = (rhm_coarse){0};
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* z = about (C + lambda I)^-1 r */
static rhm_status precondition(rhm_coarse *coarse, const rhm_solve_options *o, const double *r, double *z,
                               rhm_error *error) {
    const rhm_solve_options inner = {.solver = RHM_CG, .lambda = o->lambda, .tolerance = INNER_TOLERANCE};
    rhm_solve_result result;
    memset(z, 0, sizeof *z * rhm_regression_size(&coarse->regression));
    return rhm_solve(&coarse->regression, &inner, r, z, &result, error);
}

rhm_status rhm_coarse_solve(rhm_coarse *coarse, rhm_regression *problem, const rhm_solve_options *options,
                            const double *target, double *w, rhm_solve_result *result, rhm_error *error) {
    rhm_regression *p = problem;
    const size_t size = rhm_regression_size(p), stride = p->stride;
    const double norm = dot(target, target, size), goal = options->tolerance * options->tolerance * norm;
    double *r = RHM_NEW(double, size, 5, 1, "conjugate gradient vectors", error);
    if (!r)
        return RHM_NO_MEMORY;
    double *z = r + size, *direction = r + 2 * size, *image = r + 3 * size, *previous = r + 4 * size;
    rhm_status status = RHM_OK;
    rhm_solve_state state = {
        .phase = RHM_PHASE_COARSE, .vector = {w, r, direction, previous}, .length = {size, size, size, size}};
    if (rhm_solve_restore(p->watch, &state))
        result->iterations = state.iterations;
    else if ((status = rhm_regression_residual(p, options->lambda, target, w, r, error)) != RHM_OK)
        goto done;
    while (status == RHM_OK && dot(r, r, size) > goal && result->iterations < options->max_iterations) {
        state.iterations = result->iterations;
        state.vector[2] = direction;
        rhm_solve_show(p->watch, &state);
        if ((status = precondition(coarse, options, r, z, error)) != RHM_OK)
            break;
        /* The inner solution is inexact, and so no fixed linear map: z is made conjugate to the last direction
         * outright (flexible conjugate gradients), class by class. */
        for (size_t c = 0; c < p->classes; c++) {
            double *zc = z + c * stride, *dc = direction + c * stride, *qc = previous + c * stride;
            const double curvature = dot(dc, qc, stride);
            const double turn = result->iterations && curvature > 0 ? dot(zc, qc, stride) / curvature : 0;
            for (size_t f = 0; f < stride; f++)
                zc[f] -= turn * dc[f];
        }
        if ((status = rhm_regression_apply(p, z, image, error)) != RHM_OK)
            break;
        double *const spent = direction; /* an interrupted pass has left it as it was */
        direction = z;
        z = spent;
        result->iterations++;
        if (p->stage)
            rhm_engine_progress(p->engine, p->stage, result->iterations, 0);
        for (size_t c = 0; c < p->classes; c++) {
            double *rc = r + c * stride, *dc = direction + c * stride, *qc = image + c * stride, *wc = w + c * stride;
            for (size_t f = 0; f < stride; f++)
                qc[f] += options->lambda * dc[f];
            const double curvature = dot(dc, qc, stride);
            if (!(curvature > 0)) /* the direction is zero: this class is solved */
                continue;
            const double step = dot(rc, dc, stride) / curvature;
            for (size_t f = 0; f < stride; f++) {
                wc[f] += step * dc[f];
                rc[f] -= step * qc[f];
            }
        }
        memcpy(previous, image, sizeof *image * size);
    }
    if (status != RHM_OK)
        rhm_solve_show(p->watch, &state);
    result->residual = norm > 0 ? sqrt(dot(r, r, size) / norm) : 0;
done:
    rhm_free(r);
    return status;
}
