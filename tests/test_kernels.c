/* The kernels: every table against the reference to the last bit, the reference against double precision. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/philox.h"
#include "kernels/kernels.h"
#include "kernels/sincos.h"
#include "kernels/tables.h"

extern const rhm_kernels rhm_kernels_emulated; /* tile.h with 16 portable lanes: emulated_lanes.c */

static rhm_random source = {.seed = 20260119, .stream = 1 << 20};

static float uniform(float scale) {
    return scale * (2 * (float)rhm_random_word(&source) * 0x1p-32f - 1);
}

static size_t below(size_t bound) {
    return rhm_random_below(&source, (uint32_t)bound);
}

/* An array that ends where an unreadable page begins: any access beyond it is a crash, not a wrong number. */
typedef struct guarded {
    void *pages;
    size_t nbytes;
    float *data;
} guarded;

static guarded guarded_floats(size_t count) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), want = sizeof(float) * count;
    guarded g = {.nbytes = (want + page - 1) / page * page + page};
    g.pages = mmap(NULL, g.nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(g.pages, MAP_FAILED);
    assert_int_equal(mprotect((char *)g.pages + g.nbytes - page, page, PROT_NONE), 0);
    g.data = (float *)(void *)((char *)g.pages + g.nbytes - page - want);
    return g;
}

static void release(guarded *g) {
    munmap(g->pages, g->nbytes);
}

static double *doubles(const guarded *g) {
    return (double *)(void *)g->data;
}

static guarded random_floats(size_t count, float scale) {
    guarded g = guarded_floats(count);
    for (size_t i = 0; i < count; i++)
        g.data[i] = uniform(scale);
    return g;
}

typedef struct problem {
    size_t tokens, embedding, padded, classes, count, rows, stride;
    guarded half_turns, offset, table, phasors, w, r;
    uint32_t *ids;
    rhm_phase_map map;
    rhm_patch_rows patches;
} problem;

static size_t row_floats(const problem *p, size_t rows) {
    return rows ? (rows - 1) * p->stride + 2 * p->padded : 0;
}

/* Patches in runs: all but every `run`th have the tokens of the one before, but for the last. */
static void draw_patches(problem *p, size_t run) {
    for (size_t i = 0; i < p->count * p->tokens; i++) {
        const bool same = i / p->tokens % run != 0 && i % p->tokens + 1 < p->tokens;
        p->ids[i] = same ? p->ids[i - p->tokens] : (uint32_t)below(p->rows);
    }
}

static problem make_problem(size_t tokens, size_t embedding, size_t padded, size_t classes, size_t count, float scale) {
    problem p = {
        .tokens = tokens, .embedding = embedding, .padded = padded, .classes = classes, .count = count, .rows = 7};
    p.stride = rhm_feature_stride(padded);
    p.half_turns = random_floats(padded * tokens * embedding, scale);
    p.offset = random_floats(padded, 1);
    p.table = random_floats(p.rows * embedding, 1);
    p.phasors = random_floats(row_floats(&p, tokens * p.rows), 1);
    /* What is between rows is never touched, so it need not exist after the last one. */
    p.w = random_floats(row_floats(&p, classes), 1);
    p.r = random_floats(count * classes + 1, 1);
    p.ids = malloc(sizeof *p.ids * (count * tokens + 1));
    draw_patches(&p, 3);
    p.map = (rhm_phase_map){.tokens = tokens,
                            .embedding = embedding,
                            .padded = padded,
                            .half_turns = p.half_turns.data,
                            .offset = p.offset.data};
    p.patches = (rhm_patch_rows){p.table.data, p.ids, count};
    return p;
}

static void drop_problem(problem *p) {
    release(&p->half_turns);
    release(&p->offset);
    release(&p->table);
    release(&p->phasors);
    release(&p->w);
    release(&p->r);
    free(p->ids);
}

static size_t x_floats(const problem *p) {
    return row_floats(p, p->count);
}

/* Everything a table computes for a problem, one after the other, in exactly as much memory as the contract grants. */
typedef struct outputs {
    guarded x, y, fused, g;     /* g: doubles */
    guarded shared, shared_y;   /* features and outputs by phasors, */
    guarded turned_y, turned_g; /* outputs and sums by turned weights: doubles */
} outputs;

