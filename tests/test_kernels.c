/* The kernels: every table against the reference to the last bit, the reference against double precision. */
#include "kernel_tables.h"

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
    guarded x, y, fused, g;       /* g: doubles */
    guarded shared, shared_y;     /* features and outputs by phasors, */
    guarded rotated_y, rotated_g; /* outputs and sums by rotated weights: doubles */
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
            doubles(&o.g)[c * p->stride + f] = doubles(&o.rotated_g)[c * p->stride + f] = (double)(f % 13) - 6;
    k->features(&p->map, &p->patches, o.x.data);
    k->pack(p->classes, p->padded, p->w.data, packed.data);
    k->product(p->classes, p->padded, packed.data, p->count, o.x.data, o.y.data);
    k->forward(&p->map, p->classes, packed.data, &p->patches, o.fused.data);
    k->gradient(p->classes, p->padded, p->count, p->r.data, o.x.data, doubles(&o.g));
    k->features(&shared, &p->patches, o.shared.data);
    k->forward(&shared, p->classes, packed.data, &p->patches, o.shared_y.data);
    if (p->tokens > 1) {
        rhm_patch_rows some = p->patches;
        some.count = some.count < RHM_ROTATED_PATCHES ? some.count : RHM_ROTATED_PATCHES;
        k->rotated_forward(&shared, p->classes, packed.data, &p->patches, o.rotated_y.data);
        k->rotated_gradient(&shared, p->classes, &some, p->r.data, doubles(&o.rotated_g));
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
    release(&o->rotated_y);
    release(&o->rotated_g);
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

static void compare(const rhm_kernels *k, const problem *p, const outputs *want) {
    outputs have = compute(k, p);
    same_floats(have.x.data, want->x.data, x_floats(p), "features", k->name, p);
    same_floats(have.y.data, want->y.data, p->count * p->classes, "product", k->name, p);
    same_floats(have.fused.data, want->y.data, p->count * p->classes, "forward", k->name, p);
    same_floats(have.shared.data, want->shared.data, x_floats(p), "features by phasors", k->name, p);
    same_floats(have.shared_y.data, want->shared_y.data, p->count * p->classes, "forward by phasors", k->name, p);
    same_doubles(doubles(&have.rotated_g), doubles(&want->rotated_g), p->tokens > 1 ? row_floats(p, p->classes) : 0,
                 "rotated gradient", k->name);
    same_floats(have.rotated_y.data, want->rotated_y.data, p->tokens > 1 ? p->count * p->classes : 0, "rotated forward",
                k->name, p);
    same_doubles(doubles(&have.g), doubles(&want->g), row_floats(p, p->classes), "gradient", k->name);
    drop_outputs(&have);
}

/* Where checks make kernels ten times slower, some problems must do; other builds have them all. */
#ifdef __SANITIZE_ADDRESS__
enum { EVERY = 16 };
#else
enum { EVERY = 1 };
#endif

static void all_tables(problem p) {
    static size_t problems;
    rhm_kernels list[TABLES];
    if (problems++ % EVERY != 0) {
        drop_problem(&p);
        return;
    }
    const size_t n = tables(list);
    outputs want = compute(&rhm_kernels_reference, &p);
    for (size_t i = 0; i < n; i++)
        if (list[i].forward != rhm_kernels_reference.forward)
            compare(&list[i], &p, &want);
    drop_outputs(&want);
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
    all_tables(make_problem(3, 400, RHM_LANES * 2, 5, 14, 0.1f));
    all_tables(make_problem(2, 512, RHM_LANES * 2, 3, 7, 0.1f));
    all_tables(make_problem(1, 2050, RHM_LANES, 2, 13, 0.1f));
    /* Whole slices of features and what is left of one. */
    all_tables(make_problem(2, 2, RHM_LANES * 33, 9, 13, 4));
    for (int i = 0; i < 6; i++)
        all_tables(make_problem(1 + below(5), 1 + below(40), RHM_LANES * (1 + below(24)), 1 + below(70), below(60), 8));
}

/* Whole panels of classes, whole blocks of their frequencies and what is left of both; runs of all kinds, and longer
 * than one rotation serves. */
static void test_panels_and_runs(void **state) {
    (void)state;
    static const size_t runs[] = {1, 5, 29, 97, 240}, classes[] = {7, 16, 33, 45, 81};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = i; j < i + 4; j += 3) { /* every length of runs and every number of classes, twice */
            problem p = make_problem(2 + j % 2, 2, RHM_LANES * (7 + 3 * i), classes[j % 5], 100 + 20 * (j % 3), 4);
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
        floats(&p.offset)[i] = values[i];
        floats(&p.half_turns)[i] = 0;
    }
    outputs o = compute(&rhm_kernels_reference, &p);
    for (size_t i = 0; i < 2 * RHM_LANES; i++)
        assert_true(fabsf(floats(&o.x)[i]) <= 1);
    drop_outputs(&o);
    all_tables(p);

    p = make_problem(1, 1, RHM_LANES, 2, 3, 1);
    floats(&p.offset)[3] = INFINITY;
    floats(&p.offset)[7] = NAN;
    o = compute(&rhm_kernels_reference, &p);
    assert_true(isnan(floats(&o.x)[3]) && isnan(floats(&o.x)[RHM_LANES + 7]) && !isnan(floats(&o.x)[4]));
    drop_outputs(&o);
    all_tables(p);
}

static void test_against_double(void **state) {
    (void)state;
    problem p = make_problem(3, 5, 48, 6, 17, 2);
    outputs o = compute(&rhm_kernels_reference, &p);
    const double pi = acos(-1.0);
    for (size_t i = 0; i < p.count; i++) {
        double x[2 * 48];
        for (size_t k = 0; k < p.padded; k++) {
            double z = (double)floats(&p.offset)[k];
            for (size_t t = 0; t < p.tokens; t++)
                for (size_t j = 0; j < p.embedding; j++)
                    z += (double)floats(
                             &p.half_turns)[(k / 16 * p.tokens * p.embedding + t * p.embedding + j) * 16 + k % 16] *
                         (double)floats(&p.table)[p.ids[i * p.tokens + t] * p.embedding + j];
            x[rhm_feature_index(k, 0)] = cos(pi * z);
            x[rhm_feature_index(k, 1)] = sin(pi * z);
        }
        for (size_t c = 0; c < p.classes; c++) {
            double y = 0;
            for (size_t f = 0; f < 2 * p.padded; f++)
                y += x[f] * (double)floats(&p.w)[c * p.stride + f];
            assert_true(fabs(y - (double)floats(&o.y)[i * p.classes + c]) < 2e-4);
        }
    }
    for (size_t c = 0; c < p.classes; c++)
        for (size_t f = 0; f < 2 * p.padded; f++) {
            double g = (double)((int)(f % 13) - 6);
            for (size_t i = 0; i < p.count; i++)
                g += (double)floats(&p.r)[i * p.classes + c] * (double)floats(&o.x)[i * p.stride + f];
            assert_true(fabs(g - doubles(&o.g)[c * p.stride + f]) < 1e-5);
        }
    drop_outputs(&o);
    drop_problem(&p);
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
        cmocka_unit_test(test_against_double),  cmocka_unit_test(test_table_of_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
