/* What checkpoints are made of: tables of structures and sample sets. */
#include "core/fail.h"
#include "core/fields.h"
#include "core/memory.h"
#include "learners/layerwise/checkpoint_file.h"
#include "learning.h"
#include "patches/patches_file.h"
#include "sampling/source.h"

static const uint64_t SEED = 20260119;

/* ---- tables ---------------------------------------------------------------------------------------------- */

typedef struct thing {
    bool yes;
    uint32_t small;
    uint64_t large, list[3];
    double real;
    int other; /* without a column */
} thing;

static const rhm_field columns[] = {
    {"yes", RHM_FIELD_BOOL, offsetof(thing, yes), .count = 0},
    {"small", RHM_FIELD_U32, offsetof(thing, small), .count = 0},
    {"large", RHM_FIELD_U64, offsetof(thing, large), .count = 0},
    {"list", RHM_FIELD_U64, offsetof(thing, list), .count = 3},
    {"real", RHM_FIELD_F64, offsetof(thing, real), .count = 0},
};
static const rhm_fields thing_fields = {columns, 5, sizeof(thing)};
static const rhm_fields fewer_fields = {columns, 4, sizeof(thing)};
static const rhm_field renamed_columns[] = {{"no", RHM_FIELD_BOOL, offsetof(thing, yes), .count = 0}};
static const rhm_fields renamed_fields = {renamed_columns, 1, sizeof(thing)};

typedef struct table {
    const rhm_fields *fields;
    thing things[3];
    size_t count;
} table;

static rhm_status read_table(void *context, const rhm_h5 *file, rhm_error *error) {
    table *t = context;
    RHM_TRY(rhm_fields_rows(file, "/things", t->fields, &t->count, error));
    assert_true(t->count <= 3);
    return rhm_fields_read(file, "/things", t->fields, t->things, t->count, error);
}

static void write_table(const rhm_fields *fields, const thing *things, size_t count) {
    rhm_h5 *file;
    rhm_error error = {0};
    assert_ok(rhm_h5_create(&file, "table.h5", "checkpoint", &error), &error);
    assert_ok(rhm_fields_write(file, "/things", fields, things, count, &error), &error);
    assert_ok(rhm_h5_commit(&file, &error), &error);
}

static void tables_give_back_what_they_were_given(void **state) {
    (void)state;
    const thing things[3] = {
        {true, UINT32_MAX, (UINT64_C(1) << 53) - 1, {1, 2, 3}, NAN, 7},
        {false, 0, 0, {0}, -INFINITY, 8},
        {true, 1, 5, {9, 8, 7}, 0x1.23456789abcdfp-1000, 9},
    };
    for (size_t count = 0; count <= 3; count++) {
        rhm_error error = {0};
        table t = {.fields = &thing_fields, .count = 99};
        write_table(&thing_fields, things, count);
        assert_ok(rhm_h5_load("table.h5", read_table, &t, &error), &error);
        assert_int_equal(t.count, count);
        for (size_t i = 0; i < count; i++) {
            const thing *a = &t.things[i], *b = &things[i];
            assert_true(a->yes == b->yes && a->small == b->small && a->large == b->large && a->other == 0);
            assert_memory_equal(a->list, b->list, sizeof a->list);
            assert_true(a->real == b->real || (isnan(a->real) && isnan(b->real)));
        }
    }
    rhm_error error = {0};
    table fewer = {.fields = &fewer_fields}, renamed = {.fields = &renamed_fields};
    assert_refused(rhm_h5_load("table.h5", read_table, &fewer, &error), RHM_INVALID, &error, "other columns");
    assert_refused(rhm_h5_load("table.h5", read_table, &renamed, &error), RHM_INVALID, &error, "other columns");
}

