#include "learners/one_step/step.h"

#include <math.h>

#include "core/elementary.h"
#include "core/fail.h"
#include "core/gaussian.h"
#include "core/memory.h"

/* Below this an exponential is no longer worth its name beside 1. */
#define LEAST_EXPONENT (-690.0)

void rhm_one_step_softmax(double *o, size_t classes) {
    double largest = o[0], sum = 0;
    for (size_t z = 1; z < classes; z++)
        largest = fmax(largest, o[z]);
    for (size_t z = 0; z < classes; z++) {
        o[z] = rhm_exp(fmax(o[z] - largest, LEAST_EXPONENT));
        sum += o[z];
    }
    for (size_t z = 0; z < classes; z++)
        o[z] /= sum;
}

/* Lower triangular L (n, n) with L L^T = W2 W2^T / h (Cholesky); false where rounding leaves nothing of a pivot. */
static bool factor(double *l, const rhm_one_step *step) {
    const size_t n = step->classes, h = step->width;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < h; k++)
                sum += step->readout[i * h + k] * step->readout[j * h + k];
            sum /= (double)h;
            for (size_t k = 0; k < j; k++)
                sum -= l[i * n + k] * l[j * n + k];
            if (i == j && !(sum > 0x1p-30))
                return false;
            l[i * n + j] = i == j ? sqrt(sum) : sum / l[j * n + j];
        }
    return true;
}

rhm_status rhm_one_step_init(rhm_one_step *out, size_t classes, size_t width, uint32_t inputs, uint32_t branching,
                             uint64_t seed, uint32_t level, rhm_error *error) {
    double patches = 1;
    for (uint32_t t = 0; t < branching; t++)
        patches *= inputs;
    *out = (rhm_one_step){.classes = classes, .width = width, .root = sqrt(patches)};
    if (!(out->readout = RHM_NEW(double, classes, width, 1, "readout of a network", error)) ||
        !(out->prior = RHM_NEW(double, classes, 1, 1, "outputs of a network", error)) ||
        !(out->projection = RHM_NEW(double, classes, classes < width ? classes : width, 1, "readout", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < classes * width; i++)
        out->readout[i] = rhm_gaussian(seed, RHM_ONE_STEP_STREAM | level, i);
    double *nothing = RHM_NEW(double, classes, 1, 1, "outputs of a network", error);
    if (!nothing)
        return RHM_NO_MEMORY;
    rhm_one_step_output(out->prior, out, nothing, 0);
    rhm_free(nothing);
    rhm_one_step_softmax(out->prior, classes);
    out->numbers = classes;
    if (classes < width && factor(out->projection, out))
        return RHM_OK;
    out->numbers = width;
    rhm_free(out->projection);
    if (!(out->projection = RHM_NEW(double, classes, width, 1, "readout of a network", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < classes * width; i++)
        out->projection[i] = out->readout[i] / sqrt((double)width);
    return RHM_OK;
}

void rhm_one_step_clear(rhm_one_step *step) {
    rhm_free(step->readout);
    rhm_free(step->prior);
    rhm_free(step->projection);
    *step = (rhm_one_step){0};
}

void rhm_one_step_residual(double *residual, const rhm_one_step *step, const uint64_t *count, double scale) {
    double n = 0;
    for (size_t z = 0; z < step->classes; z++)
        n += (double)count[z];
    for (size_t z = 0; z < step->classes; z++)
        residual[z] = scale * ((double)count[z] - n * step->prior[z]);
}

void rhm_one_step_column(double *column, const rhm_one_step *step, const double *residual) {
    for (size_t j = 0; j < step->numbers; j++)
        column[j] = 0;
    for (size_t z = 0; z < step->classes; z++)
        for (size_t j = 0; j < step->numbers; j++)
            column[j] += residual[z] * step->projection[z * step->numbers + j];
}

void rhm_one_step_output(double *o, const rhm_one_step *step, const double *residual, double rate) {
    const size_t classes = step->classes, h = step->width;
    for (size_t z = 0; z < classes; z++)
        o[z] = 0;
    for (size_t k = 0; k < h; k++) {
        double w = 1;
        for (size_t z = 0; z < classes; z++)
            w += rate / step->root * residual[z] * step->readout[z * h + k];
        const double hidden = fmax(w / step->root, 0) / (double)h;
        for (size_t z = 0; z < classes; z++)
            o[z] += step->readout[z * h + k] * hidden;
    }
}
