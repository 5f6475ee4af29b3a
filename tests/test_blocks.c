/* Blocks of one regression against as many regressions of their own: the same products and the same weights. */
#include "dense.h"
#include "linear/preconditioner.h"

static const uint64_t SEED = 20260119;

enum { BLOCKS = 3 };

/* The patches of a problem at several positions: of each, its own share of the samples; the last lacks some patches. */
typedef struct blocks {
    dense_problem whole, part[BLOCKS]; /* share inputs, patches and frequencies with the whole */
} blocks;

static rhm_patch_counts counts_of(const dense_problem *p, size_t block, uint64_t *samples) {
    const size_t patches = p->shape.patches, classes = p->shape.classes;
    rhm_patch_counts counts = {.offset = RHM_NEW(size_t, patches + 1, 1, 1, "offsets", NULL),
                               .label = RHM_NEW(uint32_t, patches * classes, 1, 1, "labels", NULL),
                               .count = RHM_NEW(uint64_t, patches * classes, 1, 1, "counts", NULL)};
    rhm_random random = {.seed = SEED + block, .stream = 1u << 23};
    size_t cell = 0;
    *samples = 0;
    for (size_t i = 0; i < patches; i++) {
        for (uint32_t c = 0; c < classes; c++) {
            const uint32_t n = rhm_random_below(&random, 30);
            if (n < 15 || (block == BLOCKS - 1 && i % 4 == 0))
                continue;
            counts.label[cell] = c;
            counts.count[cell++] = n;
            *samples += n;
        }
        counts.offset[i + 1] = cell;
    }
    return counts;
}

/* Cells of a patch, block after block. */
static void join(dense_problem *whole, const dense_problem *part) {
    const size_t patches = whole->shape.patches, classes = whole->shape.classes / BLOCKS;
    rhm_patch_counts *to = &whole->counts;
    rhm_patch_counts_clear(to);
    to->offset = RHM_NEW(size_t, patches + 1, 1, 1, "offsets", NULL);
    to->label = RHM_NEW(uint32_t, patches * classes * BLOCKS, 1, 1, "labels", NULL);
    to->count = RHM_NEW(uint64_t, patches * classes * BLOCKS, 1, 1, "counts", NULL);
    to->of_block = RHM_NEW(uint64_t, BLOCKS, 1, 1, "samples", NULL);
    size_t cell = 0;
    for (size_t i = 0; i < patches; i++) {
        for (size_t b = 0; b < BLOCKS; b++)
            for (size_t from = part[b].counts.offset[i]; from < part[b].counts.offset[i + 1]; from++) {
                to->label[cell] = (uint32_t)(b * classes) + part[b].counts.label[from];
                to->count[cell++] = part[b].counts.count[from];
            }
        to->offset[i + 1] = cell;
    }
    for (size_t b = 0; b < BLOCKS; b++)
        to->of_block[b] = part[b].shape.samples;
}

static blocks make_blocks(problem_shape shape) {
    blocks all = {.whole = make_problem(shape, SEED)};
    for (size_t b = 0; b < BLOCKS; b++) {
        uint64_t samples;
        all.part[b] = all.whole;
        all.part[b].counts = counts_of(&all.whole, b, &samples);
        all.part[b].shape.samples = samples;
    }
    all.whole.shape.classes *= BLOCKS;
    join(&all.whole, all.part);
    return all;
}

static void clear_blocks(blocks *all) {
    for (size_t b = 0; b < BLOCKS; b++)
        rhm_patch_counts_clear(&all->part[b].counts);
    clear_problem(&all->whole);
}

typedef struct method {
    const char *name;
    rhm_solver solver;
    rhm_route route;
    size_t cache_nbytes, sample;
} method;

static rhm_linear_data data_for(const dense_problem *p, size_t count) {
    rhm_linear_data data = data_of(p);
    data.blocks = count;
    data.classes = p->shape.classes;
    return data;
}

/* Weights (classes, stride). */
static double *solve_data(const dense_problem *p, const rhm_linear_data *given, const method *m,
                          const rhm_engine *engine, size_t *stride) {
    const rhm_linear_data data = *given;
    rhm_normal *n;
    rhm_preconditioner sample = {0};
    rhm_solve_result result;
    rhm_error error = {0};
    assert_ok(rhm_normal_create(&n, engine, &data, m->route, m->cache_nbytes, &error), &error);
    double *w = must_alloc(2 * rhm_normal_size(n), sizeof *w), *target = w + rhm_normal_size(n);
    assert_ok(rhm_normal_right_hand_side(n, target, &error), &error);
    assert_ok(rhm_normal_prepare(n, &error), &error);
    if (m->sample)
        assert_ok(rhm_preconditioner_init(&sample, m->sample, engine, &data, RHM_ROUTE_GRAM, &error), &error);
    const rhm_solve_options options = {.solver = m->solver,
                                       .lambda = 0.1 / (double)p->shape.patches,
                                       .tolerance = 1e-6,
                                       .patch_count = (double)p->shape.patches,
                                       .preconditioner = m->sample ? &sample : NULL};
    assert_ok(rhm_solve(n, &options, target, w, &result, &error), &error);
    assert_true(result.converged);
    *stride = n->stride;
    rhm_preconditioner_clear(&sample);
    rhm_normal_destroy(n);
    return w;
}

static double *solve(const dense_problem *p, size_t count, const method *m, const rhm_engine *engine, size_t *stride) {
    const rhm_linear_data data = data_for(p, count);
    return solve_data(p, &data, m, engine, stride);
}

