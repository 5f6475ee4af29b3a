/* oneDNN against the native kernels: the tolerance of kernels/README.md, its threads, its caches. */
#include <dirent.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "core/philox.h"
#include "engine/parallel.h"
#include "onednn.h"

static const double ROUNDING = 0x1p-24;   /* of one float operation */
static const double COS_SIN = 2 * 1.4e-7; /* two evaluations, kernels/README.md */

static rhm_random source = {.seed = 20260401, .stream = 1 << 20};

static float uniform(float scale) {
    return scale * (2 * (float)rhm_random_word(&source) * 0x1p-32f - 1);
}

static size_t below(size_t bound) {
    return rhm_random_below(&source, (uint32_t)bound);
}

static float *random_floats(size_t count, float scale) {
    float *out = malloc(sizeof *out * (count + 1));
    for (size_t i = 0; i < count; i++)
        out[i] = uniform(scale);
    return out;
}

/* ---------------------------------------------------------------------------------------------------- one operator */

typedef struct problem {
    size_t tokens, embedding, padded, classes, count, stride;
    float *half_turns, *offset, *table, *w, *r;
    uint32_t *ids;
    rhm_phase_map map;
    rhm_patch_rows patches;
} problem;

enum { ROWS = 7 };

/* What lies between rows is poison to whoever reads it. */
static float *poisoned_rows(size_t rows, size_t padded) {
    float *out = random_floats(rows * rhm_feature_stride(padded), 1);
    for (size_t i = 0; i < rows; i++)
        for (size_t f = 2 * padded; f < rhm_feature_stride(padded); f++)
            out[i * rhm_feature_stride(padded) + f] = NAN;
    return out;
}

static void check_poison(const float *rows, size_t count, size_t padded) {
    for (size_t i = 0; i < count; i++)
        for (size_t f = 2 * padded; f < rhm_feature_stride(padded); f++)
            assert_true(isnan(rows[i * rhm_feature_stride(padded) + f]));
}

static problem make_problem(size_t tokens, size_t embedding, size_t padded, size_t classes, size_t count, float scale) {
    problem p = {.tokens = tokens, .embedding = embedding, .padded = padded, .classes = classes, .count = count};
    p.stride = rhm_feature_stride(padded);
    p.half_turns = random_floats(padded * tokens * embedding, scale);
    p.offset = random_floats(padded, 1);
    p.table = random_floats(ROWS * embedding, 1);
    p.w = poisoned_rows(classes, padded);
    p.r = random_floats(count * classes, 1);
    p.ids = malloc(sizeof *p.ids * (count * tokens + 1));
    for (size_t i = 0; i < count * tokens; i++)
        p.ids[i] = (uint32_t)below(ROWS);
    p.map = (rhm_phase_map){
        .tokens = tokens, .embedding = embedding, .padded = padded, .half_turns = p.half_turns, .offset = p.offset};
    p.patches = (rhm_patch_rows){p.table, p.ids, count};
    return p;
}

static void drop_problem(problem *p) {
    float *arrays[] = {p->half_turns, p->offset, p->table, p->w, p->r};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(p->ids);
}

/* `own` takes its own features, the others those of `x`, so that each operation is judged by itself. */
typedef struct outputs {
    float *own, *x, *y, *fused;
    double *g;
} outputs;

static outputs compute(const rhm_operator *op, const problem *p, const float *x) {
    outputs o = {poisoned_rows(p->count, p->padded), poisoned_rows(p->count, p->padded),
                 random_floats(p->count * p->classes, 9), random_floats(p->count * p->classes, 9),
                 malloc(sizeof(double) * p->classes * p->stride)};
    rhm_error error = {0};
    must(op->operations->features(op, 0, &p->patches, o.own, &error), &error);
    memcpy(o.x, x ? x : o.own, sizeof *o.x * p->count * p->stride);
    for (size_t c = 0; c < p->classes; c++)
        for (size_t f = 0; f < p->stride; f++)
            o.g[c * p->stride + f] = f < 2 * p->padded ? (double)(f % 13) - 6 : (double)NAN;
    must(op->operations->product(op, 0, p->count, o.x, o.y, &error), &error);
    must(op->operations->gradient(op, 0, p->count, p->r, o.x, o.g, &error), &error);
    must(op->operations->forward(op, 0, &p->patches, o.fused, &error), &error);
    check_poison(o.own, p->count, p->padded);
    for (size_t c = 0; c < p->classes; c++)
        for (size_t f = 2 * p->padded; f < p->stride; f++)
            assert_true(isnan(o.g[c * p->stride + f]));
    return o;
}

