#include "counts/eigen.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"
#include "engine/parallel.h"

enum {
    SWEEPS = 30,
    SMALL = 96,  /* rows of a matrix that is taken apart as a whole */
    SPARE = 8,   /* directions beyond those that are asked for, which make these come faster */
    ROUNDS = 40, /* of the subspace: those where it ends are off by the (2 ROUNDS)th power of a ratio of eigenvalues */
};

/* ---- all of a small matrix ------------------------------------------------------------------------------- */

static void rotate(double *a, double *b, double cosine, double sine, size_t n, size_t stride) {
    for (size_t i = 0; i < n; i++) {
        const double x = a[i * stride], y = b[i * stride];
        a[i * stride] = cosine * x - sine * y;
        b[i * stride] = sine * x + cosine * y;
    }
}

/* Make (p, q) zero. */
static void annihilate(double *matrix, double *vector, size_t n, size_t p, size_t q) {
    const double off = matrix[p * n + q];
    const double theta = (matrix[q * n + q] - matrix[p * n + p]) / (2 * off);
    const double tangent = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    const double cosine = 1 / sqrt(tangent * tangent + 1), sine = tangent * cosine;
    rotate(matrix + p, matrix + q, cosine, sine, n, n);
    rotate(matrix + p * n, matrix + q * n, cosine, sine, n, 1);
    rotate(vector + p, vector + q, cosine, sine, n, n);
}

static void swap_columns(double *vector, double *value, size_t n, size_t a, size_t b) {
    const double kept = value[a];
    value[a] = value[b];
    value[b] = kept;
    for (size_t i = 0; i < n; i++) {
        const double x = vector[i * n + a];
        vector[i * n + a] = vector[i * n + b];
        vector[i * n + b] = x;
    }
}

void rhm_eigen(double *matrix, double *vector, double *value, size_t n) {
    memset(vector, 0, sizeof *vector * n * n);
    double scale = 0;
    for (size_t i = 0; i < n; i++) {
        vector[i * n + i] = 1;
        scale = fmax(scale, fabs(matrix[i * n + i]));
    }
    for (int sweep = 0, rotated = 1; sweep < SWEEPS && rotated; sweep++) {
        rotated = 0;
        for (size_t p = 0; p + 1 < n; p++)
            for (size_t q = p + 1; q < n; q++)
                if (fabs(matrix[p * n + q]) > 0x1p-50 * scale) {
                    annihilate(matrix, vector, n, p, q);
                    rotated = 1;
                }
    }
    for (size_t i = 0; i < n; i++)
        value[i] = matrix[i * n + i];
    for (size_t i = 0; i + 1 < n; i++) {
        size_t largest = i;
        for (size_t j = i + 1; j < n; j++)
            largest = value[j] > value[largest] ? j : largest;
        if (largest != i)
            swap_columns(vector, value, n, i, largest);
    }
}

/* ---- the leading part of a larger one -------------------------------------------------------------------- */

/* Eight sums side by side, which registers hold, then a tree. */
static double dot(const double *a, const double *b, size_t n) {
    enum { SUMS = 8 };
    double sum[SUMS] = {0};
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (size_t k = 0; k < SUMS; k++)
            sum[k] += a[i + k] * b[i + k];
    for (size_t k = 0; i + k < n; k++)
        sum[k] += a[i + k] * b[i + k];
    for (size_t step = SUMS / 2; step > 0; step /= 2)
        for (size_t k = 0; k < step; k++)
            sum[k] += sum[k + step];
    return sum[0];
}

typedef struct product {
    const double *a, *b; /* (rows, n), (columns, n) */
    double *out;         /* (columns, rows) */
    size_t n, rows, columns;
    bool symmetric; /* a is b */
} product;

static rhm_status product_row(void *context, size_t i, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const product *p = context;
    for (size_t j = 0; j < (p->symmetric ? i + 1 : p->columns); j++) {
        const double value = dot(p->a + i * p->n, p->b + j * p->n, p->n);
        p->out[j * p->rows + i] = value;
        if (p->symmetric)
            p->out[i * p->rows + j] = value;
    }
    return RHM_OK;
}

