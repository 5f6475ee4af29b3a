/*
 * A random regression problem three times over: as raw samples, as the library's counted patches, and as dense features
 * in double precision computed with libm. Matrices of the oracle are (classes, 2M): M cosines, then M sines.
 */
#ifndef RHM_TESTS_DENSE_H
#define RHM_TESTS_DENSE_H

#include "core/gaussian.h"
#include "core/memory.h"
#include "learners/layerwise/design.h"
#include "learning.h"
#include "linear/normal.h"

typedef struct problem_shape {
    size_t patches, samples;
    uint32_t tokens, embedding, classes, width; /* embedding == classes: centred inputs; else one-hot */
    double bandwidth;
} problem_shape;

typedef struct dense_problem {
    problem_shape shape;
    /* raw samples */
    uint32_t *patch_of; /* (samples) */
    uint32_t *label_of; /* (samples) */
    /* what the library is given */
    struct rhm_layer layer;
    rhm_ready_layer ready;
    rhm_embeddings inputs;
    rhm_intern patches;
    rhm_patch_counts counts;
    /* dense */
    double *x;      /* (patches, 2M) */
    double *target; /* (classes, 2M) */
} dense_problem;

static inline void *must_alloc(size_t count, size_t nbytes) {
    void *memory = calloc(count ? count : 1, nbytes);
    assert_non_null(memory);
    return memory;
}

static inline void make_inputs(dense_problem *p, rhm_random *random) {
    const problem_shape *s = &p->shape;
    const bool one_hot = s->embedding != s->classes;
    rhm_error error = {0};
    if (one_hot) {
        assert_ok(rhm_embeddings_one_hot(&p->inputs, s->embedding, &error), &error);
    } else {
        const size_t rows = 200;
        p->inputs = (rhm_embeddings){.count = rows, .capacity = rows, .width = s->embedding};
        p->inputs.row = RHM_NEW(float, rows, s->embedding, 1, "rows", NULL);
        for (size_t i = 0; i < rows * s->embedding; i++)
            p->inputs.row[i] = (float)((double)rhm_random_word(random) * 0x1p-32 - 0.5);
    }
    assert_true(pow((double)p->inputs.count, s->tokens) >= (double)s->patches); /* else the loop never ends */
    assert_ok(rhm_intern_init(&p->patches, s->tokens, 0, &error), &error);
    while (p->patches.count < s->patches) {
        uint32_t tuple[RHM_MAX_BRANCHING], id;
        for (size_t t = 0; t < s->tokens; t++)
            tuple[t] = rhm_random_below(random, (uint32_t)p->inputs.count);
        assert_ok(rhm_intern_add(&p->patches, tuple, &id, NULL, &error), &error);
    }
}

/* Every patch at least once, frequencies and labels uneven; labels of a patch need not be contiguous. */
static inline void make_samples(dense_problem *p, rhm_random *random) {
    const problem_shape *s = &p->shape;
    p->patch_of = must_alloc(s->samples, sizeof *p->patch_of);
    p->label_of = must_alloc(s->samples, sizeof *p->label_of);
    uint64_t *table = must_alloc(s->patches * s->classes, sizeof *table);
    size_t cells = 0;
    for (size_t i = 0; i < s->samples; i++) {
        const uint32_t patch =
            i < s->patches ? (uint32_t)i : rhm_random_below(random, 1 + rhm_random_below(random, (uint32_t)s->patches));
        const uint32_t label = rhm_random_below(random, 2) ? patch % s->classes : rhm_random_below(random, s->classes);
        p->patch_of[i] = patch;
        p->label_of[i] = label;
        cells += table[patch * s->classes + label]++ == 0;
    }
    p->counts.offset = RHM_NEW(size_t, s->patches + 1, 1, 1, "offsets", NULL);
    p->counts.label = RHM_NEW(uint32_t, cells, 1, 1, "labels", NULL);
    p->counts.count = RHM_NEW(uint64_t, cells, 1, 1, "counts", NULL);
    size_t cell = 0;
    for (size_t i = 0; i < s->patches; i++) {
        for (uint32_t c = 0; c < s->classes; c++)
            if (table[i * s->classes + c]) {
                p->counts.label[cell] = c;
                p->counts.count[cell++] = table[i * s->classes + c];
            }
        p->counts.offset[i + 1] = cell;
    }
    free(table);
}