static void drop_outputs(outputs *o) {
    float *arrays[] = {o->own, o->x, o->y, o->fused};
    free(o->g);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
}

static void near(double have, double want, double tolerance, const char *what, size_t row, size_t column,
                 const problem *p) {
    if (!(fabs(have - want) <= tolerance))
        fail_msg("%s (%zu, %zu) is %.9g, native %.9g, tolerance %.3g (s=%zu d_e=%zu padded=%zu classes=%zu count=%zu, "
                 "seed %llu)",
                 what, row, column, have, want, tolerance, p->tokens, p->embedding, p->padded, p->classes, p->count,
                 (unsigned long long)source.seed);
}

/*
 * How far sums of n products in any two orders may lie apart. Worst case 2 n u sum |a b|; but roundings are as good as
 * random, and the partial sums of these random operands grow like sqrt n, so that 4 u sqrt(n) |a b|_2 is already rare.
 */
static double order_error(double terms, double square) {
    return 4 * ROUNDING * sqrt(terms) * sqrt(square) + 1e-30;
}

static double phase_error(const problem *p, size_t i, size_t k) {
    const size_t inputs = p->tokens * p->embedding;
    double square = (double)p->offset[k] * (double)p->offset[k];
    for (size_t j = 0; j < inputs; j++) {
        const double w = (double)p->half_turns[(k / RHM_LANES * inputs + j) * RHM_LANES + k % RHM_LANES];
        const double h = (double)p->table[p->ids[i * p->tokens + j / p->embedding] * p->embedding + j % p->embedding];
        square += w * h * w * h;
    }
    return acos(-1.0) * order_error((double)(inputs + 1), square) + COS_SIN;
}

static void compare(const problem *p, const outputs *have, const outputs *want) {
    const double terms = 2 * (double)p->padded;
    for (size_t i = 0; i < p->count; i++) {
        double worst = 0;
        for (size_t k = 0; k < p->padded; k++) {
            const double tolerance = phase_error(p, i, k);
            worst = fmax(worst, tolerance);
            for (int sine = 0; sine < 2; sine++) {
                const size_t f = i * p->stride + rhm_feature_index(k, sine);
                near((double)have->own[f], (double)want->own[f], tolerance, "feature", i, k, p);
            }
        }
        for (size_t c = 0; c < p->classes; c++) {
            double square = 0, weights = 0;
            for (size_t f = 0; f < 2 * p->padded; f++) {
                const double w = (double)p->w[c * p->stride + f], wx = w * (double)want->x[i * p->stride + f];
                square += wx * wx;
                weights += w * w;
            }
            const size_t at = i * p->classes + c;
            const double order = order_error(terms, square);
            near((double)have->y[at], (double)want->y[at], order, "product", i, c, p);
            near((double)have->fused[at], (double)want->fused[at], order + 4 * worst * sqrt(weights), "forward", i, c,
                 p);
        }
    }
    for (size_t c = 0; c < p->classes; c++)
        for (size_t f = 0; f < 2 * p->padded; f++) {
            double square = 36;
            for (size_t i = 0; i < p->count; i++) {
                const double rx = (double)p->r[i * p->classes + c] * (double)want->x[i * p->stride + f];
                square += rx * rx;
            }
            near(have->g[c * p->stride + f], want->g[c * p->stride + f], order_error((double)p->count + 1, square),
                 "gradient", c, f, p);
        }
}