static const method methods[] = {
    {"passes", RHM_CG, RHM_ROUTE_PASSES, 0, 0},      {"kept features", RHM_CG, RHM_ROUTE_PASSES, SIZE_MAX, 0},
    {"Gram matrices", RHM_CG, RHM_ROUTE_GRAM, 0, 0}, {"a sample", RHM_CG, RHM_ROUTE_PASSES, 0, 50},
    {"descent", RHM_GD, RHM_ROUTE_GRAM, 0, 0},       {"cholesky", RHM_CHOLESKY, RHM_ROUTE_PASSES, 0, 0},
};

static void blocks_are_regressions_of_their_own(void **state) {
    (void)state;
    static const problem_shape shapes[] = {{60, 900, 2, 8, 4, 64, 0.7}, {500, 3000, 3, 5, 5, 40, 0.4}};
    rhm_engine *engine = engine_of(2);
    for (size_t s = 0; s < 2; s++) {
        blocks all = make_blocks(shapes[s]);
        const size_t classes = shapes[s].classes;
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
            size_t stride;
            double *together = solve(&all.whole, BLOCKS, &methods[m], engine, &stride);
            for (size_t b = 0; b < BLOCKS; b++) {
                double *alone = solve(&all.part[b], 1, &methods[5], engine, &stride);
                const double off = relative(together + b * classes * stride, alone, classes * stride);
                if (!(off < 1e-3))
                    fail_msg("shape %zu, block %zu, by %s: weights are off by %.3g", s, b, methods[m].name, off);
                free(alone);
            }
            free(together);
        }
        clear_blocks(&all);
    }
    rhm_engine_destroy(engine);
}

/* The counts of one block with so many pooled samples for each of its own, in parts of 10^12. */
static void mix(rhm_patch_counts *to, const blocks *all, size_t block, const double *frequency, double pooled) {
    const size_t patches = all->part[0].shape.patches, classes = all->part[0].shape.classes;
    const rhm_patch_counts *own = &all->part[block].counts;
    double samples = 0;
    for (size_t b = 0; b < BLOCKS; b++)
        samples += (double)all->part[b].shape.samples;
    *to = (rhm_patch_counts){.offset = RHM_NEW(size_t, patches + 1, 1, 1, "offsets", NULL),
                             .label = RHM_NEW(uint32_t, patches * classes, 1, 1, "labels", NULL),
                             .count = RHM_NEW(uint64_t, patches * classes, 1, 1, "counts", NULL)};
    for (size_t i = 0, cell = 0; i < patches; i++) {
        double come = 0;
        for (size_t at = all->whole.counts.offset[i]; at < all->whole.counts.offset[i + 1]; at++)
            come += (double)all->whole.counts.count[at];
        for (size_t c = 0, at = own->offset[i]; c < classes; c++) {
            double share = pooled * come / samples * frequency[block * classes + c];
            if (at < own->offset[i + 1] && own->label[at] == c)
                share += (double)own->count[at++] / (double)all->part[block].shape.samples;
            if (share == 0)
                continue;
            to->label[cell] = (uint32_t)c;
            to->count[cell++] = (uint64_t)(1e12 * share / (1 + pooled));
        }
        to->offset[i + 1] = cell;
    }
}

static void some_samples_are_of_all_blocks(void **state) {
    (void)state;
    const double POOLED = 0.3;
    rhm_engine *engine = engine_of(2);
    blocks all = make_blocks((problem_shape){60, 900, 2, 8, 4, 64, 0.7});
    const size_t classes = all.part[0].shape.classes;
    rhm_linear_data data = data_for(&all.whole, BLOCKS);
    double *frequency = must_alloc(data.classes, sizeof *frequency);
    for (size_t cell = 0; cell < data.counts->offset[60]; cell++)
        frequency[data.counts->label[cell]] +=
            (double)data.counts->count[cell] / rhm_linear_samples(&data, data.counts->label[cell] / classes);
    data.pooled = POOLED;
    data.frequency = frequency;
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        size_t stride;
        double *together = solve_data(&all.whole, &data, &methods[m], engine, &stride);
        for (size_t b = 0; b < BLOCKS; b++) {
            dense_problem mixed = all.part[b];
            mix(&mixed.counts, &all, b, frequency, POOLED);
            mixed.shape.samples = UINT64_C(1000000000000);
            double *alone = solve(&mixed, 1, &methods[5], engine, &stride);
            const double off = relative(together + b * classes * stride, alone, classes * stride);
            if (!(off < 1e-3))
                fail_msg("block %zu, by %s: weights are off by %.3g", b, methods[m].name, off);
            free(alone);
            rhm_patch_counts_clear(&mixed.counts);
        }
        free(together);
    }
    free(frequency);
    clear_blocks(&all);
    rhm_engine_destroy(engine);
}

static void bits_are_always_the_same(void **state) {
    (void)state;
    static const struct {
        int threads;
        const char *isa;
    } ways[] = {{1, NULL}, {2, NULL}, {3, "scalar"}, {2, "avx2"}};
    blocks all = make_blocks((problem_shape){300, 900, 2, 5, 5, 24, 0.5});
    for (int route = RHM_ROUTE_PASSES; route <= RHM_ROUTE_GRAM; route++) {
        const method m = {"", RHM_CG, (rhm_route)route, 0, 0};
        double *first = NULL;
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            rhm_engine *engine = engine_at(ways[i].threads, ways[i].isa);
            size_t stride;
            if (!engine)
                continue;
            double *w = solve(&all.whole, BLOCKS, &m, engine, &stride);
            if (first) {
                assert_memory_equal(w, first, sizeof *w * all.whole.shape.classes * stride);
                free(w);
            } else {
                first = w;
            }
            rhm_engine_destroy(engine);
        }
        free(first);
    }
    clear_blocks(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_regressions_of_their_own),
        cmocka_unit_test(some_samples_are_of_all_blocks),
        cmocka_unit_test(bits_are_always_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