static inline void make_dense(dense_problem *p) {
    const problem_shape *s = &p->shape;
    const size_t m = s->width, inputs = (size_t)s->tokens * s->embedding;
    const double centre = s->embedding == s->classes ? 1.0 / s->classes : 0, scale = 1 / sqrt((double)m);
    p->x = must_alloc(s->patches * 2 * m, sizeof *p->x);
    for (size_t i = 0; i < s->patches; i++) {
        const uint32_t *ids = rhm_intern_tuple(&p->patches, i);
        for (size_t k = 0; k < m; k++) {
            double phase = 0;
            for (size_t j = 0; j < inputs; j++)
                phase += (double)p->layer.frequencies[k * inputs + j] *
                         ((double)p->inputs.row[ids[j / s->embedding] * s->embedding + j % s->embedding] + centre);
            p->x[i * 2 * m + k] = scale * cos(phase);
            p->x[i * 2 * m + m + k] = scale * sin(phase);
        }
    }
    p->target = must_alloc(s->classes * 2 * m, sizeof *p->target);
    for (size_t i = 0; i < s->samples; i++)
        for (size_t f = 0; f < 2 * m; f++)
            p->target[p->label_of[i] * 2 * m + f] += p->x[p->patch_of[i] * 2 * m + f] / (double)s->samples;
}

static inline dense_problem make_problem(problem_shape s, uint64_t seed) {
    dense_problem p = {.shape = s};
    rhm_random random = {.seed = seed, .stream = 1u << 20};
    rhm_error error = {0};
    make_inputs(&p, &random);
    make_samples(&p, &random);
    p.layer = (struct rhm_layer){s.tokens, s.embedding, s.classes, s.width, s.bandwidth, 1, NULL, NULL, 1};
    assert_ok(rhm_layer_alloc(&p.layer, &error), &error);
    for (size_t i = 0; i < (size_t)s.width * s.tokens * s.embedding; i++)
        p.layer.frequencies[i] = (float)(rhm_gaussian(seed, 1u << 21, i) / s.bandwidth);
    assert_ok(rhm_ready_layer_make(&p.ready, &p.layer, s.embedding != s.classes, &error), &error);
    make_dense(&p);
    return p;
}

static inline void clear_problem(dense_problem *p) {
    free(p->patch_of);
    free(p->label_of);
    free(p->x);
    free(p->target);
    rhm_layer_clear(&p->layer);
    rhm_ready_layer_clear(&p->ready);
    rhm_embeddings_clear(&p->inputs);
    rhm_intern_destroy(&p->patches);
    rhm_patch_counts_clear(&p->counts);
}

static inline rhm_linear_data data_of(const dense_problem *p) {
    return rhm_design_data(&p->ready, &p->inputs, &p->patches, &p->counts, p->shape.samples);
}

/* Its normal equations by passes, or by a Gram matrix that is not formed yet. */
static inline rhm_normal *must_init(const dense_problem *p, const rhm_engine *engine, size_t cache_nbytes) {
    const rhm_linear_data data = data_of(p);
    rhm_normal *normal;
    rhm_error error = {0};
    assert_ok(rhm_normal_create(&normal, engine, &data, RHM_ROUTE_PASSES, cache_nbytes, &error), &error);
    return normal;
}

static inline rhm_normal *must_init_gram(const dense_problem *p, const rhm_engine *engine) {
    const rhm_linear_data data = data_of(p);
    rhm_normal *normal;
    rhm_error error = {0};
    assert_ok(rhm_normal_create(&normal, engine, &data, RHM_ROUTE_GRAM, 0, &error), &error);
    return normal;
}