static outputs compute(const rhm_kernels *k, const problem *p) {
    outputs o = {guarded_floats(x_floats(p)),           guarded_floats(p->count * p->classes),
                 guarded_floats(p->count * p->classes), guarded_floats(2 * row_floats(p, p->classes)),
                 guarded_floats(x_floats(p)),           guarded_floats(p->count * p->classes),
                 guarded_floats(p->count * p->classes), guarded_floats(2 * row_floats(p, p->classes))};
    rhm_phase_map shared = p->map;
    shared.phasors = p->phasors.data;
    shared.phasor_rows = p->rows;
    guarded packed = guarded_floats(rhm_packed_floats(p->classes, p->padded));
    for (size_t c = 0; c < p->classes; c++)
        for (size_t f = 0; f < 2 * p->padded; f++)
            doubles(&o.g)[c * p->stride + f] = doubles(&o.turned_g)[c * p->stride + f] = (double)(f % 13) - 6;
    k->features(&p->map, &p->patches, o.x.data);
    k->pack(p->classes, p->padded, p->w.data, packed.data);
    k->product(p->classes, p->padded, packed.data, p->count, o.x.data, o.y.data);
    k->forward(&p->map, p->classes, packed.data, &p->patches, o.fused.data);
    k->gradient(p->classes, p->padded, p->count, p->r.data, o.x.data, doubles(&o.g));
    k->features(&shared, &p->patches, o.shared.data);
    k->forward(&shared, p->classes, packed.data, &p->patches, o.shared_y.data);
    if (p->tokens > 1) {
        rhm_patch_rows some = p->patches;
        some.count = some.count < RHM_TURNED_PATCHES ? some.count : RHM_TURNED_PATCHES;
        k->turned_forward(&shared, p->classes, packed.data, &p->patches, o.turned_y.data);
        k->turned_gradient(&shared, p->classes, &some, p->r.data, doubles(&o.turned_g));
    }
    release(&packed);
    return o;
}

static void drop_outputs(outputs *o) {
    release(&o->x);
    release(&o->y);
    release(&o->fused);
    release(&o->g);
    release(&o->shared);
    release(&o->shared_y);
    release(&o->turned_y);
    release(&o->turned_g);
}

static void same_floats(const float *a, const float *b, size_t count, const char *what, const char *name,
                        const problem *p) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            fail_msg(
                "%s of %s differs at %zu: %a, reference %a (s=%zu d_e=%zu padded=%zu classes=%zu count=%zu, seed %llu)",
                what, name, i, (double)a[i], (double)b[i], p->tokens, p->embedding, p->padded, p->classes, p->count,
                (unsigned long long)source.seed);
}

static void same_doubles(const double *a, const double *b, size_t count, const char *what, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            fail_msg("%s of %s differs at %zu of %zu: %a, reference %a (seed %llu)", what, name, i, count, a[i], b[i],
                     (unsigned long long)source.seed);
}

static void compare(const rhm_kernels *k, const problem *p) {
    outputs want = compute(&rhm_kernels_reference, p), have = compute(k, p);
    same_floats(have.x.data, want.x.data, x_floats(p), "features", k->name, p);
    same_floats(have.y.data, want.y.data, p->count * p->classes, "product", k->name, p);
    same_floats(have.fused.data, want.y.data, p->count * p->classes, "forward", k->name, p);
    same_floats(have.shared.data, want.shared.data, x_floats(p), "features by phasors", k->name, p);
    same_floats(have.shared_y.data, want.shared_y.data, p->count * p->classes, "forward by phasors", k->name, p);
    same_doubles(doubles(&have.turned_g), doubles(&want.turned_g), p->tokens > 1 ? row_floats(p, p->classes) : 0,
                 "turned gradient", k->name);
    same_floats(have.turned_y.data, want.turned_y.data, p->tokens > 1 ? p->count * p->classes : 0, "turned forward",
                k->name, p);
    same_doubles(doubles(&have.g), doubles(&want.g), row_floats(p, p->classes), "gradient", k->name);
    drop_outputs(&want);
    drop_outputs(&have);
}

