#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "learner/solve.h"

/* Features of all patches as doubles (count, 2M) without padding, scaled to unit norm. */
static double *dense_features(const rhm_regression *p, rhm_error *error) {
    const size_t m2 = 2 * p->width;
    double *x = RHM_NEW(double, p->rows.count, m2, 1, "dense features", error);
    float *row = RHM_NEW(float, p->stride, 1, 1, "features of a patch", error);
    if (x && row) {
        const double scale = 1 / sqrt((double)p->width);
        for (size_t i = 0; i < p->rows.count; i++) {
            const rhm_patch_rows one = {p->rows.table, p->rows.ids + i * p->map->tokens, 1};
            p->op.kernels.features(p->map, &one, row);
            for (size_t k = 0; k < p->width; k++)
                for (int sine = 0; sine < 2; sine++)
                    x[i * m2 + 2 * k + (size_t)sine] = (double)row[rhm_feature_index(k, sine)] * scale;
        }
    }
    rhm_free(row);
    if (!row) {
        rhm_free(x);
        return NULL;
    }
    return x;
}

/* b becomes the solution of a x = b, for an a of which the ridge is a part. */
static rhm_status factor_and_solve(double *a, size_t n, double *b, size_t columns, double ridge, rhm_error *error) {
    const lapack_int info = LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (lapack_int)n, (lapack_int)columns, a, (lapack_int)n,
                                          b, (lapack_int)columns);
    if (info > 0)
        return rhm_fail(error, RHM_FAILED,
                        "cholesky: with the ridge %.6g the %zu x %zu normal equations are singular in double "
                        "precision: a larger ridge is needed, or the solver cg",
                        ridge, n, n);
    if (info < 0)
        return rhm_fail(error, RHM_FAILED, "cholesky: LAPACKE_dposv returned %d on a %zu x %zu system", (int)info, n,
                        n);
    return RHM_OK;
}

rhm_status rhm_solve_cholesky(rhm_regression *problem, double lambda, const double *target, double *w,
                              rhm_error *error) {
    rhm_regression *p = problem;
    const size_t m2 = 2 * p->width, count = p->rows.count, classes = p->classes, n = count < m2 ? count : m2;
    if (count > INT_MAX || m2 > INT_MAX)
        return rhm_fail(error, RHM_INVALID, "cholesky: %zu patches by %zu features exceed LAPACK's integers", count,
                        m2);
    double *x = dense_features(p, error);
    double *a = RHM_NEW(double, n, n, 1, "normal equations", error);
    double *b = RHM_NEW(double, n, classes, 1, "right-hand sides", error);
    double *solution = RHM_NEW(double, m2, classes, 1, "dense weights", error);
    rhm_status status = x && a && b && solution ? RHM_OK : RHM_NO_MEMORY;
    if (status != RHM_OK)
        goto done;

    /* Rows scaled by sqrt(p): C = x^T x in the features; and W = x^T (x x^T + lambda)^-1 sqrt(p) q in the patches. */
    for (size_t i = 0; i < count; i++) {
        const double root = sqrt(rhm_regression_share(p, i));
        for (size_t f = 0; f < m2; f++)
            x[i * m2 + f] *= root;
    }
    if (n == m2) {
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)n, (int)count, 1, x, (int)m2, 0, a, (int)n);
        for (size_t c = 0; c < classes; c++)
            for (size_t f = 0; f < m2; f++)
                b[f * classes + c] = target[c * p->stride + rhm_feature_index(f / 2, f % 2)];
    } else {
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)n, (int)m2, 1, x, (int)m2, 0, a, (int)n);
        for (size_t i = 0; i < count; i++) {
            const double root = sqrt(rhm_regression_share(p, i));
            const size_t patch = rhm_regression_patch(p, i);
            for (size_t cell = p->counts->offset[patch]; cell < p->counts->offset[patch + 1]; cell++)
                b[i * classes + p->counts->label[cell]] = (double)p->counts->count[cell] / (double)p->samples / root;
        }
    }
    for (size_t i = 0; i < n; i++)
        a[i * n + i] += lambda;
    status = factor_and_solve(a, n, b, classes, lambda, error);
    if (status != RHM_OK)
        goto done;
    if (n != m2)
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m2, (int)classes, (int)count, 1, x, (int)m2, b,
                    (int)classes, 0, solution, (int)classes);
    for (size_t c = 0; c < classes; c++)
        for (size_t f = 0; f < m2; f++)
            w[c * p->stride + rhm_feature_index(f / 2, f % 2)] = (n == m2 ? b : solution)[f * classes + c];
done:
    rhm_free(x);
    rhm_free(a);
    rhm_free(b);
    rhm_free(solution);
    return status;
}
