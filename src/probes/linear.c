/* What a linear map reads off the outputs of a level. */
#include <lapacke.h>
#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "probes/groups.h"

enum { MOST_FEATURES = 1024 };
static const double ridge = 1e-6; /* times the mean of the diagonal */

/* Feature j of point i: the outputs, and 1 at the end. */
static double feature(const rhm_probe_points *points, size_t i, size_t j) {
    return j < points->width ? (double)points->output[i * points->width + j] : 1;
}

/* The normal equations of the points with even numbers: a (n, n), the lower half, b (n, classes). */
static void add_up(double *a, double *b, const rhm_probe_points *points, const uint32_t *class, uint32_t classes) {
    const size_t n = points->width + 1;
    for (size_t i = 0; i < points->count; i += 2)
        for (size_t j = 0; j < n; j++) {
            const double x = feature(points, i, j);
            if (x == 0)
                continue;
            for (size_t k = 0; k <= j; k++)
                a[j * n + k] += x * feature(points, i, k);
            b[j * classes + class[i]] += x;
        }
    double trace = 0;
    for (size_t j = 0; j < n; j++)
        trace += a[j * n + j];
    for (size_t j = 0; j < n; j++)
        a[j * n + j] += ridge * trace / (double)n;
}

static double read_odd(const double *map, double *sum, const rhm_probe_points *points, const uint32_t *class,
                       uint32_t classes) {
    size_t right = 0, seen = 0;
    for (size_t i = 1; i < points->count; i += 2, seen++) {
        for (uint32_t c = 0; c < classes; c++)
            sum[c] = 0;
        for (size_t j = 0; j <= points->width; j++) {
            const double x = feature(points, i, j);
            for (uint32_t c = 0; x != 0 && c < classes; c++)
                sum[c] += x * map[j * classes + c];
        }
        uint32_t best = 0;
        for (uint32_t c = 1; c < classes; c++)
            best = sum[c] > sum[best] ? c : best;
        right += best == class[i];
    }
    return seen ? (double)right / (double)seen : (double)NAN;
}

rhm_status rhm_probe_read(double *accuracy, const rhm_probe_points *points, const uint32_t *class, uint32_t classes,
                          rhm_error *error) {
    const size_t n = points->width + 1;
    *accuracy = NAN;
    if (n > MOST_FEATURES)
        return RHM_OK;
    double *a = RHM_NEW(double, n, n, 1, "the matrix of a linear probe", error);
    double *b = RHM_NEW(double, n, classes, 1, "the right-hand sides of a linear probe", error);
    double *sum = RHM_NEW(double, classes, 1, 1, "outputs of a linear probe", error);
    rhm_status status = a && b && sum ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK) {
        add_up(a, b, points, class, classes);
        const lapack_int info = LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (lapack_int)n, (lapack_int)classes, a,
                                              (lapack_int)n, b, (lapack_int)classes);
        if (info == 0)
            *accuracy = read_odd(b, sum, points, class, classes);
        else if (info < 0)
            status = rhm_fail(error, RHM_NO_MEMORY, "the system refused LAPACKE memory for a linear probe");
    }
    rhm_free(a);
    rhm_free(b);
    rhm_free(sum);
    return status;
}