static void agree(const rhm_engine *engine, problem p) {
    rhm_operator native, onednn;
    rhm_error error = {0};
    must(rhm_operator_init_native(&native, engine, &p.map, p.classes, &error), &error);
    must(rhm_operator_init_onednn(&onednn, engine, &p.map, p.classes, &error), &error);
    must(rhm_operator_set_weights(&native, p.w, &error), &error);
    must(rhm_operator_set_weights(&onednn, p.w, &error), &error);
    outputs want = compute(&native, &p, NULL), have = compute(&onednn, &p, want.own);
    compare(&p, &have, &want);

    /* Weights that change in place count from the next call on. */
    for (size_t i = 0; i < p.classes * p.stride; i++)
        p.w[i] = -p.w[i];
    must(rhm_operator_set_weights(&onednn, p.w, &error), &error);
    float *before = malloc(sizeof *before * (p.count * p.classes + 1));
    memcpy(before, have.y, sizeof *before * p.count * p.classes);
    must(onednn.operations->product(&onednn, 0, p.count, want.x, have.y, &error), &error);
    for (size_t i = 0; i < p.count * p.classes; i++)
        assert_true(have.y[i] == -before[i]);
    free(before);

    drop_outputs(&want);
    drop_outputs(&have);
    rhm_operator_clear(&native);
    rhm_operator_clear(&onednn);
    drop_problem(&p);
}

static void every_shape_agrees(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    rhm_engine *engine = must_start("onednn", 1);
    /* Remainders of blocks and of their rounding, remainders of slices, single rows and columns. */
    static const size_t counts[] = {
        0, 1, 2, 31, 32, 33, RHM_ONEDNN_BLOCK - 1, RHM_ONEDNN_BLOCK, RHM_ONEDNN_BLOCK + 1, 2 * RHM_ONEDNN_BLOCK + 5};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        agree(engine, make_problem(1 + i % 3, 1 + 3 * i, RHM_LANES * (1 + 5 * i), 1 + 2 * i, counts[i], 4));
    static const size_t padded[] = {RHM_LANES,
                                    RHM_ONEDNN_SLICE - RHM_LANES,
                                    RHM_ONEDNN_SLICE,
                                    RHM_ONEDNN_SLICE + RHM_LANES,
                                    2 * RHM_ONEDNN_SLICE,
                                    2 * RHM_ONEDNN_SLICE + 5 * RHM_LANES};
    for (size_t i = 0; i < sizeof padded / sizeof *padded; i++)
        agree(engine, make_problem(2, 5 + i, padded[i], 3 + i, 40, 4));
    agree(engine, make_problem(1, 1, RHM_LANES, 1, 1, 1));
    agree(engine, make_problem(2, 64, 2048, 64, 50, 0.5f));
    for (int i = 0; i < 25; i++)
        agree(engine,
              make_problem(1 + below(4), 1 + below(40), RHM_LANES * (1 + below(40)), 1 + below(70), below(250), 8));
    rhm_engine_destroy(engine);
}

static void non_numbers_stay_in_their_rows(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    rhm_engine *engine = must_start("onednn", 1);
    problem p = make_problem(2, 3, 2 * RHM_LANES, 4, 40, 1);
    p.table[2 * 3] = NAN; /* embedding 2 */
    rhm_operator op;
    rhm_error error = {0};
    must(rhm_operator_init_onednn(&op, engine, &p.map, p.classes, &error), &error);
    must(rhm_operator_set_weights(&op, p.w, &error), &error);
    float *y = malloc(sizeof *y * p.count * p.classes);
    must(op.operations->forward(&op, 0, &p.patches, y, &error), &error);
    size_t bad = 0;
    for (size_t i = 0; i < p.count; i++) {
        const bool has = p.ids[2 * i] == 2 || p.ids[2 * i + 1] == 2;
        bad += has;
        for (size_t c = 0; c < p.classes; c++)
            assert_int_equal(isnan(y[i * p.classes + c]) != 0, has);
    }
    assert_true(bad > 0 && bad < p.count);
    free(y);
    rhm_operator_clear(&op);
    drop_problem(&p);
    rhm_engine_destroy(engine);
}

/* ---------------------------------------------------------------------------------------------- threads and caches */

static size_t threads_of_process(void) {
    size_t threads = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks));)
        threads += entry->d_name[0] != '.';
    closedir(tasks);
    return threads;
}

typedef struct embed_job {
    const rhm_operator *op;
    const problem *p;
    float *y;
} embed_job;