/* All tables this CPU can run; the emulated one stands for the 16-lane code where AVX-512 is missing. */
static size_t tables(const rhm_kernels *out[5]) {
    size_t n = 0;
    out[n++] = &rhm_kernels_reference;
    out[n++] = &rhm_kernels_emulated;
    const rhm_isa has = rhm_isa_here();
    if (rhm_isa_includes(has, RHM_ISA_AVX2)) {
        out[n++] = &rhm_kernels_reference_fma;
        out[n++] = &rhm_kernels_avx2;
    }
    if (rhm_isa_includes(has, RHM_ISA_AVX512))
        out[n++] = &rhm_kernels_avx512;
    return n;
}

static void all_tables(problem p) {
    const rhm_kernels *list[5];
    const size_t n = tables(list);
    for (size_t i = 0; i < n; i++)
        compare(list[i], &p);
    drop_problem(&p);
}

static void test_every_remainder(void **state) {
    (void)state;
    /* Around the register tiles (3, 4, 6), the blocks (12) and their multiples. */
    for (size_t count = 0; count <= 26; count++)
        for (size_t classes = 1; classes <= 10; classes++)
            all_tables(make_problem(2, 3, RHM_LANES * (1 + (count + classes) % 5), classes, count, 4));
}

static void test_odd_shapes(void **state) {
    (void)state;
    static const size_t classes[] = {1, 2, 11, 16, 31, 63, 64, 65, 67, 130};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        all_tables(make_problem(2 + i % 3, 1 + 5 * i, RHM_LANES * (7 + 3 * i), classes[i], 13 + i, 4));
    /* More inputs than are gathered at a time, over token boundaries and not. */
    all_tables(make_problem(3, 400, RHM_LANES * 5, 5, 14, 0.1f));
    all_tables(make_problem(2, 512, RHM_LANES * 2, 3, 7, 0.1f));
    all_tables(make_problem(1, 2050, RHM_LANES * 3, 2, 13, 0.1f));
    /* Whole slices of features and what is left of one. */
    all_tables(make_problem(2, 2, RHM_LANES * 33, 9, 13, 4));
    for (int i = 0; i < 30; i++)
        all_tables(make_problem(1 + below(5), 1 + below(40), RHM_LANES * (1 + below(24)), 1 + below(70), below(60), 8));
}

/* Whole panels of classes, whole blocks of their frequencies and what is left of both; runs of all kinds, and longer
 * than one turning serves. */
static void test_panels_and_runs(void **state) {
    (void)state;
    static const size_t runs[] = {1, 5, 29, 97, 240}, classes[] = {7, 16, 33, 45, 81};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++) {
            problem p = make_problem(2 + (i + j) % 2, 2, RHM_LANES * (7 + 3 * i), classes[j], 100 + 20 * (j % 3), 4);
            draw_patches(&p, runs[i]);
            all_tables(p);
        }
}

static void test_extreme_values(void **state) {
    (void)state;
    /* Phases that are huge, integral, halves, tiny, denormal, infinite; all must agree, and finite ones stay finite. */
    static const float values[] = {0.0f,    -0.0f,     0.5f,    -0.5f,   1.5f,     1e-45f,          1e-38f, 0x1p22f,
                                   0x1p23f, 0x1.8p22f, 0x1p24f, 0x1p31f, -0x1p31f, 0x1.fffffep127f, 3e9f,   -12345.5f};
    problem p = make_problem(1, 1, RHM_LANES, 3, 4, 1);
    for (size_t i = 0; i < RHM_LANES; i++) {
        p.offset.data[i] = values[i];
        p.half_turns.data[i] = 0;
    }
    outputs o = compute(&rhm_kernels_reference, &p);
    for (size_t i = 0; i < 2 * RHM_LANES; i++)
        assert_true(fabsf(o.x.data[i]) <= 1);
    drop_outputs(&o);
    all_tables(p);

    p = make_problem(1, 1, RHM_LANES, 2, 3, 1);
    p.offset.data[3] = INFINITY;
    p.offset.data[7] = NAN;
    o = compute(&rhm_kernels_reference, &p);
    assert_true(isnan(o.x.data[3]) && isnan(o.x.data[RHM_LANES + 7]) && !isnan(o.x.data[4]));
    drop_outputs(&o);
    all_tables(p);
}