/* Where kernels/README.md puts feature f of the oracle: groups of 16 cosines, each followed by its 16 sines. */
static inline size_t packed(size_t f, size_t m) {
    const size_t k = f % m;
    return k / 16 * 32 + (f >= m ? 16 : 0) + k % 16;
}

/* out (classes, 2M) from the library's (classes, stride). */
static inline void unpack(const dense_problem *p, size_t stride, const double *w, double *out) {
    const size_t m = p->shape.width;
    for (size_t c = 0; c < p->shape.classes; c++)
        for (size_t f = 0; f < 2 * m; f++)
            out[c * 2 * m + f] = w[c * stride + packed(f, m)];
}

static inline void pack(const dense_problem *p, size_t stride, const double *w, double *out) {
    const size_t m = p->shape.width;
    memset(out, 0, sizeof *out * p->shape.classes * stride);
    for (size_t c = 0; c < p->shape.classes; c++)
        for (size_t f = 0; f < 2 * m; f++)
            out[c * stride + packed(f, m)] = w[c * 2 * m + f];
}

/* out = C w over the raw samples. */
static inline void dense_apply(const dense_problem *p, const double *w, double *out) {
    const size_t n = 2 * (size_t)p->shape.width;
    memset(out, 0, sizeof *out * p->shape.classes * n);
    for (size_t i = 0; i < p->shape.samples; i++) {
        const double *x = p->x + p->patch_of[i] * n;
        for (size_t c = 0; c < p->shape.classes; c++) {
            double y = 0;
            for (size_t f = 0; f < n; f++)
                y += w[c * n + f] * x[f];
            for (size_t f = 0; f < n; f++)
                out[c * n + f] += y * x[f] / (double)p->shape.samples;
        }
    }
}

static inline double norm(const double *a, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * a[i];
    return sqrt(sum);
}

/* ||a - b|| / ||b|| */
static inline double relative(const double *a, const double *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum) / norm(b, count);
}

/* Solve a w_c = b_c for every row of b (classes, n), in place, with partial pivoting; a is destroyed. */
static inline void eliminate(double *a, size_t n, double *b, size_t classes) {
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            pivot = fabs(a[i * n + k]) > fabs(a[pivot * n + k]) ? i : pivot;
        for (size_t j = 0; j < n; j++) {
            const double swap = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = swap;
        }
        for (size_t c = 0; c < classes; c++) {
            const double swap = b[c * n + k];
            b[c * n + k] = b[c * n + pivot];
            b[c * n + pivot] = swap;
        }
        for (size_t i = k + 1; i < n; i++) {
            const double factor = a[i * n + k] / a[k * n + k];
            for (size_t j = k; j < n && factor != 0; j++)
                a[i * n + j] -= factor * a[k * n + j];
            for (size_t c = 0; c < classes; c++)
                b[c * n + i] -= factor * b[c * n + k];
        }
    }
    for (size_t k = n; k-- > 0;)
        for (size_t c = 0; c < classes; c++) {
            for (size_t j = k + 1; j < n; j++)
                b[c * n + k] -= a[k * n + j] * b[c * n + j];
            b[c * n + k] /= a[k * n + k];
        }
}

static inline double *random_matrix(size_t count, uint64_t seed) {
    double *w = must_alloc(count, sizeof *w);
    for (size_t i = 0; i < count; i++)
        w[i] = rhm_gaussian(seed, 1u << 22, i);
    return w;
}

/* B and C B, to the bits of an earlier operator where *first holds them already; a second product shows that nothing is
 * left over from the one before. */
static inline void expect_the_same_products(rhm_normal *r, double **first) {
    const size_t size = rhm_normal_size(r);
    double *out = must_alloc(2 * size, sizeof *out);
    rhm_error error = {0};
    assert_ok(rhm_normal_right_hand_side(r, out, &error), &error);
    assert_ok(rhm_normal_apply(r, out, out + size, &error), &error);
    assert_ok(rhm_normal_apply(r, out, out + size, &error), &error);
    if (!*first) {
        *first = out;
        return;
    }
    assert_memory_equal(out, *first, sizeof *out * 2 * size);
    free(out);
}

#endif