/* A table that another program has changed and sealed again. */
static void numbers_that_do_not_fit_are_refused(void **state) {
    (void)state;
    static const double wrong[] = {-1, 2, 0x1p32, NAN};
    static const rhm_field real[] = {{"small", RHM_FIELD_F64, offsetof(thing, real), .count = 0}};
    static const rhm_field small[] = {{"small", RHM_FIELD_U32, offsetof(thing, small), .count = 0}};
    static const rhm_fields as_real = {real, 1, sizeof(thing)}, as_small = {small, 1, sizeof(thing)};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        rhm_error error = {0};
        const thing it = {.real = wrong[i]};
        table t = {.fields = &as_small};
        write_table(&as_real, &it, 1);
        if (wrong[i] == 2)
            assert_ok(rhm_h5_load("table.h5", read_table, &t, &error), &error);
        else
            assert_refused(rhm_h5_load("table.h5", read_table, &t, &error), RHM_INVALID, &error, "small of row 0");
    }
}

/* ---- sample sets ----------------------------------------------------------------------------------------- */

typedef struct stored {
    const rhm_engine *engine;
    rhm_patches *patches;
} stored;

static rhm_status read_set(void *context, const rhm_h5 *file, rhm_error *error) {
    const stored *s = context;
    return rhm_patches_read(s->patches, s->engine, file, "/set", error);
}

static void assert_same_list(const rhm_intern *a, const rhm_intern *b) {
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->tuples, b->tuples, sizeof(uint32_t) * a->count * a->words);
}

/* Counting goes on in a set that was read: the same numbers and counts as without the interruption. */
static void counting_goes_on(rhm_shape shape, uint32_t level, uint64_t first, uint64_t more) {
    rhm_engine *engine = engine_of(2);
    rhm_grammar *grammar;
    rhm_sampler *sampler;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, SEED, &error), &error);
    assert_int_equal(rhm_sampler_create(&sampler, grammar, SEED, NULL), RHM_OK);
    const rhm_grammar_source source = {grammar, SEED, sampler, rhm_stream(RHM_TRAINING, level)};
    rhm_patches whole, half;
    assert_ok(rhm_patches_init(&whole, level, rhm_grammar_tree(grammar), shape.vocab[0], &error), &error);
    assert_ok(rhm_patches_init(&half, level, rhm_grammar_tree(grammar), shape.vocab[0], &error), &error);
    assert_ok(rhm_patches_add(&whole, engine, NULL, rhm_draw_from_grammar, &source, 0, first, NULL, &error), &error);

    rhm_h5 *file;
    assert_ok(rhm_h5_create(&file, "set.h5", "samples", &error), &error);
    assert_ok(rhm_patches_write(file, "/set", &whole, &error), &error);
    assert_ok(rhm_h5_commit(&file, &error), &error);
    struct stat written;
    assert_int_equal(stat("set.h5", &written), 0);
    const uint64_t nbytes = rhm_patches_file_nbytes(&whole);
    assert_in_range(written.st_size, nbytes, nbytes + 16384);

    stored s = {engine, &half};
    assert_ok(rhm_h5_load("set.h5", read_set, &s, &error), &error);
    assert_int_equal(half.samples, first);
    assert_ok(rhm_patches_add(&whole, engine, NULL, rhm_draw_from_grammar, &source, first, more, NULL, &error), &error);
    assert_ok(rhm_patches_add(&half, engine, NULL, rhm_draw_from_grammar, &source, first, more, NULL, &error), &error);
    assert_int_equal(half.samples, first + more);
    for (uint32_t j = level - 1; j <= shape.levels; j++)
        assert_same_list(rhm_patches_tuples(&half, j), rhm_patches_tuples(&whole, j));
    assert_memory_equal(half.count, whole.count, sizeof *half.count * half.cell.count);
    assert_int_equal(half.reserved_nbytes > 0, 1);
    rhm_patches_destroy(&whole);
    rhm_patches_destroy(&half);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

static void sample_sets_survive_a_file(void **state) {
    (void)state;
    counting_goes_on(rhm_shape_uniform(6, 2, 2, 3), 2, 5, 20000);
    counting_goes_on(rhm_shape_uniform(6, 2, 2, 3), 3, 20000, 1);
    counting_goes_on(rhm_shape_uniform(6, 2, 2, 3), 1, 0, 700);
    counting_goes_on(rhm_shape_uniform(8, 4, 2, 5), 1, 60000, 60000); /* hashed, and nearly all distinct */
    counting_goes_on(rhm_shape_uniform(64, 3, 3, 2), 1, 40000, 7000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_give_back_what_they_were_given),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
        cmocka_unit_test(sample_sets_survive_a_file),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