static void test_sine_accuracy(void **state) {
    (void)state;
    const double pi = acos(-1.0);
    double worst = 0;
    for (int i = 0; i < 4000000; i++) {
        const float z = i % 2 ? uniform(0.5f) : uniform(1000);
        float c, s;
        rhm_cos_sin_half_turns(z, &c, &s);
        const double turn = fmod((double)z, 2.0); /* exact */
        worst = fmax(worst, fmax(fabs((double)c - cos(pi * turn)), fabs((double)s - sin(pi * turn))));
    }
    print_message("largest error of cos and sin: %.3g\n", worst);
    assert_true(worst <= 1.4e-7);
}

static void test_against_double(void **state) {
    (void)state;
    problem p = make_problem(3, 5, 48, 6, 17, 2);
    outputs o = compute(&rhm_kernels_reference, &p);
    const double pi = acos(-1.0);
    for (size_t i = 0; i < p.count; i++) {
        double x[2 * 48];
        for (size_t k = 0; k < p.padded; k++) {
            double z = (double)p.offset.data[k];
            for (size_t t = 0; t < p.tokens; t++)
                for (size_t j = 0; j < p.embedding; j++)
                    z += (double)
                             p.half_turns.data[(k / 16 * p.tokens * p.embedding + t * p.embedding + j) * 16 + k % 16] *
                         (double)p.table.data[p.ids[i * p.tokens + t] * p.embedding + j];
            x[rhm_feature_index(k, 0)] = cos(pi * z);
            x[rhm_feature_index(k, 1)] = sin(pi * z);
        }
        for (size_t c = 0; c < p.classes; c++) {
            double y = 0;
            for (size_t f = 0; f < 2 * p.padded; f++)
                y += x[f] * (double)p.w.data[c * p.stride + f];
            assert_true(fabs(y - (double)o.y.data[i * p.classes + c]) < 2e-4);
        }
    }
    for (size_t c = 0; c < p.classes; c++)
        for (size_t f = 0; f < 2 * p.padded; f++) {
            double g = (double)((int)(f % 13) - 6);
            for (size_t i = 0; i < p.count; i++)
                g += (double)p.r.data[i * p.classes + c] * (double)o.x.data[i * p.stride + f];
            assert_true(fabs(g - doubles(&o.g)[c * p.stride + f]) < 1e-5);
        }
    drop_outputs(&o);
    drop_problem(&p);
}

static guarded random_doubles(size_t count) {
    guarded g = guarded_floats(2 * count);
    for (size_t i = 0; i < count; i++)
        ((double *)(void *)g.data)[i] = (double)uniform(1) + 1e-9 * (double)uniform(1);
    return g;
}

static guarded copy_of_doubles(const guarded *from, size_t count) {
    guarded g = guarded_floats(2 * count);
    if (count)
        memcpy(g.data, from->data, sizeof(double) * count);
    return g;
}

/* One group of features against `blocks` others, `gap` floats between groups, on top of what was there. */
static void compare_gram(size_t blocks, size_t count, size_t gap) {
    const size_t stride = count * RHM_LANES + gap, size = blocks * RHM_GRAM_BLOCK;
    guarded a = random_floats(count * RHM_LANES, 1), c = random_doubles(size);
    guarded b = random_floats(blocks && count ? (blocks - 1) * stride + count * RHM_LANES : 0, 1);
    guarded want = copy_of_doubles(&c, size);
    rhm_kernels_reference.gram(blocks, count, a.data, b.data, stride, doubles(&want));
    for (size_t n = 0; n < size; n++) { /* the formula, in double precision */
        const size_t block = n / RHM_GRAM_BLOCK, i = n % RHM_GRAM_BLOCK / RHM_LANES, j = n % RHM_LANES;
        double sum = doubles(&c)[n];
        for (size_t p = 0; p < count; p++)
            sum += (double)a.data[p * RHM_LANES + i] * (double)b.data[block * stride + p * RHM_LANES + j];
        assert_true(fabs(sum - doubles(&want)[n]) <= 0x1p-24 * (double)(count * count) + 1e-15);
    }
    const rhm_kernels *list[5];
    const size_t tables_here = tables(list);
    for (size_t t = 0; t < tables_here; t++) {
        guarded have = copy_of_doubles(&c, size);
        list[t]->gram(blocks, count, a.data, b.data, stride, doubles(&have));
        same_doubles(doubles(&have), doubles(&want), size, "gram", list[t]->name);
        release(&have);
    }
    release(&a), release(&b), release(&c), release(&want);
}

