/* The normal equations as a dense matrix, factored. */
#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "linear/solvers.h"

/* Features of all patches as doubles (count, 2M) without padding, scaled to unit norm. */
static double *dense_features(const rhm_normal *n, rhm_error *error) {
    const size_t width = n->data.width, m2 = 2 * width;
    double *x = RHM_NEW(double, n->rows.count, m2, 1, "dense features", error);
    float *row = RHM_NEW(float, n->stride, 1, 1, "features of a patch", error);
    if (x && row) {
        const double scale = 1 / sqrt((double)width);
        for (size_t i = 0; i < n->rows.count; i++) {
            rhm_normal_features(n, i, row);
            for (size_t k = 0; k < width; k++)
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

/* Of one block, rows scaled by sqrt(p): C = y^T y in the features; and W = y^T (y y^T + lambda)^-1 sqrt(p) q in the
 * patches. */
typedef struct dense {
    size_t features, patches, classes, order; /* `order`: of the equations, the smaller of the first two */
    size_t block;
    double *x, *y; /* (patches, features): as they are, and scaled; the same array where there is one block */
    double *a;     /* (order, order) */
    double *b;     /* (order, classes) */
} dense;

static void scale_rows(const rhm_normal *n, const dense *d) {
    for (size_t i = 0; i < d->patches; i++) {
        const double root = sqrt(rhm_normal_share(n, i, d->block));
        for (size_t f = 0; f < d->features; f++)
            d->y[i * d->features + f] = d->x[i * d->features + f] * root;
    }
}

static void in_features(const rhm_normal *n, const dense *d, const double *target) {
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)d->order, (int)d->patches, 1, d->y, (int)d->features, 0,
                d->a, (int)d->order);
    for (size_t c = 0; c < d->classes; c++)
        for (size_t f = 0; f < d->features; f++)
            d->b[f * d->classes + c] = target[c * n->stride + rhm_feature_index(f / 2, f % 2)];
}

static void in_patches(const rhm_normal *n, const dense *d) {
    const rhm_patch_counts *counts = n->data.counts;
    const size_t first = d->block * d->classes;
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)d->order, (int)d->features, 1, d->y, (int)d->features, 0,
                d->a, (int)d->order);
    memset(d->b, 0, sizeof *d->b * d->order * d->classes);
    for (size_t i = 0; i < d->patches; i++) {
        const double root = sqrt(rhm_normal_share(n, i, d->block));
        const rhm_linear_cells cells = rhm_linear_cells_of(&n->data, rhm_normal_patch(n, i));
        double *row = d->b + i * d->classes;
        for (size_t c = 0; cells.pooled > 0 && c < d->classes; c++)
            row[c] = rhm_linear_joint(&n->data, first + c, 0, cells.pooled) / root;
        for (size_t cell = cells.next; cell < cells.end; cell++)
            if (counts->label[cell] >= first && counts->label[cell] < first + d->classes)
                row[counts->label[cell] - first] =
                    rhm_linear_joint(&n->data, counts->label[cell], counts->count[cell], cells.pooled) / root;
    }
}

/* `b` holds the solution of the equations, `weights` is (features, classes). */
static void store(const rhm_normal *n, const dense *d, double *weights, double *w) {
    const bool features = d->order == d->features;
    if (!features)
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)d->features, (int)d->classes, (int)d->patches, 1,
                    d->y, (int)d->features, d->b, (int)d->classes, 0, weights, (int)d->classes);
    for (size_t c = 0; c < d->classes; c++)
        for (size_t f = 0; f < d->features; f++)
            w[c * n->stride + rhm_feature_index(f / 2, f % 2)] = (features ? d->b : weights)[f * d->classes + c];
}

/* `target`, `w`: of the block. */
static rhm_status solve_block(const rhm_normal *n, const dense *d, double ridge, const double *target, double *weights,
                              double *w, rhm_error *error) {
    scale_rows(n, d);
    if (d->order == d->features)
        in_features(n, d, target);
    else
        in_patches(n, d);
    for (size_t i = 0; i < d->order; i++)
        d->a[i * d->order + i] += ridge;
    RHM_TRY(factor_and_solve(d->a, d->order, d->b, d->classes, ridge, error));
    store(n, d, weights, w);
    return RHM_OK;
}

rhm_status rhm_solve_cholesky(rhm_normal *normal, const rhm_solve_options *options, const double *target, double *w,
                              rhm_solve_result *result, rhm_error *error) {
    const rhm_normal *n = normal;
    const size_t blocks = n->data.blocks;
    dense d = {.features = 2 * n->data.width, .patches = n->rows.count, .classes = rhm_linear_block_classes(&n->data)};
    d.order = d.patches < d.features ? d.patches : d.features;
    if (d.patches > INT_MAX || d.features > INT_MAX)
        return rhm_fail(error, RHM_INVALID, "cholesky: %zu patches by %zu features exceed LAPACK's integers", d.patches,
                        d.features);
    d.x = dense_features(n, error);
    d.y = blocks > 1 ? RHM_NEW(double, d.patches, d.features, 1, "dense features", error) : d.x;
    d.a = RHM_NEW(double, d.order, d.order, 1, "normal equations", error);
    d.b = RHM_NEW(double, d.order, d.classes, 1, "right-hand sides", error);
    double *weights = RHM_NEW(double, d.features, d.classes, 1, "dense weights", error);
    rhm_status status = d.x && d.y && d.a && d.b && weights ? RHM_OK : RHM_NO_MEMORY;
    for (; d.block < blocks && status == RHM_OK; d.block++) {
        const size_t first = d.block * d.classes * n->stride;
        status = solve_block(n, &d, options->lambda, target + first, weights, w + first, error);
    }
    if (status == RHM_OK)
        result->iterations = 1;
    if (blocks > 1)
        rhm_free(d.y);
    rhm_free(d.x);
    rhm_free(d.a);
    rhm_free(d.b);
    rhm_free(weights);
    return status;
}