rhm_status rhm_gram(double *out, const rhm_engine *engine, const double *x, size_t rows, size_t width,
                    rhm_error *error) {
    product p = {x, x, out, width, rows, rows, true};
    return rhm_parallel(engine, rows, product_row, &p, error);
}

/* Rows of q (count, n) made orthonormal, one after the other and each twice; a row that depends on those before it
 * becomes zero. */
static void orthonormalise(double *q, size_t count, size_t n) {
    for (size_t i = 0; i < count; i++) {
        double *row = q + i * n;
        const double before = dot(row, row, n);
        for (int pass = 0; pass < 2; pass++)
            for (size_t j = 0; j < i; j++) {
                const double share = dot(row, q + j * n, n);
                for (size_t k = 0; k < n; k++)
                    row[k] -= share * q[j * n + k];
            }
        const double after = dot(row, row, n), scale = after > 0x1p-80 * before ? 1 / sqrt(after) : 0;
        for (size_t k = 0; k < n; k++)
            row[k] *= scale;
    }
}

typedef struct subspace {
    const rhm_engine *engine;
    const double *matrix; /* (n, n) */
    double *q, *image;    /* (count, n) */
    double *small, *vector, *value;
    size_t n, count;
} subspace;

static rhm_status multiply(const subspace *s, rhm_error *error) {
    product p = {s->matrix, s->q, s->image, s->n, s->n, s->count, false};
    return rhm_parallel(s->engine, s->n, product_row, &p, error);
}

static rhm_status iterate(subspace *s, rhm_error *error) {
    rhm_random random = {.seed = 0, .stream = RHM_EIGEN_STREAM};
    for (size_t i = 0; i < s->count * s->n; i++)
        s->q[i] = (double)rhm_random_word(&random) * 0x1p-31 - 1;
    for (int round = 0; round < ROUNDS; round++) {
        orthonormalise(s->q, s->count, s->n);
        RHM_TRY(multiply(s, error));
        double *swapped = s->q;
        s->q = s->image;
        s->image = swapped;
    }
    orthonormalise(s->q, s->count, s->n);
    RHM_TRY(multiply(s, error));
    for (size_t i = 0; i < s->count; i++)
        for (size_t j = 0; j <= i; j++)
            s->small[i * s->count + j] = s->small[j * s->count + i] = dot(s->q + i * s->n, s->image + j * s->n, s->n);
    rhm_eigen(s->small, s->vector, s->value, s->count);
    return RHM_OK;
}

/* out (n, rank): coordinates of the rows on the leading directions. */
static void coordinates(double *out, const subspace *s, size_t rank) {
    for (size_t r = 0; r < rank; r++) {
        const double root = sqrt(fmax(s->value[r], 0));
        for (size_t i = 0; i < s->n; i++) {
            double sum = 0;
            for (size_t c = 0; c < s->count; c++)
                sum += s->vector[c * s->count + r] * s->q[c * s->n + i];
            out[i * rank + r] = sum * root;
        }
    }
}

rhm_status rhm_leading(double *out, const rhm_engine *engine, double *matrix, size_t n, size_t rank, rhm_error *error) {
    const bool whole = n <= SMALL || rank + SPARE >= n;
    subspace s = {.engine = engine, .matrix = matrix, .n = n, .count = whole ? n : rank + SPARE};
    s.q = RHM_NEW(double, s.count, n, 1, "leading directions", error);
    s.image = s.q ? RHM_NEW(double, s.count, n, 1, "leading directions", error) : NULL;
    s.small = s.image ? RHM_NEW(double, s.count, s.count, 1, "leading directions", error) : NULL;
    s.vector = s.small ? RHM_NEW(double, s.count, s.count, 1, "leading directions", error) : NULL;
    s.value = s.vector ? RHM_NEW(double, s.count, 1, 1, "leading directions", error) : NULL;
    rhm_status status = s.value ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK && whole) {
        rhm_eigen(matrix, s.vector, s.value, n);
        for (size_t i = 0; i < n; i++)
            s.q[i * n + i] = 1;
    } else if (status == RHM_OK) {
        status = iterate(&s, error);
    }
    if (status == RHM_OK)
        coordinates(out, &s, rank);
    rhm_free(s.q);
    rhm_free(s.image);
    rhm_free(s.small);
    rhm_free(s.vector);
    rhm_free(s.value);
    return status;
}