static void test_gram(void **state) {
    (void)state;
    for (size_t blocks = 0; blocks <= 8; blocks++)
        for (size_t count = 0; count <= 9; count++)
            compare_gram(blocks, count, blocks % 3 * 17);
    for (int i = 0; i < 10; i++)
        compare_gram(1 + below(9), below(150), below(40));
}

static void compare_gram_product(size_t classes, size_t blocks, size_t gap, bool transposed) {
    const size_t stride = RHM_GRAM_BLOCK + gap, rows = blocks * RHM_LANES, size = RHM_LANES * classes;
    guarded c = random_doubles(blocks ? (blocks - 1) * stride + RHM_GRAM_BLOCK : 0), d = random_doubles(rows * classes);
    guarded y = random_doubles(size), want = copy_of_doubles(&y, size);
    rhm_kernels_reference.gram_product(classes, blocks, doubles(&c), stride, transposed, doubles(&d), doubles(&want));
    for (size_t n = 0; n < size; n++) {
        double sum = doubles(&y)[n];
        for (size_t k = 0; k < rows; k++) {
            const size_t i = n / classes, j = k % RHM_LANES;
            const size_t at = k / RHM_LANES * stride + (transposed ? j * RHM_LANES + i : i * RHM_LANES + j);
            sum += doubles(&c)[at] * doubles(&d)[k * classes + n % classes];
        }
        assert_true(fabs(sum - doubles(&want)[n]) <= 1e-15 * (double)(rows + 1) * (double)(rows + 1));
    }
    const rhm_kernels *list[5];
    const size_t tables_here = tables(list);
    for (size_t t = 0; t < tables_here; t++) {
        guarded have = copy_of_doubles(&y, size);
        list[t]->gram_product(classes, blocks, doubles(&c), stride, transposed, doubles(&d), doubles(&have));
        same_doubles(doubles(&have), doubles(&want), size, "gram_product", list[t]->name);
        release(&have);
    }
    release(&c), release(&d), release(&y), release(&want);
}

static void test_gram_product(void **state) {
    (void)state;
    for (size_t classes = RHM_GRAM_CLASSES; classes <= 7 * RHM_GRAM_CLASSES; classes += RHM_GRAM_CLASSES)
        for (size_t blocks = 0; blocks <= 9; blocks++)
            for (int transposed = 0; transposed < 2; transposed++)
                compare_gram_product(classes, blocks, blocks % 4 * RHM_GRAM_BLOCK + blocks % 2 * 3, transposed);
}

static void test_normalise(void **state) {
    (void)state;
    float y[] = {1, 3, -1, 1.5f, 1e-5f, 0, -1e-5f, -1e-5f};
    const uint64_t clamped = rhm_normalise(2, 4, 1e-3f, 0.5, y);
    assert_int_equal(clamped, 2);
    assert_true(y[0] == -0.25f && y[1] == 0.25f); /* 1/4 and 3/4, less the centre */
    assert_true(fabsf(y[2] - -2.5f) < 1e-6f && fabsf(y[3] - 2.5f) < 1e-6f);
    assert_true(fabsf(y[4] - (0.01f - 0.5f)) < 1e-6f);
    assert_true(fabsf(y[6] - (0.01f - 0.5f)) < 1e-6f); /* a negative sum is clamped to the negative floor */
    float bad[] = {NAN, 1};
    assert_int_equal(rhm_normalise(2, 1, 1e-3f, 0, bad), 1);
}

static void test_table_of_level(void **state) {
    (void)state;
    const rhm_isa has = rhm_isa_here();
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        if (rhm_isa_includes(has, (rhm_isa)isa))
            assert_int_equal(rhm_kernels_at((rhm_isa)isa).isa, isa);
    if (!rhm_isa_includes(has, RHM_ISA_AVX512))
        print_message("SKIPPED: this CPU has no AVX-512; its code ran with 16 emulated lanes only\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_remainder), cmocka_unit_test(test_odd_shapes),
        cmocka_unit_test(test_panels_and_runs), cmocka_unit_test(test_extreme_values),
        cmocka_unit_test(test_sine_accuracy),   cmocka_unit_test(test_against_double),
        cmocka_unit_test(test_normalise),       cmocka_unit_test(test_gram),
        cmocka_unit_test(test_gram_product),    cmocka_unit_test(test_table_of_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