enum { JOB_PATCHES = 64 };

static rhm_status embed_part(void *context, size_t chunk, int thread, rhm_error *error) {
    const embed_job *job = context;
    const problem *p = job->p;
    const size_t first = chunk * JOB_PATCHES, left = p->count - first;
    const rhm_patch_rows rows = {p->table, p->ids + first * p->tokens, left < JOB_PATCHES ? left : JOB_PATCHES};
    return job->op->operations->forward(job->op, thread, &rows, job->y + first * p->classes, error);
}

static void embed(const rhm_engine *engine, const problem *p, float *y) {
    rhm_operator op;
    rhm_error error = {0};
    must(rhm_operator_init_onednn(&op, engine, &p->map, p->classes, &error), &error);
    must(rhm_operator_set_weights(&op, p->w, &error), &error);
    embed_job job = {&op, p, y};
    must(rhm_parallel(engine, (p->count + JOB_PATCHES - 1) / JOB_PATCHES, embed_part, &job, &error), &error);
    rhm_operator_clear(&op);
}

/* First of the tests: the calling thread's pool of OpenMP threads only grows, so what is there at the end was needed.
 */
static void only_the_teams_threads_work(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    omp_set_num_threads(4); /* what oneDNN would take by itself */
    omp_set_max_active_levels(3);
    problem p = make_problem(2, 16, 512, 16, 2000, 1);
    float *y[2];
    for (int threads = 1; threads <= 2; threads++) {
        y[threads - 1] = malloc(sizeof *y[0] * p.count * p.classes);
        rhm_engine *engine = must_start("onednn", threads);
        embed(engine, &p, y[threads - 1]);
        assert_int_equal(threads_of_process(), threads == 1 ? 1 : threads + 1); /* one keeps the team together */
        assert_int_equal(omp_get_max_threads(), 4);
        rhm_engine_destroy(engine);
    }
    /* The primitives are the same, so are the bits. */
    assert_memory_equal(y[0], y[1], sizeof *y[0] * p.count * p.classes);
    free(y[0]);
    free(y[1]);
    drop_problem(&p);
    omp_set_max_active_levels(1);
}

static void caches_are_bounded_and_used(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    rhm_engine *engine = must_start("onednn", 1);
    rhm_backend *backend;
    rhm_error error = {0};
    must(rhm_backend_of(&backend, engine, &error), &error);
    problem p = make_problem(2, 8, 272, 8, 500, 1);
    float *y = malloc(sizeof *y * p.count * p.classes);
    embed(engine, &p, y);
    const size_t made = rhm_onednn_made(backend->onednn, 0);
    assert_true(made > 0);
    for (int i = 0; i < 20; i++)
        embed(engine, &p, y);
    assert_int_equal(rhm_onednn_made(backend->onednn, 0), made);
    /* Batches of every size share a few shapes. */
    for (size_t count = 1; count <= 500; count += 7) {
        p.count = count;
        embed(engine, &p, y);
    }
    assert_true(rhm_onednn_made(backend->onednn, 0) <= 2 * 2 * RHM_ONEDNN_BLOCK / 32);
    /* Many shapes: the oldest make room, the one in use stays. */
    p.count = 20;
    for (size_t i = 0; i < 60; i++) {
        problem other = make_problem(1, 1 + i, RHM_LANES, 1 + i, 3, 1);
        float *z = malloc(sizeof *z * other.count * other.classes);
        embed(engine, &other, z);
        assert_true(rhm_onednn_cached(backend->onednn, 0) <= RHM_ONEDNN_PRIMITIVES);
        const size_t before = rhm_onednn_made(backend->onednn, 0);
        embed(engine, &p, y);
        assert_int_equal(rhm_onednn_made(backend->onednn, 0), before);
        free(z);
        drop_problem(&other);
    }
    assert_int_equal(rhm_onednn_cached(backend->onednn, 0), RHM_ONEDNN_PRIMITIVES);
    free(y);
    drop_problem(&p);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_teams_threads_work),
        cmocka_unit_test(every_shape_agrees),
        cmocka_unit_test(non_numbers_stay_in_their_rows),
        cmocka_unit_test(caches_are_bounded_and_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
