#include "counts/rows.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "counts/eigen.h"
#include "engine/parallel.h"

typedef struct filling {
    const rhm_table_counts *counts;
    double *value; /* (patches, positions classes) */
} filling;

/* Residuals of one position. */
static rhm_status fill_position(void *context, size_t p, int thread, rhm_error *error) {
    (void)thread;
    const filling *f = context;
    const rhm_table_counts *c = f->counts;
    const size_t row = c->positions * c->classes;
    double *of_label = RHM_NEW(double, c->classes, 1, 1, "counts of labels", error);
    if (!of_label)
        return RHM_NO_MEMORY;
    double all = 0;
    for (size_t i = 0; i < c->patch.count; i++)
        for (size_t z = 0; z < c->classes; z++)
            of_label[z] += (double)c->count[i * row + p * c->classes + z];
    for (size_t z = 0; z < c->classes; z++)
        all += of_label[z];
    for (size_t i = 0; i < c->patch.count; i++) {
        const uint64_t *n = c->count + i * row + p * c->classes;
        double *x = f->value + i * row + p * c->classes, sum = 0;
        for (size_t z = 0; z < c->classes; z++)
            sum += (double)n[z];
        for (size_t z = 0; z < c->classes; z++) {
            const double expected = all > 0 ? sum * (of_label[z] / all) : 0;
            x[z] = expected > 0 ? ((double)n[z] - expected) / sqrt(expected) : 0;
        }
    }
    rhm_free(of_label);
    return RHM_OK;
}

static double dot(const double *a, const double *b, size_t n, size_t stride) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i * stride] * b[i * stride];
    return sum;
}

typedef struct gram {
    const double *x;
    double *matrix; /* (n, n) */
    size_t n, count, width;
} gram;

/* Row i of X X^T or X^T X, whichever is smaller. */
static rhm_status gram_row(void *context, size_t i, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    const gram *g = context;
    const bool by_rows = g->count <= g->width;
    for (size_t j = 0; j <= i; j++)
        g->matrix[i * g->n + j] = g->matrix[j * g->n + i] =
            by_rows ? dot(g->x + i * g->width, g->x + j * g->width, g->width, 1)
                    : dot(g->x + i, g->x + j, g->count, g->width);
    return RHM_OK;
}

/* X on its `rank` leading right singular vectors, in place of X. */
static rhm_status project(double **x, size_t count, size_t *width, size_t rank, const rhm_engine *engine,
                          rhm_error *error) {
    const size_t n = count <= *width ? count : *width;
    double *matrix = RHM_NEW(double, n, n, 1, "directions of a table", error);
    double *vector = matrix ? RHM_NEW(double, n, n, 1, "directions of a table", error) : NULL;
    double *value = vector ? RHM_NEW(double, n, 1, 1, "directions of a table", error) : NULL;
    double *out = value ? RHM_NEW(double, count, rank, 1, "rows of a table", error) : NULL;
    rhm_status status = out ? RHM_OK : RHM_NO_MEMORY;
    gram g = {*x, matrix, n, count, *width};
    if (status == RHM_OK)
        status = rhm_parallel(engine, n, gram_row, &g, error);
    if (status == RHM_OK) {
        rhm_eigen(matrix, vector, value, n);
        for (size_t i = 0; i < count; i++)
            for (size_t r = 0; r < rank; r++)
                for (size_t j = 0; n == count ? j < 1 : j < n; j++)
                    out[i * rank + r] += n == count ? vector[i * n + r] * sqrt(fmax(value[r], 0))
                                                    : (*x)[i * *width + j] * vector[j * n + r];
        rhm_free(*x);
        *x = out;
        *width = rank;
        out = NULL;
    }
    rhm_free(matrix);
    rhm_free(vector);
    rhm_free(value);
    rhm_free(out);
    return status;
}

rhm_status rhm_rows_residuals(rhm_rows *out, const rhm_engine *engine, const rhm_table_counts *counts,
                              rhm_error *error) {
    const size_t count = counts->patch.count, row = counts->positions * counts->classes;
    rhm_rows rows = {.count = count, .width = row};
    rhm_status status = RHM_NO_MEMORY;
    rows.value = RHM_NEW(double, count, row, 1, "rows of a table", error);
    rows.weight = rows.value ? RHM_NEW(double, count, 1, 1, "rows of a table", error) : NULL;
    if (rows.weight) {
        filling f = {counts, rows.value};
        status = rhm_parallel(engine, counts->positions, fill_position, &f, error);
    }
    if (status != RHM_OK) {
        rhm_rows_clear(&rows);
        return status;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < row; j++)
            rows.weight[i] += (double)counts->count[i * row + j];
    *out = rows;
    return RHM_OK;
}

void rhm_rows_scale(rhm_rows *rows) {
    for (size_t i = 0; i < rows->count; i++)
        for (size_t j = 0; j < rows->width; j++)
            rows->value[i * rows->width + j] /= sqrt(rows->weight[i]);
}

rhm_status rhm_rows_make(rhm_rows *out, const rhm_engine *engine, const rhm_table_counts *counts, size_t rank,
                         rhm_error *error) {
    rhm_rows rows;
    RHM_TRY(rhm_rows_residuals(&rows, engine, counts, error));
    const size_t smaller = rows.count < rows.width ? rows.count : rows.width;
    if (2 * rank < smaller && smaller <= RHM_MOST_EIGEN) {
        const rhm_status status = project(&rows.value, rows.count, &rows.width, rank, engine, error);
        if (status != RHM_OK) {
            rhm_rows_clear(&rows);
            return status;
        }
    }
    rhm_rows_scale(&rows);
    *out = rows;
    return RHM_OK;
}

void rhm_rows_clear(rhm_rows *rows) {
    rhm_free(rows->value);
    rhm_free(rows->weight);
    *rows = (rhm_rows){0};
}
